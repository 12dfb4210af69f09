#!/usr/bin/env bash
# Checks what is deployed beside the binary: alerts and their tests, manifests, schemas, scripts and
# the unit file. Installs what it needs, pinned where it does not come with the system.
set -euo pipefail
cd "$(dirname "$0")/.."

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

check() {
  echo "check: $*"
  "$@"
}

have promtool prometheus
have shellcheck shellcheck
have python3 python3-venv
have npm npm
tools=.servers/checks-2
if [ ! -e "$tools/done" ]; then
  python3 -m venv "$tools"
  "$tools/bin/pip" install -q check-jsonschema==0.39.0 kubernetes-validate==1.37.0 || die "no Python packages"
  npm install --silent --prefix "$tools" @asyncapi/parser@3.6.3 >/dev/null || die "no npm packages"
  touch "$tools/done"
fi

check promtool check rules --lint=all deploy/prometheus/alerts.yaml
check promtool test rules deploy/prometheus/alerts_test.yaml
check shellcheck -x deploy/check.sh deploy/local/*.sh examples/*.sh .ci/run
check "$tools/bin/kubernetes-validate" --strict deploy/kubernetes/accrual.yaml
find schemas -name '*.json' ! -name 'asyncapi*' -print0 | xargs -0 "$tools/bin/check-jsonschema" --check-metaschema
NODE_PATH=$tools/node_modules check node -e "
  const { Parser, fromFile } = require('@asyncapi/parser');
  fromFile(new Parser(), 'schemas/asyncapi.yaml').parse().then(({ document, diagnostics }) => {
    diagnostics.forEach(({ message, path }) => console.log(message, (path || []).join('.')));
    if (!document || diagnostics.length) process.exit(1);
  });"
echo "all checks pass"
