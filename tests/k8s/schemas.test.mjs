// Every object of every overlay against the schemas of Kubernetes, and of the extensions it uses: nothing unknown, nothing of another type.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";

import { OVERLAYS, overlays, ROOT, WORK } from "./rendered.mjs";

/** The three newest that schemas are to be had of. */
const VERSIONS = ["1.35", "1.36", "1.37"];
/** Objects of extensions: their types are in these packages. */
const EXTENSIONS = {
  HTTPRoute: "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute",
  PodMonitor: "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor",
  PrometheusRule: "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule",
};

const isExtension = ({ kind }) => kind in EXTENSIONS;

/** Kubernetes' own objects, written for the validator. */
function ownObjects(name, objects) {
  const file = `${WORK}${name}.own.yaml`;
  // JSON is YAML.
  writeFileSync(file, objects.filter((object) => !isExtension(object)).map((object) => JSON.stringify(object)).join("\n---\n"));
  return file;
}

function validate(version, ...files) {
  const { status, stdout, stderr } = spawnSync(`${WORK}venv/bin/kubernetes-validate`, ["--strict", "-k", version, ...files], { encoding: "utf8" });
  return { good: status === 0, said: stdout + stderr };
}

for (const version of VERSIONS) {
  test(`Kubernetes ${version} knows every object and every field`, (t) => {
    const files = OVERLAYS.map((overlay) => ownObjects(overlay, overlays[overlay].objects));

    const { good, said } = validate(version, ...files);

    assert.ok(good, said);
    const passed = said.match(/ passed for resource /g).length;
    const objects = OVERLAYS.flatMap((overlay) => overlays[overlay].objects).filter((object) => !isExtension(object));
    assert.equal(passed, objects.length, "it has looked at each");
    t.diagnostic(`${passed} objects`);
  });
}

test("a field that does not exist is refused, and so is a wrong type", () => {
  const deployment = overlays.production.one("Deployment", "hubbub");
  for (const spoil of [(spec) => (spec.minReadySecond = 1), (spec) => (spec.template.spec.containers[0].readinesProbe = {}), (spec) => (spec.minReadySeconds = "ten")]) {
    const spoilt = structuredClone(deployment);
    spoil(spoilt.spec);

    const { good, said } = validate(VERSIONS.at(-1), ownObjects("spoilt", [spoilt]));

    assert.ok(!good, said);
  }
});

test("the extensions know every object and every field", async (t) => {
  const objects = OVERLAYS.flatMap((overlay) => overlays[overlay].objects).filter(isExtension);
  assert.ok(objects.length >= 8);

  const { status, stdout } = compile("extensions", objects);

  assert.equal(status, 0, stdout);
  for (const object of objects) {
    const { [object.kind]: Model } = await import(EXTENSIONS[object.kind]);
    // Types do not know of bounds and patterns.
    new Model(object).validate();
  }
  t.diagnostic(`${objects.length} objects`);
});

test("a field that an extension does not know is refused", () => {
  const route = overlays.production.one("HTTPRoute", "hubbub");
  for (const spoil of [(spec) => (spec.hostname = []), (spec) => (spec.rules[0].timeouts.requests = "0s"), (spec) => (spec.rules[0].backendRefs[0].port = "80")]) {
    const spoilt = structuredClone(route);
    spoil(spoilt.spec);

    const { status } = compile("spoilt", [spoilt]);

    assert.notEqual(status, 0);
  }
});

/** Objects as literals of their type: TypeScript refuses what the type does not have. */
function compile(name, objects) {
  const folder = `${ROOT}tests/k8s/node_modules/.check/`;
  mkdirSync(folder, { recursive: true });
  const kinds = [...new Set(objects.map(({ kind }) => kind))];
  const imports = kinds.map((kind) => `import type { I${kind} } from "${EXTENSIONS[kind]}";`);
  const literals = objects.map((object, i) => `export const o${i}: I${object.kind} = ${JSON.stringify(object, null, 1)};`);
  writeFileSync(`${folder}${name}.ts`, [...imports, ...literals].join("\n"));
  const args = [`${ROOT}tests/k8s/node_modules/typescript/bin/tsc`, "--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022", "--types", "", `${folder}${name}.ts`];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", cwd: `${ROOT}tests/k8s` });
  return { status, stdout: stdout + stderr };
}
