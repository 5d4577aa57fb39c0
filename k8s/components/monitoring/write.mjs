// `make manifests`: writes the alert rules and the list of dashboards of deploy/observability for Kubernetes.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const from = new URL("../../../deploy/observability/", import.meta.url);
const rules = new URL("rules/", import.meta.url);
const named = (folder, ending) => readdirSync(new URL(folder, from)).filter((name) => name.endsWith(ending)).sort();

rmSync(rules, { recursive: true, force: true });
mkdirSync(rules);
const files = named("rules/", ".yml").map((name) => {
  const text = readFileSync(new URL(`rules/${name}`, from), "utf8");
  // The groups as they are, one step further in.
  const groups = text.slice(text.search(/^groups:/m)).trimEnd().replace(/^(?=.)/gm, "  ");
  const metadata = `apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: hubbub-${name.replace(/\.yml$/, "")}\nspec:`;
  const file = name.replace(/\.yml$/, ".yaml");
  writeFileSync(new URL(file, rules), `# Written from deploy/observability/rules/${name} by \`make manifests\`; do not edit.\n${metadata}\n${groups}\n`);
  return file;
});
const list = (names) => `[${names.join(", ")}]`;
writeFileSync(
  new URL("kustomization.yaml", rules),
  `# The alert rules as Kubernetes' Prometheus operator reads them; written by \`make manifests\`, do not edit.\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: ${list(files)}\n`,
);

const dashboards = new URL("dashboards/kustomization.yaml", from);
writeFileSync(dashboards, readFileSync(dashboards, "utf8").replace(/files: \[.*\]/, `files: ${list(named("dashboards/", ".json"))}`));
