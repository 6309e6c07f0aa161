PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# many tests mostly wait for a real service: half as many again as there are processors
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n + (n + 1) / 2)))

.PHONY: help install run test soak lint bench docs clean

help:  ## Show what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.run  ## Install Homing into .venv

run: install  ## Run the whole loop with no account: homing sandbox
	$(BIN)/homing sandbox

test: $(VENV)/.dev  ## Install, then run all tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

soak: $(VENV)/.dev  ## The same tests with bigger numbers
	HOMING_SOAK=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

lint: $(VENV)/.dev  ## Style, types, import walls, docstrings of tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/interrogate -q -c pyproject.toml tests

bench: install  ## Measure this machine; writes bench.json
	$(BIN)/homing bench --out bench.json

docs: $(VENV)/.dev  ## Write docs/reference anew from the code
	$(BIN)/python -m tests.docs.generate

clean:  ## Remove what was installed and cached
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements/run.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@
