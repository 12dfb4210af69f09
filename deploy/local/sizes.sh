#!/usr/bin/env bash
# What an order and a member take in Redis and in Kafka, and with the PID of `accrual run` the CPU time
# at 1,000 events a second: deploy/local/sizes.sh [ORDERS [PID]]. On the servers of `make up`, with shops
# of its own. Needs kcat, redis-cli and curl, `accrual` on the PATH and `accrual run` under way with the
# defaults. Everything else must be at rest.
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"
orders=${1:-20000}
for command in accrual kcat redis-cli curl; do have $command || die "$command is missing"; done
url=${ACCRUAL_HTTP__LISTEN:-127.0.0.1:8080}
shop=sizes-$$

rules() {
  cat <<END
shop_id: $shop
version: 1
effective_from: 2024-01-01T00:00:00+08:00
timezone: Asia/Taipei
currency: TWD
accrual: {rate: {every: "100", points: 1}}
issuance: {on: delivered, delay_days: $1}
expiry: {after_months: 12}
END
}

# events FIRST LAST: created, paid and delivered just now, by a tenth as many members.
events() {
  awk -v first="$1" -v last="$2" -v shop="$shop" -v now="$(date -u +%Y-%m-%dT%H:%M:%SZ)" -v members=$((orders / 10)) '
    function event(id, type, more) {
      printf "%s|{\"specversion\":\"1.0\",\"id\":\"%s-%s\",\"source\":\"/shops/%s\",\"type\":\"%s\",\"time\":\"%s\",\"data\":{\"shop_id\":\"%s\",\"order_id\":\"%s\"%s}}\n", id, id, type, shop, type, now, shop, id, more
    }
    BEGIN {
      for (n = first; n <= last; n++) {
        id = sprintf("order-%012d", n)
        event(id, "order.created", sprintf(",\"order\":{\"revision\":1,\"created_at\":\"%s\",\"channel\":\"online\",\"currency\":\"TWD\",\"customer\":{\"id\":\"member-%08d\",\"logged_in\":true},\"subtotal\":\"1280.00\",\"shipping_total\":\"60.00\"}", now, n % members))
        event(id, "order.paid", "")
        event(id, "order.delivered", "")
      }
    }'
}

redis_bytes() { redis-cli -p "$(cat "$run/redis.port")" info memory | sed -n 's/^used_memory:\([0-9]*\).*/\1/p'; }
kafka_bytes() { find "$run"/kafka/"$1"-[0-9]* -name '*.log' -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }'; }
at_rest() { curl -fs -H "authorization: Bearer ${ACCRUAL_HTTP__TOKEN:-}" "$url/v1/status" | grep -q '"quiet":true'; }
settle() {
  local deadline=$((SECONDS + 300))
  sleep 1
  until at_rest; do [ $SECONDS -lt $deadline ] || die "not at rest after 300 s"; sleep 0.5; done
}

# measure WHAT DELAY FIRST LAST
measure() {
  local topics=(order-events accrual-orders-changelog accrual-ledger-entries accrual-ledger-changelog points-issued points-events)
  local before topic redis
  declare -A before
  rules "$2" | sed "s/^shop_id: .*/shop_id: $shop/" >"$run/sizes.yaml"
  accrual rules publish "$run/sizes.yaml" >/dev/null
  settle
  redis=$(redis_bytes)
  for topic in "${topics[@]}"; do before[$topic]=$(kafka_bytes "$topic"); done
  events "$3" "$4" | kcat -P -b "127.0.0.1:$(cat "$run/kafka.port")" -t order-events -K '|' -X partitioner=murmur2_random -X linger.ms=20
  settle
  local count=$(($4 - $3 + 1))
  echo "$1, bytes an order: Redis $((($(redis_bytes) - redis) / count))"
  for topic in "${topics[@]}"; do echo "  $topic $((($(kafka_bytes "$topic") - before[$topic]) / count))"; done
}

measure "orders that wait for their day" 3 1 "$orders"
shop=$shop-now
measure "orders issued, lots with their members (ten orders each)" 0 1 "$orders"
[ -n "${2:-}" ] || exit 0

cpu_ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
steady() {
  local second
  for second in $(seq 30); do
    # Three events an order.
    events $((orders + second * 333)) $((orders + second * 333 + 332))
    sleep 1
  done
}
ticks=$(cpu_ticks "$2") begun=${EPOCHREALTIME/./}
steady | kcat -P -b "127.0.0.1:$(cat "$run/kafka.port")" -t order-events -K '|' -X partitioner=murmur2_random
settle
took=$(((${EPOCHREALTIME/./} - begun) / 1000))
echo "30 s of 999 events/s, issued at once: $((($(cpu_ticks "$2") - ticks) * 1000 / $(getconf CLK_TCK))) ms of CPU in $took ms"
