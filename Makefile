# The two commands: `make study` and `make test`. Both set up .venv first; a second call installs nothing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CONFIG ?= config/config.yaml
EXTRAS ?= dev

.PHONY: setup study test lint docs envs clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "auxvae needs Python 3.11 or later: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[$(EXTRAS)]' -c constraints.txt
	@touch $(READY)

study: setup
	$(BIN)/snakemake --cores all --configfile $(CONFIG)

test: setup lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder --durations 20  # workers have one thread each

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check workflow
	$(BIN)/snakemake --lint --configfile config/smoke.yaml

docs: setup
	$(BIN)/pdoc --math -o docs/api foundation simulations auxvae

envs: setup
	$(BIN)/python envs/generate.py  # the conda environments, from constraints.txt

clean:
	rm -rf results .snakemake
