# make demo   shows what it does, on a throwaway server
# make test   runs all tests
# make help   lists the rest
#
# PYTHON=python3.12 chooses the interpreter, VENV=folder the environment.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# What was fetched and built for wheels, and the library that is in them.
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mariadb-nb
LIBRARY = $(CACHE)/library/manylinux_2_28_$(shell uname -m)
# Processes that share the tests, each with a server of its own; 0 for none but pytest.
# Two on one processor too: what they do most is to wait.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN); echo $$((n > 2 ? n : 2)))
# A file stays with one of them: what its tests share is made once.
PARALLEL = -n $(WORKERS) --dist loadfile
PYTEST_ARGS ?=
CALLS ?= 1000000
ROUNDS ?= 11

SOURCES = setup.py build_ffi.py pyproject.toml \
  $(wildcard csrc/*.[ch] csrc/wire/*.[ch] csrc/cdef/*.h csrc/gen/*.py)
C_FILES = $(wildcard csrc/*.[ch] csrc/wire/*.[ch] benchmarks/*.[ch])

.PHONY: help demo test test-3.4 lint format generate sanitize fuzz fuzz-3.4 soak bench \
  bench-short bench-guard bench-pool logins sdist wheels wheels-short clean test-matrix \
  lint-workflows check-dist anew
.DELETE_ON_ERROR:

help:
	@sed -n 's/^#: //p' Makefile

#: make demo        200 queries over 8 non-blocking connections on one loop
demo: $(VENV)/.built
	@.ci/deps $(PYTHON) server
	$(BIN)/mariadb-nb demo

#: make test        all tests, on PYTHON and the machine's Connector/C; in WORKERS processes
test: $(VENV)/.tests
	@.ci/deps $(PYTHON) server tests
	$(BIN)/python -m pytest $(PARALLEL) -m "not alone" $(PYTEST_ARGS)
	$(BIN)/python -m pytest -m alone $(PYTEST_ARGS) || [ $$? -eq 5 ] # 5: there are none

#: make test-3.4    the same with the Connector/C 3.4 that is in the wheels; fuzz-3.4
test-3.4 fuzz-3.4: $(VENV)-wheels/.tools
	$(VENV)-wheels/bin/python wheels/build-library --cache $(CACHE) $(LIBRARY)
	MARIADB_NB_PREFIX=$(LIBRARY) $(MAKE) --no-print-directory $(@:-3.4=) VENV=$(VENV)-3.4

#: make test-matrix the tests on every Python that is found, with each library
LIBRARIES ?= test test-3.4
test-matrix:
	@set -e; for version in 3.11 3.12 3.13 3.14 3.14t 3.15 3.15t; do \
	  python=$$(ls "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/*/bin/python$$version 2>/dev/null | tail -n 1); \
	  python=$${python:-python$$version}; \
	  $$python -c '' 2>/dev/null || continue; \
	  for target in $(LIBRARIES); do \
	    echo "== Python $$version, make $$target"; \
	    $(MAKE) --no-print-directory $$target PYTHON=$$python VENV=.venv-$$version; \
	  done; \
	done

#: make lint        ruff, mypy, clang-format, codespell; generated files up to date
lint: $(VENV)/.tests $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(C_FILES)
	$(BIN)/codespell
	cd csrc && ../$(BIN)/python -m gen --check

#: make lint-workflows  the workflows, pyproject.toml, and which wheels get built
lint-workflows: $(VENV)/.dist
	@.ci/deps $(PYTHON) workflows
	.ci/lint-workflows $(BIN)/python

#: make check-dist  the sdist and a wheel from it, built without a network, and checked
check-dist: $(VENV)/.dist
	.ci/check-dist $(BIN)/python

#: make format      let the tools mend what they can
format: $(VENV)/.lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(C_FILES)

#: make generate    write the stubs and the reference page anew
generate: $(VENV)/.built
	cd csrc && ../$(BIN)/python -m gen

#: make sanitize    the tests that are hardest on the C code, under ASan and UBSan
sanitize: $(VENV)/.tests
	@.ci/deps $(PYTHON) server tests
	.ci/sanitize $(BIN)/python $(PARALLEL)

#: make fuzz        random sequences of calls, a secret in each query; FUZZ_ARGS=
FUZZ_ARGS ?= --seconds 60
fuzz: $(VENV)/.tests
	@.ci/deps $(PYTHON) server
	$(BIN)/python tests/fuzz_capi.py $(FUZZ_ARGS)

#: make soak        pools under load while everything breaks; SEED=, QUERIES=
SEED ?= $(shell date +%s)
QUERIES ?= 200000
soak: $(VENV)/.tests
	@.ci/deps $(PYTHON) server
	$(BIN)/python tests/pool_soak.py --seed $(SEED) --queries $(QUERIES)

BENCH_ARGS ?=

