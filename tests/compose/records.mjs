// What each client of a run writes down, a line of JSON an event: the format of tests/faults/records.rs.
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";

import { ROOT } from "./compose.mjs";

/** A run's directory, emptied, and its one clock. */
export function openRun(name) {
  const folder = join(ROOT, "target", "compose-test", name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return { folder, began: process.hrtime.bigint() };
}

/** A client's pen: every line goes to its file at once, and is kept. */
export function openRecords(run, client) {
  const path = join(run.folder, `${client.name}.jsonl`);
  writeFileSync(path, `${JSON.stringify(client)}\n`);
  const records = [];
  const note = (event, fields) => {
    const record = { at: Number((process.hrtime.bigint() - run.began) / 1000n), event, ...fields };
    appendFileSync(path, `${JSON.stringify(record)}\n`);
    records.push(record);
    return record;
  };
  return { client, records, note };
}

/** A message as somebody saw it. */
export const lineOf = ({ room, epoch, seq, mid, text, user }) => ({ room, epoch, seq, mid, text_hash: hash(text), user: user.id });

/** The CRC-32 of a text's UTF-8. */
export const hash = (text) => (crc32 ? crc32(text) : table(text));

/** For Node.js before 22.2, which has none of its own. */
function table(text) {
  let sum = ~0;
  for (const byte of Buffer.from(text)) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}
