# make demo   the whole chain on a laptop, without a GPU (makes the environments first)
# make test   unit and workflow tests, the demo included, on four workers (JOBS=1 for one)
# The rules run in .venv (envs/cpu.txt), Snakemake in .venv-driver (envs/driver.txt); they do not resolve together.
# envs/install.py makes them from the locks.

SHELL := bash
# What is printed and read is UTF-8, whatever the locale says. Snakemake wants a cache, which a read-only home cannot hold.
export PYTHONUTF8 := 1
ifeq ($(shell t=$$(mktemp "$${HOME:-/}/.mathrl-XXXXXX" 2>/dev/null) && rm "$$t" && echo yes),)
export XDG_CACHE_HOME ?= $(CURDIR)/.snakemake/cache
endif
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))
PYTHON ?= $(shell for p in python3 python3.12 python3.11; do $$p -c '$(FITS)' 2>/dev/null && echo $$p && break; done)
SNAKEMAKE := .venv-driver/bin/snakemake
PYTEST := .venv/bin/python -m pytest
# What a call of Snakemake needs. A host whose rules run in images or in CUDA's environment does without the CPU's packages.
READY = $(if $(and $(filter-out profiles/demo,$(or $(PROFILE),none)),$(wildcard .venv-cuda/lock containers/cuda.sif)),.venv-driver/lock,env)

.PHONY: .venv .venv-cuda .venv-driver .venv-harness .venv-tools demo report status verifiers crate rebuild calibrate atlas hack-bench gpu-check forecast demo-clean demo-containers driver env env-cuda bundle harness laptop test test-full tests-ledger test-hpc lint format lock containers tensorboard dag docs .venv-cuda-on-cpu env-cuda-on-cpu

demo: env
	@.venv-driver/bin/python scripts/recover_workflow.py --directory .
	@$(SNAKEMAKE) --profile profiles/demo
	@.venv/bin/python scripts/show_scores.py

demo-containers: env
	@.venv-driver/bin/python scripts/recover_workflow.py --directory .
	$(SNAKEMAKE) --profile profiles/demo --sdm apptainer
	@.venv/bin/python scripts/show_scores.py

# make forecast RUN=grpo [PROFILE=profiles/demo]: what a run will cost, from a few of its steps
forecast: $(READY)
	@$(SNAKEMAKE) $(if $(PROFILE),--profile $(PROFILE),--cores all --resources gpu=$(or $(GPUS),6)) --config 'select=[$(or $(RUN),grpo)]' -- forecast

# make status [STUDY=/path/to/study]: a line per run: step, reward, accuracy, time left, flags, last error; it only reads
status: .venv-driver/lock
	@.venv-driver/bin/python scripts/show_status.py --directory $(or $(STUDY),.)

# make verifiers [PROFILE=profiles/demo]: every verifier of the configuration measured, and samples with their step scores to read.
# The demo lays profiles/demo/verifiers.yaml over its configuration.
verifiers: $(READY)
	@$(SNAKEMAKE) $(if $(PROFILE),--profile $(PROFILE),--cores all --resources gpu=$(or $(GPUS),6)) \
	  $(if $(filter profiles/demo,$(PROFILE)),--configfile profiles/demo/demo.yaml profiles/demo/verifiers.yaml) -- verifiers

# make report [PROFILE=profiles/demo] [EVERY=60]: the study report from what exists now, results/report-so-far.html, also beside a
# running Snakemake, whose lock it does not take. EVERY: again and again, with so many seconds between, until you stop it.
report: PROFILE ?= $(if $(wildcard resources/demo),profiles/demo)
report: $(READY)
	@while $(SNAKEMAKE) $(if $(PROFILE),--profile $(PROFILE),--cores 1) --nolock --quiet all --forcerun render_partial_report -- results/report-so-far.html; \
	  do echo results/report-so-far.html; [ -n "$(EVERY)" ] || exit 0; sleep $(or $(EVERY),0); done; exit 1

# make crate [PROFILE=profiles/demo]: the finished study as one file to send, results/crate.zip. Where the demo has run, it is the demo's.
crate: PROFILE ?= $(if $(wildcard resources/demo),profiles/demo)
crate: $(READY)
	@$(SNAKEMAKE) $(if $(PROFILE),--profile $(PROFILE),--cores all --resources gpu=$(or $(GPUS),6)) -- results/crate.zip
	@.venv-driver/bin/python scripts/check_crate.py results/crate.zip

