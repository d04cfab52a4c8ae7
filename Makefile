# `make demo` and `make test` need python3 and make alone; everything else is installed into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?=

.PHONY: help demo test docs lint format clean

help:
	@echo "make demo              pre-train on simulated EDF files, and a page of what was learned (about 4 minutes on 2 cores)"
	@echo "make demo DATA=folder  the same on real recordings (S001R01.edf eyes open, S001R02.edf eyes closed, ...)"
	@echo "make test              lint and run all tests"
	@echo "make docs              build the documentation into site/; a browser opens site/index.html from the disk"
	@echo "make format            format the code"
	@echo "make clean             remove what these targets made"

# pip finds the versions in constraints.txt; the stamp is renewed when what is to be installed changes.
$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("$(PYTHON) is Python %d.%d, and 3.11 or newer is needed: say which, as in make test PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[dev]"
	@touch $@

demo: $(VENV)/installed
	$(BIN)/python examples/demo.py $(if $(DATA),--data "$(DATA)" --output demo_output/real)

test: $(VENV)/installed lint
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

docs: $(VENV)/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) demo_output site build
