// What the page weighs, and that it names no other host.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import test from "node:test";

import { remoteReferences } from "../../remote.mjs";

const DIST = new URL("../../dist/", import.meta.url);
const files = ["index.html", ...readdirSync(new URL("assets", DIST)).map((name) => `assets/${name}`)];
const plain = files.filter((name) => /\.(html|js|css)$/.test(name));

test("the page is under 300 kB of gzip", () => {
  const sizes = ["gz", "br"].map((ending) => plain.reduce((sum, name) => sum + readFileSync(new URL(`${name}.${ending}`, DIST)).length, 0));
  console.log(`  html, js and css: ${(sizes[0] / 1000).toFixed(1)} kB gzip, ${(sizes[1] / 1000).toFixed(1)} kB brotli`);
  assert.ok(sizes[0] < 300_000);
});

test("every file that is served has its compressed siblings, and every asset a hash in its name", () => {
  for (const name of files.filter((each) => !/\.(br|gz)$/.test(each))) {
    for (const ending of ["gz", "br"]) assert.ok(files.includes(`${name}.${ending}`) || readFileSync(new URL(`${name}.${ending}`, DIST)), `${name}.${ending}`);
    if (name !== "index.html") assert.match(name, /-[\w-]{8}\.\w+$/);
  }
});

test("nothing is fetched from another host, and no markup is made of text", () => {
  for (const name of plain) assert.deepEqual(remoteReferences(name, readFileSync(new URL(name, DIST), "utf8")), []);
  const html = readFileSync(new URL("index.html", DIST), "utf8");
  assert.doesNotMatch(html, /style=|<style|<script(?![^>]*\bsrc=)/);
  for (const name of readdirSync(new URL("../../src/page", import.meta.url))) {
    assert.doesNotMatch(readFileSync(new URL(`../../src/page/${name}`, import.meta.url), "utf8"), /innerHTML|outerHTML|insertAdjacentHTML|dangerouslySet|document\.write/, name);
  }
});

test("a reference to another host would be found", () => {
  assert.deepEqual(remoteReferences("a.js", 'fetch("https://cdn.example/x.js")'), ["a.js: https://cdn.example/x.js"]);
  assert.deepEqual(remoteReferences("a.css", "@font-face{src:url(//fonts.example/a.woff2)}"), ["a.css: url(//fonts.example/a.woff2"]);
});
