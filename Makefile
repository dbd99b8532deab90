# Everything runs from a fresh clone with nothing but Python 3.11 or newer and make: each target does its own set-up.

PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
RUN := $(BIN)/python -m
INSTALLED := .venv/installed
AUDIT := .venv/audit
AUDITED := $(AUDIT)/installed

# What decides about data and answers is tested to the last branch; for the rest pyproject.toml states the bound.
WHOLLY_COVERED := app/core/errors.py,app/core/http/problems.py,app/core/settings/*,app/db/errors.py,app/db/sessions.py

# Compiled modules are what makes the second start fast, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE
# An activated environment, or one of another project's, must not leak into this one.
unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help install dev serve test check drill format module module-remove migrate migration rollback rebase seed settings \
	doctor openapi docs-modules bench-lists bench-seed bench-telemetry bench-logs lock clean audit secrets sbom hooks image

help: ## Explain every target
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

install: $(INSTALLED) ## Create .venv with the locked dependencies (the other targets do it by themselves)

dev: $(INSTALLED) ## Serve on 127.0.0.1:8000 with reload and a PostgreSQL of its own; PORT=8001 chooses another port, OTEL=1 shows traces
	@exec $(RUN) app dev --port $(PORT) --stop-with-parent $(if $(OTEL),--traces)

serve: $(INSTALLED) ## Serve as in production, migrating first; PORT=8001 chooses another port
	@exec $(RUN) app serve --migrate --port $(PORT)

test: $(INSTALLED) ## Test, in parallel, against a real PostgreSQL; ARGS="-k name" narrows it down; make drill runs what takes minutes
	@$(RUN) pytest -n auto --dist worksteal $(if $(ARGS),$(ARGS),--cov --cov-report=term)
	@$(if $(ARGS),,$(RUN) coverage report --include="$(WHOLLY_COVERED)" --fail-under=100)

check: $(INSTALLED) ## Check format, lint, types, import contracts, migrations and that what is written from the code is current
	@$(RUN) ruff format --check --quiet . || { echo "Not formatted. Run: make format"; exit 1; }
	@$(RUN) ruff check --quiet .
	@$(RUN) mypy
	@$(BIN)/python -c "from importlinter.cli import lint_imports_command as lint; lint()"
	@$(RUN) app check
	@echo "All checks passed."

drill: $(INSTALLED) ## Run the long tests, then all tests and checks in copies without each module and without any (minutes)
	@$(RUN) pytest -n auto --dist worksteal -m drill
	@$(RUN) tests.e2e.removal

format: $(INSTALLED) ## Format the code and mend what the linter can
	@$(RUN) ruff check --quiet --fix-only .
	@$(RUN) ruff format .

# What is stated on make's command line is in the environment too, where no shell reads it a second time.
module: $(INSTALLED) ## Write a module: make module name=invoice fields="number:str:unique due:date?"; dry_run=1 only shows it
	@test -n "$$name" -a -n "$$fields" || { echo 'Say what it is: make module name=invoice fields="number:str:unique due:date?"'; exit 1; }
	@$(RUN) app module "$$name" "$$fields" $(if $(plural),--plural "$$plural") \
		$(if $(summary),--summary "$$summary") $(if $(dry_run),--dry-run)

module-remove: $(INSTALLED) ## Remove a module and drop its tables: make module-remove name=invoice; dry_run=1 only shows it
	@test -n "$$name" || { echo 'Say which one: make module-remove name=invoice'; exit 1; }
	@$(RUN) app module-remove "$$name" $(if $(dry_run),--dry-run)

migrate: $(INSTALLED) ## Bring the database to the newest revision
	@$(RUN) app migrate

migration: $(INSTALLED) ## Write the migration to what the models say: make migration m="add invoices"
	@test -n "$(m)" || { echo 'Say what it changes: make migration m="add invoices"'; exit 1; }
	@$(RUN) app migration "$(m)"

rollback: $(INSTALLED) ## Take the newest migration of the database back
	@$(RUN) app rollback

rebase: $(INSTALLED) ## Put two lines of migrations, as a merge leaves them, into one
	@$(RUN) app rebase

seed: $(INSTALLED) ## Fill the database with sample data: make seed n=100000 adds so many rows to each table
	@$(RUN) app seed $(or $(n),1000)

settings: $(INSTALLED) ## Print the settings in effect and where each was stated
	@$(RUN) app settings

doctor: $(INSTALLED) ## Find what keeps the application from running here, and how to mend it
	@$(RUN) app doctor --port $(PORT)

openapi: $(INSTALLED) ## Write docs/openapi from the routes: the API of each module
	@$(RUN) app openapi

docs-modules: $(INSTALLED) ## Write docs/modules: what each module consists of, and a diagram of them all
	@$(RUN) app docs-modules

bench-lists: $(INSTALLED) ## Walk a list of 1,000,000 rows while they change; ARGS="--rows 50000 --sort title" for another
	@$(RUN) tests.performance.lists $(ARGS)

bench-seed: $(INSTALLED) ## Measure the time and the memory of seeding 1,000,000 rows; ARGS="--rows 50000" for fewer
	@$(RUN) tests.performance.seeding $(ARGS)

bench-logs: $(INSTALLED) ## Measure what a log line costs its caller, and how many lines 4 processes write; ARGS="--lines 1000"
	@$(RUN) tests.performance.logging $(ARGS)

audit: $(AUDITED) ## Look for known vulnerabilities in the dependencies and for secrets in what git holds (needs the network)
	@$(AUDIT)/bin/python -m pip_audit --strict --disable-pip --require-hashes --progress-spinner off \
		$(foreach lock,base dev audit,--requirement requirements/$(lock).lock)
	@git ls-files -z | xargs -0 $(AUDIT)/bin/python -m detect_secrets.pre_commit_hook --baseline .secrets.baseline

# Passwords by name are left to ruff (S105 to S107); the hashes of a lock look like keys; nothing is sent anywhere.
secrets: $(AUDITED) ## Accept what looks like a secret and is none: writes .secrets.baseline, to be read before it is committed
	@$(AUDIT)/bin/python -m detect_secrets scan --slim --no-verify --disable-plugin KeywordDetector \
		--exclude-files '^requirements/.*\.lock$$' > .secrets.baseline.new
	@mv .secrets.baseline.new .secrets.baseline

sbom: $(AUDITED) ## Write .local/sbom.json: what the image ships, with versions and licences (CycloneDX)
	@$(PYTHON) -m venv --clear --without-pip .venv/shipped
	@$(AUDIT)/bin/python -m pip --python .venv/shipped/bin/python install --quiet --disable-pip-version-check \
		--require-hashes --requirement requirements/base.lock
	@mkdir -p .local
	@$(AUDIT)/bin/python -m cyclonedx_py environment --pyproject pyproject.toml --output-reproducible \
		--output-file .local/sbom.json .venv/shipped/bin/python

hooks: $(INSTALLED) $(AUDITED) ## Check what is about to be committed, from now on
	@$(AUDIT)/bin/python -m pre_commit install

bench-telemetry: $(INSTALLED) ## Measure what tracing costs (Linux, two cores)
	@$(RUN) tests.performance.telemetry

image: ## Build the image trellis (needs Docker)
	@docker build $(ARGS) --tag trellis .

lock: $(INSTALLED) ## Resolve the dependencies again into requirements/*.lock
	@$(RUN) pip install --quiet uv
	@$(BIN)/uv pip compile $(LOCK) -o requirements/base.lock
	@$(BIN)/uv pip compile $(LOCK) --group dev -c requirements/base.lock -o requirements/dev.lock
	@$(BIN)/uv pip compile $(LOCK) --group audit -c requirements/base.lock -o requirements/audit.lock

LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock" pyproject.toml

clean: ## Remove .venv and caches; the local database under .local stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*

$(AUDITED): requirements/audit.lock
	@echo "Installing the locked tools of the audit into $(AUDIT) …"
	@$(PYTHON) -m venv $(AUDIT)
	@$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		--requirement requirements/audit.lock
	@touch $@

# The stamp is newer than the lock when what is installed is what is locked.
$(INSTALLED): requirements/dev.lock
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.13 …" if sys.version_info < (3, 11) else 0)'
	@echo "Installing the locked dependencies into .venv (about 20 s, once) …"
	@$(PYTHON) -m venv .venv || { echo "$(PYTHON) cannot make virtual environments. On Debian: apt install python3-venv"; exit 1; }
	@$(RUN) pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.lock
	@touch $@
