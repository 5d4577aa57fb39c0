// Tokens by `hubbub token`, for nodes that let in nobody without one.
import { execFileSync } from "node:child_process";
import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { BINARY } from "./hubbub.mjs";

/** Somebody who signs tokens, and what nodes are told that trust them; they tell at once whose token lasts less than an hour. */
export function startIssuer() {
  const folder = mkdtempSync(join(tmpdir(), "hubbub-tokens-"));
  const keep = (name, text) => (writeFileSync(join(folder, name), text, { mode: 0o600 }), join(folder, name));
  const keys = generateKeyPairSync("ed25519", { publicKeyEncoding: { type: "spki", format: "pem" }, privateKeyEncoding: { type: "pkcs8", format: "pem" } });
  const own = keep("issuer.pem", keys.privateKey);
  return {
    env: { HUBBUB__AUTH__MODE: "jwt", HUBBUB__AUTH__JWT_KEY_FILE: keep("issuer.pub.pem", keys.publicKey), HUBBUB__AUTH__JWT_LEEWAY: "0s", HUBBUB__AUTH__JWT_NOTICE: "1h" },
    keep,
    mint: (sub, { name = sub, role = "member", expires = "8h" } = {}) =>
      execFileSync(BINARY, ["token", "--sub", sub, "--name", name, "--role", role, "--expires", expires, "--key-file", own], { encoding: "utf8" }).trim(),
    /** A good one, but over for a minute. */
    ended(sub) {
      const seconds = Math.floor(Date.now() / 1_000);
      const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
      const said = `${part({ alg: "EdDSA", typ: "JWT" })}.${part({ iss: "hubbub", aud: "hubbub", sub, iat: seconds - 3_600, exp: seconds - 60 })}`;
      return `${said}.${sign(null, Buffer.from(said), keys.privateKey).toString("base64url")}`;
    },
    close: () => rmSync(folder, { recursive: true }),
  };
}
