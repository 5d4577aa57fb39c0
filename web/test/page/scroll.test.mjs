// A long history: pages come in at both ends, a gap is repaired, and the row one reads does not move.
import assert from "node:assert/strict";

import { play, until } from "./stage.mjs";

/** One author says eight in a row, and every seventh message has several lines, as people do. */
const text = (i) => (i % 7 ? `message ${i}` : `message ${i}, which goes on for a while. ${"It has more to say than others do. ".repeat(1 + (i % 5))}`);

/** Samples after paint: a frame callback runs before layout is final and reports shifts nobody can see. */
const watch = (page) =>
  page.evaluate(() => {
    globalThis.painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    globalThis.box = document.querySelector(".scroller");
    /** The rows one sees, each with its distance from the top. */
    globalThis.rows = () => {
      const edge = box.getBoundingClientRect();
      return new Map([...box.querySelectorAll("article")].map((row) => [row.dataset.mid, row.getBoundingClientRect().top - edge.top]).filter(([, top]) => top > -40 && top < edge.height));
    };
    /** The largest movement of any row that was and is visible, beyond what was expected. */
    globalThis.shift = (before, moved = 0) => {
      let most = 0;
      for (const [mid, top] of rows()) if (before.has(mid)) most = Math.max(most, Math.abs(top - before.get(mid) - moved));
      return most;
    };
  });

play("10,000 messages page in without a shift, and stay light", async (stage) => {
  const began = Date.now();
  await stage.seed("archive", 10_000, { text });
  console.log(`  10,000 messages written in ${Date.now() - began} ms`);
  const ada = await stage.seat("ada", { room: "archive" });
  await ada.page.locator("article").last().waitFor();
  await ada.stands();
  await watch(ada.page);

  const found = await ada.page.evaluate(async () => {
    const shifts = [];
    let checks = 0;
    const STEP = 560;
    const check = (before, moved, what) => {
      checks++;
      const by = shift(before, moved);
      if (by > 2) shifts.push(`${what} at ${Math.round(box.scrollTop)}: ${by.toFixed(1)} px`);
    };
    const until = performance.now() + 300_000;
    while (performance.now() < until && !document.querySelector('article[data-seq="1"]')) {
      let before = rows();
      const room = box.scrollTop;
      box.scrollTop -= STEP;
      await painted();
      // At the very top the browser stops the movement; what it did is then not known beforehand.
      if (room > STEP + 4) check(before, STEP, "while scrolling");
      before = rows();
      await painted();
      check(before, 0, "at rest");
    }
    return { shifts, checks, first: document.querySelector('article[data-seq="1"]') !== null, height: box.scrollHeight };
  });
  const weight = await ada.page.evaluate(() => {
    globalThis.gc?.();
    return { heap: Math.round(performance.memory.usedJSHeapSize / 1e5) / 10, nodes: document.querySelectorAll("*").length, rows: document.querySelectorAll("article").length };
  });
  console.log(`  ${found.checks} checks after paint, ${found.shifts.length} shifts over 2 px; with all loaded: heap ${weight.heap} MB, ${weight.nodes} nodes, ${weight.rows} rows, ${found.height} px`);
  assert.ok(found.first, "paged back to the first message");
  assert.deepEqual(found.shifts, []);
  assert.ok(found.checks > 500, `${found.checks} checks`);
  assert.ok(weight.heap < 60, `${weight.heap} MB`);
  assert.ok(weight.nodes < 1_500, `${weight.nodes} nodes`);

  await ada.page.click(".jump");
  await ada.sees("message 10000");
  await ada.page.locator(".jump").waitFor({ state: "detached" });
  assert.deepEqual(stage.complaints, []);
}, { timeout: 600_000 });

