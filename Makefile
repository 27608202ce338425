# `make run` and `make test` do all the set-up on a machine that has Python 3.11+, git and make.

PYTHON := .venv/bin/python
CORE := tests/routing_core

# Two files at a time. Those of one test come last: the soak is not beside the browser, which has no time to spare.
SPREAD := -q -n 2 --dist loadfile

# What crosses a server is tried again on the other one, and with two web processes; in full size at the end.
# A part that fails keeps none of the others from being tried.
crossing = TEST_SERVER=$(1) TEST_WEBS=$(2) $(PYTHON) -m pytest $(SPREAD) $(3) tests/integration tests/faults \
    || failed="$$failed $(1)/$(2)"

# What goes through both servers by itself is not gone through again on each.
VARIED := -m "not both_servers"

.PHONY: help run test test-all soak bench lint types format clean

help:  ## say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run:  ## set up and serve the site on http://127.0.0.1:8000
	@sh scripts/setup.sh requirements.txt
	@if [ -z "$$DEBUG$$SECRET_KEY" ]; then export DEBUG=1; fi; exec $(PYTHON) manage.py up

test:  ## set up and run all tests; ARGS="-k name" passes options to pytest
	@sh scripts/setup.sh requirements-dev.txt
	@test -n "$(ARGS)" || { $(PYTHON) -m coverage run -m pytest -q $(CORE) && $(PYTHON) -m coverage report; }
	@CHROMIUM="$$(sh scripts/browser.sh)" && export CHROMIUM && \
	    exec $(PYTHON) -m pytest $(if $(ARGS),$(ARGS),$(SPREAD) --ignore=$(CORE))

test-all:  ## all tests, then those that cross a server on the other server and with 2 web processes
	@failed=; \
	$(MAKE) --no-print-directory test || failed=" all"; \
	$(call crossing,uvicorn,1,$(VARIED)); \
	$(call crossing,daphne,2,$(VARIED)); \
	TEST_LONG=1 $(call crossing,uvicorn,2,tests/chat/test_at_once.py); \
	test -z "$$failed" || { echo "Failed:$$failed" >&2; exit 1; }

soak:  ## users at work while everything fails around them; ARGS="--minutes 30 --seed 1"
	@sh scripts/setup.sh requirements-dev.txt
	@exec $(PYTHON) -m tests.faults $(ARGS)

bench:  ## measure beside a stock Channels app; QUICK=1 takes minutes, PROFILE=1 shows where time goes
	@sh scripts/setup.sh requirements.txt
	@sh scripts/setup.sh tests/benchmarks/requirements.txt .bench
	@exec $(PYTHON) -m tests.benchmarks $(if $(QUICK),--quick) $(if $(PROFILE),--profile) $(ARGS)

lint:  ## look for what ruff and the formatter find wrong
	@sh scripts/setup.sh requirements-dev.txt
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:  ## check the types
	@sh scripts/setup.sh requirements-dev.txt
	DEBUG=1 $(PYTHON) -m mypy

format:  ## put the code into shape
	@sh scripts/setup.sh requirements-dev.txt
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

clean:  ## remove what was set up and built; DATA_DIR stays
	rm -rf .venv .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
