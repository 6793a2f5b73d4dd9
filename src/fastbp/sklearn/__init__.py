"""Drop-in replacements of scikit-learn's MLPClassifier and MLPRegressor, trained by compiled
kernels with the same numbers.

This package alone may import scikit-learn when it is imported. What other estimators or libraries
need belongs in `fastbp.export` and `fastbp.importers`.
"""

from ..base.optional import require

# A module that scikit-learn has from 1.9 on.
require("sklearn.callback", "fastbp.sklearn", "'fastbp[sklearn]'", "scikit-learn 1.9 or later")

from .estimators import MLPClassifier, MLPRegressor  # noqa: E402

__all__ = ["MLPClassifier", "MLPRegressor", "register_onnx"]


def register_onnx() -> None:
    """Register converters of these estimators with skl2onnx, for use alone and within pipelines.
    Call it once a process, before skl2onnx's ``to_onnx``.

    Every activation and loss is converted. Outputs and options (``zipmap``,
    ``output_class_labels``, ``nocl``) are those that skl2onnx has for scikit-learn's classifiers
    and regressors. Several outputs of a regression are columns; the labels of a multilabel
    classifier are 0 or 1 in one column each. The model computes in float64 if the inputs are
    declared so, else in float32.

    The conversion raises ValueError for labels that are neither texts nor within int64, and for a
    classifier of a single class. skl2onnx looks converters up by exact type, so it has none for
    subclasses.

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
    require("skl2onnx", "register_onnx", "skl2onnx")
    from . import onnx_converter  # which imports skl2onnx and onnx

    onnx_converter.register()
