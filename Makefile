# `make demo` and `make test` make the environment and then do the job; a second `make` installs nothing.
PYTHON ?= python3
VENV ?= .venv
PIP_TORCH ?=
BIN := $(VENV)/bin
N ?= 100000

.PHONY: help demo test test-slow conformance lint format data benchmarks clean

help:
	@echo "make demo         posteriors of real SDSS galaxies, and two plots, in outputs/demo"
	@echo "make test         the fast test suite"
	@echo "make test-slow    the slow tests: peers, training, statistics"
	@echo "make conformance  transformers' own common tests of models and tokenizers"
	@echo "make lint         ruff, lint and format"
	@echo "make data N=...   a simulated data set in outputs/jpas_galex_sim"
	@echo "make benchmarks   every benchmark, results in benchmarks/results"

$(VENV)/.torch: constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt $(PIP_TORCH) torch
	@touch $@

$(VENV)/.runtime: $(VENV)/.torch pyproject.toml
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[plot]"
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@

demo: $(VENV)/.runtime
	$(BIN)/python examples/demo.py --out outputs/demo

# A process a core, each with one thread: threads of several processes would only wait for one another.
test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow --timeout 3600

conformance: $(VENV)/.dev
	$(BIN)/python tests/conformance/fetch.py
	$(BIN)/python -m pytest -m conformance --timeout 1200 tests/conformance

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

data: $(VENV)/.dev
	$(BIN)/python -m dataset_scripts.jpas_galex_sim --n $(N) --out outputs/jpas_galex_sim

benchmarks: $(VENV)/.dev
	@set -e; for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file; done

clean:
	rm -rf $(VENV) build dist outputs .pytest_cache .ruff_cache *.egg-info
