// What is measured: the rows of the table, and how long.
export const rows = [
  { name: "600 / 12 / 100", connections: 600, rooms: 12, rate: 100 },
  { name: "600 / 12 / 1,000", connections: 600, rooms: 12, rate: 1000 },
  { name: "2,000 / 40 / 200", connections: 2000, rooms: 40, rate: 200 },
  { name: "200 / 1 / 500", connections: 200, rooms: 1, rate: 500 },
  { name: "200 / 1 / 2,000", connections: 200, rooms: 1, rate: 2000 },
];

/** Nobody says anything: what a connection costs, and keeps. */
export const idle = { name: "idle", connections: 2000, rooms: 0 };

export const options = ({ connections, rooms, rate, ramp = connections > 1000 ? 1000 : 600, more = [] }, seconds) => [
  "--connections", connections, "--rooms", rooms, ...(rate ? ["--rate", rate] : []),
  "--ramp", ramp, "--warmup", "1s", "--duration", `${rate ? seconds : 1}s`, "--drain", "4s", "--bytes", 100, ...more,
];

/** Growth: one thing grows, the rest stays. `fill`: messages in each room before; `more`: what
 * else the tester is told; `of`: what the figures are of, if not deliveries. */
export const growth = {
  members: { title: "members of one room, 20 messages/s (2 at 5,000 and more)", steps: [10, 30, 100, 300, 1000, 3000, 9000].map((n) => ({ at: n, nodes: 3, connections: n, rooms: 1, rate: n > 3000 ? 2 : 20 })) },
  rooms: { title: "rooms, 600 connections and 200 messages/s in all", steps: [1, 3, 12, 60, 300].map((n) => ({ at: n, nodes: 3, connections: 600, rooms: n, rate: 200 })) },
  nodes: { title: "nodes, each of 12 rooms on all of them, 600 connections and 200 messages/s in all", steps: [1, 2, 3, 4, 6].map((n) => ({ at: n, nodes: n, connections: 600, rooms: 12, rate: 200 })) },
  apart: { title: "nodes, each of 12 rooms on one of them, 600 connections and 200 messages/s in all", steps: [1, 2, 3, 4, 6].map((n) => ({ at: n, nodes: n, connections: 600, rooms: 12, rate: 200, more: ["--together"] })) },
  connections: { title: "connections in rooms of 20, 100 messages/s in all", steps: [200, 1000, 3000, 9000].map((n) => ({ at: n, nodes: 3, connections: n, rooms: n / 20, rate: 100 })) },
  history: { title: "messages kept in each of 12 rooms, 600 connections and 200 messages/s in all", steps: [1, 100, 1000, 10_000].map((n) => ({ at: n, nodes: 3, connections: 600, rooms: 12, rate: 200, fill: n })) },
  joins: { title: "members that come into one room all at once, 1,000 messages kept in it", of: "connects", steps: [100, 300, 1000, 3000].map((n) => ({ at: n, nodes: 3, connections: n, rooms: 1, rate: 20, fill: 1000, ramp: 100_000 })) },
  returns: { title: "% of 600 connections that go and come back each second, 12 rooms, 100 messages/s in all", of: "seconds", steps: [1, 3, 10, 30].map((n) => ({ at: n, nodes: 3, connections: 600, rooms: 12, rate: 100, more: ["--churn", n / 100, "--away", "500ms"] })) },
};
