# Every target sets itself up: a virtual environment of its own, pinned and hash-checked packages, done once.
#   make demo    the main job from start to end, with a report        make test    all tests
#   make check   ruff, mypy, import-linter, docs and public names     make bench   the measurements of bench/
#   make train   trains the small planner's model                     make docs    writes the generated pages anew
#   make test-spark  the tests that need Spark (Java 17+)
#   make lock    pins the packages anew from pyproject.toml           make clean   removes what make made

SHELL := /bin/sh
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
PY := .venv/bin/python
TRAIN := .venv-train/bin/python
LINK = -m pip install -qq --no-deps --no-build-isolation --editable .

# An environment that was copied or whose folder was renamed points to the old place: link it anew.
ifneq ($(shell cat .venv/place 2>/dev/null),$(CURDIR))
$(shell rm -f .venv/base.stamp .venv/dev.stamp)
endif
ifneq ($(shell cat .venv-train/place 2>/dev/null),$(CURDIR))
$(shell rm -f .venv-train/train.stamp)
endif

.PHONY: help demo test test-spark check bench train docs lock clean
help:
	@sed -n '/^#   make/s/^#   //p' Makefile

demo: .venv/base.stamp
	@$(PY) -m intendant.demo demo

test: .venv/dev.stamp
	@$(PY) -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Spark is half a gigabyte: its tests have an environment of their own. `make test` skips them.
test-spark: .venv-spark/spark.stamp
	@.venv-spark/bin/python -m pytest -m spark tests/engines

check: .venv/dev.stamp
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(PY) -c 'from importlinter.cli import lint_imports_command as c; c()' --no-cache
	@$(PY) -m pytest --quiet tests/test_public_names.py tests/test_docs.py tests/test_import_hygiene.py tests/test_locks.py

# Every bench compares beside others' programs, which live in an environment of their own.
bench: .venv/dev.stamp .venv-bench/bench.stamp
	@$(PY) bench/ingest.py --dlt-python .venv-bench/bin/python
	@test ! -f bench/steps.py || $(PY) bench/steps.py --prefect-python .venv-bench/bin/python

# Memory that a step gives back is taken by the next one: not returning it to the system in between is a tenth faster.
train: .venv-train/train.stamp
	@MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=16000000000 $(TRAIN) -m intendant.model.training

docs: .venv/base.stamp
	@$(PY) -m intendant.faces.docs docs

.venv/bin/python:
	@sh .ci/python -m venv --clear .venv

.venv/base.stamp: requirements.txt pyproject.toml | .venv/bin/python
	@echo "Installing Intendant into .venv (once)"
	@$(PY) -m pip install -qq --require-hashes -r requirements.txt
	@$(PY) $(LINK)
	@pwd > .venv/place && touch $@

.venv/dev.stamp: requirements-dev.txt .venv/base.stamp
	@echo "Installing what tests and checks need into .venv (once)"
	@$(PY) -m pip install -qq --require-hashes -r requirements-dev.txt
	@touch $@

.venv-bench/bin/python:
	@sh .ci/python -m venv --clear .venv-bench

.venv-bench/bench.stamp: requirements-bench.txt | .venv-bench/bin/python
	@echo "Installing what is measured against into .venv-bench (once)"
	@.venv-bench/bin/python -m pip install -qq --require-hashes -r requirements-bench.txt
	@touch $@

.venv-spark/bin/python:
	@sh .ci/python -m venv --clear .venv-spark

.venv-spark/spark.stamp: requirements-spark.txt requirements-dev.txt pyproject.toml | .venv-spark/bin/python
	@echo "Installing Intendant with Spark into .venv-spark (once)"
	@.venv-spark/bin/python -m pip install -qq --require-hashes -r requirements-dev.txt
	@.venv-spark/bin/python -m pip install -qq --require-hashes -r requirements-spark.txt
	@.venv-spark/bin/python $(LINK)
	@touch $@

.venv-train/bin/python:
	@sh .ci/python -m venv --clear .venv-train

# PyTorch's CPU build is a tenth of the size; where pip can't find it, the one of PyPI is taken.
.venv-train/train.stamp: requirements-train.txt requirements-train-cpu.txt pyproject.toml | .venv-train/bin/python
	@echo "Installing what training needs into .venv-train (once)"
	@$(TRAIN) -m pip install -qq --require-hashes -r requirements-train-cpu.txt 2>.venv-train/cpu.log \
	  || $(TRAIN) -m pip install -qq --require-hashes -r requirements-train.txt
	@$(TRAIN) $(LINK)
	@pwd > .venv-train/place && touch $@

lock:
	@sh .ci/lock

clean:
	rm -rf .venv .venv-bench .venv-spark .venv-train .venv-lock demo .train build dist
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
