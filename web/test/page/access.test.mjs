// For everybody: axe in each state of the page, the keyboard alone, what is read out, direction, and the plain list.
import assert from "node:assert/strict";

import { pause, play } from "./stage.mjs";

play("axe finds nothing in any state of the page", async (stage) => {
  await stage.seed("lobby", 60);
  const states = [];
  const look = async (seat, state) => {
    await pause(250);
    states.push(state);
    assert.deepEqual(await seat.axe(), [], state);
  };
  const newcomer = await stage.seat(null);
  await look(newcomer, "asking for a name");

  for (const theme of ["light", "dark"]) {
    const ada = await stage.seat("ada", { context: { colorScheme: theme } });
    await ada.sees("message 60");
    await look(ada, theme);
    await ada.page.keyboard.press("Control+k");
    await ada.page.locator("#switcher").waitFor();
    await look(ada, `${theme}, switcher`);
    await ada.page.keyboard.press("Escape");
    await ada.page.click(".own");
    await look(ada, `${theme}, menu`);
    await ada.page.getByRole("menuitem", { name: "Settings" }).click();
    await ada.page.locator(".setting").first().waitFor();
    await look(ada, `${theme}, settings`);
    await ada.page.keyboard.press("Escape");
    await ada.page.click(".rooms-head button");
    await ada.page.locator(".found button").first().waitFor();
    await look(ada, `${theme}, join a room`);
    await ada.page.keyboard.press("Escape");
    await ada.context.setOffline(true);
    await ada.page.locator("#banner.bad").waitFor();
    await ada.says("waits");
    await look(ada, `${theme}, offline`);
    await ada.context.setOffline(false);
    await ada.page.locator("article.sent", { hasText: "waits" }).waitFor();
  }

  const failing = await stage.seat("eve", { fail: true });
  await failing.says("refuse me");
  await failing.page.locator("article.failed").waitFor();
  await look(failing, "failed message");

  const narrow = await stage.seat("nia", { context: { viewport: { width: 390, height: 780 } } });
  await narrow.sees("message 60");
  await look(narrow, "narrow");
  await narrow.page.getByRole("button", { name: "Show rooms" }).click();
  await narrow.page.locator(".drawer-start").waitFor();
  await look(narrow, "narrow, drawer");

  const contrast = await stage.seat("cam", { settings: { contrast: true, plain: true, direction: "rtl" } });
  await contrast.sees("message 60");
  await look(contrast, "high contrast, plain list, right to left");
  console.log(`  axe: 0 violations in ${states.length} states: ${states.join("; ")}`);
  assert.deepEqual(stage.complaints, []);
}, { timeout: 600_000 });

play("a refused message can be tried again, edited and deleted", async (stage) => {
  const eve = await stage.seat("eve", { fail: true });
  await eve.says("refuse me");
  const failed = eve.page.locator("article.failed", { hasText: "refuse me" });
  await failed.locator("p", { hasText: "Not sent." }).waitFor();
  await failed.getByRole("button", { name: "Try again" }).click();
  await failed.waitFor();
  await failed.getByRole("button", { name: "Edit" }).click();
  assert.equal(await eve.page.inputValue("#text"), "refuse me");
  assert.equal(await failed.count(), 0);
  await eve.says("take me");
  await eve.page.locator("article.sent", { hasText: "take me" }).waitFor();
  await eve.says("refuse me too");
  await eve.page.locator("article.failed").getByRole("button", { name: "Delete" }).click();
  await eve.page.locator("article.failed").waitFor({ state: "detached" });
  assert.deepEqual(await eve.texts(), ["take me"]);
});

