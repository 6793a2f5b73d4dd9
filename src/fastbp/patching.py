"""fastbp's estimators under scikit-learn's names, to accelerate a program without changing it.

Only names are replaced: ``sklearn.neural_network.MLPClassifier`` and ``MLPRegressor``, and globals
of modules that imported them before. ``sklearn.neural_network._multilayer_perceptron``, which
defines the classes, is not changed: pickle and joblib find scikit-learn's own class there, for
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
OWN = ("sklearn", "fastbp")  # packages in which no name is replaced

_lock = threading.RLock()
_active: "set[Patch]" = set()  # patches not yet undone; scikit-learn is patched while there is one
# (namespace, name, scikit-learn's class, fastbp's)
_replaced: list[tuple[dict, str, type, type]] = []


class Patch:
    """One call of `patch_sklearn`. As a context manager it is undone at the block's end, unless
    another patch is still active."""

    def __enter__(self) -> None:
        _activate(self)

    def __exit__(self, *exception) -> None:
        with _lock:
            _active.discard(self)
            if not _active:
                _restore()


def patch_sklearn() -> Patch:
    """Replace scikit-learn's MLPClassifier and MLPRegressor with fastbp's.

    From now on ``sklearn.neural_network.MLPClassifier`` is `fastbp.sklearn.MLPClassifier`, a
    subclass of it; likewise MLPRegressor. Globals of modules that have already imported the names
    are replaced too. The logger ``fastbp`` names each of these modules at level INFO. At every fit
    it also logs whether the fit is accelerated or handed to scikit-learn, and the reason.

    Not replaced: the class of estimators made before (so they are no instances of the new class of
    that name); subclasses made before, each named by a warning of the logger; and references that
    are not a global of a module, as in a dict of models. scikit-learn's own modules keep
    scikit-learn's classes, of which fastbp's estimators are instances too.

    Returns
    -------
    Patch
        A context manager: ``with fastbp.patch_sklearn(): ...`` is undone at its end. Blocks may be
        nested, and may overlap in several threads; scikit-learn stays patched, for all threads,
        until the last one ends.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    """
    patch = Patch()
    _activate(patch)
    return patch


def unpatch_sklearn() -> None:
    """Restore scikit-learn's classes wherever `patch_sklearn` replaced them, after any number of
    calls.

    Estimators made in between keep their class. Names imported in between keep theirs too; the
    logger ``fastbp`` names each at level INFO.
    """
    with _lock:
        _active.clear()
        _restore()


def announce(estimator: object, method: str, reason: str | None = None) -> None:
    """Log that a fit is accelerated, or the `reason` for which it is handed to scikit-learn."""
    fate = "accelerated" if reason is None else f"handed to scikit-learn: {reason}"
    LOGGER.info("%s.%s: %s", type(estimator).__name__, method, fate)


def load_ipython_extension(ipython: object) -> None:
    """``%load_ext fastbp`` in IPython: `patch_sklearn`."""
    patch_sklearn()


def unload_ipython_extension(ipython: object) -> None:
    """``%unload_ext fastbp`` in IPython: `unpatch_sklearn`."""
    unpatch_sklearn()


def _activate(patch):
    """Replace the names, unless that is done already, until `patch` and all others are undone."""
    # Imports precede the lock: an import may wait for a thread that waits for the lock.
    pairs = _classes()
    with _lock:
        _active.add(patch)
        public = vars(sys.modules["sklearn.neural_network"])
        for theirs, ours in pairs:
            _replace(public, theirs.__name__, theirs, ours)
            for module, namespace, name in _globals_that_are(theirs):
                _replace(namespace, name, theirs, ours)
                LOGGER.info(
                    "%s.%s: now fastbp's; estimators made before stay scikit-learn's",
                    module,
                    name,
                )
            for derived in theirs.__subclasses__():
                if derived.__module__.partition(".")[0] not in OWN:
                    LOGGER.warning(
                        "%s.%s: stays scikit-learn's, as it was derived from %s before patching",
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
    """Undo every replacement, except where the name was assigned another value since."""
    for namespace, name, theirs, ours in _replaced:
        if namespace.get(name) is ours:
            namespace[name] = theirs
    replacements = {ours for *_, ours in _replaced}
    _replaced.clear()
    for ours in replacements:
        for module, _, name in _globals_that_are(ours):
            LOGGER.info("%s.%s: stays fastbp's, as it was imported", module, name)


def _globals_that_are(kind):
    """Triples (module's name, its namespace, global name) of modules outside `OWN` that have the
    class `kind`."""
    found = []
    for module_name, module in list(sys.modules.items()):
        if isinstance(module, types.ModuleType) and module_name.partition(".")[0] not in OWN:
            # Attribute access would load a lazy module.
            namespace = object.__getattribute__(module, "__dict__")
            found += [
                (module_name, namespace, name)
                for name, value in list(namespace.items())
                if value is kind
            ]
    return found
