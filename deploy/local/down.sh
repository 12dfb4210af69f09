#!/usr/bin/env bash
# Stops what up.sh started. Data is kept; `down.sh --forget` removes it.
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

for name in kafka redis; do
  if alive "$name"; then
    pid=$(cat "$run/$name.pid")
    kill "$pid"
    deadline=$((SECONDS + 20))
    while kill -0 "$pid" 2>/dev/null; do
      if [ $SECONDS -ge $deadline ]; then
        kill -9 "$pid" 2>/dev/null || true
        break
      fi
      sleep 0.1
    done
    echo "$name stopped"
  fi
  rm -f "$run/$name.pid"
done
if [ "${1:-}" = "--forget" ]; then rm -rf "$run"; fi
