# Needs Python 3.11, 3.12 or 3.13, make and git. Whichever target comes first makes .venv, once.
# `make PYTHON=/path/to/python3.12 …` chooses another Python than the first that fits.
# `make CPU=1 …` makes .venv with torch's builds for the CPU, without 4 GB of CUDA libraries.

SHELL := /bin/sh
BIN := .venv/bin
READY := .venv/.ready

# What .venv can be made with; asked only when it has to be made.
FITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3 python; do \
	if $$python -c '$(FITS)' >/dev/null 2>&1; then echo $$python; break; fi; done)

# All of torch's packages from one index: builds for the CPU and for CUDA cannot load each other.
TORCH = $(shell sed -n 's/^torch[a-z]*==.*/&/p' requirements.txt)
CPU_INDEX := https://download.pytorch.org/whl/cpu

.DEFAULT_GOAL := help
.PHONY: help demo league test test-slow test-fake-cuda lint docs docs-tables

help: ## show these lines
	@sed -n 's/^\([a-z-]*\):.*## /make \1	/p' Makefile | expand -t 20

demo: $(READY) ## train on 1,797 handwritten digits of which 20 have a label, on any computer
	$(BIN)/dnll train --c config/dnll_digits_20.yaml --save_dir runs --save_name demo --resume

league: $(READY) ## compare three algorithms on the five laptop tasks, in a quarter of an hour
	$(BIN)/dnll compare --c config/laptop/*.yaml --algorithms supervised fixmatch dnll_adamatch \
		--seeds 0 --jobs 2 --out runs/league

test: $(READY) ## run the tests
	$(BIN)/python -m pytest

test-slow: $(READY) ## run the tests that take longer than ten seconds each
	$(BIN)/python -m pytest -m slow

test-fake-cuda: $(READY) ## run CUDA code without a GPU: every algorithm, waits, launches (Linux, gcc)
	$(BIN)/python -m pytest -m slow tests/fake_cuda

lint: $(READY) ## check style, formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs-tables: $(READY) ## write the tables of keys in docs/keys.md from the code
	$(BIN)/python -m dnll_plugin.settings.tables

docs: $(READY) ## build the documentation in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# The last step writes the mark, so that an installation cut short is taken up again.
$(READY): requirements.txt pyproject.toml
	@rm -f $(READY)
	@$(or $(PYTHON),false) -c '$(FITS)' || { echo "No suitable Python$(PYTHON:%= at %):" \
		"install 3.11, 3.12 or 3.13 with venv (Debian and Ubuntu: apt install python3-venv)" \
		"or name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(if $(CPU),$(BIN)/python -m pip install --disable-pip-version-check --index-url $(CPU_INDEX) $(TORCH))
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt -e '.[dev]'
	@touch $(READY)
