// The tutorials' pages: taken out of their texts where these are at hand, else our own that speak the same events.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

const SEEDS = process.env.HUBBUB_SEEDS ?? fileURLToPath(new URL("../../../../shared/seeds/", import.meta.url));
const OUT = fileURLToPath(new URL("../.pages/", import.meta.url));
const OWN = new URL("../pages/", import.meta.url);
const JQUERY = createRequire(import.meta.url).resolve("jquery/dist/jquery.js");

export const fromTheTexts = existsSync(SEEDS);

/** The files of each page, by name; the first is the page itself. */
const PAGES = fromTheTexts ? { S0: s0, S1: s1, S2: s2, S4: s4 } : Object.fromEntries(["S0", "S1", "S2", "S4"].map((seed) => [seed, () => own(seed)]));

// Where the texts say where their server is, and from where they load what.
const EDITS = (node) => [
  [/https?:\/\/localhost:\d+/g, node.url],
  [/\bio\(\)/g, `io("${node.url}")`],
  [/(["'])(https:\/\/[^"']*)?\/socket\.io[^"']*\.js\1/g, `"${node.url}/socket.io/socket.io.js"`],
  [/(["'])https:\/\/code\.jquery\.com[^"']*\1/g, '"jquery.js"'],
];

// === Out of the texts

/** The fenced blocks of one tutorial's text. */
function blocks(seed) {
  const file = readdirSync(SEEDS).find((name) => name.startsWith(seed.slice(1)));
  const text = readFileSync(`${SEEDS}/${file}`, "utf8");
  return [...text.matchAll(/^```\w+\n([^]*?)^```/gm)].map(([, block]) => block);
}

/** The last block that has all of these in it: the texts build their code up step by step. */
function block(seed, ...marks) {
  const found = blocks(seed).findLast((each) => marks.every((mark) => each.includes(mark)));
  if (!found) throw new Error(`the text of ${seed} has no block with ${marks.join(" and ")}`);
  return found;
}

const withScripts = (page, ...scripts) => page.replace("</body>", `${scripts.join("\n")}\n</body>`);
const script = (path) => `<script src="${path}"></script>`;

/** Its page is not in the text, only what its script adds; the rest is ours. */
function s0() {
  const socket = [block("S0", "const socket = io("), block("S0", 'socket.on("msg:get"'), block("S0", 'socket.emit("msg:post"')].join("\n");
  return { ...own("S0"), "s0-socket.js": socket };
}

function s1() {
  return { "s1.html": block("S1", "<!DOCTYPE html>"), "style.css": block("S1", "#messagelist"), "index.js": block("S1", "userAddHandler()") };
}

function s2() {
  return { "s2.html": withScripts(block("S2", "<!DOCTYPE html>"), script("/socket.io/socket.io.js"), block("S2", "<script>", "messages.appendChild")) };
}

function s4() {
  const scripts = block("S4", "code.jquery.com").match(/<script src=.*<\/script>/g);
  return { "s4.html": withScripts(block("S4", "<!doctype html>"), ...scripts, block("S4", "<script>", "#messages").replace(/^<script src=.*\n/gm, "")) };
}

// === Our own

function own(seed) {
  const names = readdirSync(OWN).filter((name) => name.startsWith(seed.toLowerCase()));
  names.sort((a, b) => b.endsWith(".html") - a.endsWith(".html"));
  return Object.fromEntries(names.map((name) => [name, readFileSync(new URL(name, OWN), "utf8")]));
}

// === On disk and on loopback

/** Writes a page that speaks to a node; says where it is on disk. */
function write(seed, node) {
  const folder = `${OUT}${seed}-${new URL(node.url).port}/`;
  mkdirSync(folder, { recursive: true });
  const files = PAGES[seed]();
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(folder + name, EDITS(node).reduce((edited, [from, to]) => edited.replace(from, to), text));
  }
  writeFileSync(`${folder}jquery.js`, readFileSync(JQUERY));
  return folder + Object.keys(files)[0];
}

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8" };

/** Writes pages and serves them; `fromDisk` and `served` say a page's address. */
export async function servePages(stage) {
  rmSync(OUT, { recursive: true, force: true });
  const server = createServer((request, response) => {
    // Browsers ask for an icon by themselves; no tutorial has one.
    if (request.url === "/favicon.ico") return response.writeHead(204).end();
    const path = OUT + decodeURIComponent(request.url.slice(1));
    if (request.url.includes("..") || !existsSync(path) || !TYPES[extname(path)]) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": TYPES[extname(path)] }).end(readFileSync(path));
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const close = () => {
    server.closeAllConnections();
    return new Promise((closed) => server.close(closed));
  };
  stage.owns({ close, told: () => `the pages came from ${fromTheTexts ? "the tutorials' texts" : "tests/clients/pages"}` });
  return {
    fromDisk: (seed, node) => `file://${write(seed, node)}`,
    served: (seed, node) => `http://127.0.0.1:${server.address().port}/${write(seed, node).slice(OUT.length)}`,
  };
}
