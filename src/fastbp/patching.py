"""fastbp's estimators under scikit-learn's names, so that a program is accelerated with no line of
it changed.

Only names are replaced: ``sklearn.neural_network.MLPClassifier`` and ``MLPRegressor``, and globals
of modules that imported them before. In ``sklearn.neural_network._multilayer_perceptron``, where
the classes were made, they stay: pickle and joblib find scikit-learn's own class there, for
estimators made before patching, for saved ones, and for worker processes.
"""

import importlib
import logging
import sys
import threading
import types

from .base.optional import require_sklearn_perceptron

LOGGER = logging.getLogger("fastbp")
NAMES = ("MLPClassifier", "MLPRegressor")
OWN = ("sklearn", "fastbp")  # packages that mean exactly the class they name

_lock = threading.RLock()
_holders: "set[Patch]" = set()  # patches not yet undone: scikit-learn is patched while there is one
# (namespace, name, scikit-learn's class, fastbp's)
_replaced: list[tuple[dict, str, type, type]] = []


class Patch:
    """One call of `patch_sklearn`: as a context manager it is undone at the block's end, unless
    another still holds."""

    def __enter__(self) -> None:
        _hold(self)

    def __exit__(self, *exception) -> None:
        with _lock:
            _holders.discard(self)
            if not _holders:
                _restore()


def patch_sklearn() -> Patch:
    """Put fastbp's MLPClassifier and MLPRegressor in the place of scikit-learn's.

    From now on ``sklearn.neural_network.MLPClassifier`` is `fastbp.sklearn.MLPClassifier`, a
    subclass of it, and likewise MLPRegressor. Modules that have already imported the names as
    globals get the new classes too; each is named at level INFO by the logger ``fastbp``, which at
    every fit also says whether it is accelerated or handed to scikit-learn, and why.

    Not reached: estimators made before, which keep their class (so they are no instances of what
    the name now means); subclasses made before, each named by a warning of the logger; and
    references that are no global of a module, as in a dict of models. scikit-learn's own modules
    keep meaning scikit-learn's classes, of which fastbp's are instances too.

    Returns
    -------
    Patch
        A context manager: ``with fastbp.patch_sklearn(): ...`` is undone at its end. Blocks may be
        nested, and overlap in several threads; scikit-learn stays patched, for all threads, until
        the last has ended.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    """
    patch = Patch()
    _hold(patch)
    return patch


def unpatch_sklearn() -> None:
    """Put scikit-learn's own classes back wherever `patch_sklearn` replaced them, however often it
    was called.

    Estimators made in between keep their class, and so do names imported in between, each named at
    level INFO by the logger ``fastbp``.
    """
    with _lock:
        _holders.clear()
        _restore()


def announce(estimator: object, method: str, reason: str | None = None) -> None:
    """Say by the logger ``fastbp`` that a fit is accelerated, or for what `reason` it is handed to
    scikit-learn."""
    fate = "accelerated" if reason is None else f"handed to scikit-learn: {reason}"
    LOGGER.info("%s.%s: %s", type(estimator).__name__, method, fate)


def load_ipython_extension(ipython: object) -> None:
    """``%load_ext fastbp`` in IPython: `patch_sklearn`."""
    patch_sklearn()


def unload_ipython_extension(ipython: object) -> None:
    """``%unload_ext fastbp`` in IPython: `unpatch_sklearn`."""
    unpatch_sklearn()


def _hold(patch):
    """Patch, if that is not done yet; it lasts until `patch` and all other holders have gone."""
    # imported before the lock is taken: an import may wait for a thread that waits for the lock
    pairs = _classes()
    with _lock:
        _holders.add(patch)
        public = vars(sys.modules["sklearn.neural_network"])
        for theirs, ours in pairs:
            _replace(public, theirs.__name__, theirs, ours)
            for module, namespace, name in _globals_that_are(theirs):
                _replace(namespace, name, theirs, ours)
                LOGGER.info(
                    "%s.%s: now fastbp's; what was made of it before stays scikit-learn's",
                    module,
                    name,
                )
            for derived in theirs.__subclasses__():
                if derived.__module__.partition(".")[0] not in OWN:
                    LOGGER.warning(
                        "%s.%s: stays scikit-learn's, for it was derived from %s before patching",
                        derived.__module__,
                        derived.__qualname__,
                        theirs.__name__,
                    )


def _classes():
    """Pairs (scikit-learn's class, fastbp's)."""
    theirs = require_sklearn_perceptron("patch_sklearn")
    ours = importlib.import_module("fastbp.sklearn")
    return [(getattr(theirs, name), getattr(ours, name)) for name in NAMES]


def _replace(namespace, name, theirs, ours):
    if namespace.get(name) is theirs:
        namespace[name] = ours
        _replaced.append((namespace, name, theirs, ours))


def _restore():
    """Undo every replacement, unless the name has been given another meaning since."""
    ours = {ours for *_, ours in _replaced}
    for namespace, name, theirs, mine in _replaced:
        if namespace.get(name) is mine:
            namespace[name] = theirs
    _replaced.clear()
    for mine in ours:
        for module, _, name in _globals_that_are(mine):
            LOGGER.info("%s.%s: stays fastbp's, as it was imported", module, name)


def _globals_that_are(kind):
    """Triples (module's name, its namespace, global name) of modules outside `OWN` that have the
    class `kind`."""
    found = []
    for module_name, module in list(sys.modules.items()):
        if isinstance(module, types.ModuleType) and module_name.partition(".")[0] not in OWN:
            # plain access would load a lazy module
            namespace = object.__getattribute__(module, "__dict__")
            found += [
                (module_name, namespace, name)
                for name, value in list(namespace.items())
                if value is kind
            ]
    return found
