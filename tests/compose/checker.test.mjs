// The checker finds each thing that can go wrong, and nothing where nothing did.
import assert from "node:assert/strict";
import { test } from "node:test";

import { check } from "./checker.mjs";

const line = (seq, { mid = `m${seq}`, text_hash = seq, user = "u" } = {}) => ({ room: "r", epoch: "e", seq, mid, text_hash, user });

/** A run in which one member says three things, and both have them; `change` spoils it. */
function run(change = () => {}) {
  const joined = (after) => ({ at: 0, event: "joined", page: { room: "r", epoch: "e", head: after, first: 1, after, upto: after }, since: null, has_more: false, truncated: false, reset: null });
  const says = (n) => [
    { at: n * 10, event: "sent", n, room: "r", mid: `m${n}`, text_hash: n },
    { at: n * 10 + 5, event: "acked", n, room: "r", mid: `m${n}`, epoch: "e", seq: n, dup: false },
  ];
  const hears = (n) => ({ at: n * 10 + 4, event: "heard", line: line(n), applied: true });
  const a = { client: { name: "a" }, records: [joined(0), ...[1, 2, 3].flatMap((n) => [...says(n), hears(n)])] };
  const b = { client: { name: "b" }, records: [joined(0), hears(1), hears(2), hears(3)] };
  const history = [1, 2, 3].map((seq) => line(seq));
  change({ a, b, history });
  return () => check([a, b], history);
}

test("a run in which all is well is well", () => {
  const sum = run()();

  assert.deepEqual([sum.sent, sum.acked, sum.lost, sum.log], [3, 3, 0, 3]);
});

const SPOILT = {
  "an acknowledged message is gone": [/V1 a: m3/, ({ history }) => history.pop()],
  "an acknowledged message stands elsewhere": [/V1 a: m3/, ({ history }) => (history[2].seq = 4)],
  "a message is there twice": [/V2 m1/, ({ history }) => history.push(line(4, { mid: "m1" }))],
  "nobody sent it": [/V3 nobody sent x/, ({ history }) => history.push(line(4, { mid: "x" }))],
  "it is not what was sent": [/V3 m2/, ({ history }) => (history[1].text_hash = 9)],
  "the log has a hole": [/V4 a hole/, ({ history }) => history.splice(1, 1)],
  "the log is out of order": [/V4/, ({ history }) => history.reverse()],
  "a member lacks a message": [/V5 b: where the log has 2/, ({ b }) => b.records.splice(2, 1)],
  "a member lacks the first": [/V5 b: where the log has 1/, ({ b }) => b.records.splice(1, 1)],
  "a member lacks the last": [/V5 b: where the log has 3/, ({ b }) => b.records.pop()],
  "a member has one twice": [/V5 b/, ({ b }) => b.records.push(b.records[3])],
  "a member has them in another order": [/V5 b/, ({ b }) => b.records.push(b.records.splice(2, 1)[0])],
  "a member never came in": [/V5 b never/, ({ b }) => b.records.splice(0)],
  "answers are in another order than sends": [/V6 a/, ({ a }) => ([a.records[2].seq, a.records[5].seq] = [2, 1])],
  "a send is never answered": [/V10 a: attempt 2/, ({ a }) => (a.records.splice(5, 1), (a.records.at(-1).at = 9_000_000))],
};
for (const [what, [complaint, change]] of Object.entries(SPOILT)) {
  test(`the checker sees that ${what}`, () => assert.throws(run(change), complaint));
}

test("what a failover may lose is counted, not forgiven elsewhere", () => {
  let seen;
  run((all) => {
    seen = all;
    all.history.pop();
    [all.a, all.b].forEach(({ records }) => records.splice(records.findIndex(({ line: l }) => l?.seq === 3), 1));
  });

  assert.equal(check([seen.a, seen.b], seen.history, { mayLose: true }).lost, 1);
});
