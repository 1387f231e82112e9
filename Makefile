# Everything here begins with the set-up, which takes a fraction of a second when nothing is missing.
.PHONY: help setup demo test test-slow lint format clean
.NOTPARALLEL:

BIN := .venv/bin

help:
	@echo 'make setup      what is missing: compilers and emulator (apt), Python packages (.venv)'
	@echo 'make demo       the main job: Keras model -> firmware -> emulated board -> report'
	@echo 'make test       unit, golden, property and host tests (about a minute)'
	@echo 'make test-slow  the tests that build firmware for the emulator, train, or need a browser (apt)'
	@echo 'make lint       ruff, mypy;  make format  writes what ruff would have'
	@echo 'make clean      removes runs and caches; keeps .venv'

setup:
	@tools/setup.sh

demo:
	@tools/setup.sh mnist
	$(BIN)/mcu-pipeline run examples/sepconv_mnist.toml

test: setup
	$(BIN)/pytest -n auto -m "not emulator and not training and not browser"

test-slow:
	@tools/setup.sh browser
	$(BIN)/pytest -n auto -m "emulator or training or browser"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf runs build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	find pipeline tests platforms -name __pycache__ -type d -prune -exec rm -rf {} +
