// Where a test plays: a server of one node or three, the clients it lets in, and order when it is over.
import test from "node:test";

import { Client } from "./client.mjs";
import { startAlone, startCluster } from "./hubbub.mjs";

/** Who answers: the real server, our model of it, or a tutorial's own server (`npm run test:reference`). */
const SERVER = process.env.HUBBUB_TEST_SERVER ?? "hubbub";

const STAGES = {
  hubbub: { "one node": startAlone, "three nodes": ({ env }) => startCluster(3, env) },
  model: {
    "one node": async () => (await import("../reference/model.mjs")).startModel(1),
    "three nodes": async () => (await import("../reference/model.mjs")).startModel(3),
  },
  tutorials: { "one node": async ({ tutorial }) => (await import("../reference/tutorials.mjs")).startTutorial(tutorial) },
}[SERVER];

export const ALONE = "one node";
export const CLUSTER = "three nodes";

class Stage {
  #owned = [];

  constructor({ nodes, redis, close }) {
    this.nodes = nodes;
    /** What several nodes share. */
    this.redis = redis;
    this.close = close;
    /** Where the one who speaks is, and where the one who listens is: another node, if there is one. */
    this.here = nodes[0];
    this.there = nodes[1] ?? nodes[0];
    /** Whether a tutorial's own server answers, which does only what its text says. */
    this.tutorial = SERVER === "tutorials";
  }

  /** Begins to connect a client, without waiting. */
  begin(node, options) {
    return this.owns(new Client(node.url, options));
  }

  /** Takes something along that tells what it saw and is closed before the nodes stop. */
  owns(thing) {
    this.#owned.push(thing);
    return thing;
  }

  /** Connects a client. */
  connect(node, options) {
    return this.begin(node, options).opened();
  }

  told() {
    const words = this.nodes.filter((node) => node.said).map((node) => `${node.name} wrote (its end):\n${node.said.split("\n").slice(-40).join("\n")}`);
    return [...this.#owned.map((thing) => thing.told()), ...words].join("\n");
  }

  async closeOwned() {
    await Promise.all(this.#owned.map((thing) => thing.close()));
  }
}

/** Starts a stage for a whole file; the caller ends it with `end()`. */
export async function open(kind, options = {}) {
  const stage = new Stage(await STAGES[kind](options));
  stage.end = async (stop = (node) => node.stop()) => {
    await stage.closeOwned();
    try {
      for (const node of stage.nodes) await stop(node);
    } finally {
      await Promise.all(stage.nodes.map((node) => node.kill()));
      await stage.close();
    }
  };
  return stage;
}

/**
 * A test on a stage of its own. `tutorial` names the tutorial's server that can stand in for ours in this test;
 * without it, the test is of something only ours does. `env` is what our nodes are told beyond what all are.
 */
export function on(kind, name, { tutorial, env } = {}, play) {
  const missing = !STAGES[kind] || (SERVER === "tutorials" && !tutorial);
  test(`${name} (${kind})`, { skip: missing && "not something a tutorial's server does" }, async () => {
    const stage = await open(kind, { tutorial, env });
    try {
      await play(stage);
    } catch (error) {
      console.error(`\n${name} (${kind})\n${stage.told()}\n`);
      await stage.end((node) => node.kill()).catch(() => {});
      throw error;
    }
    await stage.end();
  });
}
