// A message's id: a UUIDv7, so that the server can tell how old a retry is.

export function newMid(now: number): string {
  const time = now.toString(16).padStart(12, "0");
  // Not `randomUUID`, which browsers have only where there is TLS.
  const chance = [...crypto.getRandomValues(new Uint8Array(10))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${chance.slice(0, 3)}-8${chance.slice(3, 6)}-${chance.slice(6, 18)}`;
}

/** When a mid of ours was made, ms since 1970. */
export function madeAt(mid: string): number {
  return parseInt(mid.replace("-", "").slice(0, 12), 16);
}
