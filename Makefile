# `make demo` and `make test` are all a newcomer needs: each makes .venv and installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# The oldest scikit-learn that fastbp.sklearn follows; what `pip install` gets is the newest.
SKLEARN ?= 1.9.0
# Two test processes, a file of tests each at a time; PARALLEL= for one.
PARALLEL ?= -n 2 --dist loadfile
# Of each of `make fuzz`'s three.
FUZZ_SECONDS ?= 300

.PHONY: demo test test-sklearn lint bench torture fuzz clean

demo: $(VENV)/demo.stamp
	$(BIN)/python examples/digits.py

test: $(VENV)/test.stamp lint
	$(BIN)/python -m pytest $(PARALLEL)
	$(MAKE) test-sklearn

# fastbp.sklearn against another release of scikit-learn, which is put in front of the installed one on the path.
test-sklearn: $(VENV)/test.stamp
	test -d $(VENV)/sklearn-$(SKLEARN) || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --target $(VENV)/sklearn-$(SKLEARN) scikit-learn==$(SKLEARN)
	PYTHONPATH=$(CURDIR)/$(VENV)/sklearn-$(SKLEARN) $(BIN)/python -c 'import sklearn; assert sklearn.__version__ == "$(SKLEARN)"'
	PYTHONPATH=$(CURDIR)/$(VENV)/sklearn-$(SKLEARN) $(BIN)/python -m pytest $(PARALLEL) tests/interop/sklearn_dropin \
	  -W "ignore:Passing a non-Collection iterable"  # by parametrize_with_checks of 1.9.0, under pytest 9

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

# What `make test` does in a short form: processes killed while they save and fit, files and compiled code changed at random,
# nets drawn at random, signals at any moment, 100,000 fits in one process.
torture: $(VENV)/test.stamp
	FASTBP_KILLS=300 FASTBP_MUTATIONS=100000 FASTBP_FLIPS=300 FASTBP_EXAMPLES=4000 $(BIN)/python -m pytest tests/robustness/test_killed_saves.py \
	  tests/robustness/test_damaged_files.py tests/cli/test_tables.py tests/training/test_checkpointer.py tests/serialization/test_checkpoint_format.py \
	  tests/kernels/test_cache_damage.py tests/numerics/test_properties.py
	FASTBP_SIGNALS=2000 FASTBP_ROUNDS=34000 $(BIN)/python -m pytest tests/runtime/test_signals.py tests/robustness/test_long_running.py

# Whatever reads a stranger's file, guided by coverage; where atheris can be installed. What it finds is left in .fuzz/.
fuzz: $(VENV)/fuzz.stamp
	for target in model checkpoint csv; do $(BIN)/python tests/robustness/fuzz.py $$target -max_total_time=$(FUZZ_SECONDS) || exit 1; done

clean:
	rm -rf $(VENV) build dist src/fastbp.egg-info
