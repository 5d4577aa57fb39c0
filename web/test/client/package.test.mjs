// The package as others get it: its types, its size, and the program in its README.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { generate } from "../../gen-types.mjs";
import { startAlone } from "../../../tests/clients/harness/hubbub.mjs";
import { bundle, gzipped } from "./support/bundle.mjs";

const run = promisify(execFile);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const ADDED_AT_MOST = 6_650;
/** The server's own client, asked for by the page without a copy of ours. */
const socketIo = createRequire(import.meta.url).resolve("socket.io-client/package.json").replace("/package.json", "");

test("the wire's types are what the Rust types say", () => {
  const schemas = JSON.parse(readFileSync(here("../../../docs/protocol.json"), "utf8"));
  assert.equal(generate(schemas), generate(schemas));
  assert.equal(readFileSync(here("../../src/client/types.generated.ts"), "utf8"), generate(schemas), "run `node web/gen-types.mjs`");
});

test("a changed Rust type changes the generated ones", () => {
  const schemas = JSON.parse(readFileSync(here("../../../docs/protocol.json"), "utf8"));
  schemas.client["message:send"].ack.properties.seq.type = "string";
  assert.notEqual(readFileSync(here("../../src/client/types.generated.ts"), "utf8"), generate(schemas));
});

test("it adds at most 6.65 kB to socket.io-client", { timeout: 180_000 }, async (t) => {
  const without = `import { io } from "socket.io-client";\nwindow.socket = io("/chat");`;
  const withIt = `import { createClient } from "./client/dist/index.js";\nwindow.client = createClient();`;
  const [alone, both] = [gzipped(await bundle(without)), gzipped(await bundle(withIt))];
  const kept = `import { createClient } from "./client/dist/index.js";\nimport { indexedDbOutbox } from "./client/dist/outbox-store.js";\nwindow.client = createClient("", { outbox: indexedDbOutbox() });`;
  t.diagnostic(`with the outbox in IndexedDB ${gzipped(await bundle(kept)) - alone} B more`);
  t.diagnostic(`socket.io-client ${alone} B, with @hubbub/client ${both} B: ${both - alone} B more`);
  assert.ok(both - alone <= ADDED_AT_MOST, `${both - alone} B`);
});

test("npm pack makes a package whose ten lines run", { timeout: 180_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "hubbub-pack-"));
  const server = await startAlone();
  try {
    const npm = (...args) => run("npm", args, { cwd: folder });
    await run("npm", ["pack", "--pack-destination", folder], { cwd: here("../../client") });
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", private: true }));
    await npm("install", "--no-audit", "--no-fund", "--offline", "--legacy-peer-deps", join(folder, "hubbub-client-0.1.0.tgz"), socketIo);

    const [, program] = readFileSync(here("../../client/README.md"), "utf8").match(/```js\n([^]*?)```/);
    // Ten lines and an import.
    assert.ok(program.trim().split("\n").length <= 12);
    writeFileSync(join(folder, "ten.mjs"), program.replace("http://localhost:3000", server.nodes[0].url));
    const { stdout } = await run("node", ["ten.mjs"], { cwd: folder, timeout: 120_000 });

    assert.equal(stdout, "1 ada: hello from ten lines\n");
    const types = readFileSync(join(folder, "node_modules/@hubbub/client/dist/index.d.ts"), "utf8");
    assert.match(types, /createClient/);
    assert.match(readFileSync(join(folder, "node_modules/@hubbub/client/README.md"), "utf8"), /ten lines/);
  } finally {
    await Promise.all(server.nodes.map((node) => node.kill()));
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
