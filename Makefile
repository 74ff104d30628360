# make demo: a detector trained on a drawn product line, and its report     make test: the whole suite     make check: format, lint, types, imports
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check install

.venv/train: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[train]'
	@touch $@

.venv/dev: .venv/train
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

install: .venv/dev

demo: .venv/train
	$(BIN)/untaught demo

test: .venv/dev
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
