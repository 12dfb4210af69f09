"""Holds deploy/RUNBOOK.md against alerts and codes: each alert has its heading and points at it, each
heading of an alert has one, dead letters of each code of the binary's metrics are explained, and commands
are those of schemas/README.md, which the tests hold against the binary.

runbook.py [METRICS]
"""

import re
import sys
from pathlib import Path

import yaml

DEPLOY = Path(__file__).resolve().parent.parent


def unknown_commands(page):
    reference = (DEPLOY.parent / "schemas" / "README.md").read_text()
    rows = re.findall(r"^\| `accrual ([a-z -]+)[^`]*` \| [^|]* \| ([^|]*) \|", reference, re.M)
    known = {command.strip(): set(re.findall(r"--[\w-]+", options)) for command, options in rows}
    for line in re.findall(r"`(?:[A-Z_]+=\S+ )?accrual ([a-z][^`]*)`", page):
        words = re.match(r"[a-z -]*", re.sub(r"(?<=\s)-.*", "", line)).group().split()
        command = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in known), None)
        if command is None:
            yield f"there is no command: accrual {line}"
        else:
            options = set(re.findall(r"--[\w-]+", line)) - {"--config"} - known[command]
            yield from (f"accrual {command} has no {option}" for option in sorted(options))


def main(metrics=None):
    page = (DEPLOY / "RUNBOOK.md").read_text()
    section = page.split("\n## Alerts\n", 1)[1].split("\n## ", 1)[0]
    texts = dict(re.findall(r"^### (\w+)\n((?:(?!### ).*\n)*)", section + "\n", re.M))
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())["groups"]
    alerts = {rule["alert"]: rule["annotations"] for group in groups for rule in group["rules"]}
    faults = [f"{alert} has no heading in RUNBOOK.md" for alert in alerts if not texts.get(alert, "").strip()]
    faults += [f"RUNBOOK.md explains {heading}, which is no alert" for heading in texts if heading not in alerts]
    faults += unknown_commands(page)
    for alert, annotations in alerts.items():
        if annotations.get("runbook") != f"deploy/RUNBOOK.md#{alert.lower()}":
            faults.append(f"{alert} does not point at its heading: annotation `runbook`")
    if metrics:
        shown = Path(metrics).read_text()
        codes = set(re.findall(r'^accrual_dead_letters_total\{.*code="(\w+)"', shown, re.M))
        told = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| ([^|]+)\|", texts["AccrualDeadLetters"], re.M))))
        faults += [f"dead letters: RUNBOOK.md does not explain {code}" for code in sorted(codes - told)]
        faults += [f"dead letters: there is no code {code}" for code in sorted(told - codes)]
        print(f"{len(codes)} codes of dead letters")
    print(f"{len(alerts)} alerts")
    return faults


if __name__ == "__main__":
    found = main(*sys.argv[1:])
    print("\n".join(found))
    sys.exit(bool(found))
