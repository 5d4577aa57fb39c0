// A message's id: a UUIDv7, so that the server can tell how old a retry is.

export function newMid(now: number): string {
  // Not `randomUUID`, which browsers have only where there is TLS.
  const chance = [...crypto.getRandomValues(new Uint8Array(9))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return (now.toString(16).padStart(12, "0") + chance).replace(/(.{8})(.{4})(...)(...)/, "$1-$2-7$3-8$4-");
}

/** When a mid of ours was made, ms since 1970. */
export function madeAt(mid: string): number {
  return parseInt(mid.replace("-", "").slice(0, 12), 16);
}
