// Alert rules and dashboards: each expression parses, each metric is on a living node, each alert fires and is silent.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { parse } from "yaml";

import { ROOT, WORK } from "./rendered.mjs";

const FOLDER = `${ROOT}deploy/observability/`;
const BINARY = process.env.HUBBUB_BIN ?? `${ROOT}target/debug/hubbub`;
/** Not a node's, but of Prometheus itself, redis_exporter, kube-state-metrics and blackbox_exporter. */
const OF_OTHERS = /^(up|ALERTS|redis_\w+|kube_\w+|probe_\w+)$/;
const named = (folder, ending) => readdirSync(FOLDER + folder).filter((name) => name.endsWith(ending)).sort();
const rules = named("rules", ".yml").flatMap((name) => parse(readFileSync(`${FOLDER}rules/${name}`, "utf8")).groups.flatMap((group) => group.rules));
const dashboards = named("dashboards", ".json").map((name) => JSON.parse(readFileSync(`${FOLDER}dashboards/${name}`, "utf8")));
/** Every expression there is, with the place of each. */
const expressions = [
  ...rules.map(({ alert, expr }) => [alert, expr]),
  ...dashboards.flatMap(({ uid, panels }) => panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [`${uid}: ${title}`, expr.replaceAll("$__rate_interval", "5m").replaceAll("$instance", "a:9090")]))),
];

// === Rules

