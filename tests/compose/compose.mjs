// The project's own docker-compose.yml, driven through the `docker` command: up, scale, kill, partition, look inside.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** The images without which nothing runs. */
export const NEEDED = ["HUBBUB_REDIS_IMAGE", "HUBBUB_HAPROXY_IMAGE"];
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const FILE = readFileSync(`${ROOT}docker-compose.yml`, "utf8");
/** Some engines refuse more descriptors than they have themselves. */
const NOFILE = process.env.HUBBUB_NOFILE ?? "20000";
const run = promisify(execFile);

/** Runs `docker` and gives what it wrote; a failure carries what it complained of. */
export async function docker(...args) {
  try {
    const { stdout, stderr } = await run("docker", args, { cwd: ROOT, env: environment, maxBuffer: 64 << 20 });
    // A container's words come on both, as it wrote them.
    return (args[0] === "logs" ? stdout + stderr : stdout).trim();
  } catch (error) {
    throw new Error(`docker ${args.join(" ")}\n${error.stderr || error.message}`.trim());
  }
}

/** What the file's variables are set to, besides what the caller's environment says. */
const environment = { ...process.env, HUBBUB_NOFILE: NOFILE, COMPOSE_PROGRESS: "quiet", COMPOSE_ANSI: "never" };

/** What a variable of the file is when nobody sets it. */
export function defaultOf(variable) {
  const [, value] = FILE.match(new RegExp(`\\$\\{${variable}:-([^}]+)\\}`)) ?? assert.fail(`docker-compose.yml has no ${variable}`);
  return value;
}

/**
 * Compose's images that this machine lacks are pulled; where no registry is reached, another version of the same
 * will do. Says which are not to be had.
 */
export async function findImages(...variables) {
  await docker("compose", "version").catch((error) => assert.fail(`this test needs a container engine with compose v2: ${error.message}`));
  const missing = [];
  for (const variable of variables) {
    const image = environment[variable] ?? defaultOf(variable);
    if (await has(image)) continue;
    if (await docker("pull", "--quiet", image).then(() => true, () => false)) continue;
    const other = `${image.slice(0, image.lastIndexOf(":"))}:latest`;
    if (await has(other)) {
      console.log(`# ${other} stands in for ${image}`);
      environment[variable] = other;
    } else missing.push(image);
  }
  return missing;
}

const has = (image) => docker("image", "inspect", image).then(() => true, () => false);

export class Project {
  /** `options` stand before the command: profiles, environment files. */
  constructor(name, options = []) {
    this.name = name;
    this.options = options;
    this.deaths = [];
  }

  compose(...args) {
    return docker("compose", "--project-name", this.name, ...this.options, ...args);
  }

  /** Starts what is named (everything, if nothing is) and returns when it is healthy. */
  up(...args) {
    return this.compose("up", "--detach", "--wait", "--wait-timeout", "180", "--no-build", "--pull", "missing", ...args);
  }

  scale(nodes) {
    return this.up("--no-recreate", "--scale", `hubbub=${nodes}`);
  }

  down(...args) {
    return this.compose("down", "--timeout", "60", ...args);
  }

  /** The containers of a service (of all, without one), as `docker inspect` shows them. */
  async containers(service) {
    const filter = ["--filter", `label=com.docker.compose.project=${this.name}`];
    if (service) filter.push("--filter", `label=com.docker.compose.service=${service}`);
    const ids = (await docker("ps", "--all", "--quiet", "--no-trunc", ...filter)).split("\n").filter(Boolean);
    if (ids.length === 0) return [];
    const found = JSON.parse(await docker("inspect", ...ids));
    return found.sort((a, b) => a.Name.localeCompare(b.Name, "en", { numeric: true }));
  }

  async one(service, which = 0) {
    const found = await this.containers(service);
    assert.ok(found[which], `${this.name} has a container ${service} ${which}`);
    return found[which];
  }

  service(container) {
    return container.Config.Labels["com.docker.compose.service"];
  }

  /** Where a published port of a service is, from outside. */
  async published(service, port) {
    const { NetworkSettings } = await this.one(service);
    const [at] = NetworkSettings.Ports[`${port}/tcp`] ?? assert.fail(`${service} publishes no port ${port}`);
    return `http://${at.HostIp}:${at.HostPort}`;
  }

  /** Takes Redis off its network; the answer puts it back, under its name. */
  async partition(service) {
    const { Id } = await this.one(service);
    const network = `${this.name}_data`;
    await docker("network", "disconnect", network, Id);
    return () => docker("network", "connect", "--alias", service, network, Id);
  }

  /** Writes down every container that ends from here on, with its exit code. */
  watchDeaths() {
    const filter = ["--filter", `label=com.docker.compose.project=${this.name}`, "--filter", "event=die"];
    const child = spawn("docker", ["events", ...filter, "--format", "{{json .}}"], { env: environment, stdio: ["ignore", "pipe", "ignore"] });
    createInterface({ input: child.stdout }).on("line", (line) => {
      const { Actor } = JSON.parse(line);
      this.deaths.push({ name: Actor.Attributes.name, service: Actor.Attributes["com.docker.compose.service"], code: Number(Actor.Attributes.exitCode) });
    });
    this.stopWatching = () => child.kill();
  }

  /** Runs commands as a person would in the repository, `docker compose` meaning this project. */
  async shell(commands, variables = {}) {
    const env = { ...environment, COMPOSE_PROJECT_NAME: this.name, ...variables };
    await run("sh", ["-euc", commands], { cwd: ROOT, env, maxBuffer: 64 << 20 }).catch((error) => {
      throw new Error(`${commands}\n${error.stdout}\n${error.stderr || error.message}`);
    });
  }

  /** Builds the image of a node, unless the caller has one (HUBBUB_BUILD=0). */
  async build() {
    if (process.env.HUBBUB_BUILD !== "0") await this.compose("build", "hubbub");
  }

  /** A test during which a failure shows what the containers wrote. */
  step(name, play) {
    test(name, async (t) => {
      try {
        await play(t);
      } catch (error) {
        const words = await this.logs().catch((failed) => failed.message);
        console.error(`${name}\n${words.split("\n").slice(-120).join("\n")}`);
        throw error;
      }
    });
  }

  logs(service) {
    return this.compose("logs", "--no-color", "--timestamps", ...(service ? [service] : []));
  }
}
