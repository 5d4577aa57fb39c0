// What must hold in every environment, whoever edits which overlay.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";

import { OVERLAYS, overlays, ROOT, seconds } from "./rendered.mjs";

/** What a shutdown may take besides what is configured: the last flush, a busy machine. */
const MARGIN = 10;

/** A test of each overlay. */
function each(name, play) {
  for (const overlay of OVERLAYS) test(`${overlay}: ${name}`, () => play(overlays[overlay]));
}

each("every pod meets the standard `restricted`, and what we ask beyond it", ({ pods, one }) => {
  assert.ok(pods.length >= 1);
  for (const { name, spec } of pods) {
    const is = (fact, what) => assert.ok(fact, `${name}: ${what}`);
    is(spec.securityContext.runAsNonRoot && spec.securityContext.runAsUser > 0, "does not run as root, by number");
    is(spec.securityContext.seccompProfile.type === "RuntimeDefault", "its system calls are filtered");
    is(spec.automountServiceAccountToken === false, "it gets no token");
    is(spec.enableServiceLinks === false, "it gets no variables of other services");
    is(!spec.hostNetwork && !spec.hostPID && !spec.hostIPC, "it shares nothing with the machine");
    is((spec.volumes ?? []).every((volume) => !volume.hostPath), "it sees no file of the machine");
    for (const { securityContext, resources, image, imagePullPolicy } of [...spec.containers, ...(spec.initContainers ?? [])]) {
      is(securityContext.allowPrivilegeEscalation === false && !securityContext.privileged, "it gains no privilege");
      is(securityContext.readOnlyRootFilesystem, "its root is read-only");
      is(securityContext.runAsNonRoot, "no container runs as root");
      assert.deepEqual(securityContext.capabilities, { drop: ["ALL"] }, `${name} has no capability`);
      is(resources.requests.cpu && resources.requests.memory && resources.limits.memory, "it says what it needs");
      is(!resources.limits.cpu, "its processor is not throttled");
      assert.match(image, /:(?!latest$)[\w][\w.-]*$|@sha256:[0-9a-f]{64}$/, `${name}: its image is pinned`);
      is(imagePullPolicy === "IfNotPresent", "what is there is not pulled again");
    }
  }
});

each("the namespace lets in nothing less than `restricted`", (manifests) => {
  const [{ metadata }] = manifests.all("Namespace");
  assert.equal(metadata.labels["pod-security.kubernetes.io/enforce"], "restricted");
  for (const { kind, metadata: { name, namespace } } of manifests.objects) {
    if (kind !== "Namespace") assert.equal(namespace, metadata.name, `${kind}/${name} is in it`);
  }
});

each("every pod is asked whether it started, lives and is ready, and a node means something else by each", ({ pods, one }) => {
  for (const { name, spec } of pods) {
    for (const container of spec.containers) {
      for (const probe of ["startupProbe", "livenessProbe", "readinessProbe"]) assert.ok(container[probe], `${name} has a ${probe}`);
      const patience = container.livenessProbe.failureThreshold * container.livenessProbe.periodSeconds;
      assert.ok(patience >= 30, `${name} is not restarted for less than half a minute of silence`);
      assert.notDeepEqual(container.livenessProbe, container.readinessProbe);
    }
  }
  const node = pods.find(({ owner }) => owner.metadata.name === "hubbub").spec.containers[0];
  // Redis is away: not ready at first, but alive.
  assert.equal(node.startupProbe.httpGet.path, "/livez");
  assert.equal(node.livenessProbe.httpGet.path, "/livez");
  assert.equal(node.readinessProbe.httpGet.path, "/readyz");
  const ports = Object.fromEntries(node.ports.map(({ name, containerPort }) => [name, containerPort]));
  assert.deepEqual(ports, { http: 3000, internal: 9090 });
  for (const probe of ["startupProbe", "livenessProbe", "readinessProbe"]) assert.equal(node[probe].httpGet.port, "internal");
});

each("a node has the time to drain: grace is preStop, drain.deadline and a margin, as the node itself says", (manifests) => {
  const { spec } = manifests.one("Deployment", "hubbub").spec.template;
  const settings = manifests.settings();
  const before = spec.containers[0].lifecycle.preStop.sleep.seconds;
  const deadline = seconds(settings["drain.deadline"]);

  assert.ok(before >= 5, "balancers get the time to notice");
  assert.ok(
    spec.terminationGracePeriodSeconds >= before + deadline + MARGIN,
    `${spec.terminationGracePeriodSeconds} s of grace, ${before} s of preStop, ${deadline} s of drain.deadline, ${MARGIN} s of margin`,
  );
  assert.ok(deadline > seconds(settings["drain.balancer_lag"]) + seconds(settings["drain.spread"]));
});

