# What one does here. `make` lists it.
.DEFAULT_GOAL := help
.PHONY: help run test check fmt unit faults clients web tools pictures protocol deny clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

run: web ## build page and server, start one node on the embedded store
	cargo build --release --locked
	./target/release/hubbub serve

test: tools web check unit clients ## everything: install what the tests need, then all of them

check: web ## formatting, lints, the rules of the house
	cargo fmt --check
	cargo clippy --locked --all-targets -- --deny warnings
	cargo test --locked --test tidy

unit: web tests/clients/node_modules ## tests in Rust: units, both stores, real nodes, a real Redis, and the short set of faults
	cargo test --locked

faults: tools web tests/clients/node_modules ## every fault this machine can inject, under three seeds; writes docs/reports/faults.md
	rm -rf target/faults
	HUBBUB_FAULTS=all cargo test --locked --release --test faults

clients: web ## tests by real clients of five versions, our own client, and a real browser
	cargo build --locked
	npm ci --prefix tests/clients --no-audit --no-fund
	npm test --prefix tests/clients
	npm run check --prefix web
	npm run test:client --prefix web
	HUBBUB_PAGE=served npm test --prefix web

web: web/dist/index.html ## the page and the client files that the server embeds

web/dist/index.html: $(shell find web/src -type f) $(wildcard web/*.mjs web/*.json)
	npm ci --prefix web --no-audit --no-fund
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

protocol: web ## write docs/protocol.md and the client's types anew from our own
	WRITE_PROTOCOL=1 cargo test --locked --test tidy
	node web/gen-types.mjs

fmt: ## format the code
	cargo fmt

deny: ## licences, advisories and sources of what we depend on
	cargo deny --version >/dev/null 2>&1 || cargo install cargo-deny --locked
	cargo deny check

clean: ## forget everything built
	cargo clean
	rm -rf web/dist web/node_modules tests/clients/node_modules
