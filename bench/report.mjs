// Writes docs/reports/performance.md and its plots from what bench/run.mjs measured.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

import { contenders, ROOT } from "./lib/contenders.mjs";
import { bars, lines } from "./lib/plot.mjs";
import { growth, idle, rows } from "./lib/rows.mjs";

const results = JSON.parse(readFileSync(`${ROOT}target/bench/results.json`, "utf8"));
const names = Object.keys(contenders).filter((name) => results.runs.some((run) => run.contender === name));
const FOLDER = `${ROOT}docs/reports/performance/`;
mkdirSync(FOLDER, { recursive: true });
/** Below this share of what was due, or with so late an answer, it does not keep up. */
const KEEPS_UP = { share: 0.97, p50_us: 500_000 };

const runsOf = (row, name) => results.runs.filter((run) => run.row === row.name && run.contender === name);
const due = (row) => (row.rate * row.connections) / row.rooms;

/** Median, least and most of a figure over the repetitions; undefined if nobody measured it. */
function figure(row, name, of) {
  const all = runsOf(row, name).filter((run) => !run.failed).map(of).filter((value) => typeof value === "number").sort((a, b) => a - b);
  if (all.length === 0) return undefined;
  return { value: all[Math.floor(all.length / 2)], min: all[0], max: all.at(-1), times: all.length };
}

function keepsUp(row, name) {
  return runsOf(row, name).every(({ failed, values }) => !failed && values["deliveries/s"] >= due(row) * KEEPS_UP.share && values.p50 < KEEPS_UP.p50_us);
}

const round = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
const ms = (us) => (us >= 1e6 ? `${(us / 1e6).toFixed(1)} s` : `${round(us / 1e3)} ms`);
const shown = (cell, write = round) => (cell ? `${write(cell.value)} (${write(cell.min)}–${write(cell.max)})` : "–");
const table = (head, body) => [`| ${head.join(" | ")} |`, `|${head.map(() => "---").join("|")}|`, ...body.map((cells) => `| ${cells.join(" | ")} |`)].join("\n");
const titles = names.map((name) => contenders[name].title);

function byRow(of, write) {
  return table(["connections / rooms / msg/s", ...titles], rows.map((row) => [row.name, ...names.map((name) => {
    const cell = shown(figure(row, name, of), write);
    return cell === "–" || keepsUp(row, name) ? cell : `${cell} *falls behind*`;
  })]));
}

function ratios(to) {
  const cpu = (row, name) => figure(row, name, (run) => run.costs.cpu_us_per_delivery)?.value;
  return table(["connections / rooms / msg/s", ...titles], rows.map((row) => [row.name, ...names.map((name) => {
    const [mine, theirs] = [cpu(row, name), cpu(row, to)];
    return mine === undefined || theirs === undefined ? "–" : `${(mine / theirs).toFixed(2)}×`;
  })]));
}

function kept() {
  const sum = (row, name, key) => runsOf(row, name).filter((run) => !run.failed).reduce((all, { values }) => all + values[key], 0);
  return table(["connections / rooms / msg/s", ...titles], rows.map((row) => [row.name, ...names.map((name) => (runsOf(row, name).length === 0 ? "–" : ["lost", "doubled", "reordered", "disagreed"].map((key) => sum(row, name, key)).join(" / ")))]));
}

const measuredRows = rows.filter((row) => names.some((name) => runsOf(row, name).length > 0));
const cells = (of) => measuredRows.map((row) => names.map((name) => figure(row, name, of)));
writeFileSync(`${FOLDER}cpu.svg`, bars("CPU µs per delivery, nodes and Redis (less is better)", titles, measuredRows.map(({ name }) => name), cells((run) => run.costs.cpu_us_per_delivery)));
writeFileSync(`${FOLDER}p99.svg`, bars("p99 from due to delivered, ms (less is better; cut at 300)", titles, measuredRows.map(({ name }) => name), cells((run) => run.values.p99 / 1e3), 300));

