"""scikit-learn's MLPClassifier and MLPRegressor, the same numbers sooner: change one import.

The only part of fastbp that imports scikit-learn.
"""

try:
    from .estimators import MLPClassifier, MLPRegressor
except ImportError as error:
    raise ImportError(
        "fastbp.sklearn needs scikit-learn 1.9 or later: pip install 'fastbp[sklearn]'"
    ) from error

__all__ = ["MLPClassifier", "MLPRegressor", "register_onnx"]


def register_onnx() -> None:
    """Tell skl2onnx how these estimators are converted, alone and within pipelines; once a process,
    before its ``to_onnx``.

    Every activation and loss is converted. Outputs and options (``zipmap``,
    ``output_class_labels``, ``nocl``) are those that skl2onnx has for scikit-learn's classifiers
    and regressors; several outputs of a regression are columns, and the labels of a multilabel
    classifier 0 or 1 in a column each. All is computed in float64 where the inputs are declared so,
    else in float32.

    Refused there, as ValueError: labels that are neither texts nor within int64, and a classifier
    of a single class. Of subclasses skl2onnx says that it has no converter, which it looks up by
    exact type.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    Examples
    --------
    >>> import fastbp.sklearn, skl2onnx  # doctest: +SKIP
    >>> fastbp.sklearn.register_onnx()  # doctest: +SKIP
    >>> model = skl2onnx.to_onnx(pipeline, X[:1], options={"zipmap": False})  # doctest: +SKIP
    """
    try:
        from . import onnx_converter
    except ImportError as error:
        raise ImportError("register_onnx needs skl2onnx: pip install skl2onnx") from error
    onnx_converter.register()