/** What makes each alert fire, and what nearly does; as promtool writes series, one value every 15 seconds. */
const CASES = {
  HubbubNodeDown: { at: "5m", fires: { 'up{job="hubbub",instance="a"}': "0x40" }, silent: { 'up{job="hubbub",instance="a"}': "0 0 1x40", 'up{job="other",instance="b"}': "0x40" } },
  HubbubNoNode: { at: "5m", fires: { 'up{job="hubbub",instance="a"}': "0x40" }, silent: { 'up{job="chat/hubbub",instance="a"}': "1x40", 'up{job="chat/hubbub",instance="b"}': "0x40" } },
  HubbubStoreDown: { at: "2m", fires: { 'hubbub_store_up{instance="a"}': "0x20" }, silent: { 'hubbub_store_up{instance="a"}': "1 1 1 0 1 1 1x20" } },
  HubbubRedisReconnects: { at: "10m", fires: { 'hubbub_redis_reconnects_total{instance="a"}': "0 0 1 2 3 4 5x40" }, silent: { 'hubbub_redis_reconnects_total{instance="a"}': "0 0 1 2x40" } },
  HubbubRedisMemory: { at: "10m", fires: { 'redis_memory_used_bytes{instance="r"}': "95x60", 'redis_memory_max_bytes{instance="r"}': "100x60" }, silent: { 'redis_memory_used_bytes{instance="r"}': "95x60", 'redis_memory_max_bytes{instance="r"}': "0x60" } },
  HubbubRedisEvicts: { at: "5m", fires: { 'redis_evicted_keys_total{instance="r"}': "0 0 7x40" }, silent: { 'redis_evicted_keys_total{instance="r"}': "7x40" } },
  HubbubAppendsFail: { at: "10m", fires: { 'hubbub_append_seconds_count{result="ok"}': "0+98x60", 'hubbub_append_seconds_count{result="unavailable"}': "0+2x60" }, silent: { 'hubbub_append_seconds_count{result="ok"}': "0+80x60", 'hubbub_append_seconds_count{result="dup"}': "0+20x60", 'hubbub_append_seconds_count{result="unavailable"}': "0x60" } },
  HubbubDeliverySlow: { at: "15m", fires: { 'hubbub_delivery_seconds_bucket{le="1"}': "0+90x80", 'hubbub_delivery_seconds_bucket{le="2"}': "0+100x80", 'hubbub_delivery_seconds_bucket{le="+Inf"}': "0+100x80" }, silent: { 'hubbub_delivery_seconds_bucket{le="1"}': "0+100x80", 'hubbub_delivery_seconds_bucket{le="2"}': "0+100x80", 'hubbub_delivery_seconds_bucket{le="+Inf"}': "0+100x80" } },
  HubbubRuntimeLags: { at: "15m", fires: { 'hubbub_runtime_lag_seconds_bucket{instance="a",le="0.1"}': "0+90x80", 'hubbub_runtime_lag_seconds_bucket{instance="a",le="0.25"}': "0+100x80", 'hubbub_runtime_lag_seconds_bucket{instance="a",le="+Inf"}': "0+100x80" }, silent: { 'hubbub_runtime_lag_seconds_bucket{instance="a",le="0.1"}': "0+100x80", 'hubbub_runtime_lag_seconds_bucket{instance="a",le="0.25"}': "0+100x80", 'hubbub_runtime_lag_seconds_bucket{instance="a",le="+Inf"}': "0+100x80" } },
  HubbubGapStays: { at: "2m", fires: { 'hubbub_gap_age_seconds{instance="a"}': "0 6 21 36 51 66 81 96 111 126" }, silent: { 'hubbub_gap_age_seconds{instance="a"}': "0 4 0 3 0 4 0 2 0 0" } },
  HubbubReset: { at: "5m", fires: { 'hubbub_client_reset_total{instance="a",reason="diverged"}': "0 0 1x40" }, silent: { 'hubbub_client_reset_total{instance="a",reason="diverged"}': "1x40" } },
  HubbubLeaseOld: { at: "2m", fires: { 'hubbub_node_lease_age_seconds{instance="a"}': "1 3 9 24 39 54 69 84 99 114" }, silent: { 'hubbub_node_lease_age_seconds{instance="a"}': "1 3 7 9 1 2 3 1 2 3" } },
  HubbubDisconnects: { at: "10m", fires: { 'hubbub_disconnects_total{reason="ping_timeout"}': "0+15x60", 'hubbub_connections{transport="websocket"}': "100x60" }, silent: { 'hubbub_disconnects_total{reason="client_closed"}': "0+15x60", 'hubbub_disconnects_total{reason="ping_timeout"}': "0x60", 'hubbub_connections{transport="websocket"}': "100x60" } },
  HubbubImbalance: { at: "30m", fires: { 'hubbub_connections{instance="a"}': "1000x240", 'hubbub_connections{instance="b"}': "10x240", 'hubbub_connections{instance="c"}': "10x240" }, silent: { 'hubbub_connections{instance="a"}': "1000x240", 'hubbub_connections{instance="b"}': "600x240", 'hubbub_connections{instance="c"}': "300x240" } },
  HubbubOutboundGrows: { at: "10m", fires: { 'hubbub_outbound_bytes{instance="a",quantile="0.99"}': "300000x60" }, silent: { 'hubbub_outbound_bytes{instance="a",quantile="0.99"}': "200000x60", 'hubbub_outbound_bytes{instance="a",quantile="1"}': "900000x60" } },
  HubbubSlowConsumers: { at: "15m", fires: { 'hubbub_slow_closed_total{instance="a"}': "0+30x80" }, silent: { 'hubbub_slow_closed_total{instance="a"}': "0+10x80" } },
  HubbubRefusesSessions: { at: "10m", fires: { 'hubbub_handshake_refused_total{instance="a",reason="full"}': "0+30x60" }, silent: { 'hubbub_handshake_refused_total{instance="a",reason="origin"}': "0+30x60" } },
  HubbubDrainStuck: { at: "5m", fires: { 'hubbub_draining{instance="a"}': "1x40" }, silent: { 'hubbub_draining{instance="a"}': "0 0 1 1 1 stale" } },
  HubbubMixedReleases: { at: "50m", fires: { 'hubbub_build_info{instance="a",version="1"}': "1x240", 'hubbub_build_info{instance="b",version="2"}': "1x240" }, silent: { 'hubbub_build_info{instance="a",version="1"}': "1x240", 'hubbub_build_info{instance="b",version="1"}': "1x240" } },
  HubbubDescriptors: { at: "10m", fires: { 'process_open_fds{instance="a"}': "90x60", 'process_max_fds{instance="a"}': "100x60", 'hubbub_build_info{instance="a"}': "1x60" }, silent: { 'process_open_fds{instance="b"}': "90x60", 'process_max_fds{instance="b"}': "100x60", 'hubbub_build_info{instance="a"}': "1x60" } },
  HubbubSpansDropped: { at: "30m", fires: { 'hubbub_spans_dropped_total{instance="a",reason="not_taken"}': "0+5x200" }, silent: { 'hubbub_spans_dropped_total{instance="a",reason="not_taken"}': "0 5x200" } },
  HubbubAutoscalerAtMax: {
    at: "30m",
    fires: { 'kube_horizontalpodautoscaler_status_current_replicas{namespace="chat",horizontalpodautoscaler="hubbub",pod="x"}': "12x200", 'kube_horizontalpodautoscaler_spec_max_replicas{namespace="chat",horizontalpodautoscaler="hubbub",pod="y"}': "12x200" },
    silent: { 'kube_horizontalpodautoscaler_status_current_replicas{namespace="chat",horizontalpodautoscaler="hubbub"}': "3x200", 'kube_horizontalpodautoscaler_spec_max_replicas{namespace="chat",horizontalpodautoscaler="hubbub"}': "12x200" },
  },
  HubbubCertificateExpires: { at: "2h", fires: { 'probe_ssl_earliest_cert_expiry{instance="chat"}': "900000x600" }, silent: { 'probe_ssl_earliest_cert_expiry{instance="chat"}': "9000000x600" } },
};

