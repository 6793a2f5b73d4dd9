"""fastbp's estimators under scikit-learn's names: where they come, where they do not, and that all
is put back."""

import copy
import gc
import logging
import os
import pickle
import subprocess
import sys
import threading
import types

import numpy as np
import pytest

import fastbp
from fastbp.patching import announce

neural_network = pytest.importorskip(
    "sklearn.neural_network", reason="it is scikit-learn that is patched"
)
from sklearn.base import clone  # noqa: E402
from sklearn.neural_network import _multilayer_perceptron as made_here  # noqa: E402

import fastbp.sklearn as ours  # noqa: E402

NAMES = ["MLPClassifier", "MLPRegressor"]
THEIRS = {name: getattr(made_here, name) for name in NAMES}
OURS = {name: getattr(ours, name) for name in NAMES}
X = np.random.default_rng(0).normal(size=(30, 4))
Y = np.arange(30) % 3
SETTINGS = {
    "hidden_layer_sizes": (3,),
    "solver": "sgd",
    "max_iter": 2,
    "tol": 0.0,
    "random_state": 0,
}


@pytest.fixture(autouse=True)
def restored():
    yield
    fastbp.unpatch_sklearn()
    assert public() == THEIRS


@pytest.fixture
def user_module():
    """A module that has imported the classes, one of them under a name of its own."""
    module = types.ModuleType("somebodys_module")
    vars(module).update(
        MLPClassifier=THEIRS["MLPClassifier"], Net=THEIRS["MLPRegressor"], other=object()
    )
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def public():
    return {name: getattr(neural_network, name) for name in NAMES}


def fit(estimator):
    with pytest.warns(made_here.ConvergenceWarning):
        return estimator.fit(X, Y)


def test_patched_and_put_back():
    before = dict(vars(neural_network))
    fastbp.patch_sklearn()
    assert public() == OURS
    assert all(issubclass(OURS[name], THEIRS[name]) for name in NAMES)
    fastbp.unpatch_sklearn()
    assert vars(neural_network) == before
    fastbp.unpatch_sklearn()
    assert vars(neural_network) == before


def test_patched_twice_is_put_back_at_once():
    fastbp.patch_sklearn()
    fastbp.patch_sklearn()
    assert public() == OURS
    fastbp.unpatch_sklearn()
    assert public() == THEIRS


def test_blocks():
    with fastbp.patch_sklearn():
        with fastbp.patch_sklearn():
            assert public() == OURS
        assert public() == OURS
    assert public() == THEIRS
    with pytest.raises(KeyError, match="inside"), fastbp.patch_sklearn():
        raise KeyError("inside")
    assert public() == THEIRS


def test_a_block_within_a_lasting_patch():
    fastbp.patch_sklearn()
    with fastbp.patch_sklearn():
        pass
    assert public() == OURS


def test_unpatched_within_a_block():
    with fastbp.patch_sklearn():
        fastbp.unpatch_sklearn()
        assert public() == THEIRS
        fastbp.patch_sklearn()
    assert public() == OURS  # the later call's patch, which lasts


def test_a_block_entered_again():
    patch = fastbp.patch_sklearn()
    for _ in range(2):
        with patch:
            assert public() == OURS
        assert public() == THEIRS


def test_threads_overlap():
    """Whoever leaves last restores; until then everybody inside a block sees it patched."""
    seen, errors = [], []
    barrier = threading.Barrier(8)

    def work():
        try:
            barrier.wait(60)
            for _ in range(5):
                with fastbp.patch_sklearn():
                    seen.append(public() == OURS)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(seen) == 40
    assert all(seen)
    assert public() == THEIRS


