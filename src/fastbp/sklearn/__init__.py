"""scikit-learn's MLPClassifier and MLPRegressor, the same numbers sooner: change one import.

The only part of fastbp that imports scikit-learn.
"""

try:
    from .estimators import MLPClassifier, MLPRegressor
except ImportError as error:
    raise ImportError("fastbp.sklearn needs scikit-learn 1.9 or later: pip install 'fastbp[sklearn]'") from error

__all__ = ["MLPClassifier", "MLPRegressor"]
