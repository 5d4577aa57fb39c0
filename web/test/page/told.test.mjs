// What the page says when something is not as it was: the store is slow, the room's past is another or gone, one is somebody new.
import assert from "node:assert/strict";

import { play } from "./stage.mjs";

const SLOW = "The server is slow. Messages may take longer to arrive.";

play("the store goes away and comes back: said, and what was written waits and is sent once", async (stage) => {
  const [ada, bob] = [await stage.seat("ada", { at: 0 }), await stage.seat("bob", { at: 1 })];
  await ada.says("before");
  await bob.sees("before");

  await stage.redis.kill();
  await ada.says("in between");
  await ada.banner(SLOW);
  await ada.page.locator("article.waiting", { hasText: "in between" }).waitFor();
  // Nobody is sent away, and nobody else is bothered.
  await ada.isOn("amber");
  assert.equal(await ada.page.getByRole("button", { name: "Try now" }).count(), 0);
  await stage.redis.start();

  await ada.page.locator("article.sent", { hasText: "in between" }).waitFor();
  await ada.banner("Back online.");
  await bob.sees("in between");
  await ada.page.locator("#banner.none").waitFor({ state: "attached" });
  for (const seat of [ada, bob]) assert.deepEqual(await seat.texts(), ["before", "in between"]);
  assert.deepEqual(stage.complaints, []);
});

play("the server says by itself that its store is away, and that it is back", async (stage) => {
  const ada = await stage.seat("ada", { overheard: true });
  const say = (code) => ada.say("system:notice", { code, reconnect: false, after_ms: 0 });
  // Nothing is under way whose answer would show that the store is there.
  await ada.page.locator("#people > li", { hasText: "ada" }).waitFor();
  await ada.says("all is well");
  await ada.page.locator("article.sent", { hasText: "all is well" }).waitFor();
  say("degraded");
  await ada.banner(SLOW);
  assert.deepEqual(await ada.axe(), []);
  say("restored");
  await ada.banner("Back online.");
  await ada.page.locator("#banner.none").waitFor({ state: "attached" });
  await ada.says("well again");
  await ada.page.locator("article.sent", { hasText: "well again" }).waitFor();
  assert.deepEqual(stage.complaints, []);
}, { nodes: ["amber"] });

play("no room at the door: the page waits, says so, and comes back by itself", async (stage) => {
  const ada = await stage.seat("ada");
  await ada.isOn("amber");
  ada.balancer.fill();
  await ada.banner(/Connection lost\. Trying again in \d+ s\. Messages you send will wait\./);
  await ada.says("at the door");
  await ada.page.locator("article.waiting", { hasText: "at the door" }).waitFor();
  ada.balancer.clear();
  await ada.page.locator("article.sent", { hasText: "at the door" }).waitFor();
  await ada.banner("Back online.");
}, { nodes: ["amber"] });

play("the room's history is another one: said, and what there is now is shown", async (stage) => {
  await stage.seed("lobby", 120, { names: ["cleo"] });
  const [ada, bob] = [await stage.seat("ada", { at: 0 }), await stage.seat("bob", { at: 1 })];
  await ada.sees("message 120");
  await bob.sees("message 120");
  // Bob reads far up, where the new log has nothing.
  await bob.page.evaluate(() => (document.querySelector(".scroller").scrollTop -= 2_000));
  await stage.redis.kill();
  stage.redis.empty();
  await ada.says("the first of the new log");
  await ada.banner(SLOW);
  await stage.redis.start();

  for (const seat of [ada, bob]) {
    await seat.sees("the first of the new log");
    await seat.notice("This room’s history was replaced on the server. You see what there is now.");
    assert.deepEqual(await seat.texts(), ["the first of the new log"]);
    await seat.page.locator(".beginning", { hasText: "This is the beginning of lobby" }).waitFor({ state: "attached" });
  }
  await bob.says("and the second");
  await ada.sees("and the second");
  assert.deepEqual(await ada.axe(), []);
  assert.deepEqual(stage.complaints, []);
});

