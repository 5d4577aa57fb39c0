// Long-polling as a browser does it, a request at a time on connections of their own: does each reach the session's node?
import { request } from "node:http";

/** One polling session from the first request to its end; says the node it was on, or which request failed. */
export async function pollOnce(url, { cookie = true } = {}) {
  const jar = {};
  const ask = (path, options) => http(url + path, { ...options, jar: cookie ? jar : undefined });
  // A browser has loaded the page before it polls.
  await ask("/");
  const engine = (sid) => `/socket.io/?EIO=4&transport=polling${sid ? `&sid=${sid}` : ""}&t=${Math.random()}`;
  const opened = await ask(engine());
  if (opened.status !== 200) return { failed: `the handshake: ${opened.status} ${opened.body}` };
  const { sid } = JSON.parse(opened.body.slice(1));
  const entered = await ask(engine(sid), { method: "POST", body: '40/chat,{"name":"poller"}' });
  if (entered.status !== 200) return { failed: `the POST: ${entered.status} ${entered.body}` };
  for (let polls = 0; polls < 5; polls++) {
    const answer = await ask(engine(sid));
    if (answer.status !== 200) return { failed: `poll ${polls}: ${answer.status} ${answer.body}` };
    const ready = answer.body.split("\u001e").find((packet) => packet.includes('"session:ready"'));
    if (!ready) continue;
    await ask(engine(sid), { method: "POST", body: "1" });
    return { node: JSON.parse(ready.slice(ready.indexOf("[")))[1].node, cookie: jar };
  }
  return { failed: "no session:ready in five polls" };
}

/** Many sessions, one after the other, so that none profits from another's connections. */
export async function pollMany(url, count, options) {
  const all = [];
  for (let i = 0; i < count; i++) all.push(await pollOnce(url, options));
  const good = all.filter(({ failed }) => !failed);
  return { good: good.length, nodes: new Set(good.map(({ node }) => node)), failures: all.flatMap(({ failed }) => failed ?? []) };
}

/** One request on a connection of its own. With a jar, cookies are kept in it and sent. */
export function http(url, { method = "GET", body, jar } = {}) {
  const headers = { ...(body && { "content-type": "text/plain;charset=UTF-8", "content-length": Buffer.byteLength(body) }) };
  if (jar && Object.keys(jar).length > 0) headers.cookie = Object.entries(jar).map((pair) => pair.join("=")).join("; ");
  return new Promise((settle, fail) => {
    const sent = request(url, { method, headers, agent: false, timeout: 30_000 }, (answer) => {
      for (const cookie of answer.headers["set-cookie"] ?? []) {
        const [name, value] = cookie.split(";", 1)[0].split("=");
        if (jar) jar[name] = value;
      }
      let text = "";
      answer.setEncoding("utf8").on("data", (piece) => (text += piece));
      answer.on("end", () => settle({ status: answer.statusCode, headers: answer.headers, body: text }));
      answer.on("error", fail);
    });
    sent.on("timeout", () => sent.destroy(new Error(`${method} ${url} was not answered within 30 s`)));
    sent.on("error", fail);
    sent.end(body);
  });
}
