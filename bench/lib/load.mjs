// One run of the load tester against what was started.
import { spawn } from "node:child_process";

import { ROOT } from "./contenders.mjs";

export function load(stage, contender, options) {
  const args = ["load", ...stage.nodes.map((node) => node.url), "--json", "-", "--pid", stage.nodes.map((node) => node.pid).join(",")];
  if (stage.store) args.push("--store-pid", String(stage.store), "--redis", stage.redis);
  // Rivals speak the same events; they have no numbers and nothing to resume from.
  if (!contender.position) args.push("--position", "", "--resumes", "false");
  args.push(...(contender.tell?.() ?? []), ...options.map(String));
  return new Promise((resolve, reject) => {
    const binary = process.env.TESTER ?? process.env.HUBBUB ?? `${ROOT}target/release/hubbub`;
    const child = spawn(binary, args, { stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let said = "";
    child.stdout.on("data", (data) => { out += data; });
    child.stderr.on("data", (data) => { said += data; });
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(JSON.parse(out));
      else reject(new Error(`the tester ended with ${code}: ${said.trim().split("\n").at(-1)}`));
    });
  });
}