for (const plain of [false, true]) {
  play(`away for longer than anything is kept: said, and marked in the ${plain ? "plain " : ""}list`, async (stage) => {
    const ada = await stage.seat("ada", { settings: { plain } });
    const cleo = await stage.speaker("cleo", "lobby", 1);
    await cleo.says("before");
    await ada.sees("before");
    await ada.context.setOffline(true);
    await ada.banner("You are offline. Messages you send will wait here.");
    await stage.seed("lobby", 500, { names: ["dev", "eve"], at: 1 });
    await ada.context.setOffline(false);

    await ada.notice(/You were away for long: (not all of what you missed is here|some of what you missed is no longer kept)/);
    await ada.sees("message 500");
    // At the top of what is left stands where the rest would be.
    await ada.page.evaluate(async () => {
      const box = document.querySelector(".scroller");
      for (let still = 0; still < 20; still = box.scrollTop > 0 ? 0 : still + 1) {
        box.scrollTop = 0;
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
      }
    });
    await ada.page.locator(".divider", { hasText: "Some of what you missed is not here" }).waitFor();
    await ada.page.locator(".beginning", { hasText: "Older messages are no longer kept" }).waitFor();
    await ada.notice("You were away for long: some of what you missed is no longer kept.");
    const first = ada.page.locator("article.message").first();
    assert.match(await first.getAttribute("aria-label"), /^Some of what you missed is not here, /);
    assert.ok(Number(await first.getAttribute("data-seq")) > 2);
    assert.equal(await ada.row("before").count(), 0);
    assert.deepEqual(await ada.axe(), []);

    await cleo.says("live");
    await ada.page.getByRole("button", { name: /Jump to latest/ }).click();
    await ada.sees("live");
    assert.deepEqual(stage.complaints, []);
  }, { env: { HUBBUB__STORE__RETENTION_MESSAGES: "100" } });
}

play("the server does not know one any more: said, and one is there as somebody new", async (stage) => {
  const ada = await stage.seat("ada");
  await ada.says("as the old one");
  await ada.page.locator("article.sent", { hasText: "as the old one" }).waitFor();
  const session = await ada.page.evaluate(() => localStorage.getItem("hubbub:session"));
  await ada.page.evaluate(() => localStorage.setItem("hubbub:session", "of another server"));
  await ada.page.reload();

  await ada.banner("Your earlier visit had ended: you are here as a new guest.");
  await ada.isOn("amber");
  assert.notEqual(await ada.page.evaluate(() => localStorage.getItem("hubbub:session")), session);
  await ada.sees("as the old one");
  await ada.says("as the new one");
  // Another author, though of the same name: two groups, and two of that name in the room for now.
  await ada.page.locator("article.sent.leads", { hasText: "as the new one" }).waitFor();
  assert.deepEqual(stage.complaints, []);
}, { nodes: ["amber"] });

play("what waited too long is not sent by itself: failed, and again by one's own choice", async (stage) => {
  const ada = await stage.seat("ada");
  const bob = await stage.speaker("bob", "lobby");
  await ada.context.setOffline(true);
  await ada.banner("You are offline. Messages you send will wait here.");
  await ada.says("from long ago");
  await ada.page.locator("article.waiting", { hasText: "from long ago" }).waitFor();
  // The store says when the time is over: a message of another's that was made now would be refused.
  await bob.expires();
  await ada.context.setOffline(false);

  const row = ada.row("from long ago");
  await row.locator(".failure", { hasText: "It waited too long to be sent safely by itself." }).waitFor();
  await row.getByRole("button", { name: "Try again" }).click();
  await ada.page.locator("article.sent", { hasText: "from long ago" }).waitFor();
  assert.equal(await row.count(), 1);
}, { nodes: ["amber"], env: { HUBBUB__STORE__IDEMPOTENCY: "1s" } });
