// Measures everybody in one run: `node bench/run.mjs [--only floor,hubbub] [--rows 1,2] [--times 3]
// [--seconds 5] [--growth [--kind history]] [--keep]`. Results go to target/bench/results.json; report.mjs reads them.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";

import { contenders, missing, ROOT } from "./lib/contenders.mjs";
import { fill } from "./lib/fill.mjs";
import { load } from "./lib/load.mjs";
import { growth, idle, options, rows } from "./lib/rows.mjs";
import { withStage } from "./lib/stage.mjs";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    rows: { type: "string" },
    times: { type: "string", default: "3" },
    seconds: { type: "string", default: "4" },
    growth: { type: "boolean", default: false },
    // Of growth, only this: members, rooms, …
    kind: { type: "string" },
    // Adds to what was measured before, instead of beginning anew.
    keep: { type: "boolean", default: false },
  },
});
const names = values.growth ? ["hubbub"] : values.only ? values.only.split(",") : Object.keys(contenders);
const absent = missing(names);
if (absent.length > 0) {
  console.error(`not built: ${absent.join(", ")}; run make bench`);
  process.exit(2);
}
const FILE = `${ROOT}target/bench/results.json`;
const results = (values.keep && read()) || { machine: `${cpus().length} cores, ${cpus()[0].model.trim()}`, runs: [], growth: [] };

if (values.growth) await grow();
else await compare();
save();

async function compare() {
  const chosen = values.rows ? values.rows.split(",").map((at) => [...rows, idle][at - 1]) : [...rows, idle];
  // Repetition outside, contenders inside: what disturbs the machine for a while disturbs all alike.
  for (let time = 1; time <= Number(values.times); time += 1) {
    for (const row of chosen) {
      for (const name of names) {
        const result = await one(contenders[name], row);
        results.runs.push({ contender: name, row: row.name, time, ...result });
        save();
        console.log(`${time} ${row.name.padEnd(18)} ${contenders[name].title.padEnd(28)} ${summary(result)}`);
      }
    }
  }
}

async function grow() {
  const kinds = values.kind ? [values.kind] : Object.keys(growth);
  results.growth = results.growth.filter(({ kind }) => !kinds.includes(kind));
  for (const kind of kinds) {
    for (const step of growth[kind].steps) {
      const result = await one({ ...contenders.hubbub, nodes: step.nodes }, step);
      results.growth.push({ kind, at: step.at, ...result });
      save();
      console.log(`${kind.padEnd(12)} ${String(step.at).padStart(6)} ${summary(result)}`);
    }
  }
}

async function one(contender, row) {
  try {
    return await withStage(contender, async (stage) => {
      const told = options(row, values.seconds);
      if (row.fill) {
        await fill(stage.nodes[0], Array.from({ length: row.rooms }, (_, n) => `filled-${n}`), row.fill);
        told.push("--room-name", "filled-{n}");
      }
      return shorten(await load(stage, contender, told));
    });
  } catch (error) {
    return { failed: error.message };
  }
}

/** What the report needs of a result. */
function shorten({ values, costs, sent, delivered, errors }) {
  return { values, costs, sent, delivered, errors };
}

function summary({ failed, values, costs }) {
  if (failed) return `failed: ${failed}`;
  if (values.p99 === undefined) return `${(costs.memory_per_connection / 1024).toFixed(1)} KiB, ${costs.cpu_us_per_connect.toFixed(0)} µs a connect`;
  return `${costs.cpu_us_per_delivery?.toFixed(2)} µs, p50 ${(values.p50 / 1e3).toFixed(1)} p99 ${(values.p99 / 1e3).toFixed(1)} ms, lost ${values.lost} doubled ${values.doubled} reordered ${values.reordered} disagreed ${values.disagreed}`;
}

function read() {
  try {
    return JSON.parse(readFileSync(FILE, "utf8"));
  } catch {
    return undefined;
  }
}

function save() {
  mkdirSync(`${ROOT}target/bench`, { recursive: true });
  writeFileSync(FILE, JSON.stringify(results));
}