#: make bench       ours, other drivers and a C program side by side, about 16 minutes
bench: $(VENV)/.built $(VENV)-bench/.peers
	@.ci/deps $(PYTHON) server
	$(VENV)-bench/bin/python -m benchmarks --json build/bench.json --plot build/bench.svg $(BENCH_ARGS)
	@echo "For the README: $(VENV)-bench/bin/python -m benchmarks.readme build/bench.json"

#: make bench-short the same with few rows, to see that it works
bench-short: $(VENV)/.built $(VENV)-bench/.peers
	@.ci/deps $(PYTHON) server
	$(VENV)-bench/bin/python -m benchmarks --short --contestants mariadb_nb,C,asyncmy,PyMySQL
	$(VENV)-bench/bin/python -m benchmarks.loans --short

#: make logins      which logins and versions of TLS work with each driver, as a table
logins: $(VENV)/.built $(VENV)-bench/.peers
	@.ci/deps $(PYTHON) server
	$(VENV)-bench/bin/python -m benchmarks.logins

#: make bench-pool  our pools and others': loans, and 1,000 idle connections
bench-pool: $(VENV)/.built $(VENV)-bench/.peers
	@.ci/deps $(PYTHON) server
	$(VENV)-bench/bin/python -m benchmarks.loans --json build/bench-loans.json
	$(VENV)-bench/bin/python -m benchmarks.pool --json build/bench-pool.json

#: make bench-guard what the guard costs; CALLS= and ROUNDS= for a short run
bench-guard: $(VENV)/.tests
	@.ci/deps $(PYTHON) server
	$(BIN)/python benchmarks/guard.py --calls $(CALLS) --rounds $(ROUNDS)

#: make sdist       the source distribution, in dist/
sdist: $(VENV)/.tests
	$(BIN)/python -m build --sdist

#: make wheels      a wheel for each Python found, with all tests on it, and for aarch64
wheels: $(VENV)-wheels/.tools
	@.ci/deps $(PYTHON) server tests
	$(BUILD_WHEELS) $(WHEELS_ARGS)
	$(BUILD_WHEELS) --target manylinux_2_28_aarch64 --test none

#: make wheels-short the same for PYTHON alone, with few tests
wheels-short: $(VENV)-wheels/.tools
	@.ci/deps $(PYTHON) server tests
	$(BUILD_WHEELS) --test short $(WHEELS_ARGS) $(PYTHON)

#: make clean       remove what was built
clean:
	rm -rf build dist wheelhouse *.egg-info .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -f mariadb_nb/*.so

$(VENV)/bin/python:
	@.ci/deps $(PYTHON) build
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

# The extension modules are built into the source tree, which all environments share:
# what was last built for another one, perhaps with another library, is built anew.
BUILT_FOR = build/built-for
$(VENV)/.built: $(SOURCES) | $(VENV)/bin/python
	@.ci/deps $(PYTHON) build
	$(BIN)/python -m pip install --quiet --editable '.[cli,server]'
	mkdir -p $(dir $(BUILT_FOR))
	echo $(abspath $(VENV)) > $(BUILT_FOR)
	touch $@
ifneq ($(shell cat $(BUILT_FOR) 2>/dev/null),$(abspath $(VENV)))
$(VENV)/.built: anew
endif

# What an extra of pyproject.toml needs, without building the package once more.
install_extra = $(BIN)/python -c 'import tomllib; \
  extras = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]; \
  print(*extras["$(1)"], sep="\n")' > $(VENV)/$(1).txt && \
  $(BIN)/python -m pip install --quiet -r $(VENV)/$(1).txt

$(VENV)/.tests: $(VENV)/.built
	$(call install_extra,test)
	# DuckDB is there for no Python without a GIL; tests/conftest.py knows of it.
	@if $(BIN)/python -c 'import sysconfig as s; exit(bool(s.get_config_var("Py_GIL_DISABLED")))'; then \
	  $(call install_extra,test-duckdb); \
	fi
	touch $@

BUILD_WHEELS = $(VENV)-wheels/bin/python wheels/build-wheels --cache $(CACHE) --workers $(WORKERS)
WHEELS_ARGS ?=

$(VENV)-wheels/.tools: wheels/requirements.txt
	@.ci/deps $(PYTHON) wheels
	$(PYTHON) -m venv $(VENV)-wheels
	$(VENV)-wheels/bin/python -m pip install --quiet -r $<
	touch $@

$(VENV)-bench/.peers: benchmarks/requirements.txt
	@.ci/deps $(PYTHON) build
	$(PYTHON) -m venv $(VENV)-bench
	grep '^[A-Za-z]' $< | while read -r package; do \
	  $(VENV)-bench/bin/python -m pip install --quiet "$$package" || \
	    echo "Not installed: $$package" >&2; \
	done
	touch $@

$(VENV)/.dist: .ci/requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -r $<
	touch $@

$(VENV)/.lint: pyproject.toml | $(VENV)/bin/python
	$(call install_extra,lint)
	touch $@
