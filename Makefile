# What a person types. Each target makes .venv when it is missing; only that and `lock` go to a package index.
# Needs python3 (3.11 or newer) and make, nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PEERS := $(VENV)/.bench-installed
DATA := $(VENV)/share/winnow

# Twice quiet: errors only. --no-build-isolation: what is built (winnow, and the few dependencies that come as source)
# is built with the setuptools of .ci/build.lock; pip's own build environment would fetch the newest one, unchecked.
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check --no-input
# The machine's own certificates, as pip takes them. One lock for all systems and Pythons from 3.11 on.
COMPILE := $(BIN)/uv pip compile --quiet --system-certs --universal --python-version 3.11 --generate-hashes \
	--no-strip-extras --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

# Two cores are what the tests are measured on. Tests with a Prefect server or a browser share one process.
PYTEST := $(BIN)/python -m pytest
PARALLEL := -n 2
SERIAL := prefect or browser
QUICK := not (slow or s3 or $(SERIAL))

.DEFAULT_GOAL := help
.PHONY: help install demo serve check test operate large fuzz kill bench coverage lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

install: $(INSTALLED) ## Make .venv with everything in requirements.lock, each file checked against its hash

demo: $(INSTALLED) ## Clean a month of real flights and show what was removed and why
	$(BIN)/winnow demo

serve: $(INSTALLED) ## Start Prefect's server and UI, all deployments and a worker, on this machine only
	$(BIN)/winnow serve

check: $(INSTALLED) ## Format, lint, spelling, types, unit tests and examples (some three minutes on two slow cores; the aim is two)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/typos
	$(BIN)/mypy
	$(PYTEST) $(PARALLEL) -m "$(QUICK)" --doctest-modules schemas tasks tests/test_house.py tests/unit

# The first line may find no test (pytest's 5); the others may not. In the last one the tests with a browser come after
# those of tests/unit: it leaves an event loop in the process, in which Prefect's calls would not wait.
test: check ## Everything: check, then all other tests (half an hour on two slow cores; the aim is 20 minutes)
	$(PYTEST) $(PARALLEL) -m "not ($(SERIAL)) and (slow or s3)" tests/unit || [ $$? -eq 5 ]
	$(PYTEST) $(PARALLEL) -m "not ($(SERIAL) or large)" tests/property tests/golden tests/integration
	$(PYTEST) -m "($(SERIAL)) and not deployed" tests/unit tests/integration

operate: $(INSTALLED) ## Schedules, forms in a browser, alerts and a lost machine, on a real server (some fifteen minutes)
	$(PYTEST) -m deployed

large: $(INSTALLED) ## Ten million copies of one row, and what else shows only at its size (some minutes)
	$(PYTEST) -m large

fuzz: $(INSTALLED) ## Damage 100,000 files and see that none loses a record (FUZZ="--count 5000 --seed 2": others)
	$(BIN)/python -m tests.campaign.mutate $(FUZZ)

kill: $(INSTALLED) ## Kill -9 runs at random moments, on a folder and on S3, and see that none loses a record (KILL="--kills 10")
	$(BIN)/python -m tests.campaign.kills $(KILL)

bench: $(PEERS) ## Time Winnow against its peers in one run (ROWS=1000000 RUNS=3 WHAT=memory|store|history|across|near|labels|audit|lift); writes .winnow/bench.json
	$(BIN)/python tests/benchmarks/run.py $(if $(ROWS),--rows $(ROWS)) $(if $(RUNS),--runs $(RUNS)) $(if $(WHAT),--what $(WHAT))

coverage: $(INSTALLED) ## Lines and branches that the quick tests reach
	$(PYTEST) -m "$(QUICK)" --cov --cov-report=term tests/unit tests/property

lock: $(INSTALLED) ## Remake the lock files from pyproject.toml (UPGRADE=1: take newer versions too)
	$(COMPILE) --all-extras --output-file requirements.lock pyproject.toml
	$(COMPILE) --output-file .ci/build.lock .ci/build.in
	$(COMPILE) --constraint requirements.lock --group pyproject.toml:bench --output-file .ci/bench.lock
	@! grep -n '://' requirements.lock .ci/*.lock || { echo "A lock file names a host (above)." >&2; exit 1; }

clean: ## Remove caches and what the demo and the benchmarks wrote; keeps .venv and every other store
	rm -rf .winnow/bench.json .winnow/bench-* .winnow/cache build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.*
	find schemas tasks flows deployments tests -name __pycache__ -type d -prune -exec rm -rf {} +

# --- how .venv is made ------------------------------------------------------------------------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo \
		"Winnow needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
		"Install one, or name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo \
		"'$(PYTHON) -m venv' failed (above). On Debian it needs the package python3-venv." >&2; exit 1; }

# The stamp is written last, so that an install that broke off is done again. pip itself comes first: the pip that
# Python 3.11 brings can't tell that a package is pinned when another one asks for it with an extra.
$(INSTALLED): requirements.lock .ci/build.lock .ci/data.lock pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV) (some two minutes the first time)"
	@$(PIP) install --require-hashes -r .ci/build.lock
	@$(PIP) install --require-hashes --no-build-isolation -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(PIP) download --require-hashes --no-deps --no-build-isolation --dest $(DATA) -r .ci/data.lock
	@touch $@

# Other tools, in the versions that agree with requirements.lock: none of what Winnow runs on changes.
$(PEERS): .ci/bench.lock $(INSTALLED)
	@echo "Installing what the benchmarks compare with"
	@$(PIP) install --require-hashes --no-build-isolation -r .ci/bench.lock
	@touch $@