const failures = results.runs.filter((run) => run.failed);
const text = `# Performance: Hubbub beside its rivals

<!-- Written by bench/report.mjs from one run of bench/run.mjs. Do not edit: run \`make bench\`. -->

${results.machine}; servers, Redis and the tester share them. Three processes and one Redis each (\`appendonly yes\`,
\`appendfsync everysec\`), freshly started for every figure; the same frames from the same tester (\`hubbub load\`), texts of
100 bytes, ${results.runs.length} runs. A cell is the median of the repetitions with the least and the most. Absolute figures move with
the machine; the ratios to the floor and to Node of the same run are what to look at.

* **CPU per delivery**: user and system time of all server processes in the measured time, by the deliveries that members
  received in it. The tester's own is in none of them.
* **Latency** counts from when a message was *due*, to when a member had it: a server that stalls is charged for all that waited.
* **floor**: what is left if nothing is done but one write per recipient. One process, no Redis.

## What each does for its price

${table(["", "does not do"], names.map((name) => [contenders[name].title, contenders[name].lacks]))}

## CPU time per delivery, µs, nodes and Redis

![CPU per delivery](performance/cpu.svg)

${byRow((run) => run.costs.cpu_us_per_delivery)}

The same without Redis:

${byRow((run) => run.costs.node_cpu_us_per_delivery)}

As a multiple of the floor:

${ratios("floor")}

As a multiple of Node with the Redis adapter:

${ratios("node")}

### What holds it where little is said

The busy rows (200 / 1) are where frames are gathered: one write carries many messages. In the others each delivery is a write of its
own, as in the floor, and what comes on top is paid per *message*, not per delivery. A profile of 600 / 12 / 100
(\`perf\`, \`strace -c\`, \`INFO commandstats\`) finds it here:

* **Redis**, 400 to 500 µs a message: ten calls in the append's script (idempotency, rules, pace, meta, log, publish), the AOF's write, three
  copies to subscribers, and waking up for it; the same script under load takes 60 to 80 µs. A rival without history pays only the
  publish. ${atLeast()}
* **The nodes**, of whose time 36 % are writes to members, as in the floor; 14 % take in what was said and ask for its append; 12 % are
  the Redis client's; 9 % look up members and their streams in memory that went cold since the last message; 7 % go to sleep and wake
  up; 5 % read what Redis tells. The rest is spread thin over code that runs a hundred times a second and is cold each time: at
  ten times the messages (600 / 12 / 1,000) the same work takes half as long.
* **What goes on when nobody speaks**: 4 ms a second in each node and 5 in Redis; leases, graces of 64 shards of who is online,
  heartbeats, pings of clients.

Tried: three calls fewer in the script (10 to 18 % of its time, kept); presence in one breath instead of a request per shard (kept); another
allocator (more memory, no less time; taken back); the heap in huge pages, and one thread a node instead of two (no difference either); gathering
in quiet rooms too (fewer writes, but everybody waits 10 ms; not done).

A connect enters who comes into presence on all nodes, which rivals do not do at all; it asks Redis once (it was twice: a test counts).
Who brings a token, or comes back, is asked for twice more there: how many connections this user has, and which rooms. Limits on rooms
and tokens cost nothing else that stands out from one repetition to the next.

Of what an idle connection keeps, 14 KiB are the protocol library's (a queue of 5.4 KiB, three tasks of 6.1, its WebSocket's buffers), 4 our
own, and the rest what the allocator loses between them.

## Latency from due to delivered

![p99](performance/p99.svg)

p50:

${byRow((run) => run.values.p50, ms)}

p99:

${byRow((run) => run.values.p99, ms)}

## Kept: lost / doubled / reordered / rooms whose members heard different orders

All repetitions together. These runs are without faults; what each loses when Redis or a node goes away is another matter
(docs/reports/faults.md). A swap counts where one sender's later message came first.

${kept()}

## Connections

${table(["", ...titles], [
  ["idle connection, KiB", ...names.map((name) => shown(figure(idle, name, (run) => run.costs.memory_per_connection / 1024)))],
  ["connect, µs of CPU", ...names.map((name) => shown(figure(idle, name, (run) => run.costs.cpu_us_per_connect)))],
])}

${idle.connections} connections over three processes (the floor: one), in the namespace, in no room; the growth of the processes' resident memory.

## Redis, for each message

${table(["connections / rooms / msg/s", ...titles], rows.map((row) => [row.name, ...names.map((name) => {
  const figures = ["redis_commands_per_message", "redis_bytes_in_per_message", "redis_bytes_out_per_message"].map((key) => figure(row, name, (run) => run.costs[key])?.value);
  return figures.some((value) => value === undefined) ? "–" : `${figures[0].toFixed(1)} commands, ${figures[1].toFixed(0)} B in, ${figures[2].toFixed(0)} B out`;
})]))}

Commands include those of scripts, and what presence and leases need.

${failures.length === 0 ? "" : `## Failed\n\n${failures.map((run) => `* ${contenders[run.contender].title}, ${run.row}: ${run.failed}`).join("\n")}\n`}${grown()}${onPaper()}`;
writeFileSync(`${ROOT}docs/reports/performance.md`, `${text.trimEnd()}\n`);

