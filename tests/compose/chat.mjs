// A room full of people who talk while something happens to the service, and the account of it afterwards.
import { setTimeout as pause } from "node:timers/promises";

import { check } from "./checker.mjs";
import { Member, readHistory } from "./member.mjs";
import { openRun } from "./records.mjs";

/** How long anything that must happen may take on a machine that is busy. */
const WITHIN_MS = 90_000;
/** Between two messages of one who talks. */
const PACE_MS = 40;

const KINDS = ["websocket", "upgrade", "polling", "polling-cookie", "websocket", "upgrade"];

/** Opens a room in which every member talks and listens. */
export async function startChat(url, name) {
  const run = openRun(name);
  const room = `compose-${name}`;
  const all = [];
  const talks = [];
  let talking = true;
  let fail;
  const failed = new Promise((_, reject) => (fail = reject));
  failed.catch(() => {});
  const told = () => all.map((member) => member.told()).join("\n");

  const talk = async (member, pace) => {
    for (let n = 0; talking; n++) {
      await member.send(`${member.client.name} says ${n}`);
      await pause(pace);
    }
  };
  /** One more of each kind comes in, and begins to talk when all are there. */
  const more = async () => {
    const come = KINDS.map((kind, i) => new Member(url, run, { name: `m${all.length + i}`, kind, room }));
    all.push(...come);
    await within(Promise.all(come.map((member) => member.isLive())), `everybody is in ${room}`, told);
    talks.push(...come.map((member, i) => talk(member, PACE_MS + i)));
    talks.forEach((one) => one.catch(fail));
  };
  await more();

  return {
    run,
    members: all,
    told,
    more,
    /** Returns when this many more messages were acknowledged to each. */
    async goesOn(messages = 10) {
      const goals = all.map((member) => member.acked + messages);
      const done = async () => {
        while (talking && !all.every((member, i) => member.acked >= (goals[i] ?? 0))) await pause(20);
      };
      await within(Promise.race([done(), failed]), `${messages} more messages of each`, told);
    },
/** Ends the talk, waits until everybody has everything, and judges; throws what was not kept. */
    async end(options) {
      talking = false;
      await within(Promise.all(talks), "the last messages are acknowledged", told);
      const history = await within(readHistory(url, room), `the history of ${room}`, told);
      const head = history.at(-1).seq;
      await within(Promise.all(all.map((member) => member.has(head))), `everybody has message ${head}`, told);
      all.forEach((member) => member.close());
      return check(all, history, options);
    },
    close() {
      talking = false;
      all.forEach((member) => member.close());
    },
  };
}

export async function within(promise, what, told = () => "") {
  const late = new AbortController();
  const limit = pause(WITHIN_MS, undefined, { signal: late.signal }).then(() => {
    throw new Error(`not within ${WITHIN_MS} ms: ${what}\n${told()}`);
  });
  limit.catch(() => {});
  return Promise.race([promise, limit]).finally(() => late.abort());
}
