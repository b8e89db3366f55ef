# Segue. `make up` starts it, `make test` tests it; `make` alone lists what there is.
# Needs Python 3.11 or newer and make, nothing else. Works from any folder: make -f /path/to/Makefile up

.DEFAULT_GOAL := help
.PHONY: help up demo test test-journeys test-crash chaos bench lint lock clean install install-dev

# Options of `manage.py up`, for example: make up PORT=8001 WORKERS=4
# Not from the environment: some shells keep the name of the machine in HOST.
HOST = 127.0.0.1
PORT ?= 8000
WORKERS ?= 2
# Options of pytest, for example: make test PYTEST_ARGS="tests/projects -x"
# Of two processes each takes half of the tests, and then of what the other has left: what a file shares is made once.
PYTEST_ARGS ?= -n 2 --dist worksteal
# Options of `python -m tests.chaos`, for example: make chaos CHAOS_ARGS="--without fence --faults 'worker frozen'"
CHAOS_ARGS ?=
# Which measurements, for example: make bench BENCH="webhooks floors"
BENCH ?=
# The Python that .venv is made with; otherwise the first on the PATH that is new enough.
PYTHON =

# The folder of this file. Kept out of make's own functions, which split paths at spaces.
export SEGUE_MAKEFILE := $(MAKEFILE_LIST)
GO_HOME := cd "$$(dirname "$$(printf '%s' "$$SEGUE_MAKEFILE" | sed 's/^ *//')")"
VENV := .venv/bin/python

help:
	@echo "make up      start Segue at http://$(HOST):$(PORT); Ctrl-C stops everything (PORT=, HOST=, WORKERS=)"
	@echo "make demo    the same, and stop when it has proved that it works"
	@echo "make test    run the tests (PYTEST_ARGS=), but for those of the next two"
	@echo "make test-journeys  run whole stories on real processes, and what the documentation says (PYTEST_ARGS=)"
	@echo "make test-crash  run the tests that kill servers and processes: ten minutes (PYTEST_ARGS=)"
	@echo "make chaos   kill everything at random under 2,000 executions (CHAOS_ARGS=, for example --seed 7 --executions 500)"
	@echo "make bench   measure, one table after another (BENCH=\"webhooks floors\" for some of them)"
	@echo "make lint    check style, types and borders"
	@echo "make lock    write requirements/*.txt from requirements/*.in (LOCK_ARGS=--upgrade for newer versions)"
	@echo "make clean   remove .venv and caches; your data in var stays"

up: install
	@$(GO_HOME) && exec $(VENV) manage.py up --host "$(HOST)" --port "$(PORT)" --workers "$(WORKERS)"

demo: install
	@$(GO_HOME) && exec $(VENV) manage.py up --host "$(HOST)" --port "$(PORT)" --workers "$(WORKERS)" --demo

test: install-dev
	@$(GO_HOME) && exec $(VENV) -m pytest -m "not journey and not crash and not chaos" $(PYTEST_ARGS)

test-journeys: install-dev
	@$(GO_HOME) && exec $(VENV) -m pytest -m "journey and not crash and not chaos" $(PYTEST_ARGS)

test-crash: install-dev
	@$(GO_HOME) && exec $(VENV) -m pytest -m "crash or chaos" $(PYTEST_ARGS)

chaos: install-dev
	@$(GO_HOME) && exec $(VENV) -m tests.chaos $(CHAOS_ARGS)

bench: install-dev
	@$(GO_HOME) && exec $(VENV) -m benchmarks $(BENCH)

lint: install-dev
	@$(GO_HOME) && $(VENV) -m ruff check .
	@$(GO_HOME) && $(VENV) -m ruff format --check .
	@$(GO_HOME) && SECRET_KEY=its-plugin-reads-the-settings $(VENV) -m mypy . .ci
	@$(GO_HOME) && .venv/bin/lint-imports

lock: install-dev
	@$(GO_HOME) && for set in "base" "base dev"; do \
	  files=""; for name in $$set; do files="$$files requirements/$$name.in"; out="requirements/$$name.txt"; done; \
	  $(VENV) -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url --quiet $(LOCK_ARGS) --output-file "$$out" $$files || exit 1; \
	done

clean:
	@$(GO_HOME) && rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache htmlcov .coverage
	@$(GO_HOME) && find . -name __pycache__ -type d -prune -exec rm -rf {} +

install:
	@$(GO_HOME) && PYTHON="$(PYTHON)" sh requirements/install.sh base

install-dev:
	@$(GO_HOME) && PYTHON="$(PYTHON)" sh requirements/install.sh dev
