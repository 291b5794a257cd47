# Two commands do everything: `make demo` and `make test`. Both create and reuse .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev

.PHONY: demo test slow lint types imports wheel docs check clean
.DEFAULT_GOAL := help

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

$(RUNTIME): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(DEV): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(RUNTIME)

demo: $(RUNTIME) ## Enrol two people from sample photos, recognise them, refuse a stranger
	$(BIN)/python -m scripts.demo

test: $(DEV) ## Run the fast tests
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

slow: $(DEV) ## Run the tests with real weights and real photos
	$(BIN)/python -m pytest -m slow

lint: $(DEV) ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV) ## Check types
	$(BIN)/mypy

imports: $(DEV) ## Check the direction of imports
	$(BIN)/lint-imports

wheel: $(DEV) ## Build the distributions, check what is inside, install and use them
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .
	FACEID_DISTRIBUTIONS=$(CURDIR)/dist $(BIN)/python -m pytest -m packaging tests/packaging

docs: $(DEV) ## Write the generated pages and build the documentation into site/
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

check: lint types imports test wheel ## Everything that CI checks

clean: ## Remove the environment and all that was made
	rm -rf $(VENV) demo bench dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis
