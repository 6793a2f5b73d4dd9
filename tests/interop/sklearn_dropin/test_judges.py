"""scikit-learn's own judges: its tests of its MLP, run unmodified on our classes, and its checks of
any estimator."""

import os
import re
import subprocess
import sys
import unittest
from collections import Counter
from pathlib import Path

import pytest
import sklearn.neural_network
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from fastbp.sklearn import MLPClassifier, MLPRegressor

ESTIMATORS = [MLPClassifier(max_iter=100), MLPRegressor(max_iter=100)]
ROUGH = ["ConvergenceWarning", "DataConversionWarning", "UndefinedMetricWarning"]
pytestmark = [pytest.mark.filterwarnings(f"ignore::sklearn.exceptions.{name}") for name in ROUGH]
# What the checks provoke on purpose, in scikit-learn's own classes as well.
pytestmark += [
    pytest.mark.filterwarnings("ignore:Got `batch_size` less than 1"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def test_scikit_learns_own_tests(tmp_path):
    """In another process and folder, so that only scikit-learn's settings of pytest apply."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "plugin",
        "-p",
        "no:cacheprovider",
        "-ra",
        "--pyargs",
    ]
    command += ["sklearn.neural_network.tests.test_mlp"]
    path = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(path)}
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert (
        f"MLPClassifier and MLPRegressor of scikit-learn {sklearn.__version__} are those of "
        "fastbp.sklearn" in done.stdout
    )
    (counts,) = re.findall(r"^=+ (.*) in [\d.]+s.*=+$", done.stdout, re.MULTILINE)
    collected = re.search(r"collected (\d+) items", done.stdout)
    assert collected
    assert re.fullmatch(rf"{collected[1]} passed(, \d+ warnings?)?", counts), counts
    assert int(collected[1]) >= 59


def scikit_learns(estimator):
    """The estimator that ours stands in for."""
    return getattr(sklearn.neural_network, type(estimator).__name__)(max_iter=estimator.max_iter)


@parametrize_with_checks(ESTIMATORS)
def test_estimator_checks(estimator, check):
    try:
        check(estimator)
    except unittest.SkipTest:
        with pytest.raises(unittest.SkipTest):
            check(scikit_learns(estimator))
        raise


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_as_many_checks_as_scikit_learns_own(estimator):
    """None is left out for a tag that ours has and theirs has not; class_weight brings one more."""

    def names(e):
        return Counter(
            getattr(check, "func", check).__name__
            for _, check in estimator_checks_generator(e, legacy=True)
        )

    assert names(scikit_learns(estimator)) <= names(estimator)