test("every alert has a case in which it fires and one in which it is silent", () => {
  assert.deepEqual(Object.keys(CASES).sort(), rules.map(({ alert }) => alert).sort());
  const group = (alert, at, series, count) => ({
    name: `${alert} ${count ? "fires" : "is silent"}`,
    interval: "15s",
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    promql_expr_test: [{ expr: `count(ALERTS{alertname="${alert}",alertstate="firing"})`, eval_time: at, exp_samples: count ? [{ labels: "{}", value: count }] : [] }],
  });
  const tests = Object.entries(CASES).flatMap(([alert, { at, fires, silent }]) => [group(alert, at, fires, 1), group(alert, at, silent, 0)]);
  const file = `${WORK}alerts.test.yml`;
  mkdirSync(WORK, { recursive: true });
  // JSON is YAML.
  writeFileSync(file, JSON.stringify({ rule_files: named("rules", ".yml").map((name) => `${FOLDER}rules/${name}`), evaluation_interval: "15s", tests }));
  const { status, stdout, stderr } = promtool("test", "rules", file);
  assert.equal(status, 0, stdout + stderr);
});

test("every alert says how bad it is, and where its page is", () => {
  const pages = readFileSync(`${ROOT}docs/operations.md`, "utf8");
  for (const { alert, labels, annotations } of rules) {
    assert.ok(["critical", "warning"].includes(labels.severity), alert);
    assert.ok(annotations.summary && annotations.description, alert);
    assert.equal(annotations.runbook, `docs/operations.md#${alert.toLowerCase()}`);
    const page = pages.split(`\n### ${alert}\n`)[1]?.split(/\n##/)[0];
    assert.ok(page?.trim().length > 80, `docs/operations.md has a page about ${alert}`);
  }
});

test("every expression parses", () => {
  const file = `${WORK}expressions.yml`;
  const groups = [{ name: "all", rules: expressions.map(([, expr], i) => ({ record: `x:${i}`, expr })) }];
  writeFileSync(file, JSON.stringify({ groups }));
  const { status, stdout, stderr } = promtool("check", "rules", file);
  assert.equal(status, 0, stdout + stderr);
  writeFileSync(file, JSON.stringify({ groups: [{ name: "all", rules: [{ record: "x", expr: "sum(rate(up[5m])" }] }] }));
  assert.notEqual(promtool("check", "rules", file).status, 0, "one that does not parse is found");
  const config = readFileSync(`${FOLDER}prometheus.yml`, "utf8").replace("/etc/prometheus/rules/", `${FOLDER}rules/`);
  writeFileSync(`${WORK}prometheus.yml`, config);
  const checked = promtool("check", "config", `${WORK}prometheus.yml`);
  assert.equal(checked.status, 0, checked.stdout + checked.stderr);
});

// === Dashboards

test("there is a dashboard of the cluster, of delivery, of Redis and of a node, each by its own uid, each panel with what it shows", () => {
  assert.deepEqual(dashboards.map(({ uid }) => uid).sort(), ["hubbub-cluster", "hubbub-delivery", "hubbub-node", "hubbub-redis"]);
  for (const { uid, title, panels, templating } of dashboards) {
    assert.ok(title.startsWith("Hubbub: ") && panels.length >= 12, uid);
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length, `${uid}: ids are unique`);
    assert.ok(templating.list.some(({ name, type }) => name === "datasource" && type === "datasource"), uid);
    const taken = new Set();
    for (const { title: panel, targets, gridPos: { x, y, w, h }, fieldConfig, datasource } of panels) {
      assert.ok(panel && targets.length > 0 && fieldConfig.defaults.unit, `${uid}: ${panel}`);
      assert.equal(datasource.uid, "${datasource}");
      assert.ok(x + w <= 24, `${uid}: ${panel} is on the page`);
      for (let i = x; i < x + w; i++) for (let j = y; j < y + h; j++) assert.ok(!taken.has(`${i},${j}`) && taken.add(`${i},${j}`), `${uid}: ${panel} lies on another`);
    }
  }
});

// === A living node

