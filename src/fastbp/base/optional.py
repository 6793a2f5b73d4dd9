"""Optional dependencies: imported at their first use, with one error that names what to install."""

import importlib
import types


def require(
    module: str, purpose: str, install: str, library: str | None = None
) -> types.ModuleType:
    """Import a module of an optional dependency.

    Parameters
    ----------
    module : str
        Dotted name of the module.
    purpose : str
        What needs it, for the error.
    install : str
        What pip installs: a package, or a quoted extra such as "'fastbp[onnx]'".
    library : str, optional
        Name of the library in the error; by default the module's top-level package.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If the package is not installed, or its version lacks the module. An import that fails
        inside of it is raised unchanged.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise
        library = library or module.partition(".")[0]
        raise ImportError(f"{purpose} needs {library}: pip install {install}") from None


def require_sklearn_perceptron(purpose: str) -> types.ModuleType:
    """The module with scikit-learn's MLPClassifier and MLPRegressor. It is never patched."""
    module = "sklearn.neural_network._multilayer_perceptron"
    return require(module, purpose, "'fastbp[sklearn]'", "scikit-learn")
