// What floods cost others, and what guesses tell of private rooms; each against a node of its own.
//
// node bench/flood.mjs             writes docs/reports/flood.md; ends with 1 where a bound does not hold
// node bench/flood.mjs pings       only that one, to the screen
// HUBBUB=path/to/hubbub            another binary than target/release/hubbub
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";

import { LISTENERS, SAID_A_SECOND } from "./lib/audience.mjs";
import { count } from "./lib/flood.mjs";

const ROOT = new URL("../", import.meta.url);
const BINARY = process.env.HUBBUB ?? fileURLToPath(new URL("target/release/hubbub", ROOT));
/** Each a file in floods/, in the order of the report. */
const FLOODS = ["handshakes", "messages", "pings", "stalls", "guesses"];

const only = process.argv.slice(2);
const rows = [];
for (const flood of only.length ? only : FLOODS) {
  const { measure } = await import(`./floods/${flood}.mjs`);
  rows.push(...(await measure(BINARY)));
}
const report = write(rows);
process.stdout.write(report);
if (!only.length) writeFileSync(new URL("docs/reports/flood.md", ROOT), report);
// Who listened is still connected.
process.exit(rows.every(({ holds = true }) => holds) ? 0 : 1);

function write(rows) {
  const lines = rows.map(({ what, here, most = "", holds = true }) => `| ${what} | ${here}${holds ? "" : " **(does not hold)**"} | ${most} |`);
  return `# What a flood costs others

<!-- Written by bench/flood.mjs. Do not edit: run \`make flood\`. -->

${cpus().length} cores (${cpus()[0].model.trim()}), shared by the node, who floods, who measures, and whatever else ran. Each flood is
against a node of its own: on the store in memory, as shipped, behind a proxy that says who comes from where. Deliveries are of
${count(LISTENERS)} listeners in one room in which ${count(SAID_A_SECOND)} messages are said a second. Absolute figures move with the machine; the ratios of one
run are what to look at.

| | here | at most |
|---|---|---|
${lines.join("\n")}
`;
}
