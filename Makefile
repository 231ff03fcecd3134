# Pinion. `make` alone lists what there is. Everything runs from .venv, which `make install` makes; nothing needs root.

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest

# The first Python that is new enough; set PYTHON=… to choose one.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help install demo test test-quick check format bench wheel clean distclean

help: ## list what make can do
	@echo "Pinion: an exchange in a box. First: make demo, make test."
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: $(INSTALLED) ## make .venv and install Pinion with its tools into it (the others do this first)

$(INSTALLED): pyproject.toml .ci/install.py
	@test -n "$(PYTHON)" || { echo "Pinion needs Python 3.11 or newer, and no python3, python3.13, python3.12 or" \
		"python3.11 in PATH is one. Install one (Debian 12, Ubuntu 24.04: apt install python3) or say PYTHON=…" >&2; exit 1; }
	@$(PYTHON) .ci/install.py $(VENV) -- --editable '.[dev]'
	@touch $@

demo: $(INSTALLED) ## start the whole exchange in a temporary folder, trade 200,000 orders, check all books, clean up
	@echo "== the demo: four processes, 200,000 orders through ZeroMQ, SQLite; nothing is left behind"
	@$(BIN)/pinion demo

test: $(INSTALLED) ## run every test
	@echo "== every test (with real processes, rings and disks: some minutes)"
	@$(PYTEST)

test-quick: $(INSTALLED) ## run the tests that take less than ten seconds each
	@echo "== the quick tests (those not marked slow)"
	@$(PYTEST) -m "not slow"

check: $(INSTALLED) ## lint, format, types, direction of imports, tidiness; changes nothing
	@echo "== ruff: lint"
	@$(BIN)/ruff check .
	@echo "== ruff: format"
	@$(BIN)/ruff format --check .
	@echo "== mypy: types, strictly"
	@$(BIN)/mypy
	@echo "== imports and tidiness"
	@$(PYTEST) -q tests/test_imports.py tests/test_tidy.py

format: $(INSTALLED) ## format the code and fix what ruff can fix
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: $(INSTALLED) ## measure rings, matcher, the whole path and the database (an idle machine, some minutes)
	@for what in ring matcher wire database; do echo "== pinion bench $$what"; $(BIN)/pinion bench $$what || exit 1; done

wheel: $(INSTALLED) ## build the wheel into dist/
	@echo "== building the wheel into dist/"
	@$(BIN)/python -m build --wheel --outdir dist .

clean: ## remove what building and testing leave; keeps .venv
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean ## remove .venv too
	rm -rf $(VENV)
