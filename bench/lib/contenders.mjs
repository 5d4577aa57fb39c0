// Who is measured, how each is started, and what each does not do at its price.
import { createHmac, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const rivals = `${ROOT}bench/rivals/target/release/`;
const node = (extra) => (port, redis) => ({
  command: process.execPath,
  args: [`${ROOT}bench/node/server.mjs`],
  env: { PORT: String(port), REDIS: redis, NODE_ENV: "production", ...extra },
});

// Hubbub's limits on one sender and on newcomers protect it from what this is: they are counted as
// ever, and never reached.
const hubbub = (extra) => (port, redis) => ({
  command: process.env.HUBBUB ?? `${ROOT}target/release/hubbub`,
  args: ["serve"],
  env: {
    HUBBUB__SERVER__SESSION_RATE: "100000",
    HUBBUB__SERVER__SESSION_BURST: "100000",
    HUBBUB__LIMITS__MESSAGE_RATE: "100000",
    HUBBUB__LIMITS__MESSAGE_BURST: "100000",
    HUBBUB__LOG__LEVEL: "warn",
    HUBBUB__SERVER__LISTEN: `127.0.0.1:${port}`,
    HUBBUB__INTERNAL__LISTEN: "127.0.0.1:0",
    HUBBUB__STORE__URL: redis,
    ...extra,
  },
});

let made;
/** A secret, and a token for each of many, in files; made when first asked for. */
function credentials() {
  if (made) return made;
  const folder = `${ROOT}target/bench/`;
  const key = randomUUID() + randomUUID();
  made = { secret: `${folder}secret`, tokens: `${folder}tokens` };
  mkdirSync(folder, { recursive: true });
  writeFileSync(made.secret, key);
  writeFileSync(made.tokens, Array.from({ length: 2_000 }, (_, n) => token(key, `user-${n}`)).join("\n"));
  return made;
}

function token(key, sub) {
  const text = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1e3);
  const signed = `${text({ alg: "HS256", typ: "JWT" })}.${text({ iss: "hubbub", aud: "hubbub", sub, iat: now, exp: now + 7_200, jti: randomUUID() })}`;
  return `${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`;
}

export const contenders = {
  floor: {
    title: "floor",
    nodes: 1,
    redis: false,
    lacks: "one process; nothing parsed, kept, numbered, published",
    start: (port) => ({ command: `${rivals}floor`, args: [], env: { PORT: String(port) } }),
  },
  hubbub: {
    title: "Hubbub",
    nodes: 3,
    redis: true,
    lacks: "nothing: deduplication, order, history (AOF everysec), gap repair, metrics are on",
    position: true,
    start: hubbub({}),
  },
  guarded: {
    title: "Hubbub, tokens and room limits",
    nodes: 3,
    redis: true,
    lacks: "nothing: the same, with a token checked at each connect and a bucket for each room",
    position: true,
    start: (port, redis) => hubbub({
      HUBBUB__AUTH__MODE: "jwt",
      HUBBUB__AUTH__JWT_ALGORITHM: "HS256",
      HUBBUB__AUTH__JWT_KEY_FILE: credentials().secret,
      HUBBUB__LIMITS__ROOM_MESSAGE_RATE: "100000",
    })(port, redis),
    tell: () => ["--tokens", credentials().tokens],
  },
  socketioxide: {
    title: "socketioxide + its adapter",
    nodes: 3,
    redis: true,
    lacks: "no history, no common order, silent loss when a node lags (buffers enlarged to 65,536 here; 32 as shipped)",
    start: (port, redis) => ({
      command: `${rivals}socketioxide_redis`,
      args: [],
      env: { PORT: String(port), REDIS: redis, BROADCAST_CAPACITY: "65536" },
    }),
  },
  node: {
    title: "Node + redis-adapter",
    nodes: 3,
    redis: true,
    lacks: "no history, no common order, what pub/sub loses stays lost",
    start: node({}),
  },
  sharded: {
    title: "Node + sharded adapter",
    nodes: 3,
    redis: true,
    lacks: "no history, no common order, what pub/sub loses stays lost",
    start: node({ ADAPTER: "sharded" }),
  },
  history: {
    title: "Node + history in a stream",
    nodes: 3,
    redis: true,
    lacks: "no deduplication, no common order, no repair: whoever missed something is not told",
    start: node({ HISTORY: "1" }),
  },
};

/** What has to be built before, if it is not there. */
export function missing(names) {
  const hubbub = process.env.HUBBUB ?? `${ROOT}target/release/hubbub`;
  const installed = `${ROOT}bench/node/node_modules/socket.io`;
  const needs = { floor: `${rivals}floor`, hubbub, guarded: hubbub, socketioxide: `${rivals}socketioxide_redis`, node: installed, sharded: installed, history: installed };
  return [hubbub, ...names.map((name) => needs[name])].filter((file, at, all) => all.indexOf(file) === at && !existsSync(file));
}
