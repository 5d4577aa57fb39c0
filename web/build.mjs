// Writes web/dist/: the page under hashed names, and the stock client's files with their compressed siblings.
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const here = (path) => new URL(path, import.meta.url);
const client = here("node_modules/socket.io-client/");
/** What the server answers under `/socket.io/`; no msgpack build, since the server has no such parser. */
const clientFiles = ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js"].flatMap((file) => [file, `${file}.map`]);

rmSync(here("dist"), { recursive: true, force: true });
mkdirSync(here("dist/assets"), { recursive: true });
mkdirSync(here("dist/socket.io"), { recursive: true });

const assets = Object.fromEntries(["lobby.js", "lobby.css"].map((name) => [name, hashed(name)]));
const page = readFileSync(here("src/index.html"), "utf8").replace(/\{\{(.+?)\}\}/g, (_, name) => assets[name]);
writeFileSync(here("dist/index.html"), page);

for (const file of clientFiles) {
  cpSync(new URL(`dist/${file}`, client), here(`dist/socket.io/${file}`));
  compress(`dist/socket.io/${file}`);
}
writeFileSync(here("dist/socket.io/version.txt"), JSON.parse(readFileSync(new URL("package.json", client), "utf8")).version);

/** Copies a source file under a name that changes with its bytes, and says the path the page uses. */
function hashed(name) {
  const bytes = readFileSync(here(`src/${name}`));
  const [stem, ending] = name.split(".");
  const path = `assets/${stem}.${createHash("sha256").update(bytes).digest("hex").slice(0, 12)}.${ending}`;
  writeFileSync(here(`dist/${path}`), bytes);
  return `/${path}`;
}

/** Writes `.br` and `.gz` beside a file; neither carries a time, so equal input gives equal output. */
function compress(path) {
  const bytes = readFileSync(here(path));
  const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  writeFileSync(here(`${path}.br`), brotliCompressSync(bytes, { params }));
  writeFileSync(here(`${path}.gz`), gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }));
}
