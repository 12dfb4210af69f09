"""Writes every query of the dashboard, and of the chart's custom resources, as a recording rule for
promtool, and holds names and labels of metrics against the tables of schemas/README.md, which the tests
hold against the binary.

queries.py RULES RESOURCES: writes RULES; RESOURCES are the custom resources that chart.py wrote.
"""

import json
import re
import sys
from pathlib import Path

import yaml

DEPLOY = Path(__file__).resolve().parent.parent
# What Prometheus and Kubernetes add.
ADDED = {"job", "instance", "namespace", "le"}
NAME = re.compile(r"\baccrual_[a-z_]+")
GRAFANA = {"$__rate_interval": "5m", "$__interval": "5m", "$__range": "6h"}


def metrics():
    """Name to kind and labels."""
    page = (DEPLOY.parent / "schemas" / "README.md").read_text()
    table = page.split("\n## Metrics\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `(accrual_\w+)` \| (\w+) \| ([^|]*) \|", table, re.M)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def dashboard():
    board = json.loads((DEPLOY / "grafana" / "accrual.json").read_text())
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    ids = [panel["id"] for panel in board["panels"]]
    faults = [] if len(ids) == len(set(ids)) else ["two panels have one id"]
    queries = []
    for panel in panels:
        if not panel.get("targets"):
            faults.append(f"dashboard, {panel['title']}: no query")
        queries += [(f"dashboard, {panel['title']}", target["expr"]) for target in panel.get("targets", [])]
    return queries, faults


def rules():
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())["groups"]
    return [(rule["alert"], rule["expr"]) for group in groups for rule in group["rules"]]


def scalers(path):
    resources = [json.loads(line) for line in Path(path).read_text().splitlines()]
    triggers = [t for r in resources if r["kind"] == "ScaledObject" for t in r["spec"]["triggers"]]
    return [(f"KEDA, {trigger['name']}", trigger["metadata"]["query"]) for trigger in triggers]


def unknown(query, known):
    named = set(NAME.findall(query))
    labels = set(ADDED)
    for name in named:
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        kind = known.get(base, ("", set()))[0]
        found = base if kind == "histogram" and base != name else name
        if found not in known:
            yield f"there is no metric {name}"
            continue
        labels |= known[found][1]
    used = re.findall(r"(?:by|without|on|ignoring)\s*\(([^)]*)\)", query) + re.findall(r"\{([^}]*)\}", query)
    for label in re.findall(r"([a-z_]+)\s*(?:=|!|,|$)", " , ".join(re.sub(r'"[^"]*"', "", text) for text in used)):
        if label not in labels:
            yield f"no metric of {query} has the label {label}"


def main(rules_path, resources_path):
    known = metrics()
    queries, faults = dashboard()
    queries += scalers(resources_path)
    recording = []
    for number, (where, query) in enumerate(queries):
        for variable, value in GRAFANA.items():
            query = query.replace(variable, value)
        recording.append({"record": f"check:query:{number}", "expr": re.sub(r"\$\w+", ".*", query)})
    for where, query in queries + rules():
        faults += [f"{where}: {fault}" for fault in unknown(query, known)]
    Path(rules_path).write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": recording}]}))
    print(f"{len(queries)} queries, {len(known)} metrics")
    return faults


if __name__ == "__main__":
    found = main(*sys.argv[1:])
    print("\n".join(found))
    sys.exit(bool(found))
