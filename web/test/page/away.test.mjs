// When the way to the server breaks: the node dies, the network goes; nothing is missing and nothing is there twice.
import assert from "node:assert/strict";

import { pause, play } from "./stage.mjs";

play("the node of one is killed in the middle of a conversation", async (stage) => {
  const ada = await stage.seat("ada", { at: 0 });
  const bob = await stage.seat("bob", { at: 1 });
  const cleo = await stage.speaker("cleo", "lobby", 1);
  const said = [];
  const say = async (who, text) => {
    said.push(text);
    await who.says(text);
  };
  await ada.isOn("amber");
  for (let i = 1; i <= 10; i++) {
    await say(ada, `ada ${i}`);
    await say(bob, `bob ${i}`);
    await say(cleo, `cleo ${i}`);
  }

  const killed = stage.nodes[0].kill();
  for (let i = 11; i <= 20; i++) {
    await say(ada, `ada ${i}`);
    await say(bob, `bob ${i}`);
    await say(cleo, `cleo ${i}`);
    await pause(100);
  }
  await killed;

  await ada.isOn("basalt");
  await ada.banner("You are on basalt now");
  await say(bob, "after");
  for (const seat of [ada, bob]) {
    await seat.sees("after");
    await seat.page.locator("article.waiting").waitFor({ state: "detached" });
  }
  const [hers, his] = [await ada.log(), await bob.log()];
  assert.deepEqual(hers.sent, his.sent, "both see the same log");
  assert.deepEqual([...hers.sent].sort(), [...said].sort(), "everything once");
  assert.deepEqual(hers.waiting, []);
  for (const who of ["ada", "bob", "cleo"]) {
    assert.deepEqual(hers.sent.filter((text) => text.startsWith(who)), said.filter((text) => text.startsWith(who)), `${who}'s order`);
  }
  await ada.page.locator("#banner.none").waitFor({ state: "attached" });
  const banners = (await ada.page.evaluate(() => globalThis.banners)).filter(Boolean);
  console.log(`  banners: ${banners.join(" | ")}`);
  assert.match(banners.at(-1), /^Back online. You are on basalt now\.$/);
  assert.deepEqual(stage.complaints, []);
});

play("with both nodes away the page counts down, lets one try now, and comes back", async (stage) => {
  const ada = await stage.seat("ada");
  await ada.isOn("amber");
  await stage.nodes[0].kill();
  await ada.banner(/Connection lost\. Trying again in \d+ s\. Messages you send will wait\./);
  await ada.says("written in the dark");
  await ada.page.locator("article.waiting", { hasText: "written in the dark" }).waitFor();
  await stage.nodes[0].start();
  await ada.page.getByRole("button", { name: "Try now" }).click({ timeout: 3_000 }).catch(() => {});
  await ada.isOn("amber");
  await ada.banner("Back online.");
  await ada.page.locator("article.sent", { hasText: "written in the dark" }).waitFor();
}, { nodes: ["amber"] });

play("offline and back: what was written waits, what was missed comes", async (stage) => {
  const ada = await stage.seat("ada", { at: 0 });
  const bob = await stage.speaker("bob", "lobby", 1);
  await bob.says("before");
  await ada.sees("before");

  await ada.context.setOffline(true);
  await ada.banner("You are offline. Messages you send will wait here.");
  await ada.says("while away");
  await ada.page.locator("article.waiting", { hasText: "while away" }).waitFor();
  await bob.says("missed");
  await ada.context.setOffline(false);

  await ada.sees("missed");
  await ada.banner("Back online.");
  await ada.page.locator("article.waiting").waitFor({ state: "detached" });
  await bob.says("after");
  await ada.sees("after");
  assert.deepEqual(await ada.texts(), ["before", "missed", "while away", "after"]);
  assert.deepEqual(stage.complaints, []);
});
