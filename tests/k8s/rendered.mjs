// Every overlay as kustomize renders it, and what a node says of the settings it gets there.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const WORK = `${ROOT}target/k8s-test/`;
export const OVERLAYS = ["local", "staging", "production"];
export const BINARY = process.env.HUBBUB_BIN ?? `${ROOT}target/debug/hubbub`;

/** Renders an overlay; the objects, and the file they are in. */
export function render(overlay) {
  const [program, ...args] = readFileSync(`${WORK}kustomize`, "utf8").trim().split(" ");
  const { status, stdout, stderr } = spawnSync(program, [...args, `${ROOT}k8s/overlays/${overlay}`], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, "", `kustomize has nothing to complain of in ${overlay}`);
  mkdirSync(WORK, { recursive: true });
  const file = `${WORK}${overlay}.yaml`;
  writeFileSync(file, stdout);
  return new Manifests(overlay, file, parseAllDocuments(stdout).map((document) => document.toJS()));
}

class Manifests {
  constructor(overlay, file, objects) {
    Object.assign(this, { overlay, file, objects });
  }

  all(kind) {
    return this.objects.filter((object) => object.kind === kind);
  }

  one(kind, name) {
    return this.all(kind).find(({ metadata }) => metadata.name === name) ?? assert.fail(`${this.overlay} has no ${kind} ${name}`);
  }

  has(kind, name) {
    return this.all(kind).some(({ metadata }) => metadata.name === name);
  }

  /** Whatever makes pods: its name, the pod and its labels. */
  get pods() {
    return this.objects
      .filter(({ spec }) => spec?.template?.spec?.containers)
      .map((owner) => ({ owner, name: `${owner.kind}/${owner.metadata.name}`, labels: owner.spec.template.metadata.labels, spec: owner.spec.template.spec }));
  }

  /** The settings of a node as it says them itself, given the configuration and the variables of its pod. */
  settings() {
    const { containers: [node], volumes } = this.one("Deployment", "hubbub").spec.template.spec;
    const folder = `${WORK}${this.overlay}/`;
    mkdirSync(folder, { recursive: true });
    const files = { "/etc/hubbub/hubbub.toml": `${folder}hubbub.toml`, "/etc/hubbub/store/url": `${folder}url` };
    const config = volumes.find(({ name }) => name === "config").configMap.name;
    writeFileSync(files["/etc/hubbub/hubbub.toml"], this.one("ConfigMap", config).data["hubbub.toml"]);
    writeFileSync(files["/etc/hubbub/store/url"], "rediss://user:secret@redis.example.org:6380");
    const env = {};
    for (const { name, value, valueFrom } of node.env) env[name] = files[value] ?? value ?? valueFrom.fieldRef.fieldPath.replace("metadata.name", "hubbub-0");
    return settingsOf(env);
  }
}

/** What `hubbub config` says with these variables: key → value. */
export function settingsOf(env) {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("HUBBUB_")));
  const text = execFileSync(BINARY, ["config"], { env: { ...clean, ...env }, encoding: "utf8" });
  return Object.fromEntries(text.trim().split("\n").map((line) => {
    const [, key, value] = line.match(/^(\S+) = (.*?)\s+# .*$/);
    return [key, JSON.parse(value)];
  }));
}

/** "35s", "500ms", "1m" or "1m 30s" in seconds. */
export function seconds(text) {
  const UNITS = { ms: 0.001, s: 1, m: 60, h: 3600 };
  return [...text.matchAll(/(\d+)\s*(ms|s|m|h)/g)].reduce((sum, [, number, unit]) => sum + Number(number) * UNITS[unit], 0);
}

export const overlays = Object.fromEntries(OVERLAYS.map((name) => [name, render(name)]));