/** What is left to win where Redis keeps what is said, whatever the nodes do. */
function atLeast() {
  const of = (name, figures) => figure(rows[0], name, figures)?.value;
  const [floor, all, nodes] = [of("floor", ({ costs }) => costs.cpu_us_per_delivery), of("hubbub", ({ costs }) => costs.cpu_us_per_delivery), of("hubbub", ({ costs }) => costs.node_cpu_us_per_delivery)];
  if ([floor, all, nodes].includes(undefined)) return "";
  return `The floor and Redis alone, with nodes that cost nothing but the writes, would be ${((floor + all - nodes) / floor).toFixed(1)}×.`;
}

function grown() {
  if (results.growth.length === 0) return "";
  const share = ({ values }, us) => (us * values["deliveries/s"]) / 1e4;
  // What is plotted, and what else stands in the table.
  const views = {
    deliveries: {
      says: "CPU µs per delivery",
      curves: { "nodes and Redis": ({ costs }) => costs.cpu_us_per_delivery, nodes: ({ costs }) => costs.node_cpu_us_per_delivery },
      more: { "Redis bytes out per message": ({ costs }) => costs.redis_bytes_out_per_message?.toFixed(0) ?? "–" },
    },
    connects: {
      says: "CPU µs per connect and join",
      curves: { nodes: ({ costs }) => costs.cpu_us_per_connect },
      more: { "in the room after, p99": ({ values }) => ms(values.connect_p99), "came in a second": ({ values }) => values["connects/s"].toFixed(0) },
    },
    seconds: {
      says: "CPU of all, % of a core",
      curves: { "nodes and Redis": (run) => share(run, run.costs.cpu_us_per_delivery), nodes: (run) => share(run, run.costs.node_cpu_us_per_delivery) },
      more: { "came back and went on where they were": ({ values }) => values.resumed },
    },
  };
  const last = { p50: ({ values }) => ms(values.p50), p99: ({ values }) => ms(values.p99), "lost / doubled / reordered": ({ values }) => `${values.lost} / ${values.doubled} / ${values.reordered}` };
  const parts = Object.entries(growth).map(([kind, { title, of = "deliveries" }]) => {
    const runs = results.growth.filter((run) => run.kind === kind && !run.failed);
    if (runs.length === 0) return "";
    const { says, curves, more } = views[of];
    const drawn = Object.entries(curves).map(([name, figure]) => ({ name, points: runs.map((run) => [run.at, figure(run)]) }));
    writeFileSync(`${FOLDER}growth-${kind}.svg`, lines(`${says} by ${title}`, drawn, ""));
    const columns = [...Object.values(curves).map((figure) => (run) => round(figure(run))), ...Object.values(more), ...Object.values(last)];
    const heads = [...Object.keys(curves).map((name) => `${says}: ${name}`), ...Object.keys(more), ...Object.keys(last)];
    return `### By ${title}\n\n![${kind}](performance/growth-${kind}.svg)\n\n${table([kind, ...heads], runs.map((run) => [run.at.toLocaleString("en"), ...columns.map((figure) => figure(run))]))}`;
  });
  return `\n## Growth, and storms\n\nHubbub alone, one repetition each (\`make bench-growth\`).\n\n${parts.filter(Boolean).join("\n\n")}\n`;
}