def test_globals_imported_before(user_module, caplog):
    before = dict(vars(user_module))
    with caplog.at_level(logging.INFO, "fastbp"), fastbp.patch_sklearn():
        assert user_module.MLPClassifier is OURS["MLPClassifier"]
        assert user_module.Net is OURS["MLPRegressor"]
    assert vars(user_module) == before
    assert "somebodys_module.MLPClassifier: now fastbp's" in caplog.text
    assert "somebodys_module.Net: now fastbp's" in caplog.text
    assert not any(
        "somebodys_module" in line and "stays fastbp's" in line for line in caplog.text.splitlines()
    )


def test_a_global_rebound_meanwhile_is_left(user_module):
    with fastbp.patch_sklearn():
        user_module.Net = user_module.other
    assert user_module.Net is user_module.other
    assert user_module.MLPClassifier is THEIRS["MLPClassifier"]


def test_a_global_imported_meanwhile_is_named(user_module, caplog):
    with caplog.at_level(logging.INFO, "fastbp"), fastbp.patch_sklearn():
        user_module.late = neural_network.MLPClassifier
    assert user_module.late is OURS["MLPClassifier"]
    assert "somebodys_module.late: stays fastbp's" in caplog.text


def test_scikit_learns_own_modules_are_left():
    def holders():
        modules = [
            (n, m)
            for n, m in sorted(sys.modules.items())
            if n.split(".")[0] == "sklearn" and m is not neural_network
        ]
        return [
            (n, k)
            for n, m in modules
            for k, v in list(vars(m).items())
            if isinstance(v, type) and v in THEIRS.values()
        ]

    before = holders()
    assert ("sklearn.neural_network._multilayer_perceptron", "MLPClassifier") in before
    with fastbp.patch_sklearn():
        assert holders() == before
        assert ours.MLPClassifier is OURS["MLPClassifier"]


def test_a_lazy_module_is_not_loaded(monkeypatch):
    class Lazy(types.ModuleType):
        def __getattribute__(self, name):
            raise AssertionError(f"loaded for {name}")

    monkeypatch.setitem(sys.modules, "lazy_one", Lazy("lazy_one"))
    monkeypatch.setitem(sys.modules, "no_module", None)
    with fastbp.patch_sklearn():
        assert public() == OURS


def test_subclasses_made_before_are_named(caplog):
    class Derived(THEIRS["MLPClassifier"]):
        pass

    with fastbp.patch_sklearn():
        assert f"{__name__}.{Derived.__qualname__}: stays scikit-learn's" in caplog.text
        assert not any("fastbp.sklearn" in line for line in caplog.messages)

        class Later(neural_network.MLPClassifier):
            pass

        assert issubclass(Later, OURS["MLPClassifier"])
    del Derived
    # a class is part of a cycle: without this the other tests' patches would name it too
    gc.collect()


@pytest.mark.parametrize("name", NAMES)
def test_estimators_made_before(name):
    """They keep their class, and can be cloned, pickled, unpickled and fitted while patched."""
    old = fit(THEIRS[name](**SETTINGS))
    saved = pickle.dumps(old)
    with fastbp.patch_sklearn():
        assert type(old) is type(clone(old)) is type(copy.deepcopy(old)) is THEIRS[name]
        for loaded in (pickle.loads(saved), pickle.loads(pickle.dumps(old))):
            assert type(loaded) is THEIRS[name]
            np.testing.assert_array_equal(loaded.predict(X), old.predict(X))
        fit(old)
    assert type(pickle.loads(saved)) is THEIRS[name]


@pytest.mark.parametrize("name", NAMES)
def test_estimators_made_while_patched(name):
    """They are scikit-learn's by isinstance, and keep their class through pickles and clones,
    patched or not."""
    with fastbp.patch_sklearn():
        new = fit(getattr(neural_network, name)(**SETTINGS))
        saved = pickle.dumps(new)
        assert type(new) is type(clone(new)) is type(pickle.loads(saved)) is OURS[name]
        assert isinstance(new, getattr(neural_network, name))
    assert type(new) is type(clone(new)) is type(pickle.loads(saved)) is OURS[name]
    assert isinstance(new, getattr(neural_network, name))
    np.testing.assert_array_equal(pickle.loads(saved).predict(X), new.predict(X))


