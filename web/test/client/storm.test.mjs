// What many clients do in the same moment: gaps, resets, refusals and a dead node are not answered by all at once.
import assert from "node:assert/strict";
import { test } from "node:test";

import { refuse, settled, stage, unavailable } from "./support/fakes.mjs";
import { seeded } from "./support/random.mjs";

const MANY = 30;

/** Many members of a room, each with chance of its own. */
async function many(options) {
  const chance = seeded(7);
  return Promise.all(
    Array.from({ length: MANY }, async () => {
      const s = await stage(options, { accept: false, random: chance });
      for (let i = 1; i <= 3; i++) s.log.say(`m${i}`);
      s.socket.accept();
      s.room.join();
      await settled();
      return s;
    }),
  );
}

/** When each does for the first time what `count` counts; all of them within `most`. */
async function moments(all, count, most) {
  const [when, step] = [[], most / 100];
  for (let ms = 0; ms <= most && when.length < all.length; ms += step) {
    for (const s of all) {
      if (!s.moment && count(s) > 0) when.push((s.moment = ms || 1));
      if (!s.moment) await s.env.pass(step);
    }
  }
  assert.equal(when.length, all.length, `${when.length} of ${all.length} within ${most} ms`);
  return when;
}

/** No tenth of the time has more than a third of all. */
function spread(when, from, to) {
  assert.ok(Math.min(...when) >= from && Math.max(...when) <= to * 1.1, `${Math.min(...when)} to ${Math.max(...when)}`);
  const width = (to - from) / 10;
  const counts = Array.from({ length: 11 }, (_, i) => when.filter((at) => Math.floor((at - from) / width) === i).length);
  assert.ok(Math.max(...counts) <= MANY / 3, counts.join(" "));
}
const pages = (s) => s.socket.count("message:history");

test("one lost message, thirty behind: each asks once, within 50 to 250 ms", async () => {
  const all = await many();
  for (const s of all) {
    s.log.say("lost");
    s.socket.tell("message:new", s.log.say("shows it"));
  }
  spread(await moments(all, pages, 1_000), 50, 250);
  for (const s of all) await s.env.pass(60_000);
  assert.deepEqual(all.map(pages), all.map(() => 1));
});

test("a reset told to thirty: each reads anew once, within 50 to 250 ms", async () => {
  const all = await many();
  for (const s of all) {
    s.log.lose("anew");
    s.socket.tell("room:reset", { room: "lobby", reason: "epoch_changed", head: 1, epoch: s.log.epoch });
  }
  spread(await moments(all, pages, 1_000), 50, 250);
  for (const s of all) await s.env.pass(60_000);
  assert.deepEqual(all.map(pages), all.map(() => 1));
});

test("a node that dies, or has no room for thirty: they come back one by one, ever more slowly", async () => {
  const all = await many();
  all.forEach((s) => s.socket.drop());
  spread(await moments(all, (s) => s.socket.connects - 1, 2_000), 500, 1_500);
  for (const round of [2, 3, 4]) {
    for (const s of all) {
      // A handshake answered 503: the stock client knows no more than that it failed.
      s.socket.fail();
      s.moment = undefined;
    }
    const wait = 1_000 * Math.min(2 ** (round - 1), 5);
    spread(await moments(all, (s) => s.socket.connects - round, wait * 2), wait / 2, wait * 1.5);
  }
});

test("what the store refuses to thirty is tried again at different times, never sooner than it said", async () => {
  const all = await many();
  for (const s of all) {
    s.socket.answers["message:send"] = unavailable("unknown");
    s.room.send("a");
    await settled();
  }
  spread(await moments(all, (s) => s.socket.count("message:send") - 1, 3_000), 1_000, 1_500);
});

test("when the store is back thirty go on within a second, not at once", async () => {
  const all = await many();
  for (const s of all) {
    s.socket.answers["message:send"] = unavailable();
    s.room.send("a");
    await s.env.pass(60_000);
    s.tried = s.socket.count("message:send");
    s.socket.answers["message:send"] = s.log.send;
    s.socket.tell("system:notice", { code: "restored", reconnect: false, after_ms: 0 });
  }
  const when = await moments(all, (s) => s.socket.count("message:send") - s.tried, 1_100);
  spread(when, 0, 1_000);
  assert.deepEqual(all.map(({ room }) => room.snapshot().pending.length), all.map(() => 0));
});

test("a store that is away for ten minutes is asked at a bounded rate, in order, under the same mids", async () => {
  for (const outcome of ["none", "unknown"]) {
    const s = await stage();
    s.room.join();
    await settled();
    let taken = 0;
    // Of those whose outcome is unknown, some are taken all the same.
    s.socket.answers["message:send"] = (p) => (outcome === "unknown" && taken++ % 40 === 7 && s.log.send(p), unavailable(outcome)());
    const mids = ["a", "b", "c"].map((text) => s.room.send(text));
    await s.env.pass(590_000);
    const sends = s.socket.asked.filter((ask) => ask.event === "message:send");
    assert.ok(sends.length <= 140 && sends.length >= 60, `${sends.length} sends`);
    assert.deepEqual(s.room.snapshot().pending.map(({ state, error }) => [state, error?.code, error?.outcome])[0], ["sending", "unavailable", outcome]);

    s.socket.answers["message:send"] = s.log.send;
    await s.env.pass(9_000);
    assert.deepEqual(s.log.entries.map((entry) => entry.mid), mids);
    assert.equal(s.room.snapshot().pending.length, 0);
    assert.deepEqual([...new Set(s.socket.asked.filter((ask) => ask.event === "message:send").map((ask) => ask.payload.mid))], mids);
  }
});

test("who writes too fast is slowed down, not stopped", async () => {
  const s = await stage();
  s.room.join();
  await settled();
  let allowed = 5;
  s.socket.answers["message:send"] = (p) => (allowed-- > 0 ? s.log.send(p) : ((allowed = 1), refuse("rate_limited", { retryable: true, retry_after_ms: 10 })()));
  for (let i = 0; i < 50; i++) s.room.send(`fast ${i}`);
  await s.env.pass(2_000);
  assert.equal(s.log.entries.length, 50);
});
