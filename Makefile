# What one types. `make` alone says what there is.
.DEFAULT_GOAL := help
.PHONY: help demo test chaos bench bench-replay bench-levels bench-recovery bench-storm up down servers check fmt lint

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

demo: ## a little shop's story, replayed without any server
	@cargo run --profile quick --quiet -- replay --rules examples/rules.yaml --events examples/orders.jsonl | examples/story.sh

# Tests of servers wait more than they work: twice as many at a time as there are cores.
test: export RUST_TEST_THREADS ?= 4
test: test-servers ## every test, those against real servers included
	cargo test

chaos: test-servers ## fifteen minutes of faults on real servers, under load
	cargo build --release
	ACCRUAL_TEST_BINARY=$(CURDIR)/target/release/accrual cargo test --test chaos -- --minutes 15

bench: test-servers ## a million order events through accrual, Kafka and Redis on this machine
	cargo build --release
	cargo bench --profile dev --bench throughput

bench-replay: ## a million order events through `accrual replay`
	cargo build --release
	cargo bench --profile dev --bench replay

bench-levels: ## a shop with five levels against one without, through `accrual replay`
	cargo build --release
	cargo bench --profile dev --bench levels

bench-recovery: test-servers ## time to the next points when an owner dies or Redis is lost
	cargo build --release
	cargo bench --profile dev --bench recovery

bench-storm: test-servers ## a million lots expire at once while orders go on
	cargo build --release
	cargo bench --profile dev --bench storm

up: servers ## one Kafka and one Redis for playing (KAFKA_PORT, REDIS_PORT)
	@deploy/local/up.sh

down: ## stops them; their data is kept
	@deploy/local/down.sh

servers: ## installs what is missing to start Kafka and Redis
	@deploy/local/install.sh

# With a Docker engine the tests start containers and need nothing installed.
.PHONY: test-servers
test-servers:
	@timeout 5 docker info >/dev/null 2>&1 || deploy/local/install.sh

check: ## chart, manifests, dashboard, alerts and their tests, runbook, schemas, scripts, licences
	@deploy/check.sh

fmt: ## formats the code
	cargo fmt

lint: ## what CI refuses: formatting and clippy's warnings
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
