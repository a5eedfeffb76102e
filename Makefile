# make demo   the whole chain on a laptop, without a GPU (makes the environments first)
# make test   unit and workflow tests, the demo included, on two workers (JOBS=1 for one)
# The rules run in .venv (envs/cpu.txt), Snakemake in .venv-driver (envs/driver.txt); they do not resolve together.

SHELL := bash
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))
PYTHON ?= $(shell for p in python3 python3.12 python3.11; do $$p -c '$(FITS)' 2>/dev/null && echo $$p && break; done)
SNAKEMAKE := .venv-driver/bin/snakemake
PYTEST := .venv/bin/python -m pytest
TORCH := $(shell sed -n 's/^\(torch==[^ ]*\) .*/\1/p' envs/cpu.txt)
TORCH_INDEX := https://download.pytorch.org/whl/cpu

.PHONY: .venv .venv-driver demo forecast demo-clean demo-containers env test test-full tests-ledger test-hpc lint format lock containers tensorboard dag docs

demo: env
	@.venv-driver/bin/python scripts/recover_workflow.py --directory .
	@$(SNAKEMAKE) --profile profiles/demo
	@.venv/bin/python scripts/show_scores.py

demo-containers: env
	@.venv-driver/bin/python scripts/recover_workflow.py --directory .
	$(SNAKEMAKE) --profile profiles/demo --sdm apptainer
	@.venv/bin/python scripts/show_scores.py

# make forecast RUN=grpo [PROFILE=profiles/demo]: what a run will cost, from a few of its steps
forecast: env
	@$(SNAKEMAKE) $(if $(PROFILE),--profile $(PROFILE),--cores all --resources gpu=$(or $(GPUS),6)) forecast --config 'select=[$(or $(RUN),grpo)]'

demo-clean:
	rm -rf resources results checkpoints logs

env: .venv/lock .venv-driver/lock

# Made anew where a lock's content changed, not where its file has a new time.
.venv/lock: envs/cpu.txt
	@if sha256sum --check --status $@ 2>/dev/null; then touch $@; else $(MAKE) --no-print-directory .venv; fi

.venv-driver/lock: envs/driver.txt .venv/lock
	@if sha256sum --check --status $@ 2>/dev/null; then touch $@; else $(MAKE) --no-print-directory .venv-driver; fi

# torch's CPU build lies on PyTorch's own index, or on whatever index pip is configured with where that one is out of reach.
.venv:
	@$(or $(PYTHON),false) -c '$(FITS)' 2>/dev/null \
	  || { echo "error: no Python 3.11 or 3.12 found; name one: make env PYTHON=/path/to/python3.12" >&2; exit 2; }
	@echo "making .venv: torch and vLLM for the CPU, about 4 GB"
	@$(PYTHON) -m venv --clear .venv
	@extra=$$(.venv/bin/pip download -qqq --no-deps --dest .venv/torch "$(TORCH)" >/dev/null 2>&1 \
	    && echo "--find-links .venv/torch" || echo "--extra-index-url $(TORCH_INDEX)"); \
	  .venv/bin/pip install -qq --no-deps --require-hashes $$extra -r envs/cpu.txt
	@rm -rf .venv/torch && sha256sum envs/cpu.txt > .venv/lock

.venv-driver:
	@echo "making .venv-driver: Snakemake"
	@$(PYTHON) -m venv --clear .venv-driver
	@.venv-driver/bin/pip install -qq --no-deps --require-hashes -r envs/driver.txt
	@sha256sum envs/driver.txt > .venv-driver/lock

# One worker runs the demo and what reads it, the others the rest.
test: env
	$(PYTEST) -m "not full" -n $(or $(JOBS),2) --dist loadgroup --no-loadscope-reorder

# make test-full PART=kills: a part of at most 40 minutes; without PART all of them. What has passed on this code is not run again.
test-full: env
	.venv/bin/python tests/full.py $(PART)

tests-ledger: env
	.venv/bin/python tests/full.py --ledger

test-hpc: env
	tests/hpc/run.sh

lint: env
	.venv-driver/bin/ruff check .
	.venv-driver/bin/ruff format --check .
	.venv-driver/bin/snakefmt --check Snakefile rules
	$(SNAKEMAKE) --lint --profile profiles/demo
	.venv-driver/bin/python scripts/check_words.py

format: env
	.venv-driver/bin/ruff check --fix .
	.venv-driver/bin/ruff format .
	.venv-driver/bin/snakefmt Snakefile rules

lock:
	@$(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install -qq uv==0.13.9
	PATH=$(CURDIR)/.venv-lock/bin:$$PATH envs/lock.sh

containers: env
	containers/build.sh

tensorboard:
	.venv/bin/tensorboard --logdir_spec training:checkpoints,scores:results/tensorboard

dag: env
	$(SNAKEMAKE) --profile profiles/demo --rulegraph dot | dot -Tsvg -Grankdir=LR > docs/images/dag.svg

# docs/ as a site in site/, which opens from a file
docs: env
	NO_MKDOCS_2_WARNING=1 .venv-driver/bin/mkdocs build --strict --quiet
	@echo "site/index.html"
