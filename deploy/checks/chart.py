"""Holds the chart: lint, every file of ci/ rendered, each resource against its schema, and the plain
manifests of deploy/kubernetes against what the chart renders (`--write` writes them).

Custom resources go to a file, one JSON document a line, for crds.mjs.
"""

import json
import sys
from pathlib import Path

import helm_python as helm
import kubernetes_validate
import yaml

DEPLOY = Path(__file__).resolve().parent.parent
CHART = DEPLOY / "helm" / "accrual"
PLAIN = DEPLOY / "kubernetes"
KUBERNETES = ("1.27", "1.37")
# The order in which `kubectl apply` is to meet them.
KINDS = ["ServiceAccount", "ConfigMap", "NetworkPolicy", "Service", "PodDisruptionBudget", "Job", "StatefulSet"]
HEAD = """\
# Rendered from deploy/helm/accrual with deploy/kubernetes/values.yaml by `deploy/check.sh --write`.
# Replace the image and the addresses in the ConfigMap. The Secret `accrual` holds ACCRUAL_HTTP__TOKEN
# (16 characters or more) and, where they have passwords, ACCRUAL_KAFKA__PROPERTIES__SASL_PASSWORD and
# ACCRUAL_REDIS__URL.
"""


def values(path):
    return yaml.safe_load(path.read_text()) or {}


def render(chosen):
    with helm.Chart.load(CHART) as chart:
        chart.validate_schema(chosen)
        texts = chart.render(chosen, name="accrual", namespace="default")
    documents = []
    for name in sorted(texts):
        if name.endswith(".yaml"):
            documents += [text.strip("\n") for text in ("\n" + texts[name]).split("\n---\n")]
    return [text for text in documents if text.strip()]


def plain():
    ours = [text for text in render(values(PLAIN / "values.yaml"))]
    ours.sort(key=lambda text: KINDS.index(yaml.safe_load(text)["kind"]))
    text = HEAD + "---\n".join(f"{text}\n" for text in ours)
    return text.replace("\n    app.kubernetes.io/managed-by: Helm", "").replace(
        "\n        app.kubernetes.io/managed-by: Helm", ""
    )


def faults_of(resource, custom):
    """What Kubernetes would refuse. Kinds that it does not know are left to their own schemas."""
    faults = []
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(resource, version, strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            custom.append(resource)
            break
        except kubernetes_validate.ValidationError as error:
            where = ".".join(str(part) for part in error.path)
            faults.append(f"{resource['kind']} for Kubernetes {version}: {where}: {error.message}")
    return faults


def open_objects(schema, path="values"):
    """Where values.schema.json names fields and takes others as well."""
    if schema.get("properties") and schema.get("additionalProperties") is not False:
        yield f"values.schema.json: {path} takes unknown values"
    for name, inner in schema.get("properties", {}).items():
        yield from open_objects(inner, f"{path}.{name}")
    if "items" in schema:
        yield from open_objects(schema["items"], f"{path}[]")


def must_be_refused():
    """A schema that lets everything pass would pass every other check."""
    yield from open_objects(json.loads((CHART / "values.schema.json").read_text()))
    for wrong in ({"replica": 3}, {"config": {"kafka": {"broker": "a:9092"}}}, {"replicas": "3"}):
        with helm.Chart.load(CHART) as chart:
            try:
                chart.validate_schema(wrong)
            except helm.HelmError:
                continue
        yield f"values.schema.json takes {wrong}"


def main(arguments):
    if arguments == ["--write"]:
        (PLAIN / "accrual.yaml").write_text(plain())
        return []
    faults, custom, count = list(must_be_refused()), [], 0
    files = [*sorted((CHART / "ci").glob("*-values.yaml")), PLAIN / "values.yaml"]
    for path in files:
        report = helm.lint(CHART, values(path), strict=True)
        faults += [f"{path.name}: {message}" for message in report["messages"] + report["errors"]]
        for text in render(values(path)):
            count += 1
            faults += [f"{path.name}: {fault}" for fault in faults_of(yaml.safe_load(text), custom)]
    if plain() != (PLAIN / "accrual.yaml").read_text():
        faults.append("deploy/kubernetes/accrual.yaml is not what the chart renders: deploy/check.sh --write")
    Path(arguments[0]).write_text("".join(json.dumps(resource) + "\n" for resource in custom))
    print(f"{len(files)} files of values, {count} resources, {len(custom)} of them custom")
    return faults


if __name__ == "__main__":
    found = main(sys.argv[1:])
    print("\n".join(found))
    sys.exit(bool(found))
