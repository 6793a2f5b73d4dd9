"""Optional dependencies: imported when first used, with one error that says what to install."""

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
        What pip installs: a package, or an extra such as "fastbp[onnx]".
    library : str, optional
        Name of the library in the error; by default the module's top-level package.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If the package is not installed. An import that fails inside of it is raised as it is.
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ImportError(f"{purpose} needs {library or package}: pip install {install}") from None


def require_sklearn_perceptron(purpose: str) -> types.ModuleType:
    """The module in which scikit-learn defines MLPClassifier and MLPRegressor; it is never patched."""
    module = "sklearn.neural_network._multilayer_perceptron"
    return require(module, purpose, "'fastbp[sklearn]'", "scikit-learn")
