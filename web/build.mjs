// Writes web/dist/: the page (by Vite), the stock client's files, and compressed siblings of all that is served.
import { cpSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "vite";

import { remoteReferences } from "./remote.mjs";

const here = (path) => new URL(path, import.meta.url);
const client = here("node_modules/socket.io-client/");
/** What the server answers under `/socket.io/`; no msgpack build, since the server has no such parser. */
const clientFiles = ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js"].flatMap((file) => [file, `${file}.map`]);

await build({ configFile: here("vite.config.mjs").pathname, logLevel: "warn" });
const page = ["index.html", ...readdirSync(here("dist/assets")).sort().map((name) => `assets/${name}`)];
const remote = page.flatMap((file) => remoteReferences(file, readFileSync(here(`dist/${file}`), "utf8")));
if (remote.length > 0) throw new Error(`the page must not name other hosts:\n${remote.join("\n")}`);
for (const file of page) compress(`dist/${file}`);

mkdirSync(here("dist/socket.io"), { recursive: true });
for (const file of clientFiles) {
  cpSync(new URL(`dist/${file}`, client), here(`dist/socket.io/${file}`));
  compress(`dist/socket.io/${file}`);
}
writeFileSync(here("dist/socket.io/version.txt"), JSON.parse(readFileSync(new URL("package.json", client), "utf8")).version);

/** Writes `.br` and `.gz` beside a file; neither carries a time, so equal input gives equal output. */
function compress(path) {
  const bytes = readFileSync(here(path));
  const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  writeFileSync(here(`${path}.br`), brotliCompressSync(bytes, { params }));
  writeFileSync(here(`${path}.gz`), gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }));
}
