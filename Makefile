# What each word does is below it; `make` alone lists them. Needs Python 3.11 or later and make,
# and nothing else, except where it says so.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
KAFKA_VERSION_POM := tests/kafka/pom.xml
KAFKA_JARS := .build/kafka
FUZZ_VENV := .build/fuzz-venv
FUZZ_INPUTS ?= 1000000
# What no busy machine disturbs runs on all cores at once; the longest come first.
CROWD := $(addprefix tests/,simulation property real fuzz rules unit architecture)
PACKAGES := schemas topology alerts streams console

.DEFAULT_GOAL := help
.PHONY: help setup demo test chaos fuzz check format docs bench kafka lock clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED)  ## make .venv and install everything in it, as the lock file says

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Slipwatch needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) -V 2>&1)." \
	       "Name another: make $(or $(MAKECMDGOALS),setup) PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup  ## watch slips being caught in a moving, simulated chain
	$(BIN)/slipwatch demo

test: setup  ## run the tests; those on Apache Kafka need Java 17 and `make kafka`
	$(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(CROWD)
	$(BIN)/pytest $(CROWD:%=--ignore %)

chaos: setup kafka  ## run all that can go wrong, at length, with one summary (an hour or two)
	$(BIN)/python -m tests.chaos

fuzz: setup $(FUZZ_VENV)/.installed  ## feed a million spoiled inputs to every door (half an hour)
	$(FUZZ_VENV)/bin/python -m tests.fuzz.campaign --inputs $(FUZZ_INPUTS)

# It builds on .venv, and adds what only the fuzz needs.
$(FUZZ_VENV)/.installed: tests/fuzz/requirements.lock $(INSTALLED)
	rm -rf $(FUZZ_VENV)
	$(PYTHON) -m venv $(FUZZ_VENV)
	$(FUZZ_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  -r tests/fuzz/requirements.lock
	$(BIN)/python -c 'import site; print(site.getsitepackages()[0])' \
	  > "$$($(FUZZ_VENV)/bin/python -c 'import site; print(site.getsitepackages()[0])')/slipwatch.pth"
	@touch $@

check: setup  ## lint, format, types, imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PACKAGES) bench tests/conftest.py tests/architecture tests/chaos \
	  tests/contract tests/integration tests/kafka tests/simulation
	$(BIN)/lint-imports

format: setup  ## write what `check` asks for, where a tool can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup  ## write the pages that are made from the code (tests hold them to it)
	$(BIN)/python -m schemas.docs facts > docs/facts.md
	$(BIN)/python -m schemas.docs topics > docs/topics.md
	$(BIN)/python -m schemas.docs limits > docs/limits.md
	$(BIN)/python -c 'from schemas.partner_records import partner_contract; print(partner_contract(), end="")' > schemas/partner/order-status.json
	$(BIN)/python -c 'from alerts.catalogue import rules_page; print(rules_page(), end="")' > docs/rules.md
	$(BIN)/python -c 'from streams.settings_page import configuration_page; print(configuration_page(), end="")' > docs/configuration.md
	$(BIN)/python -c 'from streams.cli.root import command_page; print(command_page(), end="")' > docs/cli.md
	$(BIN)/python -c 'from streams.metrics_page import describe; print(describe())' > docs/metrics.md
	$(BIN)/python -c 'from console.metrics import describe; print(describe(), end="")' >> docs/metrics.md

bench: setup kafka  ## measure (needs Java 17 and Maven)
	$(BIN)/python -m bench

kafka: $(KAFKA_JARS)/.fetched  ## fetch Apache Kafka for tests and benchmarks (needs Maven)

$(KAFKA_JARS)/.fetched: $(KAFKA_VERSION_POM)
	@command -v mvn >/dev/null || { echo "Maven (mvn) is not installed; it fetches Apache Kafka." >&2; exit 1; }
	rm -rf $(KAFKA_JARS)
	mvn --batch-mode --quiet --file $(KAFKA_VERSION_POM) \
	  -Djars.directory=$(CURDIR)/$(KAFKA_JARS) dependency:copy-dependencies
	@touch $@

lock:  ## write requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
	  --no-header --group dev pyproject.toml -o requirements.lock

clean:  ## remove what was made here: .venv, .build and caches
	rm -rf $(VENV) .build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
