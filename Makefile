# `make demo` and `make test` create .venv and install what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# The oldest scikit-learn that fastbp.sklearn supports; `pip install` installs the newest.
SKLEARN ?= 1.9.0
# Two test processes, each with one test file at a time; PARALLEL= for one process.
PARALLEL ?= -n 2 --dist loadfile
# Duration of each of the three targets of `make fuzz`.
FUZZ_SECONDS ?= 300
# Tests of `make test-fast`: documentation and the packages that compile little.
FAST ?= tests/docs/test_architecture.py tests/docs/test_guarantees.py tests/docs/test_readme.py tests/cli/test_refusals.py \
  tests/docs/test_docstrings.py tests/graph tests/numerics/test_gradients.py tests/plot/test_html.py tests/serialization/test_preprocessing.py

# Tests of `make test-oldest`: of what other packages are used for, and the numbers of the kernels, which an old Numba compiles.
OLDEST ?= tests/cli tests/docs/test_readme.py tests/engine/test_attributes.py tests/engine/test_tables.py tests/functional/test_dense.py \
  tests/interop tests/kernels/test_gated_activations.py tests/numerics/test_against_naive.py tests/numerics/test_losses.py \
  tests/numerics/test_update_rules.py tests/plot tests/serialization tests/training/test_callbacks.py

# Wheels of `make wheel`, by system and machine; the targets and the tag of each.
PLATFORMS ?= linux-x86_64 linux-aarch64 darwin-x86_64 darwin-arm64 win32-amd64
X86 := x86-64-v3 x86-64-v4
TARGETS_linux-x86_64 := $(X86)
TARGETS_linux-aarch64 := aarch64
TARGETS_darwin-x86_64 := $(X86)
TARGETS_darwin-arm64 := aarch64
TARGETS_win32-amd64 := $(X86)
TAG_linux-x86_64 := manylinux_2_17_x86_64
TAG_linux-aarch64 := manylinux_2_17_aarch64
TAG_darwin-x86_64 := macosx_11_0_x86_64
TAG_darwin-arm64 := macosx_11_0_arm64
TAG_win32-amd64 := win_amd64

.PHONY: demo test test-fast test-sklearn test-oldest test-arm lint docs site bench torture fuzz warm wheel clean

demo: $(VENV)/demo.stamp
	$(BIN)/python examples/digits.py

# The kernels, compiled before anything else: what runs later prints no line about it.
warm:
	$(BIN)/python -c "import fastbp; fastbp.warmup()"

test: $(VENV)/test.stamp lint warm
	$(BIN)/python -m pytest $(PARALLEL)
	$(MAKE) test-sklearn

# In under two minutes: for changes of docstrings and documentation.
test-fast: $(VENV)/test.stamp lint warm
	$(BIN)/python -m pytest $(PARALLEL) $(FAST)

# fastbp.sklearn with another release of scikit-learn, which precedes the installed one on the path.
test-sklearn: $(VENV)/test.stamp
	test -d $(VENV)/sklearn-$(SKLEARN) || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --target $(VENV)/sklearn-$(SKLEARN) scikit-learn==$(SKLEARN)
	PYTHONPATH=$(CURDIR)/$(VENV)/sklearn-$(SKLEARN) $(BIN)/python -c 'import sklearn; assert sklearn.__version__ == "$(SKLEARN)"'
	PYTHONPATH=$(CURDIR)/$(VENV)/sklearn-$(SKLEARN) $(BIN)/python -m pytest $(PARALLEL) tests/interop/sklearn_dropin \
	  -W "ignore:Passing a non-Collection iterable"  # of parametrize_with_checks in 1.9.0, with pytest 9

# With the oldest releases that pyproject.toml allows, on Python 3.11 or 3.12, which they have wheels for. Linters are not run.
# Deprecations are those of newer packages that they use; parts of NumPy 2.0 cannot be imported without standard error.
test-oldest: $(VENV)-oldest/test.stamp
	$(VENV)-oldest/bin/python -m pytest $(PARALLEL) $(OLDEST) -W ignore::DeprecationWarning \
	  --deselect tests/cli/test_process.py::test_closed_streams_lose_no_model

