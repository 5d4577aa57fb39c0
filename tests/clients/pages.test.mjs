// Real pages in a real browser: the tutorials' own, and ours at GET /.
import assert from "node:assert/strict";

import { openBrowser } from "./harness/browser.mjs";
import { servePages } from "./harness/pages.mjs";
import { CLUSTER, on } from "./harness/stage.mjs";

/** Ours comes from the node; with HUBBUB_PAGE=dist from web/dist, for a server that was built with an older one. */
const FROM_DIST = process.env.HUBBUB_PAGE === "dist";

/** Where each tutorial's page takes a text, and where it shows them. */
const PARTS = {
  S0: { field: "#chat [name=text]", list: "#msgs" },
  S1: { field: ".chatbox input", list: "#messagelist" },
  S2: { field: "#input", list: "#messages" },
  S4: { field: "#m", list: "#messages" },
  own: { field: "#text", list: "#messages", rows: "article.message" },
};

/** A page somebody sits at: says and sees. */
class Seat {
  constructor(page, kind, who) {
    Object.assign(this, { page, who, rows: "> li", ...PARTS[kind] });
  }

  async says(text) {
    await this.page.fill(this.field, text);
    await this.page.press(this.field, "Enter");
  }

  row(text) {
    return this.page.locator(`${this.list} ${this.rows}`, { hasText: text });
  }

  async sees(text) {
    await this.row(text).first().waitFor({ state: "attached" }).catch(async () => {
      assert.fail(`${this.who} never shows "${text}"; it shows:\n${await this.page.locator(this.list).innerText()}`);
    });
  }

  /** Waits until our page is connected under this name. */
  async isIn(name) {
    await this.shows("#me", name);
    await this.page.locator("#state:not(.away)").waitFor();
  }

  /** Waits until a part of the page has a text. */
  async shows(part, text) {
    await this.page.locator(part, { hasText: text }).first().waitFor({ state: "attached" }).catch(async () => {
      assert.fail(`${this.who} never shows "${text}" in ${part}; it shows: ${await this.page.locator(part).first().innerText()}`);
    });
  }
}

on(CLUSTER, "every tutorial's page shows what the others say, each on another node", {}, async (stage) => {
  const [a, b, c] = stage.nodes;
  const browser = await openBrowser(stage);
  const pages = await servePages(stage);
  const seat = async (kind, url, who) => new Seat(await browser.visit(url, who), kind, who);
  const seats = [
    await seat("S0", pages.served("S0", a), "S0"),
    await seat("S1", pages.served("S1", b), "S1"),
    await seat("S1", pages.fromDisk("S1", c), "S1 from disk"),
    await seat("S2", pages.served("S2", c), "S2"),
    await seat("S4", pages.served("S4", a), "S4"),
    await sit(stage, browser, b, "nadia"),
  ];
  await seats[0].page.fill("#chat [name=user]", "zoe");

  for (const each of seats) {
    await each.says(`${each.who} is here`);
    await each.sees(`${each.who} is here`);
  }
  for (const each of seats) await each.says(`${each.who} to all`);

  for (const reader of seats) {
    for (const writer of seats) await reader.sees(`${writer.who} to all`);
  }
  for (const names of [seats[1], seats[2]]) {
    await names.page.waitForFunction(() => document.querySelectorAll("#users > li").length === 2);
  }
  await seats.at(-1).shows("#messages article .who", "zoe");
  assert.deepEqual(browser.complaints, []);
});

// === Our own page

/** Opens our page on a node and enters under a name. */
async function sit(stage, browser, node, name) {
  const seat = new Seat(await browser.visit(`${await origin(stage, node)}/`, name), "own", name);
  await seat.page.fill("#name", name);
  await seat.page.press("#name", "Enter");
  await seat.isIn(name);
  return seat;
}

async function origin(stage, node) {
  if (!FROM_DIST) return node.url;
  const { startBalancer } = await import("../../web/test/page/balancer.mjs");
  return stage.owns(await startBalancer([node])).url;
}