play("everything can be done by keyboard", async (stage) => {
  await stage.seed("lobby", 30);
  await stage.seed("attic", 3);
  const ada = await stage.seat("ada");
  const { page } = ada;
  const focus = () => page.evaluate(() => document.activeElement?.closest("[data-part]")?.dataset.part ?? document.activeElement?.id);
  await ada.sees("message 30");
  assert.equal(await focus(), "composer", "one can write at once");
  const round = [];
  for (let i = 0; i < 4; i++) {
    await page.keyboard.press("F6");
    round.push(await focus());
  }
  assert.deepEqual(round, ["people", "rooms", "messages", "composer"]);
  await page.keyboard.press("Shift+F6");
  assert.equal(await focus(), "messages");

  const row = () => page.evaluate(() => document.activeElement?.querySelector(".text")?.innerText ?? document.activeElement?.className);
  const shown = await page.locator("article.message .text").allInnerTexts();
  await page.keyboard.press("ArrowUp");
  await page.waitForFunction(() => document.activeElement.tagName === "ARTICLE");
  assert.equal(await row(), shown.at(-1));
  await page.keyboard.press("ArrowUp");
  await page.waitForFunction((text) => document.activeElement.querySelector(".text")?.innerText === text, shown.at(-2));
  await page.keyboard.press("Home");
  await page.waitForFunction(() => document.activeElement.dataset.seq === "1");
  // A focused row stays while one scrolls away from it.
  await page.evaluate(() => (document.querySelector(".scroller").scrollTop += 1e6));
  await pause(300);
  assert.equal(await page.evaluate(() => document.activeElement.dataset.seq), "1");
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => document.activeElement.id === "text");

  await page.keyboard.type("is ? just a sign here");
  assert.equal(await page.inputValue("#text"), "is ? just a sign here");
  await page.keyboard.press("Control+k");
  await page.keyboard.type("attic");
  await page.keyboard.press("Enter");
  await page.locator("h1", { hasText: "attic" }).waitFor();
  await page.waitForFunction(() => document.activeElement.id === "text");
  assert.equal(await page.inputValue("#text"), "", "nothing typed goes to another room");
  await page.keyboard.press("Alt+ArrowUp");
  await page.locator("h1", { hasText: "lobby" }).waitFor();
  await page.waitForFunction(() => document.querySelector("#text").value === "is ? just a sign here");
  assert.deepEqual(stage.complaints, []);
});

play("screen readers hear what is new: not history, not one's own, and no flood", async (stage) => {
  await stage.seed("lobby", 20);
  const ada = await stage.seat("ada");
  await ada.sees("message 20");
  const bob = await stage.speaker("bob", "lobby", 1);
  await ada.says("my own");
  await pause(700);
  const log = ada.page.locator("[role=log]");
  assert.equal(await log.innerText(), "");
  await bob.says("good morning");
  await log.getByText("bob: good morning").waitFor();
  await Promise.all(Array.from({ length: 5 }, (_, i) => bob.says(`flood ${i}`)));
  await log.getByText("5 new messages").waitFor();
});

play("the plain list keeps 600 rows and one's place", async (stage) => {
  await stage.seed("attic", 900, { names: ["cleo"] });
  const ada = await stage.seat("ada", { room: "attic", settings: { plain: true } });
  await ada.sees("message 900");
  const seen = await ada.page.evaluate(async () => {
    const box = document.querySelector(".scroller");
    const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    let most = 0;
    for (const until = performance.now() + 120_000; performance.now() < until && !document.querySelector('article[data-seq="1"]'); ) {
      box.scrollTop -= 400;
      await painted();
      most = Math.max(most, document.querySelectorAll("article").length);
    }
    return { most, first: Boolean(document.querySelector('article[data-seq="1"]')) };
  });
  assert.ok(seen.first, "the first message is reached");
  assert.ok(seen.most > 100 && seen.most <= 600, `${seen.most} rows`);
  await ada.page.click(".jump");
  await ada.sees("message 900");
});

play("right to left, the page is mirrored and nothing sticks out", async (stage) => {
  await stage.seed("lobby", 30, { text: (i) => (i % 2 ? `رسالة رقم ${i}` : `message ${i}`) });
  const ada = await stage.seat("ada", { settings: { direction: "rtl" } });
  await ada.sees("message 30");
  const sides = await ada.page.evaluate(() => ({
    rooms: document.querySelector(".side").getBoundingClientRect().left,
    people: document.querySelector(".aside").getBoundingClientRect().right,
    wide: document.documentElement.scrollWidth - innerWidth,
    latin: getComputedStyle([...document.querySelectorAll(".text")].find((row) => row.innerText.startsWith("message"))).direction,
  }));
  assert.ok(sides.rooms > 600 && sides.people < 400, JSON.stringify(sides));
  assert.equal(sides.wide, 0);
  const [text, button] = [await ada.page.locator("#text").boundingBox(), await ada.page.locator(".send").boundingBox()];
  assert.ok(button.x + button.width <= text.x, "the draft does not run under the button");
  assert.equal(sides.latin, "ltr");
});
