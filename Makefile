# Every target installs what it needs: a bare clone on a machine with Python 3.11+, venv, pip and make is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
REFERENCE ?= results/reference
PAPER ?= paper

export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false
export OMP_WAIT_POLICY := PASSIVE
export MPLBACKEND := Agg

.PHONY: help install constraints run test test-slow test-kills bench-engine bench-scale bench-schedule bench-metrics bench-train bench-check bench-stream bench-gpu judge docs lint dev language-model paper

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 15

install: $(VENV)/installed  ## create .venv and install prsbench with its dependencies, at the versions of constraints.txt

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "prsbench needs Python 3.11 or newer, got: $$($(PYTHON) \
		--version 2>&1). Name another, as in: make install PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { echo "$(PYTHON) lacks venv or pip. On Debian: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]' || { echo "pip could not \
	install the packages; its last lines say why. It needs a package index: behind a proxy, set HTTPS_PROXY; with an index of your own, \
	PIP_INDEX_URL. If no space is left: the packages take 8 GB here, and up to 7 GB more in TMPDIR and pip's cache while they are \
	downloaded. Then run make install again." >&2; exit 1; }
	@touch $@

constraints: install  ## write the versions installed in .venv to constraints.txt (its head says when)
	{ grep '^#' constraints.txt; $(BIN)/pip freeze --exclude-editable | grep -Ev '^(nvidia|cuda)-|^triton=| @ ' | sed 's/+.*//'; } \
		> constraints.new
	mv constraints.new constraints.txt

run: install  ## train and compare the methods of the default grid on synthetic images; tables in runs/default
	$(BIN)/python run_benchmark.py run default

test: install  ## run the test suite without its slow tests
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow and not kills"

test-slow: install  ## run the tests that take minutes
	$(BIN)/python -m pytest -m slow

test-kills: install  ## send 200 random SIGKILLs to the drivers and workers of one run
	$(BIN)/python -m pytest -m kills

bench-engine: install  ## time the engine on 10,000 cells of 1,000 records
	$(BIN)/python tests/harness/engine/bench_scale.py

bench-scale: install  ## draw data of the official size and time their check, their index and a job's start; ten minutes
	$(BIN)/python tests/datasets/bench_scale.py

bench-schedule: install  ## simulate 15 methods on the official size with 8 GPUs: wall time beside the ideal; seconds
	$(BIN)/python tests/harness/engine/bench_schedule.py

bench-metrics: install  ## time the metrics against a plain loop and PySODMetrics; ten minutes
	OMP_NUM_THREADS=1 $(BIN)/python tests/metrics/bench_metrics.py

bench-train: install  ## time CG-Reasoner's training step and answer against the public code's schedule; minutes
	OMP_NUM_THREADS=1 $(BIN)/python tests/methods/bench_train.py

bench-gpu: install  ## time the paper's size on one GPU of 80 GB, with random weights; eight minutes (GPU="--width small --device cpu" tries it)
	$(BIN)/python tests/methods/bench_gpu.py $(GPU)

bench-stream: install  ## memory of a training at 1,000 and 30,000 images of 1024 px; how busy a model on a GPU is kept; ten minutes
	OMP_NUM_THREADS=1 $(BIN)/python tests/methods/parts/training/bench_images.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/harness/engine/worker/bench_overlap.py

bench-check: install  ## time the check of a data set (duplicates, leaks) on 2,000 drawn images; minutes
	OMP_NUM_THREADS=1 $(BIN)/python tests/datasets/check/bench_check.py

judge: install  ## train the packaged judge and training head of Text2Centroid again; half an hour of one core
	OMP_NUM_THREADS=1 $(BIN)/python -m prsbench.methods.text2centroid.pretraining

language-model: install  ## pre-train the packaged small Llama again; an hour and a half of one core
	OMP_NUM_THREADS=1 $(BIN)/python -m prsbench.methods.parts.language.pretraining methods/parts/language/small_llama.safetensors \
		--rows 1000000 --steps 20000 $(PRETRAIN)

docs: install  ## build the documentation site into docs/_build; warnings are errors
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build
	@echo "The site is in docs/_build/index.html."

paper: install  ## write all tables and figures of results/reference to paper/ from their records alone, and compare the tables
	@ls $(REFERENCE)/*/cells.json > /dev/null 2>&1 || echo "$(REFERENCE) holds no records yet: nothing to do."
	@set -e; for file in $(wildcard $(REFERENCE)/*/cells.json); do \
		from=$$(dirname $$file); to=$(PAPER)/$$(basename $$from); \
		$(BIN)/prsbench report $$from --to $$to > /dev/null; \
		$(BIN)/prsbench paper $$from --to $$to/latex --with n failures intervals > /dev/null; \
		if [ -d $$from/tables ]; then diff -r $$from/tables $$to/tables && echo "$$to: its tables are those of $$from, byte for byte"; \
		else echo "$$to: written. $$from holds no tables to compare: copy $$to/tables there."; fi; done

lint: install dev  ## run ruff (rules and format) and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

dev: install  ## create the link .typing/prsbench, with which editors and mypy find the prsbench package
	@mkdir -p .typing && ln -sfn .. .typing/prsbench
