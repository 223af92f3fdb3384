# `make help` lists what there is. Everything happens in .venv; nothing outside this folder is changed.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCK := requirements-dev.lock
UV_VERSION := $(shell sed -n 's/^uv==\([^ ]*\).*/\1/p' $(LOCK))

# uv reads its own variables only: what a user has set for pip is handed on.
PIP_SETTINGS := \
	$(if $(PIP_FIND_LINKS),UV_FIND_LINKS="$(PIP_FIND_LINKS)") \
	$(if $(PIP_INDEX_URL),UV_DEFAULT_INDEX="$(PIP_INDEX_URL)") \
	$(if $(PIP_EXTRA_INDEX_URL),UV_INDEX="$(PIP_EXTRA_INDEX_URL)") \
	$(if $(PIP_CERT),SSL_CERT_FILE="$(PIP_CERT)")
UV = $(PIP_SETTINGS) UV_HTTP_TIMEOUT=180 $(BIN)/python -m uv

# Not in the lock: its wheel for the CPU lies outside the common registry, and the one there wants CUDA.
TORCH := torch==$(shell sed -n 's/^    "torch==\([^"]*\)",/\1/p' pyproject.toml | head -n 1) $(if $(PIP_FIND_LINKS),,--torch-backend cpu)

COMPILE := --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url \
	--no-emit-find-links

.PHONY: help setup test lint types imports pytest slow faults demo build lock clean
.DEFAULT_GOAL := help

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | awk -F'\t' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(STAMP) ## install everything into .venv from the lock (PYTHON=python3.12 picks another Python)

$(STAMP): pyproject.toml $(LOCK) scripts/make_venv.sh
	@PYTHON="$(PYTHON)" scripts/make_venv.sh $(VENV) "uv==$(UV_VERSION)"
	@$(UV) pip sync --quiet --compile-bytecode --require-hashes --python $(BIN)/python $(LOCK)
	@$(UV) pip install --quiet --no-config --python $(BIN)/python $(TORCH)
	@$(UV) pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@touch $(STAMP)
	@echo "Installed into $(VENV): $$($(BIN)/facevid --version), $$($(BIN)/python --version)."

test: lint types imports pytest ## every check and the tests, in less than ten minutes on two cores

lint: $(STAMP) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## mypy, strict
	$(BIN)/mypy

imports: $(STAMP) ## the rooms import downwards only
	$(BIN)/lint-imports

pytest: $(STAMP) ## the tests alone
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile -m "not slow and not faults"

slow: $(STAMP) ## the tests that `make test` leaves out: more kills, more people, more processes
	$(BIN)/python -m pytest -m "slow and not faults"

faults: $(STAMP) ## builds that are killed, starved, cut off and lied to, on this machine and on Ray (docs/faults.md)
	$(BIN)/python -m pytest tests/faults -m faults

demo: $(STAMP) ## make six short programmes and build a dataset from them, in ./demo
	$(BIN)/facevid demo --output demo

build: $(STAMP) ## wheel and source archive, in ./dist
	$(BIN)/python -m build --no-isolation

lock: $(STAMP) ## compile the locks anew from pyproject.toml (names, versions and hashes only)
	$(UV) pip compile --quiet --upgrade $(COMPILE) --extra dev pyproject.toml --output-file $(LOCK)
	$(UV) pip compile --quiet $(COMPILE) --constraint $(LOCK) pyproject.toml --output-file requirements.lock
	$(UV) pip compile --quiet $(COMPILE) --constraint $(LOCK) --extra ray --extra hub pyproject.toml deploy/requirements.in \
		--output-file deploy/requirements.lock

clean: ## remove .venv, caches, ./dist and ./demo
	rm -rf $(VENV) dist build demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