let shown;
let series;
const started = [];
const folder = mkdtempSync(`${tmpdir()}/hubbub-alerts-`);
before(async () => {
  const port = await freePort();
  started.push(spawn("redis-server", ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--dir", folder], { stdio: "ignore" }));
  const set = { "server.listen": "127.0.0.1:0", "internal.listen": "127.0.0.1:0", "store.url": `redis://127.0.0.1:${port}`, "drain.balancer_lag": "0s", "drain.spread": "0s", "log.format": "json" };
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("HUBBUB_")));
  const node = spawn(BINARY, Object.entries(set).flatMap(([key, value]) => ["--set", `${key}=${value}`]), { stdio: ["ignore", "ignore", "pipe"], env });
  started.push(node);
  let at;
  for await (const line of createInterface({ input: node.stderr })) {
    const said = JSON.parse(line);
    if (said.message?.startsWith("hubbub is at ")) {
      at = { public: said.message.split(" ").at(-1), internal: `http://${said.internal}` };
      break;
    }
  }
  node.stderr.resume();
  await until(async () => (await fetch(`${at.internal}/readyz`)).ok);
  await sayHello(at.public);
  const text = () => fetch(`${at.internal}/metrics`).then((answer) => answer.text());
  await until(async () => (await text()).includes("hubbub_delivery_seconds_count 1"));
  const lines = (await text()).split("\n").filter((line) => line && !line.startsWith("#"));
  series = lines.map((line) => ({ name: line.match(/^\w+/)[0], labels: Object.fromEntries([...line.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value])) }));
  shown = new Set(series.map(({ name }) => name));
});
after(async () => {
  const ended = started.map((child) => child.exitCode ?? new Promise((end) => child.once("exit", end)));
  for (const child of started.reverse()) child.kill("SIGTERM");
  await Promise.all(ended);
  rmSync(folder, { recursive: true, force: true });
});

test("every metric that is asked about is on a living node, with the labels that are asked for", () => {
  let asked = 0;
  for (const [place, expr] of expressions) {
    // What stands in quotes and behind `by` and `on` is no metric; what is followed by a bracket is a function.
    const bare = expr.replace(/"[^"]*"/g, '""').replace(/\b(by|on|without)\s*\([^)]*\)/g, " ");
    for (const [, name, , selector] of bare.matchAll(/\b([a-zA-Z_]\w*)\b(?!\s*\()(\{([^}]*)\})?/g)) {
      if (["and", "or", "unless", "le", "x"].includes(name) || /^\d|^(s|m|h)$/.test(name) || inBraces(bare, name)) continue;
      asked++;
      if (OF_OTHERS.test(name)) continue;
      assert.ok(shown.has(name), `${place}: no node shows ${name}`);
      for (const [, label] of (selector ?? "").matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)) {
        if (["instance", "job"].includes(label)) continue;
        assert.ok(series.some((one) => one.name === name && label in one.labels), `${place}: ${name} has no label ${label}`);
      }
    }
    for (const [, labels] of expr.matchAll(/\bby\s*\(([^)]*)\)/g)) {
      const names = [...bare.matchAll(/hubbub_\w+/g)].map(([name]) => name);
      for (const label of labels.split(",").map((one) => one.trim())) {
        if (["instance", "le"].includes(label) || names.length === 0) continue;
        assert.ok(series.some((one) => names.includes(one.name) && label in one.labels), `${place}: nothing has the label ${label}`);
      }
    }
  }
  assert.ok(asked > 100, `${asked} metrics are asked about`);
});

/** Whether a word stands only as a label within braces. */
function inBraces(text, name) {
  return !new RegExp(`\\b${name}\\b`).test(text.replace(/\{[^}]*\}/g, "").replace(/\[[^\]]*\]/g, ""));
}

// === Tools

function promtool(...args) {
  const program = readFileSync(`${WORK}promtool`, "utf8").trim();
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  assert.ifError(error);
  return { status, stdout, stderr };
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(String(port)));
    });
  });
}

async function until(is) {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await pause(50)) if (await is().catch(() => false)) return;
  assert.fail("not within 30 seconds");
}

/** One person says one thing in a room and hears it: by long-polling, which needs no client. */
async function sayHello(address) {
  const url = `${address}/socket.io/?EIO=4&transport=polling`;
  const sid = JSON.parse((await (await fetch(url)).text()).slice(1)).sid;
  const post = (body) => fetch(`${url}&sid=${sid}`, { method: "POST", body, headers: { "content-type": "text/plain;charset=UTF-8" } });
  let heard = "";
  const hears = (what) => until(async () => (heard += await (await fetch(`${url}&sid=${sid}`)).text()).includes(what));
  await post('40/chat,{"name":"ada"}');
  await hears("session:ready");
  await post('42/chat,1["room:join",{"room":"lobby"}]');
  await hears("43/chat,1");
  await post(`42/chat,2["message:send",{"room":"lobby","text":"hello","mid":"${randomUUID()}"}]`);
  await hears("message:new");
  await post("1");
}
