"""Networks from fitted scikit-learn estimators, with equal predictions."""

from ..base.activations import HIDDEN
from ..base.labels import MAX_DOCUMENT_BYTES, document_size
from ..base.losses import LOSSES
from ..base.optional import require_sklearn_perceptron
from ..base.validation import check_choice
from ..mlp import MLP
from .sequential import net_from_arrays

# scikit-learn's output activation -> the net's output. Its default loss is the estimator's.
OUTPUTS = {
    theirs: output
    for row in LOSSES.values()
    if row.sklearn_code is not None
    for output, theirs in row.sklearn.items()
}


def from_sklearn(fitted: object) -> MLP:
    """A net with the weights of a fitted scikit-learn estimator, and equal predictions.

    Parameters
    ----------
    fitted : MLPClassifier or MLPRegressor
        Of scikit-learn or `fastbp.sklearn`.

    Returns
    -------
    MLP
        Of the weights' dtype, with copies of the weights, without the optimizer's state and the
        settings of training. ``predict_proba``, or ``predict`` of a regression, gives the same
        numbers to rounding. ``predict`` of a classifier gives the same labels: `classes_` and
        `feature_names_in_` are kept.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    TypeError
        If `fitted` is of another type.
    ValueError
        If it is not fitted, or has an activation that fastbp lacks.

    Examples
    --------
    >>> import fastbp
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> fitted = MLPClassifier(solver="lbfgs", random_state=0).fit(X, y)
    >>> bool((fastbp.from_sklearn(fitted).predict(X) == fitted.predict(X)).all())
    True
    """
    theirs = require_sklearn_perceptron("from_sklearn")
    kind = type(fitted).__name__
    if not isinstance(fitted, theirs.MLPClassifier | theirs.MLPRegressor):
        raise TypeError(
            f"fitted must be a fitted MLPClassifier or MLPRegressor, got an object of type {kind}"
        )
    if not hasattr(fitted, "coefs_"):
        raise ValueError(f"fitted must be fitted, got {fitted!r} before its fit")
    activation = fitted.activation
    for name in [activation] if isinstance(activation, str) else activation:
        check_choice("the activation of fitted", name, HIDDEN)
    output = OUTPUTS[
        check_choice("the output activation of fitted", fitted.out_activation_, OUTPUTS)
    ]
    net = net_from_arrays(fitted.coefs_, fitted.intercepts_, activation, output)
    classes = getattr(fitted, "classes_", ())
    if net.classes_ is not None and len(classes) == len(net.classes_):
        net.classes_ = classes
    names = getattr(fitted, "feature_names_in_", None)
    if names is not None and document_size(list(names)) <= MAX_DOCUMENT_BYTES:
        vars(net)["feature_names"] = tuple(map(str, names))
    return net