each("the addresses of a node are those of its ports", (manifests) => {
  // The image says them; the manifests must not say something else.
  const image = readFileSync(`${ROOT}deploy/Dockerfile`, "utf8");
  const { env, ports } = manifests.one("Deployment", "hubbub").spec.template.spec.containers[0];
  for (const [name, variable] of [["http", "HUBBUB__SERVER__LISTEN"], ["internal", "HUBBUB__INTERNAL__LISTEN"]]) {
    const port = ports.find((one) => one.name === name).containerPort;
    assert.match(image, new RegExp(`${variable}=0\\.0\\.0\\.0:${port}\\b`));
    assert.ok(!env.some((one) => one.name === variable));
  }
});

each("nodes are replaced one by one, and never fewer than there were", (manifests) => {
  const { replicas, strategy, minReadySeconds } = manifests.one("Deployment", "hubbub").spec;
  assert.equal(replicas, undefined, "how many is the autoscaler's to say");
  assert.deepEqual(strategy, { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } });
  assert.ok(minReadySeconds >= 10);
});

each("the autoscaler counts connections and work, and is slow to take nodes away", (manifests) => {
  const { spec } = manifests.one("HorizontalPodAutoscaler", "hubbub");
  assert.deepEqual(spec.scaleTargetRef, { apiVersion: "apps/v1", kind: "Deployment", name: "hubbub" });
  assert.ok(spec.minReplicas >= 3 && spec.maxReplicas >= spec.minReplicas);
  const [cpu] = spec.metrics.filter(({ type }) => type === "Resource");
  assert.equal(cpu.resource.name, "cpu");
  const [connections] = spec.metrics.filter(({ type }) => type === "Pods");
  const name = connections.pods.metric.name.match(/^hubbub_(\w+)$/)[1];
  assert.match(readFileSync(`${ROOT}src/telemetry/metrics.rs`, "utf8"), new RegExp(`^\\s*${name}: UpDownCounter<i64>,$`, "m"), "a node exports that");
  const { scaleUp, scaleDown } = spec.behavior;
  assert.equal(scaleUp.stabilizationWindowSeconds, 0);
  // 3600 is the most that Kubernetes takes.
  assert.ok(scaleDown.stabilizationWindowSeconds >= 1800 && scaleDown.stabilizationWindowSeconds <= 3600);
  assert.deepEqual(scaleDown.policies, [{ type: "Pods", value: 1, periodSeconds: 300 }]);
});

each("whoever empties machines takes one pod at a time, and none that hangs is in the way", (manifests) => {
  for (const { owner, name, labels } of manifests.pods.filter(({ owner }) => owner.kind === "Deployment")) {
    const [budget] = manifests.all("PodDisruptionBudget").filter(({ spec }) => matches(spec.selector, labels));
    assert.ok(budget, `${name} has a budget`);
    assert.equal(budget.spec.maxUnavailable, 1);
    assert.equal(budget.spec.unhealthyPodEvictionPolicy, "AlwaysAllow");
    assert.deepEqual(owner.spec.selector.matchLabels, budget.spec.selector.matchLabels);
  }
});

each("nodes are spread over zones and machines, each generation by itself", (manifests) => {
  const spread = manifests.one("Deployment", "hubbub").spec.template.spec.topologySpreadConstraints;
  assert.deepEqual(spread.map(({ topologyKey }) => topologyKey), ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]);
  for (const { maxSkew, matchLabelKeys, labelSelector } of spread) {
    assert.equal(maxSkew, 1);
    assert.deepEqual(matchLabelKeys, ["pod-template-hash"]);
    assert.ok(matches(labelSelector, manifests.one("Deployment", "hubbub").spec.template.metadata.labels));
  }
});

