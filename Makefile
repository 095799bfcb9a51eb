# `make demo` and `make test` make the environment and then do the job; a second `make` installs nothing.
PYTHON ?= python3
VENV ?= .venv
PIP_TORCH ?=
BIN := $(VENV)/bin
N ?= 100000
BENCHMARKS := accuracy feeding infer real_spectra realism scaling simulate train_step training_scaling where_time_goes

.PHONY: help demo test test-slow conformance lint format app docs figures data benchmarks clean

help:
	@echo "make demo         posteriors of real SDSS galaxies, and two plots, in outputs/demo"
	@echo "make test         the fast test suite"
	@echo "make test-slow    the slow tests: peers, training, statistics"
	@echo "make conformance  transformers' own common tests of models and tokenizers"
	@echo "make lint         ruff, lint and format"
	@echo "make app          the page, at http://127.0.0.1:7860"
	@echo "make docs         the documents with the reference, in build/docs"
	@echo "make figures      the figures of README and documents, in docs/images"
	@echo "make data N=...   N simulated galaxies (100,000) and real ones in outputs/, and a figure of both"
	@echo "make benchmarks   the benchmarks of minutes, results in benchmarks/results; the longer ones are in README"

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

app: $(VENV)/.dev
	$(BIN)/python app.py

docs: $(VENV)/.dev
	$(BIN)/python -m sphinx -W -n --keep-going docs build/docs

figures: $(VENV)/.dev
	$(BIN)/python examples/demo.py --out outputs/demo && cp outputs/demo/sed.png docs/images/sed.png
	$(BIN)/hf-galaxy simulate 5000 --seed 5 -o outputs/sim.ecsv --overwrite
	$(BIN)/hf-galaxy plot outputs/sim.ecsv --kind residuals -o docs/images/residuals.png --overwrite
	$(BIN)/hf-galaxy plot examples/sdss_galaxies.ecsv --kind corner --index 2 -o docs/images/corner.png --overwrite
	$(BIN)/hf-galaxy plot examples/sdss_galaxies.ecsv --kind information --index 7 -o docs/images/information.png --overwrite

data: $(VENV)/.dev
	$(BIN)/python -m dataset_scripts.jpas_galex_sim --n $(N) --num-proc 2 --out outputs/jpas_galex_sim
	@if test -d "$$HF_GALAXY_REAL_DATA/sdss_spectra"; then \
	  $(BIN)/python -m dataset_scripts.jpas_galex_spectra --sdss "$$HF_GALAXY_REAL_DATA/sdss_spectra" \
	    --redshift-draws 3 --out outputs/jpas_galex_spectra && \
	  $(BIN)/python examples/gallery.py --simulated outputs/jpas_galex_sim --real outputs/jpas_galex_spectra -o outputs/gallery.png; \
	else \
	  echo "real spectra skipped: set HF_GALAXY_REAL_DATA to the folder that holds sdss_spectra/"; \
	  $(BIN)/python examples/gallery.py --simulated outputs/jpas_galex_sim -o outputs/gallery.png; \
	fi

benchmarks: $(VENV)/.dev
	@set -e; for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python benchmarks/$$name.py; done

clean:
	rm -rf $(VENV) build dist outputs .pytest_cache .ruff_cache *.egg-info
