# What one does here. `make` lists it.
.DEFAULT_GOAL := help
# One thing after the other, also under `make -j`: each takes all cores, and later ones need earlier ones.
.NOTPARALLEL:
# The network fails now and then.
export CARGO_NET_RETRY ?= 10
.PHONY: help run test check fmt unit faults clients web tools pictures protocol deny fuzz fuzz-coverage clean flood bench bench-growth compose-test k8s-test manifests

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

run: web ## build page and server, start one node on the embedded store
	cargo run --release --locked -- serve

test: tools web check unit clients k8s-test ## everything: install what the tests need, then all of them

check: web ## formatting, lints, the rules of the house
	cargo fmt --check
	cargo clippy --locked --all-targets -- --deny warnings
	cargo test --locked --test tidy
	if cargo deny --version >/dev/null 2>&1; then $(DENY_OFFLINE); else echo "no cargo-deny here: licences are not looked at (make deny)"; fi

unit: web tests/clients/node_modules ## tests in Rust: units, both stores, real nodes, a real Redis, and the short set of faults
	cargo test --locked

faults: tools web tests/clients/node_modules ## every fault this machine can inject, under three seeds; writes docs/reports/faults.md
	rm -rf target/faults
	HUBBUB_FAULTS=all cargo test --locked --release --test faults

clients: web ## tests by real clients of five versions, our own client, and a real browser
	cargo build --locked
	tests/again.sh npm ci --prefix tests/clients --no-audit --no-fund
	npm test --prefix tests/clients
	npm run check --prefix web
	npm run test:client --prefix web
	HUBBUB_PAGE=served npm test --prefix web

web: web/dist/index.html ## the page and the client files that the server embeds

web/dist/index.html: $(shell find web/src -type f) $(wildcard web/*.mjs web/*.json)
	tests/again.sh npm ci --prefix web --no-audit --no-fund
	npm run build --prefix web
	touch $@

tests/clients/node_modules: tests/clients/package-lock.json
	npm ci --prefix tests/clients --no-audit --no-fund
	touch $@

tools: ## what the tests need on this machine: Redis and Chromium
	tests/tools.sh

pictures: web ## take the pictures in docs/pictures anew
	cargo build --locked
	cd web && HUBBUB_PAGE=served HUBBUB_PICTURES=1 node --test test/page/pictures.test.mjs

protocol: web ## write docs/protocol.md, docs/metrics.md and the client's types anew from our own
	WRITE_PROTOCOL=1 cargo test --locked --test tidy
	node web/gen-types.mjs

fmt: ## format the code
	cargo fmt

k8s-test: web ## what is deployed, held against schemas and rules: no cluster, no engine
	tests/k8s/tools.sh
	cargo build --locked
	npm test --prefix tests/k8s

compose-test: ## the image and the cluster it makes, from outside: needs a container engine
	tests/again.sh npm ci --prefix tests/clients --no-audit --no-fund
	node --test --test-concurrency=1 tests/compose/*.test.mjs

manifests: ## write the alert rules and dashboards into the Kubernetes manifests
	node k8s/components/monitoring/write.mjs

bench: web bench/node/node_modules ## Hubbub beside its rivals: under 25 minutes; writes docs/reports/performance.md
	cargo build --release --locked
	cargo build --release --locked --manifest-path bench/rivals/Cargo.toml
	node bench/run.mjs
	node bench/report.mjs

bench-growth: web ## Hubbub alone while members, rooms, nodes or connections grow; adds to the report
	cargo build --release --locked
	cargo build --release --locked --manifest-path bench/rivals/Cargo.toml
	node bench/run.mjs --growth --keep
	node bench/report.mjs

flood: web ## what floods of handshakes, messages, pings and stalled connections cost others, and what guesses tell; writes docs/reports/flood.md
	cargo build --release --locked
	node bench/flood.mjs

bench/node/node_modules: bench/node/package-lock.json
	tests/again.sh npm ci --prefix bench/node --no-audit --no-fund
	touch $@

# The advisories ask the network, and installing cargo-deny takes minutes: so it is no part of `make test`,
# but `make check` looks at what needs no network where it is installed. tests/advisories.rs, which is
# a part, knows the holes that were known when it was written.
DENY_OFFLINE = cargo deny check --hide-inclusion-graph licenses bans sources
deny: ## licences, advisories and sources of what we depend on, crates and npm packages
	cargo deny --version >/dev/null 2>&1 || cargo install cargo-deny --locked
	$(DENY_OFFLINE)
	tests/again.sh cargo deny check advisories
	tests/again.sh npm audit --prefix web --audit-level=moderate

fuzz: ## five minutes of mutated bad inputs against each decoder
	HUBBUB_FUZZ=300 cargo test --locked --release --lib fuzz

# By coverage, which finds more and needs a nightly compiler: so it is no part of `make test`.
FUZZ_SECONDS ?= 300
fuzz-coverage: web ## the same decoders, and the frame meter, by coverage: five minutes each
	cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked
	for target in event log_entry stream; do \
	  cargo +nightly fuzz run --sanitizer none $$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=8192 || exit 1; \
	done

clean: ## forget everything built
	cargo clean
	rm -rf web/dist web/node_modules tests/clients/node_modules tests/k8s/node_modules
