// The image's dependency layer is made of the manifest alone: it must be one that cargo takes.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** What the RUN lines of a stage of the Dockerfile do, as a shell script. */
function runs(stage) {
  const file = readFileSync(`${ROOT}deploy/Dockerfile`, "utf8");
  const [, body] = file.match(new RegExp(` AS ${stage}\\n([\\s\\S]*?)\\nFROM `)) ?? assert.fail(`no stage ${stage}`);
  const found = [...body.matchAll(/^RUN ((?:.*\\\n)*.*)$/gm)].map(([, script]) => script);
  assert.ok(found.length > 0, `${stage} runs nothing`);
  return found.join("\n");
}

test("cargo takes the manifest without the sources, as the image's build has it", () => {
  const folder = mkdtempSync(`${tmpdir()}/hubbub-manifest-`);
  try {
    for (const file of ["Cargo.toml", "Cargo.lock"]) copyFileSync(ROOT + file, `${folder}/${file}`);
    execFileSync("sh", ["-ec", runs("manifest")], { cwd: folder });
    // Reads the manifest as a build does, and builds nothing.
    execFileSync("cargo", ["fetch", "--locked"], { cwd: folder, stdio: "pipe" });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
