// The profile `observability`: Prometheus finds every node, also new ones, and knows its rules and its Alertmanager.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { within } from "./chat.mjs";
import { docker, findImages, NEEDED, Project, ROOT } from "./compose.mjs";
import { assertHardened } from "./hardened.mjs";

const project = new Project("hubbub-test-seen", ["--profile", "observability"]);
/** Each with the variable of its image; those to be had are started. */
const WATCHERS = {
  prometheus: "HUBBUB_PROMETHEUS_IMAGE",
  alertmanager: "HUBBUB_ALERTMANAGER_IMAGE",
  "redis-exporter": "HUBBUB_REDIS_EXPORTER_IMAGE",
  grafana: "HUBBUB_GRAFANA_IMAGE",
  "otel-collector": "HUBBUB_COLLECTOR_IMAGE",
};

let started;
let prometheus;
before(async () => {
  assert.deepEqual(await findImages(...NEEDED), [], "images that are neither here nor to be had");
  started = [];
  for (const [service, variable] of Object.entries(WATCHERS)) if ((await findImages(variable)).length === 0) started.push(service);
  assert.ok(started.includes("prometheus") && started.includes("alertmanager"), "Prometheus' images are to be had");
  await project.down("--volumes");
  await project.build();
  await project.up("lb", ...started);
  prometheus = await project.published("prometheus", 9090);
});
after(() => project.down("--volumes", "--remove-orphans"));

project.step("what runs of the profile is hardened, and published on loopback", async (t) => {
  const left = Object.keys(WATCHERS).filter((service) => !started.includes(service));
  t.diagnostic(`started: ${started.join(", ")}; no image to be had of: ${left.join(", ") || "none"}`);
  for (const container of await project.containers()) {
    assertHardened(container);
    for (const at of Object.values(container.NetworkSettings.Ports).flat().filter(Boolean)) assert.equal(at.HostIp, "127.0.0.1");
  }
});

project.step("Prometheus scrapes every node, the balancer and Redis, and follows to five nodes", async (t) => {
  for (const [job, count] of Object.entries({ hubbub: 3, haproxy: 1, alertmanager: 1, prometheus: 1, ...(started.includes("redis-exporter") && { redis: 1 }) })) {
    await upOf(job, count);
  }
  await project.up("--no-recreate", "--scale", "hubbub=5", "hubbub");
  await upOf("hubbub", 5);
  await project.up("--no-recreate", "--scale", "hubbub=3", "hubbub");
  await upOf("hubbub", 3);
  t.diagnostic("hubbub 3, then 5, then 3; balancer 1; Redis 1: all up");
});

project.step("what it reads is what it should be: nodes, balancer and Redis agree", async () => {
  await value('sum(hubbub_store_up)', 3);
  await value('count(haproxy_server_status{proxy="nodes",state="UP"} == 1)', 3);
  if (started.includes("redis-exporter")) await value("redis_up", 1);
});

project.step("its rules are those of the repository, and Alertmanager hears it", async (t) => {
  const files = readdirSync(`${ROOT}deploy/observability/rules`).filter((name) => name.endsWith(".yml"));
  const { groups } = await ask("rules");
  const loaded = new Set(groups.map(({ file }) => file.split("/").at(-1)));
  assert.deepEqual([...loaded].sort(), files.sort());
  const wrong = groups.flatMap(({ rules }) => rules).filter(({ health }) => health === "err");
  assert.deepEqual(wrong, []);
  t.diagnostic(`${groups.flatMap(({ rules }) => rules).length} rules in ${files.length} files`);
  const { activeAlertmanagers } = await ask("alertmanagers");
  assert.equal(activeAlertmanagers.length, 1);
});

project.step("the configurations are what their own tools take", async () => {
  const { Id } = await project.one("prometheus");
  assert.match(await docker("exec", Id, "promtool", "check", "config", "/etc/prometheus/prometheus.yml"), /SUCCESS/);
  const manager = await project.one("alertmanager");
  assert.match(await docker("exec", manager.Id, "amtool", "check-config", "/etc/alertmanager/alertmanager.yml"), /SUCCESS/);
});

// === What Prometheus says

async function ask(path) {
  const answer = await fetch(`${prometheus}/api/v1/${path}`);
  const { status, data, error } = await answer.json();
  assert.equal(status, "success", error);
  return data;
}

const query = async (text) => (await ask(`query?query=${encodeURIComponent(text)}`)).result;

/** Waits until so many targets of a job are there, and all of them are up. */
async function upOf(job, count) {
  let seen;
  const all = async () => {
    for (;;) {
      seen = (await ask("targets?state=active")).activeTargets.filter(({ labels }) => labels.job === job);
      if (seen.length === count && seen.every(({ health }) => health === "up")) return;
      await pause(250);
    }
  };
  await within(all(), `${count} targets of ${job} are up`, () => JSON.stringify(seen.map(({ scrapeUrl, health, lastError }) => ({ scrapeUrl, health, lastError }))));
}

/** Waits until an expression has one result, which is this. */
async function value(text, wanted) {
  let seen;
  const is = async () => {
    for (;;) {
      seen = await query(text);
      if (seen.length === 1 && Number(seen[0].value[1]) === wanted) return;
      await pause(250);
    }
  };
  await within(is(), `${text} is ${wanted}`, () => JSON.stringify(seen));
}
