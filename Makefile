# Everything a person types. `make help` lists it.
# PYTHON: the Python that makes .venv; the first usable one unless given.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
	"$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	>/dev/null 2>&1 && echo "$$name" && break; done)
BASE_PYTHON = $(if $(PYTHON),$(PYTHON),python3)
VENV = .venv/bin
CHECKED = pbcsite cases classifier ml scripts tests manage.py
# Processes that share the tests; 0 runs them in one, where a debugger works.
WORKERS ?= auto
# Settings for commands that start no server and keep nothing of worth.
LOCAL = DEBUG=1

.DEFAULT_GOAL := help
.PHONY: help run install install-dev test lint lint-python lint-templates lint-imports \
	lint-migrations lint-translations lint-schema lint-security audit format types lock clean

help: ## List these commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 20

run: install ## Start the site with a demonstration laboratory (PORT, DEMO_PASSWORD, DATA_DIR)
	@$(VENV)/python -m scripts.run

install: ## Make .venv and install what running needs
	@$(BASE_PYTHON) scripts/install.py

install-dev: ## Make .venv and install what tests and checks need as well
	@$(BASE_PYTHON) scripts/install.py --dev

test: install-dev ## Run the whole test suite (ARGS for pytest, WORKERS for processes)
	@$(VENV)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: lint-python lint-templates lint-imports lint-migrations lint-translations lint-schema lint-security ## Run all checks but types and tests

lint-python: install-dev ## Check the style of Python
	$(VENV)/ruff check $(CHECKED)
	$(VENV)/ruff format --check $(CHECKED)

lint-templates: install-dev ## Check the templates
	$(VENV)/djlint templates --lint --quiet
	$(VENV)/djlint templates --check --quiet

lint-imports: install-dev ## Check that imports run one way
	$(VENV)/lint-imports

lint-migrations: install-dev ## Check that no migration is missing
	$(LOCAL) $(VENV)/python manage.py makemigrations --check --dry-run

lint-translations: install-dev ## Check that every text is translated
	$(LOCAL) $(VENV)/python scripts/check_translations.py

lint-schema: install-dev ## Check the API's OpenAPI description
	$(LOCAL) $(VENV)/python manage.py spectacular --validate --fail-on-warn --file /dev/null

lint-security: install-dev ## Look for dangerous calls (bandit; its low findings are ruff's S rules)
	$(VENV)/bandit --quiet --configfile pyproject.toml --severity-level medium --recursive \
		$(filter-out tests,$(CHECKED))

audit: install-dev ## Look up the dependencies' known vulnerabilities (needs PyPI; ARGS=--required)
	$(VENV)/python -m scripts.audit_dependencies $(ARGS)

format: install-dev ## Format Python and templates
	$(VENV)/ruff check --fix $(CHECKED)
	$(VENV)/ruff format $(CHECKED)
	$(VENV)/djlint templates --reformat --quiet

types: install-dev ## Check types
	$(LOCAL) $(VENV)/mypy

lock: ## Write both lock files anew (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-header --quiet --output-file requirements-dev.lock
	uv pip compile pyproject.toml --universal --python-version 3.11 \
		--generate-hashes --no-header --quiet --constraint requirements-dev.lock \
		--output-file requirements.lock

clean: ## Remove .venv and caches; the data in var/ stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
