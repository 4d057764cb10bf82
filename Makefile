# One word for each thing one does here. Everything is installed into .venv; data is under var/.
# Variables: PORT=8001 (web port), SLUICE_VAR=/folder (data), ARGS="…" (passed on),
# PYTHON=python3.12 (for .venv).

PORT ?= 8000
ARGS ?=
READS ?= 1000000
SEED ?= 1
READERS ?= 16
SWITCHES ?= 200
WITHDRAWALS ?= 2000
PYTHON ?=
PY := .venv/bin/python
# Runs a command with PostgreSQL and Valkey up, and stops them after it.
WITH_SERVICES := $(PY) -m config.embedded run

export PORT

.PHONY: help demo demo-big demo-check demo-reset test exhaustive fuzz api-fuzz race lint check mutants bench messages clean

help: ## Say what there is to do
	@grep -E '^[a-z.-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 14
	@echo; echo "Variables: PORT=8001 (web port, 8000 by default), SLUICE_VAR=/folder (data, ./var by"; \
	echo "default), ARGS='…' (passed on), PYTHON=python3.12 (for .venv)"

demo: .venv ## Start everything, load the demo groups once, serve until Ctrl-C
	@exec $(WITH_SERVICES) -- $(PY) manage.py demo $(ARGS)

# In a folder beside the small demo's, so that both may be kept.
demo-big: .venv ## The demo with two million invented members: some minutes the first time
	@SLUICE_VAR="$${SLUICE_VAR:-var}-big" exec $(WITH_SERVICES) -- $(PY) manage.py demo --big $(ARGS)

demo-check: .venv ## Load the demo in a scratch folder and check every page and figure
	@exec $(WITH_SERVICES) --scratch -- $(PY) manage.py demo --check $(ARGS)

demo-reset: .venv ## Remove the demo's data and start over
	@exec $(WITH_SERVICES) --reset -- $(PY) manage.py demo $(ARGS)

# Three processes keep two cores busy: browsers and servers are waited for.
SUITE = $(PY) -m pytest -n 3 --dist loadscope --no-loadscope-reorder
test: .venv ## Run the suite, on two cores
	@exec $(SUITE) -m "not exhaustive" $(ARGS)

exhaustive: .venv ## Run the tests that try every URL, page, mutant, migration and kill there is
	@exec $(SUITE) -m exhaustive $(ARGS)

fuzz: .venv ## Change groups at random until a million reads are checked (READS=, SEED=)
	@exec $(PY) -m config.tests.fuzz --reads $(READS) --seed $(SEED) $(ARGS)

race: .venv ## Let readers race switches and withdrawals (READERS=, SWITCHES=, WITHDRAWALS=)
	@SLUICE_RACE=$(READERS),$(SWITCHES),$(WITHDRAWALS) exec $(PY) -m pytest -s -q \
		--show-capture=no brands/tests/test_wall_switch.py $(ARGS)

lint: .venv ## Check style and format
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

# Every step runs, whatever the one before said; the last line names those that failed.
api-fuzz: .venv ## Hold every address of the API to its description, with many examples (EXAMPLES=)
	@API_EXAMPLES=$(or $(EXAMPLES),300) INTAKE_EXAMPLES=$(or $(EXAMPLES),300) \
		exec $(PY) -m pytest members/tests/test_api_schema.py members/tests/test_intake.py $(ARGS)

check: .venv ## Check the system, migrations, translations, types and layers
	@failed=; $(PY) -m pytest config/tests/test_layers.py || failed=" layers"; \
	FAILED="$$failed" exec $(WITH_SERVICES) --scratch -- sh -c ' \
		step() { name=$$1; shift; echo "+ $$*"; "$$@" || FAILED="$$FAILED $$name"; }; \
		step system env DEMO=0 $(PY) manage.py check --deploy --fail-level WARNING; \
		step migrations $(PY) manage.py makemigrations --check --dry-run; \
		step translations $(PY) manage.py catalogues --check; \
		step types $(PY) -m mypy; \
		if [ -n "$$FAILED" ]; then echo "Failed:$$FAILED. Everything else is in order." >&2; \
		exit 1; fi'

mutants: .venv ## Break the wall of every table in every way and show what told it
	@exec $(PY) -m pytest brands/tests/test_wall_mutants.py -s $(ARGS)

bench: .venv ## Run every benchmark
	@exec $(PY) -m benchmarks $(ARGS)

messages: .venv ## Extract, merge and compile the translations
	@exec $(WITH_SERVICES) --scratch -- $(PY) manage.py catalogues $(ARGS)

clean: ## Remove .venv, caches and the tests' services; the demo's data stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis var/test
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: .venv
.venv: .venv/.installed

.venv/.installed: requirements.txt requirements-likely.txt requirements-dev.txt
	@set -e; \
	python=; \
	for candidate in $(or $(PYTHON),python3 python3.13 python3.12 python3.11); do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
		then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		tried=$$($(or $(PYTHON),python3) --version 2>&1 | head -1); \
		echo "Sluice needs Python 3.11 or later; $(or $(PYTHON),python3) is: $${tried:-no Python}." \
			"Nothing was changed. Install it, then: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; \
		exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$$python has no venv module. Nothing was changed. On Debian and Ubuntu:" \
			"apt install python3-venv" >&2; \
		exit 1; \
	fi; \
	if [ -e .venv ] && ! .venv/bin/python -c 'import pip' 2>/dev/null; then rm -rf .venv; fi; \
	if [ ! -e .venv ]; then echo "Making .venv with $$("$$python" --version) …"; \
		"$$python" -m venv .venv; fi; \
	echo "Installing packages into .venv: some 90 s, silent where this is no terminal …"; \
	quiet=--quiet; if [ -t 1 ]; then quiet=; fi; \
	if ! .venv/bin/python -m pip install $$quiet --disable-pip-version-check \
		-r requirements-dev.txt; then \
		echo "The packages could not be installed (see above). What arrived is kept in .venv;" \
			"run the same command again." >&2; \
		exit 1; \
	fi; \
	touch $@
