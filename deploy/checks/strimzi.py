"""Holds deploy/strimzi against Strimzi's own resource definitions (checks/strimzi), and the rights of its
users against the table of README.md. The topics are held against `accrual topics create` by a test."""

import re
import sys
from pathlib import Path

import jsonschema
import yaml

DEPLOY = Path(__file__).resolve().parent.parent
RIGHTS = {"R": "Read", "W": "Write", "D": "Describe", "C": "Create", "DC": "DescribeConfigs"}
# A column of the table to the user that has its rights.
USERS = {
    "shops' producers": "accrual-producers",
    "`run`": "accrual",
    "`rules publish`": "accrual-rules",
    "`topics create`": "accrual-topics",
    "`dead-letters redrive`": "accrual-redrive",
    "`explain`, `quote`": "accrual-lookups",
    "consumers of points": "accrual-consumers",
}


def documents(name):
    return list(yaml.safe_load_all((DEPLOY / "strimzi" / name).read_text()))


def strict(schema):
    """Kubernetes drops unknown fields without a word; here they are faults."""
    if isinstance(schema, dict):
        schema = {key: strict(value) for key, value in schema.items()}
        if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
    elif isinstance(schema, list):
        schema = [strict(value) for value in schema]
    return schema


def schema_of(definition):
    spec = yaml.safe_load((DEPLOY / "checks" / "strimzi" / definition).read_text())["spec"]
    version = next(version for version in spec["versions"] if version["storage"])
    schema = strict(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object", "required": ["name", "labels"]}
    schema["properties"]["apiVersion"] = {"const": f"{spec['group']}/{version['name']}"}
    schema["properties"]["kind"] = {"const": spec["names"]["kind"]}
    schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
    return schema


def invalid(name, definition):
    validator = jsonschema.Draft7Validator(schema_of(definition))
    for document in documents(name):
        for error in validator.iter_errors(document):
            where = ".".join(str(part) for part in error.path)
            yield f"{name}: {document['metadata']['name']}: {where}: {error.message}"


def table():
    """User to a set of (topic, right), as README.md has them."""
    rows = []
    for line in (DEPLOY.parent / "README.md").read_text().splitlines():
        if line.startswith("| topic | shops' producers |"):
            rows.append(line)
        elif rows and line.startswith("|"):
            rows.append(line)
        elif rows:
            break
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    head, rights = cells[0][1:], {user: set() for user in USERS.values()}
    for row in cells[2:]:
        topics = re.findall(r"`([^`]+)`", row[0])
        for column, cell in zip(head, row[1:]):
            # "see below": only for a while.
            granted = set() if "see below" in cell else {RIGHTS[right] for right in re.findall(r"[A-Z]+", cell)}
            rights[USERS[column]] |= {(topic, right) for topic in topics for right in granted}
    return rights


def granted():
    for document in documents("users.yaml"):
        acls = document["spec"]["authorization"]["acls"]
        topics = [acl for acl in acls if acl["resource"]["type"] == "topic"]
        pairs = {(acl["resource"]["name"], right) for acl in topics for right in acl["operations"]}
        yield document["metadata"]["name"], pairs


def main():
    faults = [*invalid("topics.yaml", "kafkatopic.yaml"), *invalid("users.yaml", "kafkauser.yaml")]
    wanted, given = table(), dict(granted())
    for user in sorted(wanted.keys() | given.keys()):
        want, have = wanted.get(user, set()), given.get(user, set())
        faults += [f"{user}: {right} on {topic} is in README.md alone" for topic, right in sorted(want - have)]
        faults += [f"{user}: {right} on {topic} is in users.yaml alone" for topic, right in sorted(have - want)]
    print(f"{len(documents('topics.yaml'))} topics, {len(given)} users")
    return faults


if __name__ == "__main__":
    found = main()
    print("\n".join(found))
    sys.exit(bool(found))