$(VENV)-oldest/test.stamp: pyproject.toml
	test -x $(VENV)-oldest/bin/python || $(PYTHON) -m venv $(VENV)-oldest
	$(VENV)-oldest/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(VENV)-oldest/bin/python -m uv pip install --quiet --resolution lowest-direct --editable '.[test]'
	touch $@

# In an Arm user space under qemu-user, from packages of Debian: what it covers is printed at its end.
test-arm: $(VENV)/test.stamp
	$(BIN)/python tests/arm.py

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32
	$(BIN)/mypy --platform darwin
	$(BIN)/python tests/lint.py

# The site in build/html, after every code block of its pages and of the docstrings has run.
docs: $(VENV)/docs.stamp site
	$(BIN)/python -m pytest tests/docs/test_pages.py tests/docs/test_docstrings.py

# The site alone; the lessons run. A warning is an error: a page outside the contents, a link without
# its target, a public name without its page, a docstring that is not numpydoc.
site: $(VENV)/docs.stamp
	$(MAKE) --no-print-directory warm
	rm -rf docs/api/generated build/html
	$(BIN)/python -m sphinx -E -W --keep-going -n -q -b html -d build/doctrees docs build/html

$(VENV)/%.stamp: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "fastbp needs Python 3.11 or later: make PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	touch $@

# HEAD beside its parent, then the report in .asv/html; ASV="--quick --bench Predict" for a selection.
bench: $(VENV)/bench.stamp
	cd asv_bench && ../$(BIN)/asv machine --yes
	-cd asv_bench && ../$(BIN)/asv continuous $(ASV) HEAD^ HEAD
	cd asv_bench && ../$(BIN)/asv publish

# The tests that `make test` runs in a short form, in full: processes killed while they save and fit, files and compiled code
# changed at random, drawn nets, signals at random moments, 100,000 fits in one process.
torture: $(VENV)/test.stamp
	FASTBP_KILLS=300 FASTBP_MUTATIONS=100000 FASTBP_FLIPS=300 FASTBP_EXAMPLES=4000 $(BIN)/python -m pytest tests/robustness/test_killed_saves.py \
	  tests/robustness/test_damaged_files.py tests/cli/test_tables.py tests/training/test_checkpointer.py tests/serialization/test_checkpoint_format.py \
	  tests/kernels/test_cache_damage.py tests/numerics/test_properties.py
	FASTBP_SIGNALS=2000 FASTBP_ROUNDS=34000 $(BIN)/python -m pytest tests/runtime/test_signals.py tests/robustness/test_long_running.py

# Coverage-guided fuzzing of the readers of untrusted files, where atheris can be installed. Findings are left in .fuzz/.
fuzz: $(VENV)/fuzz.stamp
	for target in model checkpoint csv; do $(BIN)/python tests/robustness/fuzz.py $$target -max_total_time=$(FUZZ_SECONDS) || exit 1; done

# In dist/: the package with its kernels compiled, a wheel for each of PLATFORMS.
wheel: $(addprefix wheel-,$(PLATFORMS))

wheel-%: $(VENV)/test.stamp
	rm -rf build/$*
	mkdir -p build/$*
	cp -r LICENSE README.md pyproject.toml src kernels build/$*
	rm -rf build/$*/kernels/objects build/$*/kernels/__pycache__
	for target in $(TARGETS_$*); do \
	  FASTBP_TARGET=$$target:$(firstword $(subst -, ,$*)) $(BIN)/python -m fastbp.kernels.compile build/$*/kernels/objects || exit 1; done
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist \
	  --config-settings=--build-option=--plat-name=$(TAG_$*) ./build/$*

clean:
	rm -rf $(VENV) $(VENV)-oldest build dist docs/api/generated docs/learn src/fastbp.egg-info