/** What the figures above come to at a size that no machine here can play. Arithmetic, and said to be. */
function onPaper() {
  const of = (row, figures) => figure(row, "hubbub", figures)?.value;
  const [quiet, busy] = [rows[2], rows.at(-1)];
  const memory = of(idle, (run) => run.costs.memory_per_connection / 1024);
  const connect = of(idle, (run) => run.costs.cpu_us_per_connect);
  const [small, smallNodes, large] = [of(quiet, (run) => run.costs.cpu_us_per_delivery), of(quiet, (run) => run.costs.node_cpu_us_per_delivery), of(busy, (run) => run.costs.node_cpu_us_per_delivery)];
  const out = of(quiet, (run) => run.costs.redis_bytes_out_per_message);
  if ([memory, connect, small, smallNodes, large, out].includes(undefined)) return "";
  const members = quiet.connections / quiet.rooms;
  const redis = (small - smallNodes) * members;
  const [connections, each, pause] = [1e6, 20_000, 60];
  const [messages, nodes] = [connections / pause, connections / each];
  const cores = (messages * members * smallNodes) / 1e6;
  const shards = (messages * redis) / 1e6;
  const [crowd, said] = [100_000, 10];
  const whole = (value) => Math.ceil(value).toLocaleString("en");
  return `
## On paper: a million connections, and a room of a hundred thousand

Arithmetic on the figures above, for machines like this one; nobody has run it.

**A million connections**, ${whole(each)} a node, in rooms of ${members}, everybody saying something once in ${pause} s (${whole(messages)} messages, ${whole(messages * members)} deliveries a second):

| what | of | comes to |
|---|---|---|
| nodes | ${whole(each)} connections each, for the time it takes to bring a lost node's people back | ${nodes} |
| memory | ${round(memory)} KiB a connection, besides the system's socket buffers | ${whole((connections * memory) / 1024 / 1024)} GiB in all, ${((each * memory) / 1024 / 1024).toFixed(1)} GiB a node |
| processor of the nodes | ${round(smallNodes)} µs a delivery | ${whole(cores)} cores in all, ${(cores / nodes).toFixed(1)} a node |
| processor of Redis | ${round(redis)} µs a message, with its delivery to the nodes | ${shards.toFixed(1)} cores: ${whole(shards * 2)} shards of a Redis Cluster at half their strength |
| what Redis sends | ${whole(out)} bytes a message, to the nodes on which the room has members | ${whole((messages * out * 8) / 1e6)} Mbit/s over all shards |
| a node is lost | ${round(connect)} µs a connect | ${((each * connect) / 1e6).toFixed(0)} s of processor, over ${nodes - 1} nodes; \`server.session_rate\` lets them in evenly |

First to give way is **one Redis**: it runs scripts on one core. A Redis Cluster takes over with no other change: a room is one hash
slot (\`{r:ROOM}\`), its pub/sub is sharded, and no message crosses shards. Next is the **number of nodes a room is on**: Redis sends
each message once to every node with a member, so rooms whose members come through one balancer are on min(members, nodes)
nodes. More nodes do not help there; larger ones do. What a log and a fan-out on *separate* Redis would give is not to be had:
that a message is numbered, kept and told in one step is what the delivery contract rests on.

**A room of ${whole(crowd)}** on ${nodes} nodes (${whole(crowd / nodes)} members each; \`rooms.max_members\` is per node), ${said} messages a second: ${whole((crowd * said * large) / 1e6)} cores at
${round(large)} µs a delivery, gathered, and ${whole((crowd * said * 300 * 8) / 1e9)} Gbit/s to the members at 300 bytes each. Redis is asked for ${said} appends and sends ${said * nodes} copies a second:
nothing. The network towards people is first to give way, then the second it takes everybody to come back after a node was
lost (joins of one room share their reads). Who is here is paged, and changes are told in groups.
`;
}
