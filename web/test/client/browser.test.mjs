// In a real browser: unsent messages survive a reload, and of two tabs each message has one sender.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

import { launching } from "../../../tests/clients/harness/chromium.mjs";
import { startNode } from "../../../tests/clients/harness/hubbub.mjs";
import { WITHIN_MS } from "../../../tests/clients/harness/wait.mjs";
import { bundle } from "./support/bundle.mjs";
import { startProxy } from "../../../tests/clients/harness/proxy.mjs";

const PROGRAM = `
import { createClient } from "./client/dist/index.js";
import { indexedDbOutbox } from "./client/dist/outbox-store.js";
const socket = { transports: ["websocket"], reconnectionDelay: 100, reconnectionDelayMax: 300, timeout: 2000 };
window.client = createClient(location.origin, { name: "ada", socket, outbox: indexedDbOutbox() });
window.room = client.room("lobby");
room.join();
window.rows = () => room.snapshot().messages.map((m) => m.text + ": " + m.state);
window.kept = () => new Promise((settle) => {
  const open = indexedDB.open("hubbub:outbox", 1);
  open.onsuccess = () => {
    const all = open.result.transaction("outbox").objectStore("outbox").getAll();
    all.onsuccess = () => (open.result.close(), settle(all.result.map((entry) => entry.text)));
  };
});
`;
// A page that is put in by the test counts as one from the internet, which may not reach this machine.
const REACH_LOOPBACK = "--disable-features=LocalNetworkAccessChecks";
const limit = { timeout: 180_000 };

let [browser, program, node] = [];
before(async () => {
  program = await bundle(PROGRAM);
  node = await startNode({ store: "memory:" });
  browser = await chromium.launch(launching(REACH_LOOPBACK));
});
after(async () => {
  await browser?.close();
  await node?.kill();
});

/** A browser profile whose tabs all reach the node over one wire; the page itself needs none. */
async function profile(play) {
  const proxy = await startProxy(node.url);
  const context = await browser.newContext();
  context.setDefaultTimeout(WITHIN_MS);
  await context.route(`${proxy.url}/page`, (route) => route.fulfill({ contentType: "text/html", body: `<!doctype html><script type="module" src="/page.js"></script>` }));
  await context.route(`${proxy.url}/page.js`, (route) => route.fulfill({ contentType: "text/javascript", body: program }));
  const tab = async () => {
    const page = await context.newPage();
    page.on("pageerror", (error) => console.error(error.message));
    await page.goto(`${proxy.url}/page`);
    return page;
  };
  try {
    await play({ proxy, tab });
  } finally {
    await context.close();
    await proxy.close();
  }
}
const live = (page) => page.waitForFunction(() => room.snapshot().status === "live").catch(async (late) => assert.fail(`${late.message}: ${await page.evaluate(() => JSON.stringify([client.snapshot(), room.snapshot()]))}`));
const shows = (page, row) => page.waitForFunction((row) => rows().includes(row), row);
const keeps = (page, texts) => page.waitForFunction(async (texts) => JSON.stringify(await kept()) === texts, JSON.stringify(texts));
const times = (page, text) => page.evaluate((text) => rows().filter((row) => row.startsWith(text)).length, text);

test("what was written offline is sent after a reload, once, by the same guest", limit, () =>
  profile(async ({ proxy, tab }) => {
    const page = await tab();
    await live(page);
    const me = await page.evaluate(() => client.snapshot().me.id);
    proxy.down();
    await page.waitForFunction(() => client.snapshot().state === "reconnecting");
    await page.evaluate(() => ["first", "second"].forEach((text) => room.send(text)));
    await keeps(page, ["first", "second"]);

    await page.reload();
    proxy.up();

    await shows(page, "second: sent");
    assert.deepEqual(await page.evaluate(() => rows()), ["first: sent", "second: sent"]);
    assert.equal(await page.evaluate(() => client.snapshot().me.id), me);
    await keeps(page, []);
  }));

test("two tabs leave each other's messages alone, and the one that stays inherits", limit, () =>
  profile(async ({ proxy, tab }) => {
    const [one, two] = [await tab(), await tab()];
    await Promise.all([live(one), live(two)]);
    proxy.down();
    await one.waitForFunction(() => client.snapshot().state === "reconnecting");
    await two.waitForFunction(() => client.snapshot().state === "reconnecting");
    await one.evaluate(() => room.send("from one"));
    await keeps(one, ["from one"]);

    proxy.up();
    await shows(one, "from one: sent");
    await shows(two, "from one: sent");
    assert.deepEqual([await times(one, "from one"), await times(two, "from one")], [1, 1]);

    proxy.down();
    await one.waitForFunction(() => client.snapshot().state === "reconnecting");
    await two.waitForFunction(() => client.snapshot().state === "reconnecting");
    await one.evaluate(() => room.send("left behind"));
    await keeps(two, ["left behind"]);
    assert.equal(await two.evaluate(() => room.snapshot().pending.length), 0, "while one lives, it is one's");
    await one.close();
    // Its end is not known to the other before its lock is free; who connects later inherits.
    await two.waitForFunction(async () => (await navigator.locks.query()).held.length === 1);
    proxy.up();

    await shows(two, "left behind: sent");
    assert.equal(await times(two, "left behind"), 1);
    await keeps(two, []);
  }));