# make rebuild CRATE=crate.zip: its score table from its samples, without network
rebuild: env
	@.venv/bin/python scripts/rebuild_scores.py --crate "$${CRATE:-results/crate.zip}"

# make calibrate [RESULTS="results …"] [GROUP=2] [PROTOCOL=NAME] [METRIC=pass@1]: how often runs that differ in their seed alone are claimed
# to differ; the study report shows it
calibrate: env
	@.venv/bin/python scripts/calibrate_claims.py --results $(or $(RESULTS),results) $(if $(GROUP),--group '$(GROUP)') \
	  $(if $(PROTOCOL),--protocol '$(PROTOCOL)') $(if $(METRIC),--metric '$(METRIC)')

# make atlas [ARMS="gspo dapo"] [SEEDS=3] [STEPS=30] [DIRECTORY=atlas] [DRY_RUN=1] [DOCS=docs/atlas]: the arms of profiles/demo/atlas.yaml
# with their controls on the demo's world, at equal cost; the same command goes on after any kill. Where there are GPUs:
# MODEL=NAME [GPUS=6] trains that model at config.yaml's sizes.
atlas: env
	@.venv/bin/python scripts/make_atlas.py --directory '$(or $(DIRECTORY),atlas)' --seeds '$(or $(SEEDS),3)' --steps '$(or $(STEPS),30)' \
	  $(if $(ARMS),--arms $(foreach arm,$(ARMS),'$(arm)')) $(if $(MODEL),--model '$(MODEL)' --gpus '$(or $(GPUS),6)') $(if $(DRY_RUN),--dry-run) $(if $(DOCS),--docs '$(DOCS)')

# make hack-bench [HABITS="clearly sure"] [SEEDS="1 2 3"] [STEPS=30] [DIRECTORY=hacks]: verifiers that love a habit which solves nothing, in a
# blend and in a gate beside grpo, on the demo's world; the same command goes on after any kill
hack-bench: env
	@.venv/bin/python scripts/make_hack_bench.py --directory '$(or $(DIRECTORY),hacks)' --seeds $(foreach seed,$(or $(SEEDS),1 2 3),'$(seed)') --steps '$(or $(STEPS),30)' \
	  $(if $(HABITS),--habits $(foreach habit,$(HABITS),'$(habit)'))

# make gpu-check [DIRECTORY=gpu-check] [SHAPES="openseek qwen3-0.6b"] [GPUS=1] [STEPS=6] [ACCELERATOR=cpu]: what trainings cost on this
# machine beside verl's own trainer, in parts of at most eight minutes; the same command goes on. On a GPU it makes .venv-cuda first.
gpu-check: $(if $(filter cpu,$(ACCELERATOR)),env,.venv-cuda/lock)
	@$(if $(filter cpu,$(ACCELERATOR)),.venv/bin/python,.venv-cuda/bin/python) scripts/measure_gpu.py --directory '$(or $(DIRECTORY),gpu-check)' \
	  $(if $(ACCELERATOR),--accelerator '$(ACCELERATOR)') $(if $(SHAPES),--shapes $(foreach shape,$(SHAPES),'$(shape)')) \
	  $(if $(GPUS),--gpus '$(GPUS)') $(if $(STEPS),--steps '$(STEPS)')

demo-clean:
	rm -rf resources results checkpoints logs

# Both environments are made side by side. Where they are there, nothing is asked of the machine.
env:
	@sha256sum --check --status .venv/lock .venv-driver/lock 2>/dev/null || $(MAKE) --silent laptop .venv-tools/lock
	@$(MAKE) --silent -j2 .venv/lock .venv-driver/lock

# For a host with NVIDIA GPUs and without Apptainer: rules run in .venv-cuda where accelerator is cuda and containers are off.
env-cuda:
	@$(MAKE) --silent -j2 .venv-cuda/lock .venv-driver/lock

# The versions of envs/cuda.txt on a machine without a GPU, for tests (make test-full PART=versions). Rules run in it by
# MATHRL_ENVIRONMENT=.venv-cuda-on-cpu (docs/reference/variables.md).
env-cuda-on-cpu:
	@$(MAKE) --silent -j2 .venv-cuda-on-cpu/lock .venv-driver/lock

# make bundle [PART=60M] [LEAVE_OUT='torch triton nvidia-*'] [GPU=90]: both as files to carry to a machine without a network
bundle: env-cuda
	@$(PYTHON) envs/bundle.py .venv-cuda --out bundle/cuda --part $(or $(PART),60M) $(if $(LEAVE_OUT),--leave-out $(foreach name,$(LEAVE_OUT),'$(name)')) $(if $(GPU),--gpu $(GPU))
	@$(PYTHON) envs/bundle.py .venv-driver --out bundle/driver --part $(or $(PART),60M)

