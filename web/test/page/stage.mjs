// What every test of the page plays on: two named nodes on one Redis, browsers that sit before them, and what they said.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout as pause } from "node:timers/promises";
import test from "node:test";

import { launching } from "../../../tests/clients/harness/chromium.mjs";
import { Client } from "../../../tests/clients/harness/client.mjs";
import { startNode, startRedis } from "../../../tests/clients/harness/hubbub.mjs";
import { WITHIN_MS, until } from "../../../tests/clients/harness/wait.mjs";
import { newMid } from "../../client/dist/mid.js";
import { startBalancer } from "./balancer.mjs";
import { chromium } from "playwright-core";

export { pause, until };
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Plenty, so that 10,000 messages are there in seconds. */
const GENEROUS = { HUBBUB__LIMITS__MESSAGE_RATE: "100000", HUBBUB__LIMITS__MESSAGE_BURST: "100000", HUBBUB__STORE__RETENTION_MESSAGES: "100000" };

/** A test with nodes, a browser and order afterwards; `env` is added to what the nodes are told. */
export function play(name, script, { nodes: names = ["amber", "basalt"], env = {}, timeout = 300_000 } = {}) {
  test(name, { timeout }, async () => {
    const owned = [];
    const complaints = [];
    let stage;
    const redis = await startRedis();
    const nodes = [];
    try {
      for (const node of names) nodes.push(await startNode({ store: redis.url, name: node, env: { ...GENEROUS, HUBBUB__SERVER__NODE: node, ...env } }));
      const browser = await chromium.launch(launching("--enable-precise-memory-info", "--js-flags=--expose-gc"));
      owned.push(browser);
      stage = new Stage({ nodes, redis, browser, owned, complaints });
      await script(stage);
    } catch (error) {
      console.error(`\n${name}\nthe pages complained:\n  ${complaints.join("\n  ")}`);
      for (const node of nodes) console.error(`${node.name}:\n${node.said.split("\n").slice(-8).join("\n")}`);
      throw error;
    } finally {
      for (const thing of owned.reverse()) await thing.close();
      await Promise.all(nodes.map((node) => node.kill()));
      await redis.stop();
    }
  });
}

class Stage {
  constructor(parts) {
    Object.assign(this, parts);
  }

  /** A page for somebody new, on a node; entered under the name unless `name` is null. */
  async seat(name, { at = 0, room, context: options = {}, settings, fail = false, overheard = false } = {}) {
    const balancer = await startBalancer(this.nodes, at);
    this.owned.push(balancer);
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce", locale: "en-GB", ...options });
    context.setDefaultTimeout(WITHIN_MS);
    const page = await context.newPage();
    const seat = new Seat(page, context, balancer, this.complaints, name ?? "nobody");
    await seat.listen();
    if (settings) await page.addInitScript((value) => localStorage.getItem("hubbub.settings") ?? localStorage.setItem("hubbub.settings", JSON.stringify(value)), { theme: "system", contrast: false, stillness: false, plain: false, enterSends: true, direction: "auto", ...settings });
    if (fail) await refuse(page);
    if (overheard) seat.say = await overhear(page);
    await page.goto(`${balancer.url}/${room ? `#${room}` : ""}`);
    if (name !== null) await seat.enter(name);
    return seat;
  }

  /** Writes messages through the native protocol from several senders, oldest first; `text(i)` is the i-th. */
  async seed(room, total, { text = (i) => `message ${i}`, names = ["ada", "bob", "cleo", "dev"], at = 0 } = {}) {
    const url = this.nodes[at].url;
    const clients = await Promise.all(names.map((name) => new Client(url, { client: "sio48", transport: "websocket", namespace: "/chat", auth: { name }, who: name }).opened()));
    await Promise.all(clients.map((client) => client.get("room:join", { room, limit: 1 })));
    let next = 1;
    // One at a time from each: their order in the log is nearly the order of their numbers.
    const run = async (client) => {
      while (next <= total) {
        const i = next++;
        await client.get("message:send", { room, text: text(i), mid: `seed-${room}-${String(i).padStart(8, "0")}`.slice(0, 36) });
      }
    };
    // Lanes share their client, so that a slow answer holds up little.
    await Promise.all(clients.flatMap((client) => Array.from({ length: total > 500 ? 6 : 1 }, () => run(client))));
    clients.forEach((client) => client.close());
  }

  /** A stock client that speaks the native protocol. */
  async speaker(name, room, at = 0) {
    const client = new Client(this.nodes[at].url, { client: "sio48", transport: "websocket", namespace: "/chat", auth: { name }, who: name });
    this.owned.push({ close: () => client.close() });
    await client.opened();
    await client.get("room:join", { room, limit: 1 });
    let made = 0;
    const session = Math.random().toString(36).slice(2, 10);
    return {
      client,
      says: (text) => client.get("message:send", { room, text, mid: `say-${session}-${String(++made).padStart(8, "0")}` }),
      /** Waits until the server would refuse as too old what was written when this was called. */
      async expires() {
        const mid = newMid(Date.now());
        await until(async () => (await client.ask("message:send", { room, text: "a marker", mid })).error?.code === "expired", "the mid has expired");
      },
    };
  }
}

/** Answers in the server's place to messages that ask for it: as if they were too large. */
async function refuse(page) {
  await page.routeWebSocket(/socket\.io/, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((message) => {
      const id = typeof message === "string" && /refuse me|all of the log/.test(message) && /^42\/chat,(\d+)\["message:send"/.exec(message)?.[1];
      if (!id) return server.send(message);
      socket.send(`43/chat,${id}[{"ok":false,"error":{"code":"too_large","message":"a text is larger than allowed","retryable":false,"outcome":"none"}}]`);
    });
  });
}

/** Speaks in the server's place: gives what says an event to the page. */
async function overhear(page) {
  let say;
  await page.routeWebSocket(/socket\.io/, (socket) => {
    socket.connectToServer();
    say = (event, payload) => socket.send(`42/chat,${JSON.stringify([event, payload])}`);
  });
  return (event, payload) => say(event, payload);
}

class Seat {
  constructor(page, context, balancer, complaints, who) {
    Object.assign(this, { page, context, balancer, complaints, who });
  }

