# Thin front of the project. `make reproduce` on a fresh clone does everything; `make test` checks everything.
PROFILE ?= laptop
# The first Python from 3.11 to 3.13 on the path; `make setup PYTHON=...` names another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
# Threads that wait should sleep: on a busy machine that is tenfold faster. Two threads, as in the committed results.
export GOMP_SPINCOUNT = 0
export OMP_NUM_THREADS = 2
BIN = .venv/bin
STAMP = .venv/.installed

.PHONY: setup reproduce seeds site test test-unsloth test-scale lab lint format bench tables constraints

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python from 3.11 to 3.13 found: install one or run make setup PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q torch==2.13.0 -c constraints.txt -e '.[dev]'
	@touch $(STAMP)

reproduce: setup
	$(BIN)/python -m webdancer.run $(PROFILE)

# The profile again with other seeds, each in results/$(PROFILE)_seedN: how much do the numbers move?
SEEDS ?= 1 2
seeds: setup
	for n in $(SEEDS); do $(BIN)/python -m webdancer.run $(PROFILE) --seed $$n || exit 1; done

# The results site of the profile: results/$(PROFILE)/site/index.html opens from the file system.
site: setup
	$(BIN)/python -m webdancer.show.site $(PROFILE)

test: setup lint .venv/.browser
	$(BIN)/python -m pytest

# What the browser tests of the site need. Debian's chromium is installed only by root; without it they are skipped.
.venv/.browser: $(STAMP)
	$(BIN)/python -m pip install -q torch==2.13.0 -c constraints.txt -e '.[dev,browser]'
	@command -v chromium >/dev/null || test "$$(id -u)" != 0 || \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } || \
		echo "chromium could not be installed: the browser tests will be skipped"
	@touch $@

# The Unsloth backend on its CPU side, in an environment of its own: it wants other builds than ours.
test-unsloth: .venv-unsloth/.installed
	.venv-unsloth/bin/python -m pytest -o addopts= -q tests/unsloth

.venv-unsloth/.installed: tests/unsloth/setup.sh constraints.txt
	tests/unsloth/setup.sh $(PYTHON) .venv-unsloth
	@touch $@

# What goes to verl, with verl itself on a CPU, in an environment of its own: verl wants an older transformers.
test-scale: .venv-scale/.installed
	.venv-scale/bin/python -m pytest -o addopts= -q tests/scale/test_verl.py tests/test_functions.py
	.venv-scale/bin/python -m pytest -o addopts= -q tests/scale/test_ray_map.py  # apart: Ray and verl each keep an event loop

.venv-scale/.installed: tests/scale/setup.sh tests/scale/constraints.txt
	tests/scale/setup.sh $(PYTHON) .venv-scale
	@touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lab: setup
	$(BIN)/jupyter lab notebooks

bench: setup
	$(BIN)/python -m pip install -q torch==2.13.0 -c constraints.txt -e '.[dev,bench]'
	$(BIN)/python -m pytest -o python_files='bench_*.py' tests/benchmarks

tables: setup
	$(BIN)/python -m webdancer.tables

# The exact versions in .venv, without the project itself and without local build tags such as +cpu.
constraints:
	{ echo "# Exact versions of the committed results, made by \`make constraints\`; used as pip install -c constraints.txt"; \
	$(BIN)/python -m pip freeze --exclude-editable | sed -E 's/\+[a-z0-9.]+$$//' | grep -v ' @ '; } > constraints.tmp
	mv constraints.tmp constraints.txt
