// The profiles `sentinel` and `cluster`: the nodes talk through a Redis that may die, and go on with the next.
import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { startChat, within } from "./chat.mjs";
import { docker, findImages, NEEDED, Project } from "./compose.mjs";
import { assertHardened } from "./hardened.mjs";

for (const { kind, primaryOf, mayLose, what } of [
  { kind: "sentinel", primaryOf: async () => "redis", mayLose: false, what: "nothing is lost" },
  // No replica is waited for there: the last moments before the failover may be gone, and then that is said.
  { kind: "cluster", primaryOf: ownerOf, mayLose: true, what: "what was lost is said" },
]) {
  describe(`Redis with failover: ${kind}`, () => {
    const project = new Project(`hubbub-test-${kind}`, ["--env-file", `deploy/redis/${kind}.env`]);
    let url;
    before(async () => {
      assert.deepEqual(await findImages(...NEEDED), [], "images that are neither here nor to be had");
      await project.down("--volumes");
      await project.build();
      await project.up();
      url = await project.published("lb", 3000);
    });
    after(() => project.down("--volumes", "--remove-orphans"));

    project.step(`${kind}: every container that runs is hardened`, async () => {
      const running = (await project.containers()).filter(({ State }) => State.Running);
      assert.ok(running.length >= 9);
      running.forEach(assertHardened);
    });

    project.step(`${kind}: the primary is killed, the talk goes on with another, ${what}`, async (t) => {
      const chat = await startChat(url, kind);
      try {
        await chat.goesOn();
        const service = await primaryOf(project, `compose-${kind}`);
        const { Id } = await project.one(service);
        const began = Date.now();
        await docker("kill", "--signal", "KILL", Id);
        await chat.goesOn();
        t.diagnostic(`${service} killed; everybody had ten more messages acknowledged ${((Date.now() - began) / 1000).toFixed(1)} s later`);
        const account = await chat.end({ mayLose });
        t.diagnostic(JSON.stringify(account));
      } finally {
        chat.close();
      }
    });

    project.step(`${kind}: everything is stopped and started again, and is found again`, async () => {
      await project.down();
      await project.up();
      const chat = await startChat(url, `${kind}-again`);
      try {
        await chat.goesOn();
        await chat.end();
      } finally {
        chat.close();
      }
    });
  });
}

/** The service that holds a room's slot in the cluster. */
async function ownerOf(project, room) {
  const first = await project.one("redis-cluster-1");
  const cli = (...args) => docker("exec", first.Id, "redis-cli", ...args);
  const slot = Number(await cli("cluster", "keyslot", `{r:${room}}:meta`));
  let seen;
  const owner = async () => {
    for (;;) {
      seen = await cli("cluster", "nodes");
      const line = seen.split("\n").find((node) => node.includes("master") && node.split(" ").slice(8).some((range) => {
        const [from, to = from] = range.split("-").map(Number);
        return from <= slot && slot <= to;
      }));
      if (line) return line.split(" ")[1].split(":")[0];
      await pause(250);
    }
  };
  const address = await within(owner(), `slot ${slot} has an owner`, () => seen);
  for (const container of await project.containers()) {
    if (Object.values(container.NetworkSettings.Networks).some(({ IPAddress }) => IPAddress === address)) return project.service(container);
  }
  throw new Error(`nobody is at ${address}`);
}
