#!/usr/bin/env bash
# Checks what is deployed beside the binary: chart, manifests, Strimzi's resources, image and compose
# file, alerts with their tests, dashboard, runbook, schemas, scripts, unit file, workflow, dependencies.
# Installs what it needs into .servers/, pinned where it does not come with the system.
# `deploy/check.sh --write` writes deploy/kubernetes/accrual.yaml.
set -euo pipefail
cd "$(dirname "$0")/.."
checks=deploy/checks

die() {
  echo "$*" >&2
  exit 1
}

# have COMMAND PACKAGE: installs Debian's package where that is allowed.
have() {
  command -v "$1" >/dev/null 2>&1 && return
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    die "$1 is missing: install it (Debian: apt-get install $2)"
  fi
  echo "installing $2"
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$2"; } >/dev/null ||
    die "$2 could not be installed: install it by hand"
}

have promtool prometheus
have shellcheck shellcheck
have systemd-analyze systemd
have curl curl
have python3 python3
have npm npm
python3 -c 'import ensurepip, venv' 2>/dev/null || have no-such-command python3-venv
pinned=$(cat "$checks/requirements.txt" "$checks/package-lock.json" | sha256sum | cut -c1-12)
tools=$PWD/.servers/checks-$pinned
if [ ! -e "$tools/done" ]; then
  echo "installing the tools of requirements.txt and package-lock.json"
  python3 -m venv "$tools"
  "$tools/bin/pip" install -q --no-deps -r "$checks/requirements.txt" || die "no Python packages"
  cp "$checks/package.json" "$checks/package-lock.json" "$tools"
  npm ci --silent --ignore-scripts --prefix "$tools" >/dev/null || die "no npm packages"
  touch "$tools/done"
fi
export NODE_PATH=$tools/node_modules
python=$tools/bin/python
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

if [ "${1:-}" = "--write" ]; then
  "$python" "$checks/chart.py" --write 2>"$out/log" || die "$(cat "$out/log")"
  exit
fi

failed=()
# check NAME COMMAND...: runs it, and shows what it says if it fails.
check() {
  local name=$1 before=${EPOCHREALTIME/./}
  shift
  if "$@" >"$out/log" 2>&1; then
    printf '  ok    %5d ms  %s\n' $(((${EPOCHREALTIME/./} - before) / 1000)) "$name"
  else
    printf '  FAILED           %s\n' "$name"
    sed 's/^/    /' "$out/log"
    failed+=("$name")
  fi
}

strict_types() {
  cp "$out/custom.mts" "$tools/custom.mts" || return
  "$tools/node_modules/.bin/tsc" --noEmit --skipLibCheck --strict --module nodenext --target es2022 "$tools/custom.mts"
}

sandbox() {
  systemd-analyze security --offline=true --threshold=15 --no-pager deploy/systemd/accrual.service || return
  # The binary is installed elsewhere; the unit must be right all the same.
  sed 's|/usr/local/bin/accrual|/bin/true|' deploy/systemd/accrual.service >"$out/accrual.service"
  # It only warns of a key that it does not know.
  ! systemd-analyze verify "$out/accrual.service" 2>&1 | grep .
}

json_schemas() {
  find schemas -name '*.json' ! -name 'asyncapi*' -print0 | xargs -0 "$tools/bin/check-jsonschema" --check-metaschema &&
    "$tools/bin/check-jsonschema" --check-metaschema deploy/helm/accrual/values.schema.json
}

asyncapi() {
  node -e "
    const { Parser, fromFile } = require('@asyncapi/parser');
    fromFile(new Parser(), 'schemas/asyncapi.yaml').parse().then(({ document, diagnostics }) => {
      diagnostics.forEach(({ message, path }) => console.log(message, (path || []).join('.')));
      if (!document || diagnostics.length) process.exit(1);
    });"
}

# Metrics as the binary shows them while Kafka and Redis are away. Built with the tests, whose
# dependencies have more features: alone it would be built once more.
exposition() {
  cargo test --no-run --quiet --locked || return
  local port=$((20000 + RANDOM % 10000)) pid deadline=$((SECONDS + 20)) binary
  binary=$(cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/accrual
  ACCRUAL_LOG=off ACCRUAL_KAFKA__BROKERS=127.0.0.1:1 ACCRUAL_REDIS__URL=redis://127.0.0.1:1 \
    ACCRUAL_HTTP__LISTEN=127.0.0.1:$port "$binary" run &
  pid=$!
  until curl -fs "127.0.0.1:$port/metrics" >"$out/metrics" || [ $SECONDS -ge $deadline ]; do sleep 0.1; done
  kill $pid
  wait $pid || return
  grep -q '^accrual_build_info' "$out/metrics" && promtool check metrics <"$out/metrics"
}

check "chart, its values and the plain manifests" "$python" $checks/chart.py "$out/custom"
check "custom resources by their schemas" node $checks/crds.mjs "$out/custom" "$out/custom.mts"
check "custom resources have no unknown fields" strict_types
check "Strimzi's resources, and rights as in README.md" "$python" $checks/strimzi.py
check "dashboard and KEDA: metrics and labels" "$python" $checks/queries.py "$out/queries.yaml" "$out/custom"
check "dashboard and KEDA: queries" promtool check rules --lint=all "$out/queries.yaml"
check "alerts" promtool check rules --lint=all deploy/prometheus/alerts.yaml
check "tests of the alerts" promtool test rules deploy/prometheus/alerts_test.yaml
check "runbook and alerts" "$python" $checks/runbook.py
check "Dockerfile" "$tools/bin/hadolint" deploy/Dockerfile
check "compose file" "$tools/bin/check-jsonschema" --builtin-schema vendor.compose-spec deploy/compose.yaml
check "workflow" "$tools/bin/check-jsonschema" --builtin-schema vendor.github-workflows .github/workflows/ci.yaml
check "JSON Schemas" json_schemas
check "AsyncAPI" asyncapi
check "scripts" shellcheck -x deploy/check.sh deploy/local/*.sh examples/*.sh .ci/run
check "unit file and its sandbox" sandbox
if command -v cargo >/dev/null; then
  check "licences and versions of dependencies" "$python" $checks/dependencies.py
  check "metrics as the binary shows them" exposition
  check "runbook and codes of dead letters" "$python" $checks/runbook.py "$out/metrics"
else
  echo "  no cargo: dependencies and the binary's metrics are not checked"
fi
[ ${#failed[@]} -eq 0 ] || die "${#failed[@]} checks failed"
echo "all checks pass"
