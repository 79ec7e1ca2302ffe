# Every target sets up what it needs: a bare clone with Python 3.11+, venv, pip and make is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false
export OMP_WAIT_POLICY := PASSIVE
export MPLBACKEND := Agg

.PHONY: help install run test test-slow test-kills bench-engine bench-metrics bench-train lint dev

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

install: $(VENV)/installed  ## create .venv and install prsbench with its dependencies

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

run: install  ## train and compare everything on synthetic images; tables in runs/default
	$(BIN)/python run_benchmark.py run default

test: install  ## the whole test suite but the slow checks
	$(BIN)/python -m pytest -m "not slow and not kills"

test-slow: install  ## the checks that take minutes
	$(BIN)/python -m pytest -m slow

test-kills: install  ## 200 random SIGKILLs of drivers and workers on one run
	$(BIN)/python -m pytest -m kills

bench-engine: install  ## how the engine holds up with 10,000 cells of 1,000 records
	$(BIN)/python tests/harness/engine/bench_scale.py

bench-metrics: install  ## how fast the metrics are, beside a plain loop and PySODMetrics; about ten minutes
	OMP_NUM_THREADS=1 $(BIN)/python tests/metrics/bench_metrics.py

bench-train: install  ## CG-Reasoner's step and answer beside the public code's schedule; some minutes
	OMP_NUM_THREADS=1 $(BIN)/python tests/methods/bench_train.py

lint: install  ## ruff
	$(BIN)/ruff check .

dev: install  ## a link that lets editors and type checkers follow `prsbench.x`
	@mkdir -p .typing && ln -sfn .. .typing/prsbench
