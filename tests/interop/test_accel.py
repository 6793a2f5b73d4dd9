"""python -m fastbp.accel: what a script prints, raises and exits with is what it does when run
plainly, but accelerated."""

import os
import signal
import subprocess
import sys
import zipfile

import pytest

pytest.importorskip("sklearn", reason="it is scikit-learn that is patched")

ABOUT_ITSELF = """
import os, sys
print(sys.argv, __name__, __file__, __spec__, __package__, sys.path[0])
print(sys.modules["__main__"].__dict__ is globals())
print(sorted((name, type(value).__name__) for name, value in list(globals().items())))
"""
CHAINED = """
def inner():
    {}["missing"]

try:
    inner()
except KeyError as error:
    raise ValueError("outer") from error
"""
OWN_HOOK = """
import sys, traceback
def hook(kind, value, trace): print(kind.__name__, value, len(traceback.extract_tb(trace)))
sys.excepthook = hook
raise ValueError("hooked")
"""
SCRIPTS = {
    "itself": ABOUT_ITSELF,
    "ends with 3": "import sys\nsys.exit(3)",
    "ends with a message": "raise SystemExit('a message')",
    "raises": CHAINED,
    "raises os error": "open('/no such file')",
    "raises import error": "import no_such_module",
    "interrupted": "raise KeyboardInterrupt",
    "own hook": OWN_HOOK,
    "is no Python": "def f(:\n",
    "reads, and prints at exit": "import atexit\ndef say(): print(NAME)\natexit.register(say)\n"
    "NAME = input()",
}


def python(*command, cwd, **settings):
    settings = {
        "input": "some line\n",
        "capture_output": True,
        "text": True,
        "timeout": 120,
    } | settings
    done = subprocess.run([sys.executable, *command], cwd=cwd, **settings)
    return done.returncode, done.stdout, done.stderr


def accel(*command, cwd, **settings):
    return python("-m", "fastbp.accel", *command, cwd=cwd, **settings)


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_as_if_run_plainly(text, tmp_path):
    script = tmp_path / "folder" / "script.py"
    script.parent.mkdir()
    script.write_text(text)
    command = ["folder/script.py", "-m", "other", "-v", "x"]
    plain = python(*command, cwd=tmp_path)
    assert accel(*command, cwd=tmp_path) == plain
    if text is CHAINED:
        assert plain[0] == 1
        assert "inner" in plain[2]
    if "KeyboardInterrupt" in text:
        assert plain[0] == -signal.SIGINT


def test_through_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "script.py").write_text(ABOUT_ITSELF)
    (tmp_path / "link.py").symlink_to(tmp_path / "real" / "script.py")
    plain = python("link.py", cwd=tmp_path)
    assert "real" in plain[1]
    assert accel("link.py", cwd=tmp_path) == plain


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_or_archive(packed, tmp_path):
    script = "import sys, beside\nprint(sys.argv[1:], beside.NAME, __name__, __file__, sys.path[0])"
    if packed:
        with zipfile.ZipFile(tmp_path / "app", "w") as archive:
            archive.writestr("__main__.py", script)
            archive.writestr("beside.py", "NAME = 1")
    else:
        (tmp_path / "app").mkdir()
        (tmp_path / "app" / "__main__.py").write_text(script)
        (tmp_path / "app" / "beside.py").write_text("NAME = 1")
    plain = python("app", "1", cwd=tmp_path)
    assert plain[0] == 0
    assert accel("app", "1", cwd=tmp_path) == plain


def test_no_such_script(tmp_path):
    code, out, err = accel("missing.py", cwd=tmp_path)
    assert (code, out, err) == python("missing.py", cwd=tmp_path)
    assert code == 2


@pytest.fixture
def package(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "beside.py").write_text("NAME = 'beside'")
    return tmp_path / "package"


@pytest.mark.parametrize("name", ["package.module", "package"])
def test_a_module(name, package):
    file = "module.py" if "." in name else "__main__.py"
    (package / file).write_text(
        "import sys\nfrom .beside import NAME\n"
        "print(NAME, sys.argv, __name__, __spec__.name)\nsys.exit(4)"
    )
    plain = python("-m", name, "-m", "-v", "--help", cwd=package.parent)
    assert plain[0] == 4
    assert accel("-m", name, "-m", "-v", "--help", cwd=package.parent) == plain


def test_a_module_that_raises(package):
    """Its traceback starts at the module's own lines, where that of python -m starts in runpy."""
    (package / "module.py").write_text(CHAINED)
    code, out, err = python("-m", "package.module", cwd=package.parent)
    lines = [line for line in err.splitlines(keepends=True) if "<frozen runpy>" not in line]
    assert code == 1
    assert "inner" in err
    assert accel("-m", "package.module", cwd=package.parent) == (code, out, "".join(lines))


@pytest.mark.parametrize("name", ["no_such_module", "no_such.module", "package"])
def test_no_such_module(name, package):
    plain = python("-m", name, cwd=package.parent)
    assert plain[0] == 1
    assert accel("-m", name, cwd=package.parent) == plain


FITS = """
import sys
import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor

class Derived(MLPClassifier):
    pass

if __name__ == "__main__":
    kinds = MLPClassifier, MLPRegressor, Derived
    print([kind.__mro__[kind is Derived].__module__.partition(".")[0] for kind in kinds])
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2
    settings = {"hidden_layer_sizes": (3,), "tol": 1.0, "max_iter": 50, "n_iter_no_change": 1}
    settings["random_state"] = 0
    alphas = {"alpha": [0, 1e-3]}
    search = GridSearchCV(MLPClassifier(**settings), alphas, n_jobs=int(sys.argv[1]), cv=2)
    search.fit(X, y)
    predictions = Derived(**settings).fit(X, y).predict(X)
    print(type(search.best_estimator_).__module__.partition(".")[0], predictions.shape)
"""


def test_a_script_is_accelerated_and_says_so(tmp_path):
    (tmp_path / "script.py").write_text(FITS)
    assert python("script.py", "1", cwd=tmp_path) == (
        0,
        "['sklearn', 'sklearn', 'sklearn']\nsklearn (60,)\n",
        "",
    )
    quiet = accel("script.py", "2", cwd=tmp_path)
    assert quiet == (0, "['fastbp', 'fastbp', 'fastbp']\nfastbp (60,)\n", "")
    code, out, err = accel("-v", "script.py", "1", cwd=tmp_path)
    assert (code, out) == quiet[:2]
    # two alphas, two folds, the best again
    assert err.splitlines().count("fastbp: MLPClassifier.fit: accelerated") == 5
    assert err.splitlines().count("fastbp: Derived.fit: accelerated") == 1


def test_help(tmp_path):
    code, out, err = accel("--help", cwd=tmp_path)
    assert (code, err) == (0, "")
    assert out.startswith(
        "usage: python -m fastbp.accel [-h] [-v] (script.py | -m module) [argument ...]"
    )


@pytest.mark.parametrize("command", [[], ["-m"], ["-v"], ["--no-such-option"]])
def test_a_command_line_that_makes_no_sense(command, tmp_path):
    code, out, err = accel(*command, cwd=tmp_path)
    assert (code, out) == (2, "")
    assert err.startswith("usage: python -m fastbp.accel")


def test_without_scikit_learn(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Missing:\n"
        "    @staticmethod\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'sklearn':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing)\n"
    )
    (tmp_path / "script.py").write_text("print('run')")
    done = accel("script.py", cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert done == (
        2,
        "",
        "python -m fastbp.accel: patch_sklearn needs scikit-learn: pip install 'fastbp[sklearn]'\n",
    )