play("neither new messages nor a repaired gap move the row one reads", async (stage) => {
  await stage.seed("attic", 400, { text, names: ["cleo"] });
  const ada = await stage.seat(null, { room: "attic" });
  // Loses some of what the server tells: the page finds the hole, and reads what is missing.
  let lost = 0;
  await ada.page.routeWebSocket(/socket\.io/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((message) => {
      if (typeof message === "string" && message.includes("message:new") && /lose me/.test(message)) return void lost++;
      socket.send(message);
    });
  });
  await ada.page.reload();
  await ada.enter("ada");
  await ada.sees("message 400");
  const bob = await stage.speaker("bob", "attic", 1);
  await watch(ada.page);

  const worst = async (during) => {
    await ada.page.evaluate(() => {
      globalThis.worst = 0;
      globalThis.before = rows();
      globalThis.watching = (async () => {
        while (globalThis.before) {
          await painted();
          if (globalThis.before) globalThis.worst = Math.max(globalThis.worst, shift(globalThis.before));
        }
      })();
    });
    await during();
    await ada.stands();
    return ada.page.evaluate(() => {
      globalThis.before = undefined;
      return globalThis.worst;
    });
  };
  await ada.climbs(4, 400);

  const live = await worst(async () => {
    for (let i = 0; i < 20; i++) await bob.says(`news ${i}`);
    await ada.page.locator(".jump", { hasText: "20 new messages" }).waitFor();
  });
  const repaired = await worst(async () => {
    for (let i = 0; i < 30; i++) await bob.says(`lose me ${i} ${"and more ".repeat(i)}`);
    await bob.says("but not this");
    await ada.page.locator(".jump", { hasText: "51 new messages" }).waitFor();
  });
  assert.ok(lost >= 30, `${lost} were lost on the way`);
  console.log(`  largest shifts: ${live} px by 20 new, ${repaired} px by a repaired gap of 30`);
  assert.ok(live <= 2 && repaired <= 2, `${live}, ${repaired} px`);

  await ada.page.click(".jump");
  await ada.sees("but not this");
  const { sent } = await ada.log();
  assert.deepEqual(sent.slice(-51).map((each) => each.split(" ").slice(0, 2).join(" ")), [...Array.from({ length: 20 }, (_, i) => `news ${i}`), ...Array(30).fill("lose me"), "but not"]);
  assert.equal(new Set(sent).size, sent.length, "nothing twice");
});

play("a page that comes late moves nothing of what one reads at the top", async (stage) => {
  await stage.seed("cellar", 400, { text, names: ["cleo"] });
  const ada = await stage.seat(null, { room: "cellar" });
  // Answers to whoever reads back are held until somebody lets them go.
  const asked = new Set();
  let [held, isHeld] = [[], false];
  await ada.page.routeWebSocket(/socket\.io/, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((message) => {
      const id = /^42\/chat,(\d+)\["message:history"/.exec(message)?.[1];
      if (id) asked.add(`43/chat,${id}[`);
      server.send(message);
    });
    server.onMessage((message) => {
      const answers = typeof message === "string" && asked.has(message.slice(0, message.indexOf("[") + 1));
      if (answers && isHeld) held.push(() => socket.send(message));
      else socket.send(message);
    });
  });
  await ada.page.reload();
  await ada.enter("ada");
  await ada.sees("message 400");
  await ada.stands();
  await watch(ada.page);
  isHeld = true;
  // As high as one gets, and then one stands there for longer than a movement lasts.
  await until(() => ada.page.evaluate(async () => {
    box.scrollTop = 0;
    for (let frame = 0; frame < 30; frame++) await painted();
    return box.scrollTop === 0 && box.getAttribute("aria-busy") === "true";
  }), "ada waits at the top");
  await until(() => held.length > 0, "the page is held");
  await ada.page.evaluate(() => {
    globalThis.before = rows();
    globalThis.high = box.scrollHeight;
  });
  isHeld = false;
  held.forEach((send) => send());
  await ada.page.waitForFunction(() => box.scrollHeight > high + 1_000);
  await ada.stands();

  const moved = await ada.page.evaluate(() => ({ by: shift(before), rows: [...before.keys()].filter((mid) => rows().has(mid)).length }));
  assert.ok(moved.rows > 5, `${moved.rows} rows are still there`);
  assert.ok(moved.by <= 2, `${moved.by} px`);
  assert.deepEqual(stage.complaints, []);
});

play("whoever is at the end follows it, also while a gap is filled above an unsent message", async (stage) => {
  const ada = await stage.seat("ada", { room: "porch" });
  const bob = await stage.speaker("bob", "porch", 1);
  for (let i = 0; i < 40; i++) await bob.says(`before ${i}`);
  await ada.sees("before 39");
  await ada.context.setOffline(true);
  await ada.page.locator("#state.away").waitFor();
  await ada.says("mine, unsent");
  for (let i = 0; i < 30; i++) await bob.says(`missed ${i}`);
  await ada.context.setOffline(false);
  await ada.sees("missed 29");
  await ada.page.locator("article.sent", { hasText: "mine, unsent" }).waitFor();
  await ada.stands();
  const gap = () => ada.page.evaluate(() => {
    const box = document.querySelector(".scroller");
    return box.scrollHeight - box.scrollTop - box.clientHeight;
  });
  assert.ok((await gap()) <= 2, `${await gap()} px from the end`);
  // A draft that grows takes height from the list, not the end of it from sight.
  await ada.page.fill("#text", "a\nb\nc\nd\ne");
  await ada.stands();
  assert.ok((await gap()) <= 2, `${await gap()} px from the end`);
  await ada.page.setViewportSize({ width: 420, height: 700 });
  await ada.stands();
  assert.ok((await gap()) <= 2, `${await gap()} px from the end`);
});
