// The README's `docker compose up`, from outside: what is promised of it, while nodes and Redis come and go.
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { after, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { startChat, within } from "./chat.mjs";
import { docker, findImages, NEEDED, Project, ROOT } from "./compose.mjs";
import { assertHardened } from "./hardened.mjs";
import { connect, readHistory } from "./member.mjs";
import { http, pollMany } from "./polling.mjs";

const project = new Project("hubbub-test");
const docs = readFileSync(`${ROOT}docs/operations.md`, "utf8");
/** Where tutorials look for their server. */
const PORTS = [3000, 5000, 8000, 8080];
/** A history from before `down`, to be found after `up`. */
const before_down = { room: "compose-scaled", lines: [] };

let url;
before(async () => {
  assert.deepEqual(await findImages(...NEEDED), [], "images that are neither here nor to be had");
  await project.down("--volumes");
  project.watchDeaths();
  await project.build();
  const began = Date.now();
  await project.up();
  console.log(`# up and healthy after ${((Date.now() - began) / 1000).toFixed(1)} s`);
  url = await project.published("lb", 3000);
});
after(async () => {
  project.stopWatching?.();
  await project.down("--volumes", "--remove-orphans");
});

/**
 * A step with people talking meanwhile; what they say is judged at the end. `moves`: how often each may have
 * to connect again. Who polls and is sent to another node in the middle of a session would do it much more often.
 */
function live(name, what, { moves = 0 }, fault) {
  project.step(what, async (t) => {
    const chat = await startChat(url, name);
    try {
      await chat.goesOn();
      await fault(chat, t);
      await chat.goesOn();
      const account = await chat.end();
      t.diagnostic(JSON.stringify(account));
      assert.ok(account.acked > 100, "they talked");
      assert.equal(account.resets, 0, "nobody was told to forget what they had");
      for (const { client, records } of chat.members) {
        const came = records.filter(({ event }) => event === "connected").length - 1;
        assert.ok(came <= moves, `${client.name} (${client.kind}) had to connect again ${came} times, not ${moves}`);
      }
      if (name === "scaled") before_down.lines = await readHistory(url, before_down.room);
    } finally {
      chat.close();
    }
  });
}

project.step("the page is on one port, and the tutorials' ports answer, on loopback", async () => {
  for (const port of PORTS) {
    const at = await project.published("lb", 3000).then((first) => first.replace(/\d+$/, port));
    const page = await http(`${at}/`);
    assert.equal(page.status, 200);
    assert.match(page.body, /<title>Hubbub/);
    const { status, body } = await http(`${at}/socket.io/socket.io.js`);
    assert.equal(status, 200);
    assert.match(body, /Socket\.IO v4/);
    const opened = await http(`${at}/socket.io/?EIO=4&transport=polling`);
    assert.equal(opened.status, 200);
    assert.match(opened.body, /^0\{"sid"/);
  }
  for (const container of await project.containers()) {
    for (const at of Object.values(container.NetworkSettings.Ports).flat().filter(Boolean)) {
      assert.equal(at.HostIp, "127.0.0.1", `${container.Name} is published on loopback`);
    }
    if (project.service(container) !== "lb") assert.deepEqual(published(container), [], `${container.Name} is not published`);
  }
});

project.step("the balancer reaches every node", async (t) => {
  const nodes = await nodesReached(3);
  t.diagnostic(`${nodes.size} nodes: ${[...nodes].join(", ")}`);
});

project.step("polling with the balancer's cookie stays on its node: 20 of 20, spread over the nodes", async (t) => {
  const { good, nodes, failures } = await pollMany(url, 20);

  t.diagnostic(`${good} of 20 on ${nodes.size} nodes`);
  assert.deepEqual(failures, []);
  assert.equal(good, 20);
  assert.ok(nodes.size >= 2, "they are not all on one node");
});

project.step("polling without a cookie stays on its node by the client's address: 20 of 20", async (t) => {
  const { good, nodes } = await pollMany(url, 20, { cookie: false });

  t.diagnostic(`${good} of 20 on ${nodes.size} node`);
  assert.equal(good, 20);
});

project.step("the control: without the cookie, and without going by address, polling fails", async (t) => {
  await withControl(async (control) => {
    const bare = await pollMany(control, 20, { cookie: false });
    const kept = await pollMany(control, 20);
    t.diagnostic(`without the cookie ${bare.good} of 20 (${bare.failures[0]}); with it, on the same balancer, ${kept.good} of 20`);
    assert.ok(bare.good <= 8, `${bare.good} of 20 went well without the cookie: then stickiness shows nothing`);
    assert.match(bare.failures.join("\n"), /400 .*Session ID unknown/);
    assert.equal(kept.good, 20);
  });
});

project.step("every container is hardened", async () => {
  for (const container of await project.containers()) assertHardened(container);
});

project.step("the image has no shell, and says what it is", async (t) => {
  const [image] = JSON.parse(await docker("image", "inspect", "hubbub:local"));
  for (const shell of ["/bin/sh", "/bin/bash", "/bin/busybox", "sh"]) {
    await assert.rejects(docker("run", "--rm", "--entrypoint", shell, "hubbub:local", "-c", "true"), /not found|no such file/i, shell);
  }
  assert.equal(image.Config.User, "10001:10001");
  assert.equal(image.Config.StopSignal, "SIGTERM");
  assert.deepEqual(image.Config.Healthcheck.Test, ["CMD", "/usr/local/bin/hubbub", "healthcheck"]);
  for (const label of ["title", "version", "revision", "licenses"]) assert.ok(image.Config.Labels[`org.opencontainers.image.${label}`], label);
  t.diagnostic(`${(image.Size / 1e6).toFixed(1)} MB`);
  // A node alone, on the embedded store, with nothing but the image.
  assert.match(await docker("run", "--rm", "--read-only", "--cap-drop", "ALL", "hubbub:local", "--version"), /^hubbub \d/);
});

live("scaled", "from three nodes to five and back, nothing is lost", { moves: 2 }, async (chat, t) => {
  await project.scale(5);
  const nodes = await nodesReached(5);
  // They come to the new nodes, which have fewest; when those go, they have to move.
  await chat.more();
  await chat.goesOn();
  const began = Date.now();
  await project.scale(3);
  const moved = chat.members.filter((member) => member.nodes.length > 1).map(({ client }) => client.kind);
  t.diagnostic(`the balancer reached ${nodes.size} nodes; back to three in ${((Date.now() - began) / 1000).toFixed(1)} s; moved: ${moved.join(", ")}`);
  assert.ok(moved.length > 0, "somebody was on the nodes that went");
});

live("killed", "a node is killed and comes back, nothing is lost", { moves: 2 }, async (chat) => {
  const victim = await nodeOf(chat.members[2]);
  await docker("kill", "--signal", "KILL", victim.Id);
  await chat.goesOn(30);
  await project.up();
});

live("redis-restarted", "Redis is restarted, nothing is lost and nobody is disconnected", {}, async (chat) => {
  await project.compose("restart", "redis");
  await project.up();
  await chat.goesOn();
  assertNobodyLeft(chat);
});

live("redis-killed", "Redis is killed, nothing is lost and nobody is disconnected", {}, async (chat) => {
  const redis = await project.one("redis");
  await docker("kill", "--signal", "KILL", redis.Id);
  await pause(2_000);
  await project.up();
  await chat.goesOn();
  assertNobodyLeft(chat);
});

live("redis-partitioned", "Redis is cut off and comes back, every send is answered meanwhile, nothing is lost", {}, async (chat, t) => {
  const heal = await project.partition("redis");
  // Longer than any timeout on the way: commands, connections, breaker.
  await pause(12_000);
  const refused = chat.members.flatMap(({ records }) => records).filter(({ event }) => event === "refused");
  t.diagnostic(`${refused.length} sends refused as ${[...new Set(refused.map(({ code }) => code))].join(", ")} meanwhile`);
  assert.ok(refused.length > 0, "who sends while Redis is away is told");
  await heal();
  await chat.goesOn();
  assertNobodyLeft(chat);
});

live("drained", "a node is stopped and ends by itself within its grace, its people move", { moves: 2 }, async (chat, t) => {
  const victim = await nodeOf(chat.members[2]);
  const began = Date.now();
  await docker("stop", "--time", "60", victim.Id);
  const took = (Date.now() - began) / 1000;
  const [{ State, Config }] = JSON.parse(await docker("inspect", victim.Id));
  const moved = chat.members.filter(({ nodes }) => nodes.length > 1).map(({ client }) => client.kind);
  t.diagnostic(`SIGTERM to exit: ${took.toFixed(1)} s; moved: ${moved.join(", ")}`);
  assert.ok(moved.length > 0, "somebody was there");
  assert.equal(State.ExitCode, 0);
  const [deadline, grace] = [await settingOf("drain.deadline"), Config.StopTimeout];
  assert.ok(took < deadline + 2, `${took} s is within drain.deadline (${deadline} s)`);
  assert.ok(grace >= deadline + 5, `stop_grace_period (${grace} s) is longer than drain.deadline (${deadline} s)`);
  await chat.goesOn();
  await project.up();
});

live("rolled", "every node is replaced by one of a new image, nothing is lost", { moves: 4 }, async (chat, t) => {
  const old = await project.containers("hubbub");
  // Only what it says of itself is another.
  await project.shell("docker compose build hubbub", { HUBBUB_VERSION: "next" });
  await project.shell("deploy/roll.sh");
  const nodes = await project.containers("hubbub");
  assert.equal(nodes.length, 3);
  assert.deepEqual(nodes.map(({ Config }) => Config.Labels["org.opencontainers.image.version"]), ["next", "next", "next"]);
  const stayed = nodes.filter(({ Id }) => old.some((one) => one.Id === Id));
  assert.deepEqual(stayed, []);
  t.diagnostic(`moved: ${chat.members.map((member) => member.nodes.length - 1).join(", ")} times`);
});

project.step("everything that was told to stop has ended with 0", async (t) => {
  const deaths = project.deaths.filter(({ service }) => service);
  t.diagnostic(deaths.map(({ name, code }) => `${name} ${code}`).join(", "));
  // Those that this test killed.
  const killed = deaths.filter(({ code }) => code === 137).map(({ service }) => service);
  assert.deepEqual(killed.sort(), ["hubbub", "redis"]);
  assert.deepEqual(deaths.filter(({ code }) => code !== 0 && code !== 137), []);
  assert.ok(deaths.filter(({ service, code }) => service === "hubbub" && code === 0).length >= 6, "two by scaling, one stopped, three replaced");
});

project.step("no node has panicked or complained of an error", async () => {
  const words = await project.logs("hubbub");
  assert.doesNotMatch(words, /panicked at/);
  const errors = words.split("\n").filter((line) => line.includes('"level":"ERROR"'));
  assert.deepEqual(errors, []);
});

project.step("down and up again: every container ends with 0, and the history is there", async (t) => {
  project.deaths.length = 0;
  await project.down();
  await within((async () => { while (project.deaths.length < 5) await pause(50); })(), "five containers have ended", () => JSON.stringify(project.deaths));
  t.diagnostic(project.deaths.map(({ name, code }) => `${name} ${code}`).join(", "));
  assert.deepEqual(project.deaths.filter(({ code }) => code !== 0), []);
  assert.deepEqual(await project.containers(), []);
  await project.up();
  assert.ok(before_down.lines.length > 100);
  assert.deepEqual(await readHistory(url, before_down.room), before_down.lines);
});

project.step("a backup made while people talk is restored into an empty volume, by the guide's own words", async (t) => {
  const file = `${ROOT}target/compose-test/hubbub-backup.tar`;
  const guide = (name) => docs.match(new RegExp(`<!-- ${name} -->\n\`\`\`sh\n([^]*?)\`\`\``))[1].replaceAll("hubbub-backup.tar", file);
  const chat = await startChat(url, "backed-up");
  try {
    await chat.goesOn();
    const known = chat.members.flatMap(({ records }) => records.filter(({ event }) => event === "acked").map(({ mid }) => mid));
    await project.shell(guide("backup"));
    await chat.goesOn();
    await chat.end();
    await project.shell(guide("restore"));
    const restored = new Set((await readHistory(url, "compose-backed-up")).map(({ mid }) => mid));
    assert.deepEqual(known.filter((mid) => !restored.has(mid)), [], "what was acknowledged before the backup is there");
    assert.deepEqual(await readHistory(url, before_down.room), before_down.lines);
    t.diagnostic(`${known.length} acknowledged before the backup, ${restored.size} restored; ${(statSync(file).size / 1e6).toFixed(1)} MB`);
  } finally {
    chat.close();
  }
});

// === What the steps ask

const published = (container) => Object.values(container.NetworkSettings.Ports).flat().filter(Boolean);

/** The names of the nodes that new connections come to; opens more, and keeps them, until there are as many nodes as there should be. */
async function nodesReached(count) {
  const nodes = new Set();
  const open = [];
  try {
    // The balancer prefers who has fewest, so that many reach every node however they were loaded before.
    for (let i = 0; i < 20 && nodes.size < count; i++) {
      const more = Array.from({ length: 5 }, () => connect(url));
      open.push(...more.map(({ socket }) => socket));
      const came = within(Promise.all(more.map(({ ready }) => ready)), "five connections", () => `reached: ${[...nodes].join(", ")}`);
      for (const { node } of await came) nodes.add(node);
      if (nodes.size < count) await pause(500);
    }
  } finally {
    open.forEach((socket) => socket.disconnect());
  }
  assert.equal(nodes.size, count, `the nodes reached: ${[...nodes].join(", ")}`);
  return nodes;
}

/** The container of the node that a member is on. */
async function nodeOf(member) {
  const node = member.nodes.at(-1);
  for (const container of await project.containers("hubbub")) {
    if ((await docker("logs", container.Id)).includes(`"node":"${node}"`)) return container;
  }
  throw new Error(`no container is node ${node}`);
}

/** A balancer like ours before the same nodes, but one that knows only the cookie. */
async function withControl(play) {
  const id = await project.compose("run", "--detach", "--no-deps", "--publish", "127.0.0.1::3000", "--env", "HUBBUB_LB_BY_ADDRESS=off", "lb");
  try {
    const [{ NetworkSettings }] = JSON.parse(await docker("inspect", id.split("\n").at(-1)));
    const control = `http://127.0.0.1:${NetworkSettings.Ports["3000/tcp"][0].HostPort}`;
    const ready = async () => {
      while ((await http(`${control}/`).catch(() => ({}))).status !== 200) await pause(100);
    };
    await within(ready(), "the control answers");
    await play(control);
  } finally {
    await docker("rm", "--force", id.split("\n").at(-1));
    // Removed by force, so its end is not one of ours.
    project.deaths = project.deaths.filter(({ name }) => !name.includes("-lb-run-"));
  }
}

/** Whoever lost its connection although only Redis was touched. */
function assertNobodyLeft({ members }) {
  const left = members.flatMap(({ client, records }) => records.filter(({ event }) => event === "disconnected").map(({ why }) => `${client.name}: ${why}`));
  assert.deepEqual(left, [], "sockets are kept while Redis is away");
}

/** A duration of the nodes' settings, in seconds, as the image says it. */
async function settingOf(key) {
  const settings = await docker("run", "--rm", "hubbub:local", "config");
  const [, value] = settings.match(new RegExp(`^${key.replace(".", "\\.")} = "(\\d+)s"`, "m")) ?? assert.fail(`${key} is not in\n${settings}`);
  return Number(value);
}
