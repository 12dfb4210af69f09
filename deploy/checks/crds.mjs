// Holds custom resources, one JSON document a line, against the published schemas of their kinds.
// crds.mjs RESOURCES PROGRAM: what schemas let pass, unknown fields, is left to the compiler of
// TypeScript, for which PROGRAM is written.
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const packages = ["keda/keda.sh/v1alpha1", "prometheus-operator/monitoring.coreos.com/v1"];
const wanted = ["ScaledObject", "ServiceMonitor", "PrometheusRule"];

const models = {};
for (const path of packages) {
  const file = resolve(process.env.NODE_PATH, "@kubernetes-models", path, "index.js");
  for (const [kind, model] of Object.entries(await import(pathToFileURL(file)))) {
    models[`${model.apiVersion} ${kind}`] = { kind, model, from: `@kubernetes-models/${path}` };
  }
}

const faults = [];
const program = [];
const resources = readFileSync(process.argv[2], "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
for (const resource of resources) {
  const name = `${resource.apiVersion} ${resource.kind}`;
  try {
    const found = models[name];
    if (!found) throw new Error("no schema");
    new found.model(resource).validate();
    const type = `import("${found.from}").I${found.kind}`;
    program.push(`export const a${program.length}: ${type} = ${JSON.stringify(resource, null, 1)};`);
  } catch (error) {
    faults.push(`${name} ${resource.metadata?.name}: ${error.message}`);
  }
}
for (const kind of wanted.filter((kind) => !resources.some((resource) => resource.kind === kind))) {
  faults.push(`no file of values renders a ${kind}`);
}
writeFileSync(process.argv[3], [...program, ""].join("\n"));
console.log([...faults, `${resources.length} custom resources`].join("\n"));
process.exit(faults.length ? 1 : 0);
