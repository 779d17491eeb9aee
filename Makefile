# The front page: what can be done here. `make` alone prints it.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Tests and demos start dozens of processes: each would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# What is checked without running anything, side by side.
LINT := style types laws

.PHONY: help
help: ## Print this page.
	@echo "Homeward: the back end of intensive outpatient addiction treatment."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "The operator's command is $(BIN)/homeward; settings are listed by $(BIN)/homeward settings."

.PHONY: demo
demo: .venv/made ## Send 372 real admissions through a simulated program, and report (several minutes).
	@$(BIN)/homeward demo

.PHONY: run
run: .venv/made ## Run everything in one process on port 8000 (HOMEWARD_PORT); keeps what it knew.
	@exec $(BIN)/homeward run --all --greet

# Three on two processors: they wait for processes and servers as much as they compute.
.PHONY: test
test: .venv/made ## Lint, then run all tests, three files at once, with servers of their own.
	@$(MAKE) --jobs $(LINT) collected
	@$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --durations=25 --durations-min=5

.PHONY: fast
fast: .venv/made ## Run the tests that need no server: rules, contracts, schemas (under a minute).
	@$(BIN)/pytest -n 2 --ignore=tests/door --ignore=tests/faults --ignore=tests/journeys -m "not database and not rabbitmq and not journey and not servers and not slow"

.PHONY: bench
bench: .venv/made ## Measure Homeward and its peers on this machine (half an hour and more; QUICK=1: a little of each).
	@$(BIN)/python -m bench $(if $(QUICK),--quick)

.PHONY: chaos
chaos: .venv/made ## Break everything under load, and count what is lost (30 minutes; QUICK=1: 5).
	@$(BIN)/python -m chaos $(if $(QUICK),--quick)

.PHONY: lint
lint: .venv/made ## Check style, types and the laws of who may import whom, side by side.
	@$(MAKE) --jobs $(LINT)

.PHONY: style
style: .venv/made
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "run: make format"; exit 1; }

.PHONY: types
types: .venv/made
	@$(BIN)/mypy

.PHONY: laws
laws: .venv/made
	@$(BIN)/lint-imports --no-logo

# Whoever is first to load the tests compiles them: once here, while the types take one processor, and not at
# the same time in each of those who run them.
.PHONY: collected
collected: .venv/made
	@found=$$($(BIN)/pytest --collect-only -qq 2>&1) || { echo "$$found"; exit 1; }

.PHONY: sure
sure: ## Run what the continuous integration runs, the same way.
	@.ci/run

.PHONY: format
format: .venv/made ## Put the code into the one format.
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format --quiet .

.PHONY: docs
docs: .venv/made ## Write docs/events.md again from the contracts.
	@$(BIN)/python -m docs.write_events
	@$(BIN)/python -m docs.write_placement

.PHONY: lock
lock: .venv/made ## Pin the newest versions that requirements.in allows, with their hashes.
	@$(BIN)/python -m pip install --quiet pip-tools
	@$(BIN)/pip-compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-emit-trusted-host --strip-extras --allow-unsafe --no-header \
	  --output-file=requirements.lock requirements.in

.PHONY: keys
keys: ## Write keys and passwords for docker compose into .env, once.
	@test ! -e .env || { echo ".env is there already"; exit 1; }
	@umask 077; printf '%s=%s\n' \
	  HOMEWARD_ENCRYPTION_KEY "$$($(PYTHON) -c 'import base64, os; print(base64.b64encode(os.urandom(32)).decode())')" \
	  HOMEWARD_TOKEN_KEY "$$($(PYTHON) -c 'import base64, os; print(base64.b64encode(os.urandom(32)).decode())')" \
	  POSTGRES_PASSWORD "$$($(PYTHON) -c 'import os; print(os.urandom(24).hex())')" \
	  RABBITMQ_PASSWORD "$$($(PYTHON) -c 'import os; print(os.urandom(24).hex())')" > .env
	@echo "Keep .env safe: what is encrypted with its key is lost without it."

.PHONY: environment
environment: .venv/made ## Make .venv with exactly the locked packages (the others do it for you).

.PHONY: clean
clean: ## Remove the environment and all that demo and run kept in var/.
	@rm -rf .venv var *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/made: requirements.lock pyproject.toml .ci/environment
	@PYTHON="$(PYTHON)" .ci/environment
	@touch $@
