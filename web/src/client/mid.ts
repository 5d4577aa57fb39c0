// A message's id: a UUIDv7, so that the server can tell how old a retry is.
import type { Env } from "./env.js";

export function newMid(env: Env): string {
  const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, "0");
  const random = crypto.getRandomValues(new Uint16Array(5));
  const time = hex(env.now(), 12);
  const [a, b, ...rest] = random as unknown as [number, number, number, number, number];
  const tail = rest.map((part) => hex(part, 4)).join("");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(a & 0xfff, 3)}-${hex(0x8000 | (b & 0x3fff), 4)}-${tail}`;
}
