"""Holds what the binary is built from: licences of an allow-list, and no crate in two versions beyond
those that are known. Asks cargo for the locked dependencies on Linux."""

import re
import subprocess
import sys

PERMISSIVE = {
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
}
# Versions of one crate that are built in, where others have not moved on yet.
KNOWN_TWICE = {"base64": 2, "getrandom": 3, "hashbrown": 2, "rand": 2, "rand_core": 2, "syn": 2}


def permitted(expression):
    """Whether an SPDX expression can be met: of OR one side, of AND both. `/` is an old form of OR."""
    tokens = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))

    def alternatives():
        good = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            other = both()
            good = good or other
        return good

    def both():
        good = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            other = one()
            good = good and other
        return good

    def one():
        token = tokens.pop(0)
        if token == "(":
            good = alternatives()
            tokens.pop(0)
            return good
        if tokens and tokens[0] == "WITH":
            # An exception only adds permissions.
            del tokens[:2]
        return token in PERMISSIVE

    return alternatives()


def built_in():
    """Name, version and licence of each crate, without those that only tests use."""
    command = ["cargo", "tree", "--locked", "--edges=no-dev", "--features=tls", "--prefix=none"]
    command += ["--target=x86_64-unknown-linux-gnu", "--format={p}|{l}"]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    for line in sorted({line.removesuffix(" (*)") for line in lines}):
        package, licence = line.split("|")
        name, version = package.split(" ")[:2]
        yield name, version, licence


def main():
    faults, versions = [], {}
    for name, version, licence in built_in():
        versions.setdefault(name, []).append(version)
        if not licence or not permitted(licence):
            faults.append(f"{name} {version}: licence {licence!r} is not on the list")
    for name, found in versions.items():
        known = KNOWN_TWICE.get(name, 1)
        if len(found) > known:
            faults.append(f"{name} is built in as {', '.join(found)}: `cargo tree -i {name}@VERSION` says why")
    for name, known in KNOWN_TWICE.items():
        if len(versions.get(name, [])) < known:
            faults.append(f"{name} has fewer versions than KNOWN_TWICE says: take it back there")
    print(f"{len(versions)} crates")
    return faults


if __name__ == "__main__":
    found = main()
    print("\n".join(found))
    sys.exit(bool(found))