each("every service leads to pods, by ports that they have", (manifests) => {
  for (const { metadata, spec } of manifests.all("Service")) {
    const behind = manifests.pods.filter(({ labels }) => matches({ matchLabels: spec.selector }, labels));
    assert.equal(behind.length, 1, `${metadata.name} leads to one kind of pod`);
    const names = behind[0].spec.containers.flatMap(({ ports }) => ports.map(({ name }) => name));
    for (const { targetPort } of spec.ports) assert.ok(names.includes(targetPort), `${metadata.name}: ${targetPort}`);
  }
  const headless = manifests.one("Service", "hubbub-headless").spec;
  assert.deepEqual([headless.clusterIP, headless.publishNotReadyAddresses], ["None", true]);
  const open = manifests.one("Service", "hubbub").spec.ports.map(({ targetPort }) => targetPort);
  assert.deepEqual(open, ["http"], "nothing internal is in the public service");
});

each("nobody may talk to anybody, but for what is said; and that is said of every pod", (manifests) => {
  const policies = manifests.all("NetworkPolicy").map(({ metadata, spec }) => ({ name: metadata.name, ...spec }));
  const [closed] = policies.filter(({ podSelector, ingress, egress }) => Object.keys(podSelector).length === 0 && !ingress && !egress);
  assert.deepEqual(closed.policyTypes.sort(), ["Egress", "Ingress"]);
  for (const { name, labels, spec } of manifests.pods) {
    const own = policies.filter(({ podSelector }) => matches(podSelector, labels));
    const openings = own.flatMap(({ ingress = [] }) => ingress);
    for (const { containerPort } of spec.containers.flatMap(({ ports }) => ports)) {
      const isInternal = [9090, 8404].includes(containerPort) && !openings.some(({ ports }) => ports.some(({ port }) => port === containerPort));
      // What is internal may be closed to all but the kubelet, which no policy holds back.
      assert.ok(isInternal || openings.some(({ ports }) => ports.some(({ port }) => port === containerPort)), `${name}: somebody may reach ${containerPort}`);
    }
    for (const { from, ports } of openings) {
      if (ports.some(({ port }) => port !== 3000)) assert.ok(from?.length > 0, `${name}: only port 3000 is open to everybody`);
    }
    assert.ok(own.some(({ egress = [] }) => egress.some(({ ports }) => ports?.some(({ port }) => port === 53))), `${name} may ask for names`);
  }
});