def test_all_estimators():
    discovery = pytest.importorskip("sklearn.utils.discovery")
    before = discovery.all_estimators()
    with fastbp.patch_sklearn():
        patched = dict(discovery.all_estimators())
    assert {name: kind for name, kind in patched.items() if name in NAMES} == OURS
    assert discovery.all_estimators() == before
    assert patched | THEIRS == dict(before)


@pytest.mark.parametrize("name", NAMES)
def test_a_fit_is_announced(name, caplog):
    with caplog.at_level(logging.INFO, "fastbp"), fastbp.patch_sklearn():
        fit(getattr(neural_network, name)(**SETTINGS))
    assert caplog.messages.count(f"{name}.fit: accelerated") == 1


def test_handed_over_is_announced_with_the_reason(caplog):
    announce(THEIRS["MLPClassifier"](), "fit", "why not")
    assert caplog.messages == []  # quiet unless asked
    with caplog.at_level(logging.INFO, "fastbp"):
        announce(THEIRS["MLPClassifier"](), "fit", "why not")
    assert caplog.messages == ["MLPClassifier.fit: handed to scikit-learn: why not"]


def test_ipython_extension_functions():
    fastbp.load_ipython_extension(None)
    assert public() == OURS
    fastbp.unload_ipython_extension(None)
    assert public() == THEIRS


ORDERS = {
    "name first": """
from sklearn.neural_network import MLPClassifier
assert "fastbp" not in sys.modules
import fastbp
fastbp.patch_sklearn()
assert MLPClassifier.__module__.startswith("fastbp.sklearn")
fastbp.unpatch_sklearn()
assert MLPClassifier.__module__.startswith("sklearn.")
""",
    "patch first": """
import fastbp
assert not any(name.split(".")[0] == "sklearn" for name in sys.modules)
fastbp.patch_sklearn()
from sklearn.neural_network import MLPClassifier, MLPRegressor as Net
assert MLPClassifier.__module__.startswith("fastbp.sklearn")
assert Net.__module__.startswith("fastbp.sklearn")
""",
    "module first": """
import sklearn.neural_network as nn
import fastbp
with fastbp.patch_sklearn():
    assert nn.MLPRegressor.__module__.startswith("fastbp.sklearn")
assert nn.MLPRegressor.__module__.startswith("sklearn.")
""",
    "fastbp's own first": """
from fastbp.sklearn import MLPClassifier
from sklearn.neural_network import MLPClassifier as theirs
import fastbp
with fastbp.patch_sklearn():
    assert theirs is MLPClassifier
assert MLPClassifier.__module__.startswith("fastbp.sklearn")
assert theirs.__module__.startswith("sklearn.")
""",
    "no scikit-learn": """
class Missing:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "sklearn":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing)
import fastbp
try:
    fastbp.patch_sklearn()
except ImportError as error:
    assert "pip install 'fastbp[sklearn]'" in str(error), error
else:
    raise AssertionError
fastbp.unpatch_sklearn()
""",
}


@pytest.mark.parametrize("program", ORDERS.values(), ids=ORDERS)
def test_orders_of_import(program):
    done = subprocess.run(
        [sys.executable, "-c", "import sys" + program], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")


NOTEBOOK = """
from sklearn.neural_network import MLPClassifier
get_ipython().run_line_magic("load_ext", "fastbp")
print(MLPClassifier.__module__.partition(".")[0])
get_ipython().run_line_magic("unload_ext", "fastbp")
print(MLPClassifier.__module__.partition(".")[0])
"""


def test_in_ipython(tmp_path):
    pytest.importorskip("IPython")
    command = [sys.executable, "-m", "IPython", "--quick", "--colors=NoColor", "-c", NOTEBOOK]
    env = os.environ | {"IPYTHONDIR": str(tmp_path)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["fastbp", "sklearn"], done.stdout + done.stderr
