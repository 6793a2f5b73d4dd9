# `make demo` and `make test` are all a newcomer needs: each makes .venv and installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint bench clean

demo: $(VENV)/demo.stamp
	$(BIN)/python examples/digits.py

test: $(VENV)/test.stamp lint
	$(BIN)/python -m pytest

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/%.stamp: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "fastbp needs Python 3.11 or later: make PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	touch $@

# HEAD beside its parent, then the report in .asv/html; ASV="--quick --bench Predict" for less than all.
bench: $(VENV)/bench.stamp
	cd asv_bench && ../$(BIN)/asv machine --yes
	-cd asv_bench && ../$(BIN)/asv continuous $(ASV) HEAD^ HEAD
	cd asv_bench && ../$(BIN)/asv publish

clean:
	rm -rf $(VENV) build dist src/fastbp.egg-info
