# Two commands on a fresh machine: make demo, make test.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
HOME_DIR ?= isthmus-data

.PHONY: demo test test-fast check install clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("isthmus needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

demo: install ## install, then join the built-in pictures and names
	$(BIN)/isthmus run emoji --home $(HOME_DIR)

test: install ## all tests: first those without Ray, two at a time, then those that share one Ray cluster
	$(BIN)/python -m pytest -n 2 -m 'not ray'
	$(BIN)/python -m pytest -m ray

test-fast: install ## tests that need no Ray cluster and take no long
	$(BIN)/python -m pytest -n 2 -m 'not ray and not slow'

check: install ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) $(HOME_DIR) build *.egg-info
