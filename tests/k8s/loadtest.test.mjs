// The load test in Kubernetes and in Compose: as confined as everything else, and in words the binary knows.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";

import { BINARY, render, ROOT } from "./rendered.mjs";

const manifests = render("local-loadtest");
const job = manifests.one("Job", "hubbub-loadtest");
const { spec } = job.spec.template;
const [container] = spec.containers;

test("the Job runs once, restricted like every pod, from the image of the nodes", () => {
  assert.equal(job.spec.backoffLimit, 0);
  assert.equal(spec.restartPolicy, "Never");
  assert.ok(job.spec.activeDeadlineSeconds > 0, "it ends");
  assert.ok(spec.securityContext.runAsNonRoot && spec.securityContext.runAsUser > 0);
  assert.equal(spec.securityContext.seccompProfile.type, "RuntimeDefault");
  assert.equal(spec.automountServiceAccountToken, false);
  assert.equal(spec.enableServiceLinks, false);
  const { securityContext, resources, image } = container;
  assert.equal(securityContext.allowPrivilegeEscalation, false);
  assert.equal(securityContext.readOnlyRootFilesystem, true);
  assert.deepEqual(securityContext.capabilities, { drop: ["ALL"] });
  assert.ok(resources.requests.cpu && resources.limits.memory && !resources.limits.cpu);
  assert.equal(image, manifests.one("Deployment", "hubbub").spec.template.spec.containers[0].image);
});

test("it reaches the nodes and their balancer, by services that are there, and nobody reaches it", () => {
  const labels = job.spec.template.metadata.labels;
  const policy = manifests.one("NetworkPolicy", "hubbub-loadtest").spec;
  for (const [name, value] of Object.entries(policy.podSelector.matchLabels)) assert.equal(labels[name], value);
  assert.deepEqual(policy.policyTypes, ["Ingress", "Egress"]);
  assert.equal(policy.ingress, undefined);
  const reached = policy.egress.flatMap(({ to }) => to.map(({ podSelector }) => podSelector.matchLabels["app.kubernetes.io/component"]));
  assert.deepEqual(reached.sort(), ["balancer", "node"]);
  const urls = container.args.filter((word) => word.startsWith("http://")).map((url) => new URL(url));
  assert.deepEqual(urls.map(({ hostname }) => hostname), ["hubbub", "hubbub-headless"]);
  for (const { hostname, port } of urls) {
    const [service] = manifests.one("Service", hostname).spec.ports;
    assert.equal(Number(port || 80), service.port, `${hostname} listens there`);
  }
});

test("a pod of the load test is not taken for a node", () => {
  const { labels } = job.spec.template.metadata;
  for (const service of manifests.all("Service")) {
    const isIts = Object.entries(service.spec.selector ?? {}).every(([name, value]) => labels[name] === value);
    assert.ok(!isIts, `${service.metadata.name} does not lead to it`);
  }
});

/** Every word is understood: what fails is that nobody is there. */
function understood(words) {
  const elsewhere = words.map((word) => (word.startsWith("http://") ? "http://127.0.0.1:1" : word));
  const { status, stderr } = spawnSync(BINARY, elsewhere, { encoding: "utf8" });
  assert.equal(status, 2);
  assert.match(stderr, /cannot be reached: refused/);
}

test("the binary understands what the Job and the Compose service tell it", () => {
  understood(container.args);
  const file = readFileSync(`${ROOT}docker-compose.yml`, "utf8");
  const command = parse(file, { merge: true }).services.loadtest.command.replace(/\$\{\w+:-([^}]*)\}/g, "$1");
  assert.ok(command.includes("http://lb:3000") && command.includes("http://hubbub:3000"));
  understood(command.split(" "));
});
