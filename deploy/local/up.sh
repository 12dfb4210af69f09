#!/usr/bin/env bash
# Starts one Kafka and one Redis for playing and waits until both answer. What runs already
# is left running. State is kept under .servers/run until it is removed.
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"
mkdir -p "$run/redis"

if ! alive redis; then
  answers "$redis_port" && die "port $redis_port is taken: choose another with REDIS_PORT=…"
  setsid redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --appendonly yes \
    --maxmemory-policy noeviction --dir "$run/redis" >"$run/redis.log" 2>&1 </dev/null &
  echo $! >"$run/redis.pid"
  echo "$redis_port" >"$run/redis.port"
fi

if ! alive kafka; then
  answers "$kafka_port" && die "port $kafka_port is taken: choose another with KAFKA_PORT=…"
  sed "s|@port@|$kafka_port|g; s|@controller_port@|$controller_port|g; s|@bind@|127.0.0.1|g; s|@data@|$run/kafka|g" \
    "$here/server.properties" >"$run/server.properties"
  if [ ! -e "$run/kafka/meta.properties" ]; then
    cluster=$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | tr -d '=')
    java -cp "$jars/*" kafka.tools.StorageTool format --standalone -t "$cluster" \
      -c "$run/server.properties" >"$run/format.log" 2>&1 || die "cannot format; see $run/format.log"
  fi
  setsid java -Xms256m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    -Dlog4j2.configurationFile="$here/log4j2.xml" -cp "$jars/*" kafka.Kafka "$run/server.properties" \
    >"$run/kafka.log" 2>&1 </dev/null &
  echo $! >"$run/kafka.pid"
  echo "$kafka_port" >"$run/kafka.port"
fi

kafka_serves() { grep -q 'Kafka Server started' "$run/kafka.log" && answers "$(cat "$run/kafka.port")"; }
redis_serves() { answers "$(cat "$run/redis.port")"; }
wait_for redis redis_serves
wait_for kafka kafka_serves
echo "Kafka 127.0.0.1:$(cat "$run/kafka.port")"
echo "Redis redis://127.0.0.1:$(cat "$run/redis.port")"
