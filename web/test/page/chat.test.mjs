// Two people on two nodes: rooms, unread marks, typing, who is here, drafts, and what a reload keeps.
import assert from "node:assert/strict";

import { play } from "./stage.mjs";

play("two browsers on two nodes chat", async (stage) => {
  const ada = await stage.seat("ada", { at: 0 });
  const bob = await stage.seat("bob", { at: 1 });
  await ada.isOn("amber");
  await bob.isOn("basalt");
  for (const seat of [ada, bob]) for (const name of ["ada", "bob"]) await seat.page.locator("#people > li", { hasText: name }).waitFor();

  await ada.page.locator("#text").pressSequentially("hello bob");
  await bob.page.locator("#typing", { hasText: "ada is typing" }).waitFor();
  await ada.page.press("#text", "Enter");
  await bob.sees("hello bob");
  await bob.page.waitForFunction(() => !document.querySelector("#typing").textContent);
  await bob.says("hello ada");
  await ada.sees("hello ada");
  await bob.says("and one more");
  await ada.sees("and one more");

  for (const seat of [ada, bob]) {
    await seat.page.locator("article.waiting").waitFor({ state: "detached" });
    assert.deepEqual(await seat.texts(), ["hello bob", "hello ada", "and one more"], seat.who);
    assert.deepEqual(await seat.page.locator("article .who").allInnerTexts(), ["ada", "bob"], "what bob said stands together");
    assert.equal(await seat.page.locator(".divider", { hasText: "Today" }).count(), 1);
  }
  assert.deepEqual(stage.complaints, []);
});

play("a reload keeps name, room, place and unsent text", async (stage) => {
  await stage.seed("garden", 400, { names: ["cleo"] });
  const ada = await stage.seat("ada", { room: "garden" });
  await ada.sees("message 400");
  await ada.page.fill("#text", "half a thou");
  await ada.climbs(12, 500);
  const place = () =>
    ada.page.evaluate(() => {
      const box = document.querySelector(".scroller").getBoundingClientRect();
      const row = [...document.querySelectorAll("article")].find((each) => each.getBoundingClientRect().top >= box.top);
      return { text: row.querySelector(".text").innerText, top: Math.round(row.getBoundingClientRect().top - box.top) };
    });
  const before = await place();

  await ada.page.reload();
  await ada.isOn();
  await ada.sees(before.text);
  await ada.stands();

  const after = await place();
  assert.equal(after.text, before.text, `was at ${before.text}, is at ${after.text}`);
  assert.ok(Math.abs(after.top - before.top) <= 2, `${before.top} became ${after.top}`);
  assert.equal(await ada.page.locator("#me").innerText(), "ada");
  assert.equal(await ada.page.locator("h1").innerText().then((text) => text.replace(/\s/g, "")), "#garden");
  assert.equal(await ada.page.inputValue("#text"), "half a thou");
  assert.equal(await ada.page.locator("#people > li", { hasText: "ada" }).count(), 1, "the reload is no second person");

  await ada.page.click(".jump");
  await ada.sees("message 400");
  await ada.page.locator(".jump").waitFor({ state: "detached" });
  assert.deepEqual(stage.complaints, []);
});

play("going to another room and back finds the place again", async (stage) => {
  await stage.seed("garden", 300, { names: ["cleo"] });
  const ada = await stage.seat("ada", { room: "garden" });
  await ada.sees("message 300");
  await ada.climbs(6, 400);
  const tops = () => ada.page.evaluate(() => Object.fromEntries([...document.querySelectorAll("article")].map((row) => [row.dataset.seq, Math.round(row.getBoundingClientRect().top)]).filter(([, top]) => top > 60 && top < 700)));
  const before = await tops();

  await ada.page.keyboard.press("Control+k");
  await ada.page.fill("#switcher", "elsewhere");
  await ada.page.keyboard.press("Enter");
  await ada.page.locator("h1", { hasText: "elsewhere" }).waitFor();
  await ada.page.goBack();
  await ada.page.locator("h1", { hasText: "garden" }).waitFor();
  await ada.stands();

  const after = await tops();
  const [seq] = Object.keys(before);
  assert.ok(Math.abs(after[seq] - before[seq]) <= 2, `${seq} was at ${before[seq]}, is at ${after[seq]}`);
});

play("rooms are made, found, left and marked when something is unread", async (stage) => {
  const ada = await stage.seat("ada", { at: 0 });
  const bob = await stage.seat("bob", { at: 1 });

  await ada.page.click(".rooms-head button");
  await ada.page.fill("#room-name", "Tea & Cake");
  await ada.page.getByRole("button", { name: "tea-cake" }).click();
  await ada.page.locator("h1", { hasText: "tea-cake" }).waitFor();
  await ada.says("who wants tea?");
  await ada.page.locator("article.sent").waitFor();

  await bob.page.click(".rooms-head button");
  await bob.page.locator(".found button", { hasText: "tea-cake" }).click();
  await bob.sees("who wants tea?");
  await bob.page.fill("#text", "me, and I was still wri");
  await bob.page.click("#rooms a:has-text('lobby')");
  await bob.page.locator("h1", { hasText: "lobby" }).waitFor();
  assert.equal(await bob.page.inputValue("#text"), "", "a draft belongs to its room");
  await ada.says("anybody?");
  await ada.says("last call");

  const mark = bob.page.locator("#rooms li.unread", { hasText: "tea-cake" });
  await mark.locator(".count", { hasText: "2" }).waitFor();
  await bob.page.waitForFunction(() => document.title === "(2) lobby · Hubbub");
  await bob.page.click("#rooms a:has-text('tea-cake')");
  await bob.sees("last call");
  assert.equal(await bob.page.inputValue("#text"), "me, and I was still wri");
  const divided = bob.page.locator(".slot", { has: bob.page.locator(".divider.fresh") });
  assert.match(await divided.innerText(), /New messages[^]*anybody\?/);
  await bob.page.waitForFunction(() => document.title === "tea-cake · Hubbub");
  await divided.waitFor();

  await bob.page.getByRole("button", { name: "More about this room" }).click();
  await bob.page.getByRole("menuitem", { name: "Leave this room" }).click();
  await bob.page.locator("h1", { hasText: "lobby" }).waitFor();
  assert.equal(await bob.page.locator("#rooms a").count(), 1);
  assert.deepEqual(stage.complaints, []);
});

play("a name that is refused is asked for again, and a new one is known to all", async (stage) => {
  const ada = await stage.seat(null);
  await ada.page.fill("#name", "admin");
  await ada.page.press("#name", "Enter");
  await ada.page.locator("#name-problem", { hasText: "reserved" }).waitFor();
  await ada.enter("ada");
  const bob = await stage.seat("bob", { at: 1 });

  await ada.page.click(".own");
  await ada.page.getByRole("menuitem", { name: "Change name" }).click();
  await ada.page.fill("#name", "grace");
  await ada.page.press("#name", "Enter");

  await bob.page.locator("#people > li", { hasText: "grace" }).waitFor();
  await ada.page.locator("#me", { hasText: "grace" }).waitFor();
  await ada.says("renamed");
  await bob.page.locator("article .who", { hasText: "grace" }).waitFor();
});
