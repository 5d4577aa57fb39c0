// The stock client's files under /socket.io/ as the official server serves them, and the page's headers.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { after, before, test } from "node:test";
import { brotliDecompressSync, gunzipSync } from "node:zlib";

import { ALONE, open } from "./harness/stage.mjs";

const require = createRequire(import.meta.url);
const packaged = (path) => readFileSync(new URL(path, `file://${require.resolve("sio48/package.json")}`));
const { version } = JSON.parse(packaged("package.json"));

const FILES = ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js"].flatMap((file) => [file, `${file}.map`]);
const CSP = {
  "default-src": "'none'",
  "script-src": "'self'",
  "style-src": "'self'",
  "img-src": "'self' blob: data:",
  "font-src": "'self'",
  "connect-src": "'self' ws: wss:",
  "manifest-src": "'self'",
  "worker-src": "'self'",
  "base-uri": "'none'",
  "form-action": "'none'",
  "frame-ancestors": "'none'",
  "require-trusted-types-for": "'script'",
  "trusted-types": "'none'",
};

const KINDS = { css: /^text\/css/, js: /javascript/, svg: /^image\/svg/ };

let stage;
before(async () => {
  stage = await open(ALONE);
});
after(() => stage?.end());

/** A plain request, since fetch decodes bodies and adds headers by itself. */
function get(path, headers = {}, method = "GET") {
  return new Promise((settle, fail) => {
    const asked = request(stage.here.url + path, { headers, method, agent: false }, async (response) => {
      const chunks = await response.toArray();
      settle({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) });
    });
    asked.once("error", fail).end();
  });
}

for (const file of FILES) {
  const path = `/socket.io/${file}`;
  const bytes = packaged(`dist/${file}`);

  test(`${path} is the packaged file, with the official headers`, async () => {
    const { status, headers, body } = await get(path);

    assert.equal(status, 200);
    assert.equal(headers["content-type"], file.endsWith(".map") ? "application/json" : "application/javascript; charset=utf-8");
    assert.equal(headers["cache-control"], "public, max-age=0");
    assert.equal(headers.etag, `"${version}"`);
    assert.equal(headers["content-encoding"], undefined);
    assert.ok(body.equals(bytes), "the bytes are the package's");
  });

  test(`${path} is not sent again to who has it`, async () => {
    for (const tag of [`"${version}"`, `W/"${version}"`]) {
      const { status, headers, body } = await get(path, { "if-none-match": tag });
      assert.deepEqual([status, body.length, headers.etag], [304, 0, `"${version}"`], tag);
    }
    assert.equal((await get(path, { "if-none-match": '"0.0.1"' })).status, 200);
  });

  for (const [accepted, coding, decode] of [
    ["gzip, deflate, br", "br", brotliDecompressSync],
    ["gzip", "gzip", gunzipSync],
    ["br;q=0, gzip", "gzip", gunzipSync],
    ["identity", undefined, (body) => body],
  ]) {
    test(`${path} for "Accept-Encoding: ${accepted}" comes as ${coding ?? "it is"}`, async () => {
      const { status, headers, body } = await get(path, { "accept-encoding": accepted });

      assert.deepEqual([status, headers["content-encoding"]], [200, coding]);
      assert.match(headers.vary ?? "", /accept-encoding/i);
      assert.ok(decode(body).equals(bytes), "it decodes to the package's bytes");
    });
  }
}

for (const origin of ["http://tutorial.example", "null"]) {
  test(`a page of origin ${origin} may load the client`, async () => {
    const { headers } = await get("/socket.io/socket.io.js", { origin });

    assert.ok(["*", origin].includes(headers["access-control-allow-origin"]), `Access-Control-Allow-Origin: ${headers["access-control-allow-origin"]}`);
    // Without this word, or with another one, a page elsewhere cannot use the script in a <script src>.
    assert.ok([undefined, "cross-origin"].includes(headers["cross-origin-resource-policy"]), "no policy keeps it to its own origin");
  });
}

test("a page opened from disk may poll: its origin is null", async () => {
  const origin = "null";
  const handshake = await get("/socket.io/?EIO=4&transport=polling", { origin });
  const asked = { origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type" };
  const preflight = await get("/socket.io/?EIO=4&transport=polling", asked, "OPTIONS");

  assert.equal(handshake.status, 200);
  assert.ok([200, 204].includes(preflight.status), `the preflight answers ${preflight.status}`);
  for (const { headers } of [handshake, preflight]) assert.ok(["*", origin].includes(headers["access-control-allow-origin"]));
  assert.match(preflight.headers["access-control-allow-methods"] ?? "", /POST/);
});

test("HEAD says what GET would", async () => {
  const { status, headers, body } = await get("/socket.io/socket.io.js", {}, "HEAD");

  assert.deepEqual([status, body.length, headers.etag], [200, 0, `"${version}"`]);
});

for (const path of ["/socket.io/nothing.js", "/socket.io/socket.io.msgpack.min.js", "/socket.io/version.txt", "/socket.io/socket.io.js.br", "/nothing"]) {
  test(`${path} is not there`, async () => {
    const { status, headers } = await get(path);

    assert.equal(status, 404);
    assert.equal(headers["x-content-type-options"], "nosniff");
  });
}

test("the page allows itself nothing but its own files and connections", async () => {
  const { status, headers, body } = await get("/");

  assert.equal(status, 200);
  assert.match(headers["content-type"], /^text\/html; *charset=utf-8$/i);
  assert.equal(headers["x-content-type-options"], "nosniff");
  const policy = headers["content-security-policy"].split(";").map((part) => part.trim()).filter(Boolean);
  assert.deepEqual(Object.fromEntries(policy.map((part) => [part.split(" ", 1)[0], part.split(" ").slice(1).join(" ")])), CSP);
  assert.doesNotMatch(body.toString(), /<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=/i, "no script or style in the page itself");
});

test("what the page loads is there, under names that change with it", async () => {
  const { body } = await get("/");
  const loaded = [...body.toString().matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path);

  assert.ok(loaded.some((path) => /^\/assets\/index-[\w-]{8,}\.js$/.test(path)), loaded.join(" "));
  for (const path of loaded) {
    const { status, headers } = await get(path);
    assert.equal(status, 200, path);
    assert.equal(headers["x-content-type-options"], "nosniff", path);
    assert.match(headers["cache-control"], /immutable/, path);
    assert.match(headers["content-type"], KINDS[path.split(".").at(-1)], path);
  }
});
