# shellcheck shell=bash disable=SC2034
# What the scripts of this folder share. To be sourced.
# Settings: KAFKA_PORT (9092), REDIS_PORT (6379), SERVERS_START_SECONDS (60).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
servers=$(cd "$here/../.." && pwd)/.servers
jars=$servers/kafka
run=$servers/run
kafka_port=${KAFKA_PORT:-9092}
controller_port=$((kafka_port + 1))
redis_port=${REDIS_PORT:-6379}
start_seconds=${SERVERS_START_SECONDS:-60}

die() {
  echo "$*" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Whether the process of a pid file lives.
alive() { [ -s "$run/$1.pid" ] && kill -0 "$(cat "$run/$1.pid")" 2>/dev/null; }

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# wait_for NAME COMMAND...: until the command succeeds, the server dies, or time is up.
wait_for() {
  local name=$1 deadline=$((SECONDS + start_seconds))
  shift
  until "$@"; do
    alive "$name" || die "$name ended while starting; see $run/$name.log"
    [ $SECONDS -lt $deadline ] || die "$name did not answer within $start_seconds s; see $run/$name.log"
    sleep 0.1
  done
}
