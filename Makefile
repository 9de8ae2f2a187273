# The two commands that do everything are `make serve` and `make test`; both may be run again at any time.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Building llama.cpp takes minutes and memory: not more than two compilers at once, unless JOBS says so.
JOBS ?= 2
# Arguments for the server, as in: make serve ARGS="--model my.gguf --port 8080"
ARGS ?=

CARGO := source scripts/env && cargo
# With arguments of his own, a user may need no default model.
NEEDS_DEFAULT_MODEL := $(if $(findstring --model,$(ARGS))$(DRAWPLATE_MODEL),,yes)

.PHONY: help setup build model serve test test-clients bench soak check fmt clippy doc deny clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

setup: ## Install what is missing: C++ compiler, CMake, libclang
	@scripts/setup

build: setup ## Build the server in release mode
	@echo "build: the first time this takes about fifteen minutes on two cores, nearly all of it llama.cpp"
	@$(CARGO) build --release --locked -j $(JOBS)

model: ## Get the default model (98 MB) into the cache
	@scripts/get-model >/dev/null

serve: build $(if $(NEEDS_DEFAULT_MODEL),model) ## Set up, build, get the model, and serve on 127.0.0.1:1234
	@$(CARGO) run --release --locked --quiet -j $(JOBS) -- serve $(ARGS)

test: setup model ## Set up and run every test, those with the real model and the real clients included
	@$(CARGO) build --release --locked -j $(JOBS) --bins --tests --benches
	@scripts/get-suite >/dev/null || echo "suite: not fetched; its test is skipped" >&2
	@scripts/get-templates >/dev/null || echo "templates: not fetched; their test is skipped" >&2
	@DRAWPLATE_TEST_MODEL="$$(scripts/get-model 2>/dev/null)" && export DRAWPLATE_TEST_MODEL && \
	  $(CARGO) test --release --locked -j $(JOBS) -- --nocapture && \
	  cd fuzz && cargo test --release --locked -j $(JOBS)
	@if scripts/get-templates >/dev/null 2>&1; then for vocab in llama-spm qwen2 falcon; do \
	  REQUESTS=12 VOCAB=$$vocab scripts/try-families Qwen2.5-7B Qwen3-Coder || exit 1; done; \
	  REQUESTS=12 scripts/try-families Hermes-3 || exit 1; fi
	@scripts/test-clients

test-clients: build model ## Run the tests of real clients alone; ARGS="langchain litellm" runs some
	@scripts/test-clients $(ARGS)

bench: build model ## Measure against the targets; with LLAMA_SERVER=path also against that llama-server
	@DRAWPLATE_TEST_MODEL="$$(scripts/get-model 2>/dev/null)" DRAWPLATE_BIN="$${CARGO_TARGET_DIR:-target}/release/drawplate" \
	  scripts/bench-targets $(ARGS)

soak: build model ## Half an hour of mixed load: every bound answer valid, memory flat
	@source scripts/env && scripts/soak $(ARGS)

check: fmt clippy test doc deny ## What CI runs

fmt: ## Check the formatting
	@$(CARGO) fmt --all --check

clippy: setup ## Lint
	@$(CARGO) clippy --release --locked -j $(JOBS) --all-targets -- -D warnings
	@$(CARGO) clippy --release --locked -j $(JOBS) --no-default-features --lib --bins -- -D warnings

doc: setup ## Build the documentation
	@RUSTDOCFLAGS="-D warnings" && export RUSTDOCFLAGS && $(CARGO) doc --release --locked -j $(JOBS) --no-deps

deny: ## Check licences and duplicates, if cargo-deny is installed
	@if command -v cargo-deny >/dev/null 2>&1; then $(CARGO) deny check licenses bans; else echo "deny: cargo-deny is not installed; skipped (cargo install cargo-deny)"; fi

clean: ## Delete what was built
	@$(CARGO) clean