on(CLUSTER, "two people chat on our page, and a reload loses nothing", {}, async (stage) => {
  const browser = await openBrowser(stage);
  const ada = await sit(stage, browser, stage.nodes[0], "ada");
  const bob = await sit(stage, browser, stage.nodes[1], "bob");
  for (const seat of [ada, bob]) for (const name of ["ada", "bob"]) await seat.shows("#people > li", name);

  await ada.page.locator("#text").pressSequentially("hello bob");
  await bob.shows("#typing", "ada");
  await ada.page.press("#text", "Enter");
  await bob.sees("hello bob");
  await bob.page.waitForFunction(() => !document.querySelector("#typing").textContent);
  await bob.says("hello ada");
  await ada.sees("hello ada");
  await ada.page.reload();

  await ada.isIn("ada");
  await bob.says("welcome back");
  await ada.sees("welcome back");
  assert.deepEqual(await ada.page.locator("#messages .text").allInnerTexts(), ["hello bob", "hello ada", "welcome back"]);
  assert.deepEqual(await ada.page.locator("#messages .who").allInnerTexts(), ["ada", "bob"], "what bob said stands together");
  assert.equal(await ada.page.locator("#people > li", { hasText: "ada" }).count(), 1, "the reload is no second person");
  assert.deepEqual(browser.complaints, []);
});

on(CLUSTER, "our page shows markup as the text it is", {}, async (stage) => {
  const browser = await openBrowser(stage);
  const ada = await sit(stage, browser, stage.nodes[0], "ada");
  const bob = await sit(stage, browser, stage.nodes[1], "<i>bob</i>");
  const attack = '<img src=x onerror="alert(1)"><script>alert(2)</script>&amp;';

  await bob.says(attack);

  await ada.sees(attack);
  assert.deepEqual(await ada.page.locator("#messages .text").allInnerTexts(), [attack]);
  assert.deepEqual(await ada.page.locator("#messages .who").allInnerTexts(), ["<i>bob</i>"]);
  assert.equal(await ada.page.locator("#messages img, #messages script, #messages i").count(), 0);
  assert.deepEqual(browser.complaints, []);
});

on(CLUSTER, "what is written while the node is away is sent once when it is back", {}, async (stage) => {
  const browser = await openBrowser(stage);
  const ada = await sit(stage, browser, stage.nodes[0], "ada");
  const bob = await sit(stage, browser, stage.nodes[1], "bob");
  await ada.says("before");
  await bob.sees("before");

  await stage.nodes[0].kill();
  await ada.page.locator("#state.away").waitFor();
  await ada.says("while away");
  await bob.says("missed");
  await stage.nodes[0].start();

  await bob.sees("while away");
  await ada.sees("missed");
  await ada.page.locator("#messages article.waiting").waitFor({ state: "detached" });
  await bob.says("after");
  for (const seat of [ada, bob]) {
    await seat.sees("after");
    assert.deepEqual(await seat.page.locator("#messages .text").allInnerTexts(), ["before", "missed", "while away", "after"], seat.who);
  }
});

on(CLUSTER, "a new name is known to both at once", {}, async (stage) => {
  const browser = await openBrowser(stage);
  const ada = await sit(stage, browser, stage.nodes[0], "ada");
  const bob = await sit(stage, browser, stage.nodes[1], "bob");

  await ada.page.click(".own");
  await ada.page.getByRole("menuitem", { name: "Change name" }).click();
  await ada.page.fill("#name", "grace");
  await ada.page.press("#name", "Enter");

  await bob.shows("#people > li", "grace");
  await ada.says("renamed");
  await bob.shows("#messages article .who", "grace");
  await ada.page.reload();
  await ada.isIn("grace");
});

on(CLUSTER, "a session the server no longer takes makes a new guest of the same name", {}, async (stage) => {
  const browser = await openBrowser(stage);
  const ada = await sit(stage, browser, stage.nodes[0], "ada");

  await ada.page.evaluate(() => localStorage.setItem("hubbub:session", "not-a-session"));
  await ada.page.reload();

  await ada.isIn("ada");
  await ada.says("still here");
  await ada.sees("still here");
  assert.deepEqual(browser.complaints, []);
});
