# The two commands of the README: `make demo` and `make test`. Both set up what they need in .venv first.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# what every seed of the tests is moved by in `make test-anywhere`
SEED ?= 1

.PHONY: demo test suite test-anywhere test-seeds lint docs bench figures clean

# one thread: what the documentation's minutes are measured with
demo: .venv/.base
	@mkdir -p out/demo
	$(BIN)/mechsparse check catalog:real --report out/demo/report.html --figures out/demo/figures
	@echo
	@echo "Now train: 10 latents moved in pairs by 5 actions. Theory says that pairs mix, and no more than pairs."
	@rm -rf out/demo/model
	$(BIN)/mechsparse simulate ActionBlockDiag -n 50000 --seed 3 -o out/demo/train.npz
	$(BIN)/mechsparse simulate ActionBlockDiag -n 10000 --seed 3 --split test -o out/demo/test.npz
	OMP_NUM_THREADS=1 $(BIN)/mechsparse train out/demo/train.npz -o out/demo/model --max-edges-actions 10 --steps 2000
	OMP_NUM_THREADS=1 $(BIN)/mechsparse evaluate out/demo/model out/demo/test.npz --report out/demo/training.html
	@echo
	@echo "The graphs' report is out/demo/report.html, with figures in out/demo/figures."
	@echo "The trained model's, predicted beside learned, is out/demo/training.html."

# two workers, one thread each: more threads than cores wait for each other. Each begins with half of the files, so that
# what the tests of a file share is made once, and takes from the other when it is through
PYTEST := $(BIN)/python -m pytest
WORKERS := -n 2 --dist worksteal
test: .venv/.dev
	$(MAKE) --no-print-directory -j 2 lint suite

suite: .venv/.dev
	OMP_NUM_THREADS=1 $(PYTEST) $(WORKERS)

# as on a machine where nobody set anything: as many threads as it has cores, another order of every set, other seeds
test-anywhere: .venv/.dev
	env -u OMP_NUM_THREADS PYTHONHASHSEED=random MECHSPARSE_TEST_SEED=$(SEED) $(PYTEST)

# what is trained, ten times over with other seeds; all ten are run, whatever fails
test-seeds: .venv/.dev
	@failed=; for k in 0 1 2 3 4 5 6 7 8 9; do \
		echo "MECHSPARSE_TEST_SEED=$$k"; \
		MECHSPARSE_TEST_SEED=$$k OMP_NUM_THREADS=1 $(PYTEST) $(WORKERS) -q tests/estimation tests/pipeline \
			tests/test_seeds.py || failed="$$failed $$k"; \
	done; test -z "$$failed" || { echo "failed with the seeds moved by:$$failed"; exit 1; }

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/.dev
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "The documentation is docs/_build/html/index.html."

bench: .venv/.dev
	$(BIN)/python -m pytest tests/benchmarks -m benchmark -q -s -o addopts=

figures: .venv/.dev
	$(BIN)/python docs/draw_readme_figures.py

clean:
	rm -rf .venv out docs/_build docs/gallery

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.base: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[estimation]'
	@touch $@

.venv/.dev: .venv/.base
	$(PIP) --editable '.[dev]'
	@touch $@