  async listen() {
    const complain = (what) => this.complaints.push(`${this.who}: ${what}`);
    this.page.on("console", (message) => {
      // A connection that a test breaks is no complaint of the page's.
      if (message.type() === "error" && !/WebSocket connection to|ERR_INTERNET_DISCONNECTED|ERR_EMPTY_RESPONSE|ERR_CONNECTION|502 \(Bad Gateway\)/.test(message.text())) complain(message.text());
    });
    this.page.on("pageerror", (error) => complain(`${error.message}\n${error.stack}`));
    this.page.on("dialog", (dialog) => complain(`dialog: ${dialog.message()}`) && dialog.dismiss());
    this.page.on("request", (request) => new URL(request.url()).origin === this.balancer.url || request.url().startsWith("data:") || complain(`asks ${request.url()}`));
    await this.page.exposeFunction("complain", complain);
    // What the banner says, one after the other: some of it stands for seconds only.
    await this.page.addInitScript(() => {
      Object.assign(globalThis, { banners: [], bannersMet: 0 });
      new MutationObserver(() => {
        const text = document.querySelector("#banner p")?.textContent ?? "";
        if (text !== (banners.at(-1) ?? "")) banners.push(text);
      }).observe(document, { subtree: true, childList: true, characterData: true });
    });
    await this.page.addInitScript(() => addEventListener("securitypolicyviolation", (event) => globalThis.complain(`policy: ${event.violatedDirective} against ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`)));
  }

  async enter(name) {
    await this.page.fill("#name", name);
    await this.page.press("#name", "Enter");
    await this.isOn();
  }

  /** Waits until the page is connected, to this node if one is named. */
  isOn(node) {
    return this.page.locator("#state:not(.away)", { hasText: node ?? "" }).waitFor();
  }

  async says(text) {
    await this.page.fill("#text", text);
    await this.page.press("#text", "Enter");
  }

  row(text) {
    return this.page.locator("article.message", { hasText: text });
  }

  sees(text) {
    return this.row(text).last().waitFor({ state: "attached" });
  }

  /** Waits until the banner has said this, after what was last waited for; it may say something else by now. */
  banner(text) {
    return this.page.waitForFunction((wanted) => {
      const at = banners.slice(bannersMet).findIndex((said) => (wanted.source ? new RegExp(wanted.source).test(said) : said.includes(wanted)));
      bannersMet += at + 1;
      return at >= 0;
    }, text instanceof RegExp ? { source: text.source } : text);
  }

  /** Waits until the line over the messages says this. */
  notice(text) {
    return this.page.locator(".notice", { hasText: text }).waitFor();
  }

  /** The texts in the page, in order. */
  texts() {
    return this.page.locator("article.message .text").allInnerTexts();
  }

  /** Scrolls up as a reader does, from when the page has found its place: only then it offers the way back. */
  async climbs(steps, by) {
    const up = () => this.page.evaluate(async (by) => {
      document.querySelector(".scroller").scrollTop -= by;
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    }, by);
    await until(() => up().then(() => this.page.locator(".jump").isVisible()), `${this.who} scrolls up`);
    for (let i = 1; i < steps; i++) await up();
    await this.stands();
  }

  /** Waits until no page is on its way and nothing has moved for half a second of frames. */
  async stands() {
    await this.page.evaluate(async () => {
      const box = document.querySelector(".scroller");
      const look = () => `${box.scrollTop} ${box.scrollHeight} ${box.clientHeight} ${box.getAttribute("aria-busy")}`;
      for (let same = 0, last = ""; same < 30; ) {
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
        same = look() === last && box.getAttribute("aria-busy") === "false" ? same + 1 : 0;
        last = look();
      }
    });
  }

  /** The whole log as the page shows it, by number, read by scrolling through what is loaded. */
  log() {
    return this.page.evaluate(async () => {
      const box = document.querySelector(".scroller");
      const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
      const found = new Map();
      const waiting = [];
      const look = () => {
        for (const row of box.querySelectorAll("article")) {
          const text = row.querySelector(".text").innerText;
          if (row.dataset.seq) found.set(Number(row.dataset.seq), text);
          else if (!waiting.includes(text)) waiting.push(text);
        }
      };
      let last = Infinity;
      for (let still = 0; still < 5; still = box.scrollTop === last ? still + 1 : 0) {
        last = box.scrollTop;
        look();
        box.scrollTop -= box.clientHeight / 2;
        await painted();
      }
      for (last = -1; box.scrollTop !== last; ) {
        last = box.scrollTop;
        look();
        box.scrollTop += box.clientHeight / 2;
        await painted();
      }
      look();
      return { sent: [...found].sort(([a], [b]) => a - b).map(([, text]) => text), waiting };
    });
  }

  /** Whatever axe objects to, as one line each. */
  async axe() {
    const session = await this.context.newCDPSession(this.page);
    // Not a script element: the policy would refuse it.
    await session.send("Runtime.evaluate", { expression: AXE });
    const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
      expression: `axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }).then((found) => JSON.stringify(found.violations.map((v) => v.id + ": " + v.help + " | " + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160) + " " + n.any.map((a) => a.message).join("; ").slice(0, 200)).join(" || "))))`,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    await session.detach();
    return JSON.parse(result.value);
  }
}
