# `make demo` and `make test` are the commands of the README. Every target sets up what it needs in .venv first.
# On Windows, run make from Git Bash: the recipes are POSIX shell.
ifeq ($(OS),Windows_NT)
PYTHON ?= python
BIN := .venv/Scripts
else
PYTHON ?= python3
BIN := .venv/bin
endif
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# The shift of all seeds of the tests in `make test-anywhere`.
SEED ?= 1

.PHONY: demo test suite test-anywhere test-seeds lint lint-ruff lint-format lint-mypy docs bench figures clean

# One thread, as for the minutes in the documentation.
demo: .venv/.base
	@mkdir -p out/demo
	$(BIN)/mechsparse check catalog:real --report out/demo/report.html --figures out/demo/figures
	@echo
	@echo "Now train: 5 actions move 10 latents in pairs. Theory predicts that the latents of a pair mix, and no others."
	@rm -rf out/demo/model
	$(BIN)/mechsparse simulate ActionBlockDiag -n 50000 --seed 3 -o out/demo/train.npz
	$(BIN)/mechsparse simulate ActionBlockDiag -n 10000 --seed 3 --split test -o out/demo/test.npz
	OMP_NUM_THREADS=1 $(BIN)/mechsparse train out/demo/train.npz -o out/demo/model --max-edges-actions 10 --steps 2000
	OMP_NUM_THREADS=1 $(BIN)/mechsparse evaluate out/demo/model out/demo/test.npz --report out/demo/training.html
	@echo
	@echo "The report on the graphs is out/demo/report.html, with figures in out/demo/figures."
	@echo "The report on the trained model, predicted and learned entanglement, is out/demo/training.html."

# Two workers with one thread each, because threads beyond the number of cores wait for each other. Each worker starts with
# half of the files, so that fixtures shared within a file are built once, and takes over tests of the other when it is done.
PYTEST := $(BIN)/python -m pytest
WORKERS := -n 2 --dist worksteal
test: .venv/.dev
	$(MAKE) --no-print-directory -j 2 lint suite

suite: .venv/.dev
	OMP_NUM_THREADS=1 $(PYTEST) $(WORKERS)

# As on a machine with default settings: one thread per core, another order of every set, other seeds.
test-anywhere: .venv/.dev
	env -u OMP_NUM_THREADS PYTHONHASHSEED=random MECHSPARSE_TEST_SEED=$(SEED) $(PYTEST)

# The tests that train, with ten shifts of the seeds. All ten run, even if one fails.
test-seeds: .venv/.dev
	@failed=; for k in 0 1 2 3 4 5 6 7 8 9; do \
		echo "MECHSPARSE_TEST_SEED=$$k"; \
		MECHSPARSE_TEST_SEED=$$k OMP_NUM_THREADS=1 $(PYTEST) $(WORKERS) -q tests/estimation tests/pipeline \
			tests/test_seeds.py || failed="$$failed $$k"; \
	done; test -z "$$failed" || { echo "failed with the seeds shifted by:$$failed"; exit 1; }

# The hooks of .pre-commit-config.yaml run the same three targets.
lint: lint-ruff lint-format lint-mypy

lint-ruff: .venv/.dev
	$(BIN)/ruff check .

lint-format: .venv/.dev
	$(BIN)/ruff format --check .

lint-mypy: .venv/.dev
	$(BIN)/mypy

docs: .venv/.dev
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "The documentation is docs/_build/html/index.html."

bench: .venv/.dev
	$(BIN)/python -m pytest tests/benchmarks -m benchmark -q -s -o addopts=

figures: .venv/.dev
	$(BIN)/python docs/draw_readme_figures.py
	$(BIN)/python docs/draw_influence_figure.py
	$(BIN)/python docs/draw_promise_figure.py

clean:
	rm -rf .venv out docs/_build docs/gallery

.venv/pyvenv.cfg:
	$(PYTHON) -m venv .venv

.venv/.base: .venv/pyvenv.cfg pyproject.toml constraints.txt
	$(PIP) --editable '.[estimation]'
	@touch $@

.venv/.dev: .venv/.base
	$(PIP) --editable '.[dev]'
	@touch $@