# Snakemake alone, for a host whose rules run in containers.
driver: .venv-driver/lock

# Other evaluation harnesses, for the tests that compare with them.
harness: .venv-harness/lock

laptop:
	@PYTHON=$(PYTHON) ANYWAY=$(ANYWAY) envs/check_laptop.sh

.venv/lock: envs/cpu.txt
.venv-cuda/lock: envs/cuda.txt
.venv-cuda-on-cpu/lock: envs/cuda-on-cpu.txt
.venv-driver/lock: envs/driver.txt
.venv-harness/lock: envs/harness.txt
.venv-tools/lock: envs/tools.txt

# Made anew where a lock's content changed, not where its file has a new time.
.venv/lock .venv-cuda/lock .venv-cuda-on-cpu/lock .venv-driver/lock .venv-harness/lock .venv-tools/lock:
	@if sha256sum --check --status $@ 2>/dev/null; then touch $@; else $(MAKE) --no-print-directory $(@D); fi

.venv: laptop .venv-tools/lock
	@echo "making .venv: torch and vLLM for the CPU, about 4 GB"
	@$(PYTHON) -m venv --clear --without-pip .venv
	@.venv-tools/bin/python envs/install.py cpu .venv
	@sha256sum envs/cpu.txt > .venv/lock

.venv-cuda: .venv-tools/lock
	@echo "making .venv-cuda: torch and vLLM for CUDA 13.0, about 10 GB"
	@$(PYTHON) -m venv --clear --without-pip .venv-cuda
	@.venv-tools/bin/python envs/install.py cuda .venv-cuda
	@.venv-tools/bin/python envs/cuda_home.py .venv-cuda
	@sha256sum envs/cuda.txt > .venv-cuda/lock

holds-cuda-on-cpu := the versions of envs/cuda.txt for a CPU, about 7 GB
holds-driver := Snakemake and the source checks
holds-harness := lm-eval and inspect-ai
.venv-cuda-on-cpu .venv-driver .venv-harness: .venv-%: .venv-tools/lock
	@echo "making $@: $(holds-$*)"
	@$(PYTHON) -m venv --clear --without-pip $@
	@.venv-tools/bin/python envs/install.py $* $@
	@sha256sum envs/$*.txt > $@/lock

# What installs the others.
.venv-tools:
	@$(or $(PYTHON),false) -c '$(FITS)' 2>/dev/null \
	  || { echo "error: no Python 3.11 or 3.12 found; name one: make env PYTHON=/path/to/python3.12" >&2; exit 2; }
	@$(PYTHON) -m venv --clear .venv-tools
	@.venv-tools/bin/pip install -qq --no-deps --require-hashes -r envs/tools.txt
	@sha256sum envs/tools.txt > .venv-tools/lock

# One worker runs the demo and what reads it, the others the rest.
test: env
	$(PYTEST) -m "not full" -n $(or $(JOBS),4) --dist loadgroup --no-loadscope-reorder --durations=25

# make test-full PART=kills: a part, 40 minutes or so; without PART all of them. What has passed on this code is not run again.
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
	cd scripts && ../.venv-driver/bin/lint-imports --config ../pyproject.toml
	.venv-driver/bin/mypy
	$(SNAKEMAKE) --lint --profile profiles/demo
	.venv-driver/bin/python scripts/check_words.py
	env NO_MKDOCS_2_WARNING=1 .venv-driver/bin/mkdocs build --strict --quiet

format: env
	.venv-driver/bin/ruff check --fix .
	.venv-driver/bin/ruff format .
	.venv-driver/bin/snakefmt Snakefile rules

lock: .venv-tools/lock
	PATH=$(CURDIR)/.venv-tools/bin:$$PATH envs/lock.sh

containers: driver
	containers/build.sh cpu
	containers/build.sh cuda

tensorboard:
	$(or $(firstword $(wildcard .venv/bin/tensorboard .venv-cuda/bin/tensorboard)),tensorboard) --logdir_spec training:checkpoints,scores:results/tensorboard

dag: env
	$(SNAKEMAKE) --profile profiles/demo --rulegraph dot | dot -Tsvg -Grankdir=LR > docs/images/dag.svg

# docs/ as a site in site/, which opens from a file
docs: env
	env NO_MKDOCS_2_WARNING=1 .venv-driver/bin/mkdocs build --strict --quiet
	@echo "site/index.html"
