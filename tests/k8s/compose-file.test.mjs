// What docker-compose.yml says, without starting it: also of the services whose images are not to be had here.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";

import { ROOT, seconds, settingsOf } from "./rendered.mjs";

const text = readFileSync(`${ROOT}docker-compose.yml`, "utf8");
/** As it is when nobody sets anything. */
const file = JSON.parse(JSON.stringify(parse(text, { merge: true })).replace(/\$\{\w+:-([^}]*)\}/g, "$1"));
const services = Object.entries(file.services);
const variables = [...text.replace(/^ *#.*$/gm, "").matchAll(/\$\{([^}]*)\}/g)].map(([, inside]) => inside);
const example = Object.fromEntries(
  readFileSync(`${ROOT}.env.example`, "utf8").split("\n").filter((line) => /^\w/.test(line)).map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
);

test("every variable has a default, one only, and stands in .env.example with it", () => {
  const defaults = {};
  for (const inside of variables) {
    const [, name, value] = inside.match(/^([A-Z][A-Z0-9_]*):-(.+)$/) ?? assert.fail(`\${${inside}} has no default`);
    assert.equal(defaults[name] ?? value, value, `${name} has one default`);
    defaults[name] = value;
  }
  assert.deepEqual(Object.keys(example).sort(), Object.keys(defaults).sort());
  assert.deepEqual(example, defaults);
});

test("every service is hardened and bounded", () => {
  assert.ok(services.length >= 20);
  for (const [name, service] of services) {
    assert.equal(service.read_only, true, name);
    assert.deepEqual(service.cap_drop, ["ALL"], name);
    assert.equal(service.cap_add, undefined, name);
    assert.deepEqual(service.security_opt, ["no-new-privileges:true"], name);
    assert.match(String(service.user), /^[1-9]\d*(:\d+)?$/, `${name} runs as a number that is not root`);
    assert.ok(service.deploy.resources.limits.memory && service.deploy.resources.limits.pids, `${name} is bounded`);
    assert.ok(service.logging.options["max-size"], `${name}'s log is bounded`);
    assert.ok(["unless-stopped", "no"].includes(service.restart), name);
    for (const forbidden of ["privileged", "network_mode", "pid", "ipc", "devices"]) assert.equal(service[forbidden], undefined, `${name}: ${forbidden}`);
    for (const volume of service.volumes ?? []) {
      assert.ok(!volume.includes("docker.sock"), name);
      if (volume.startsWith(".")) assert.match(volume, /:ro$/, `${name} cannot write ${volume}`);
    }
  }
});

test("every image is pinned, and every file that is mounted is there", () => {
  for (const [name, { image, volumes = [] }] of services) {
    assert.match(image, /:(?!latest$)[\w][\w.-]*$/, name);
    for (const volume of volumes.filter((one) => one.startsWith("."))) assert.ok(existsSync(ROOT + volume.split(":")[0]), `${name}: ${volume}`);
  }
});

test("what is published is on loopback unless said otherwise, and Redis is not", () => {
  const published = services.filter(([, { ports }]) => ports);
  assert.deepEqual(published.map(([name]) => name), ["lb", "prometheus", "alertmanager", "grafana"]);
  for (const [, { ports }] of published) for (const port of ports) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/);
  assert.deepEqual(file.services.lb.ports.map((port) => port.split(":")[1]), ["3000", "5000", "8000", "8080"]);
  assert.ok(file.networks.data.internal && file.networks.mesh.internal);
  for (const [name, { networks }] of services.filter(([, { image }]) => image.startsWith("redis:"))) assert.deepEqual(networks, ["data"], name);
});

test("without a profile nothing starts but Redis, nodes and the balancer", () => {
  const always = services.filter(([, { profiles }]) => !profiles).map(([name]) => name);
  assert.deepEqual(always, ["redis", "hubbub", "lb"]);
  const profiles = new Set(services.flatMap(([, service]) => service.profiles ?? []));
  assert.deepEqual([...profiles].sort(), ["cluster", "loadtest", "observability", "sentinel"]);
});

test("nodes get settings that they know, and the time to drain", () => {
  const { environment, stop_grace_period: grace } = file.services.hubbub;
  const settings = settingsOf(environment);
  assert.equal(settings["store.url"], "redis://redis:6379");
  assert.ok(seconds(grace) >= seconds(settings["drain.deadline"]) + 5, `${grace} of grace for a drain of ${settings["drain.deadline"]}`);
  for (const kind of ["sentinel", "cluster"]) {
    const [, url] = readFileSync(`${ROOT}deploy/redis/${kind}.env`, "utf8").match(/^HUBBUB_STORE_URL=(.+)$/m);
    assert.equal(settingsOf({ ...environment, HUBBUB__STORE__URL: url })["store.url"], url);
    for (const [, host] of url.matchAll(/([a-z0-9-]+):\d+/g)) assert.ok(file.services[host], `${host} is a service`);
  }
});

test("Redis keeps what it is given", () => {
  const lines = readFileSync(`${ROOT}deploy/redis/redis.conf`, "utf8").split("\n");
  for (const line of ["appendonly yes", "appendfsync everysec", "maxmemory-policy noeviction", "client-output-buffer-limit pubsub 256mb 64mb 30", 'save ""']) {
    assert.ok(lines.includes(line), line);
  }
});

test("Prometheus, Grafana and the collector speak of services that exist", () => {
  const names = new Set(Object.keys(file.services));
  const folder = `${ROOT}deploy/observability/`;
  const prometheus = parse(readFileSync(`${folder}prometheus.yml`, "utf8"));
  const targets = prometheus.scrape_configs.flatMap(({ dns_sd_configs: found = [], static_configs: fixed = [] }) => [...found.flatMap((one) => one.names), ...fixed.flatMap((one) => one.targets)]);
  for (const target of [...targets, ...prometheus.alerting.alertmanagers.flatMap((one) => one.static_configs[0].targets)]) {
    const [host, port] = target.split(":");
    if (host === "127.0.0.1") continue;
    assert.ok(names.has(host), target);
    const { expose = [], ports = [] } = file.services[host];
    if (port) assert.ok([...expose, ...ports.map((one) => one.split(":").at(-1))].includes(port), target);
  }
  const collector = parse(readFileSync(`${folder}collector.yml`, "utf8"));
  for (const { receivers, processors, exporters } of Object.values(collector.service.pipelines)) {
    for (const name of receivers) assert.ok(collector.receivers[name], name);
    for (const name of processors) assert.ok(collector.processors[name], name);
    for (const name of exporters) assert.ok(collector.exporters[name], name);
  }
  const provisioning = `${folder}grafana/provisioning/`;
  const [{ uid, url }] = parse(readFileSync(`${provisioning}datasources/prometheus.yml`, "utf8")).datasources;
  assert.deepEqual([uid, url], ["prometheus", "http://prometheus:9090"]);
  const [{ options }] = parse(readFileSync(`${provisioning}dashboards/hubbub.yml`, "utf8")).providers;
  assert.ok(file.services.grafana.volumes.some((volume) => volume.split(":")[1] === options.path));
});

test("every file of ours opens with what it is for", () => {
  const isOurs = /\.(ya?ml|mjs|sh|cfg|conf|env|toml)$|Dockerfile$|\.env\.example$|\.dockerignore$/;
  const all = ["deploy", "k8s", "tests/compose", "tests/k8s"].flatMap((folder) => readdirSync(ROOT + folder, { recursive: true }).map((name) => `${folder}/${name}`));
  for (const name of [...all, "docker-compose.yml", ".env.example", ".dockerignore"].filter((one) => isOurs.test(one) && !one.includes("node_modules"))) {
    const lines = readFileSync(ROOT + name, "utf8").split("\n");
    assert.match(lines[0].startsWith("#!") ? lines[1] : lines[0], /^(#|\/\/) \S/, name);
  }
});
