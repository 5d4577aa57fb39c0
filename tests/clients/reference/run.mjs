// Tests the tests: they pass against the tutorials' own servers and our model, and fail when the model is broken.
import { spawnSync } from "node:child_process";

const ALL = ["dialects", "native", "static", "pages"];
/** Faults the model can show, and the file that must notice each. */
const FAULTS = {
  "oldest-first": "dialects",
  "all-dialects": "dialects",
  "socket-id": "dialects",
  "no-empty": "dialects",
  "private-first": "dialects",
  "you-first": "dialects",
  "no-users-on-leave": "dialects",
  "no-dedup": "native",
  "tab-leaves": "native",
};

function run(files, env, stdio = "inherit") {
  const args = ["--test", "--test-concurrency=1", ...files.map((file) => `${file}.test.mjs`)];
  return spawnSync(process.execPath, args, { cwd: new URL("..", import.meta.url), env: { ...process.env, ...env }, stdio }).status === 0;
}

const wrong = [];
if (!run(["dialects"], { HUBBUB_TEST_SERVER: "tutorials" })) wrong.push("the tutorials' own servers fail");
if (!run(ALL, { HUBBUB_TEST_SERVER: "model" })) wrong.push("the model fails");
for (const [fault, file] of Object.entries(FAULTS)) {
  const env = { HUBBUB_TEST_SERVER: "model", HUBBUB_TEST_BREAK: fault, HUBBUB_TEST_TRANSPORTS: "websocket", HUBBUB_TEST_WITHIN_MS: "1000" };
  const noticed = !run([file], env, "ignore");
  console.log(`${fault}: ${noticed ? "noticed" : "NOT NOTICED"} by ${file}`);
  if (!noticed) wrong.push(`nobody notices ${fault}`);
}
console.log(wrong.length ? `wrong: ${wrong.join("; ")}` : "the tests are as they should be");
process.exitCode = wrong.length ? 1 : 0;