each("no secret is in it, nor anything that looks like one", (manifests) => {
  assert.deepEqual(manifests.all("Secret"), [], "secrets are made by you, and named here");
  const text = readFileSync(manifests.file, "utf8");
  assert.doesNotMatch(text, /:\/\/[^/\s"'*]*:[^/\s"'@]*@/, "no URL with a password");
  for (const { spec, name } of manifests.pods) {
    for (const { env = [] } of spec.containers) {
      for (const { name: variable, value } of env) {
        if (/PASSWORD|SECRET|TOKEN|(?<!COOKIE_)KEY/.test(variable)) assert.equal(value, undefined, `${name}: ${variable} comes from a secret`);
      }
    }
  }
});

each("what is named is there, but for the secrets that you make", (manifests) => {
  const yours = [];
  for (const { name, spec } of manifests.pods) {
    if (spec.serviceAccountName) assert.ok(manifests.has("ServiceAccount", spec.serviceAccountName));
    for (const volume of spec.volumes ?? []) {
      if (volume.configMap) assert.ok(manifests.has("ConfigMap", volume.configMap.name), `${name}: ${volume.configMap.name}`);
      if (volume.secret) yours.push(volume.secret.secretName);
      for (const { volumeMounts = [] } of spec.containers) assert.ok(volumeMounts.some((mount) => mount.name === volume.name), `${name} uses ${volume.name}`);
    }
    const given = new Set([...(spec.volumes ?? []), ...(manifests.pods.find((pod) => pod.name === name).owner.spec.volumeClaimTemplates ?? []).map(({ metadata }) => metadata)].map((volume) => volume.name));
    for (const { volumeMounts = [] } of spec.containers) for (const mount of volumeMounts) assert.ok(given.has(mount.name), `${name}: ${mount.name}`);
  }
  assert.deepEqual(yours, manifests.overlay === "production" ? ["hubbub-store"] : []);
});

each("without our sticky tier nothing polls; with it, everything may", (manifests) => {
  const settings = manifests.settings();
  const isSticky = manifests.has("Deployment", "hubbub-lb");
  assert.equal(settings["engine.polling"], isSticky);
  assert.equal(manifests.one("Service", "hubbub").spec.selector["app.kubernetes.io/component"], isSticky ? "balancer" : "node");
  if (!isSticky) return;
  const [{ env, volumeMounts }] = manifests.one("Deployment", "hubbub-lb").spec.template.spec.containers;
  const nodes = env.find(({ name }) => name === "HUBBUB_LB_NODES").value;
  assert.equal(nodes, "hubbub-headless.$(NAMESPACE).svc.cluster.local", "a whole name: HAProxy has no search domains");
  assert.ok(env.findIndex(({ name }) => name === "NAMESPACE") < env.findIndex(({ name }) => name === "HUBBUB_LB_NODES"), "said before it is used");
  assert.equal(volumeMounts[0].mountPath, "/usr/local/etc/haproxy");
  const config = manifests.all("ConfigMap").find(({ metadata }) => metadata.name.startsWith("hubbub-lb-config")).data["haproxy.cfg"];
  const uncommented = config.replace(/#.*$/gm, "");
  assert.match(uncommented, /cookie hubbub_lb insert .*dynamic/);
  assert.match(uncommented, /dynamic-cookie-key/);
  assert.doesNotMatch(uncommented, /shutdown-sessions/);
  // The deadline of the balancer's pods is theirs.
  const hardStop = seconds(env.find(({ name }) => name === "HUBBUB_LB_HARD_STOP").value);
  const { terminationGracePeriodSeconds, containers } = manifests.one("Deployment", "hubbub-lb").spec.template.spec;
  assert.ok(terminationGracePeriodSeconds >= hardStop + containers[0].lifecycle.preStop.sleep.seconds + MARGIN);
});

each("nothing on the way is idle before a ping is overdue", (manifests) => {
  const settings = manifests.settings();
  const alive = seconds(settings["engine.ping_interval"]) + seconds(settings["engine.ping_timeout"]);
  const config = readFileSync(`${ROOT}deploy/haproxy/haproxy.cfg`, "utf8");
  for (const timeout of ["client", "server", "tunnel"]) {
    const [, value] = config.match(new RegExp(`^ *timeout ${timeout} +(\\d+s)$`, "m"));
    assert.ok(seconds(value) > alive && seconds(value) < 60, `timeout ${timeout} ${value}`);
  }
});

test("the ways in use the standard channel only, end no request, and lead to the service", () => {
  for (const overlay of ["staging", "production"]) {
    const routes = overlays[overlay].all("HTTPRoute");
    assert.equal(routes.length, 2);
    for (const { spec, apiVersion } of routes) {
      assert.equal(apiVersion, "gateway.networking.k8s.io/v1");
      for (const rule of spec.rules) {
        // Experimental in 1.6: sessionPersistence, retry, and filters beyond these.
        assert.deepEqual(Object.keys(rule).filter((key) => !["name", "matches", "filters", "backendRefs", "timeouts"].includes(key)), []);
        for (const { type } of rule.filters ?? []) assert.equal(type, "RequestRedirect");
        for (const { name, port } of rule.backendRefs ?? []) {
          const service = overlays[overlay].one("Service", name);
          assert.ok(service.spec.ports.some((one) => one.port === port));
          assert.equal(rule.timeouts.request, "0s");
        }
      }
    }
  }
});

test("rules and dashboards in Kubernetes are those of deploy/observability", () => {
  const files = readdirSync(`${ROOT}deploy/observability/rules`).filter((name) => name.endsWith(".yml"));
  const rules = overlays.production.all("PrometheusRule");
  assert.deepEqual(rules.map(({ metadata }) => metadata.name).sort(), files.map((file) => `hubbub-${file.replace(/\.yml$/, "")}`).sort(), "run `make manifests`");
  for (const file of files) {
    const { groups } = parse(readFileSync(`${ROOT}deploy/observability/rules/${file}`, "utf8"));
    assert.deepEqual(overlays.production.one("PrometheusRule", `hubbub-${file.replace(/\.yml$/, "")}`).spec.groups, groups, "run `make manifests`");
  }
  const dashboards = readdirSync(`${ROOT}deploy/observability/dashboards`).filter((name) => name.endsWith(".json"));
  const shown = overlays.production.one("ConfigMap", "hubbub-dashboards").data ?? {};
  assert.deepEqual(Object.keys(shown).sort(), dashboards.sort(), "run `make manifests`");
});

function matches(selector, labels) {
  assert.ok(!selector.matchExpressions, "selectors here are labels only");
  return Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
}
