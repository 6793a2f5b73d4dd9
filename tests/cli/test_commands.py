"""fastbp train and predict, in this process: what they write, and how they refuse."""

import csv
import io
import re
import sys

import numpy as np
import pytest

import fastbp
from fastbp.cli import fitting
from fastbp.cli.main import main
from fastbp.cli.scores import Classification, Regression, split, summary
from fastbp.preprocessing import OneHot, Scaled

RNG = np.random.default_rng(3)
N = 120


def flowers():
    """Columns of rows in which the kind follows from the size and the colour."""
    size = RNG.normal(5, 2, N)
    colour = RNG.choice(["red", "blue"], N)
    noise = RNG.normal(0, 0.2, N)
    kinds = np.where(size + 3 * (colour == "red") + noise > 6.5, "rose", "<b>daisy</b>")
    columns = {"id": np.arange(N), "size": size.round(3), "colour": colour, "kind": kinds}
    columns["price"] = (100 * size + 500 * (colour == "red") + 1000).round(1)
    columns["stars"] = np.where(kinds == "rose", 5, 2)
    return columns


FLOWERS = flowers()
FAST = ["--epochs", "30", "--lr", "0.02", "--hidden", "8", "--drop", "id"]


def write_csv(path, columns):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with flowers.csv."""
    monkeypatch.chdir(tmp_path)
    write_csv("flowers.csv", FLOWERS)
    return tmp_path


def train(fastbp_says, *argv):
    code, out, err = fastbp_says("train", *argv)
    assert code == 0, err
    return out


def predicted(fastbp_says, *argv):
    code, out, err = fastbp_says("predict", *argv)
    assert (code, err) == (0, "")
    return list(csv.reader(io.StringIO(out)))


def test_a_classifier(folder, fastbp_says):
    out = train(
        fastbp_says, "flowers.csv", "--target", "kind", "--drop", "price", "--drop", "stars", *FAST
    )
    accuracy, n = re.search(r"^accuracy (\S+) on (\d+) held-out rows", out, re.MULTILINE).groups()
    assert float(accuracy) > 0.9
    assert int(n) == N // 5
    assert "wrote model.safetensors" in out
    rows = predicted(fastbp_says, "model.safetensors", "flowers.csv", "--proba")
    assert rows[0] == ["kind", "P(<b>daisy</b>)", "P(rose)"]
    says = [row[0] for row in rows[1:]]
    probabilities = np.array([row[1:] for row in rows[1:]], float)
    assert np.mean(np.array(says) == FLOWERS["kind"]) > 0.9
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert np.array(["<b>daisy</b>", "rose"])[probabilities.argmax(axis=1)].tolist() == says


def test_the_model_in_python(folder, fastbp_says):
    train(
        fastbp_says, "flowers.csv", "--target", "kind", "--drop", "price", "--drop", "stars", *FAST
    )
    net = fastbp.load("model.safetensors")
    assert [type(column) for column in net.preprocessing_.inputs] == [Scaled, OneHot]
    says = net.preprocessing_.target.decode(net.predict(net.preprocessing_.transform(FLOWERS)))
    assert says.tolist() == [
        row[0] for row in predicted(fastbp_says, "model.safetensors", "flowers.csv")[1:]
    ]


def test_the_held_out_rows_are_not_seen(folder, fastbp_says):
    """Whatever stands in them: same scaling, same weights, another score."""
    base = [
        "--target",
        "price",
        "--drop",
        "kind",
        "--drop",
        "stars",
        "--task",
        "regression",
        "--held-out",
        "0.25",
        *FAST,
    ]
    first = train(fastbp_says, "flowers.csv", *base)
    before = fastbp.load("model.safetensors")
    held_out = split(N, 0.25, 0.1, None, 0)[2]
    changed = {name: values.copy() for name, values in FLOWERS.items()}
    changed["size"][held_out] = 99
    changed["price"][held_out] = -5
    write_csv("flowers.csv", changed)
    second = train(fastbp_says, "flowers.csv", *base)
    after = fastbp.load("model.safetensors")
    assert after.preprocessing_ == before.preprocessing_
    for a, b in zip(after.weights, before.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    assert re.search("R2 .*", second)[0] != re.search("R2 .*", first)[0]


def test_a_regression(folder, fastbp_says):
    out = train(
        fastbp_says,
        "flowers.csv",
        "--target",
        "price",
        "--drop",
        "kind",
        "--drop",
        "stars",
        *FAST,
        "--out",
        "p.net",
    )
    assert float(re.search(r"^R2 (\S+),", out, re.MULTILINE)[1]) > 0.9
    rows = predicted(fastbp_says, "p.net", "flowers.csv")
    assert rows[0] == ["price"]
    says = np.array(rows[1:], float)[:, 0]
    assert np.sqrt(np.mean((says - FLOWERS["price"]) ** 2)) < 0.3 * FLOWERS["price"].std()
    code, out, err = fastbp_says("predict", "p.net", "flowers.csv", "--proba")
    assert (code, out) == (1, "")
    message = "p.net: --proba needs a classifier, and this model predicts numbers"
    assert err == f"fastbp predict: error: {message}\n"


@pytest.mark.parametrize(
    ("target", "options", "kind"),
    [
        ("stars", [], (2, 5)),
        ("stars", ["--task", "regression"], None),
        ("stars", ["--text", "stars"], ("2", "5")),
        ("price", [], None),
        ("id", ["--task", "classification", "--max-categories", "200"], tuple(range(N))),
    ],
)
def test_what_the_target_is(target, options, kind, folder, fastbp_says):
    columns = {name: values for name, values in FLOWERS.items() if name in (target, "size")}
    write_csv("t.csv", columns)
    train(
        fastbp_says,
        "t.csv",
        "--target",
        target,
        *options,
        "--epochs",
        "1",
        "--hidden",
        "none",
        "--held-out",
        "0",
    )
    net = fastbp.load("model.safetensors")
    assert len(net.widths) == 2
    if kind is None:
        assert isinstance(net.preprocessing_.target, Scaled)
        assert net.loss_name == "squared_error"
    else:
        assert net.preprocessing_.target == OneHot(target, kind)
        assert net.output == "softmax"
    assert predicted(fastbp_says, "model.safetensors", "t.csv")[0] == [target]


def test_the_same_table_in_every_format(folder, fastbp_says):
    """The same model, bit for bit, and the same answers."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    np.savez("flowers.npz", **FLOWERS)
    pq.write_table(pa.table(FLOWERS), "flowers.parquet")
    models, answers = [], []
    for form in ("csv", "npz", "parquet"):
        train(fastbp_says, f"flowers.{form}", "--target", "kind", "--drop", "price", *FAST)
        models.append(fastbp.load("model.safetensors"))
        answers.append(predicted(fastbp_says, "model.safetensors", f"flowers.{form}"))
    assert answers[0] == answers[1] == answers[2]
    for model in models[1:]:
        assert model.preprocessing_ == models[0].preprocessing_
        np.testing.assert_array_equal(model.weights[0], models[0].weights[0])


def test_settings_arrive(folder, fastbp_says):
    options = [
        "--activation",
        "tanh",
        "--batch-size",
        "7",
        "--optimizer",
        "sgd",
        "--l2",
        "0.01",
        "--dtype",
        "float64",
    ]
    options += [
        "--seed",
        "4",
        "--patience",
        "2",
        "--epochs",
        "3",
        "--lr",
        "0.125",
        "--hidden",
        "5,4",
        "--threads",
        "1",
    ]
    out = train(fastbp_says, "flowers.csv", "--target", "kind", *options)
    assert out.startswith("3 epochs (all done")
    net = fastbp.load("model.safetensors")
    assert net.widths[1:] == (5, 4, 2)
    assert (net.hidden, net.dtype, net.optimizer_) == (
        ("tanh", "tanh"),
        np.float64,
        fastbp.SGD(0.125),
    )
    assert len(net.history_.batch_loss) == 3 * -(-84 // 7)


def test_standard_input_and_output(folder, fastbp_says, monkeypatch):
    content = (folder / "flowers.csv").read_bytes()

    def stdin():
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    stdin()
    code, out, err = fastbp_says("train", "-", "--target", "kind", "--report", "-", *FAST)
    assert code == 0
    assert out.startswith("<!DOCTYPE html>")
    assert out.endswith("</html>\n")
    assert "accuracy" in err
    stdin()
    from_stdin = predicted(fastbp_says, "model.safetensors", "-")
    assert fastbp_says("predict", "model.safetensors", "flowers.csv", "--out", "answers.csv") == (
        0,
        "",
        "",
    )
    assert list(csv.reader((folder / "answers.csv").read_text().splitlines())) == from_stdin
    assert list(folder.glob(".*")) == []


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("size\n1\n", "t.csv: no column 'colour'; there are 'size'"),
        (
            "size,colour\n1,red\n2,pink\n",
            "column 'colour': 'pink' is not one of the model's categories 'blue', 'red'",
        ),
        (
            "size,colour\n1,red\n1e299,red\n",
            "t.csv, row 2 (line 3), column 'size': 1e+299 is not finite, or far too large for",
        ),
        ("size,colour\n", "t.csv: no rows"),
    ],
)
def test_rows_that_a_model_cannot_take(table, message, folder, fastbp_says):
    train(
        fastbp_says, "flowers.csv", "--target", "kind", "--drop", "price", "--drop", "stars", *FAST
    )
    (folder / "t.csv").write_text(table)
    code, out, err = fastbp_says("predict", "model.safetensors", "t.csv", "--out", "answers.csv")
    assert (code, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1
    assert not (folder / "answers.csv").exists()


def test_interrupted_training_is_kept(folder, fastbp_says, monkeypatch):
    """After Ctrl-C in a fit the model so far is scored and written; KeyboardInterrupt follows."""

    def fit(net, parts, options):
        history = net.fit(parts[0].X, parts[0].y, epochs=1)
        history.stopped_by = "interrupt"
        return history

    monkeypatch.setattr(fitting, "fit", fit)
    with pytest.raises(KeyboardInterrupt):
        main(["train", "flowers.csv", "--target", "kind", "--report", "r.html"])
    assert fastbp.load("model.safetensors").history_.stopped_by == "interrupt"
    assert "interrupt" in (folder / "r.html").read_text()


@pytest.mark.parametrize("n", [1, 2, 3, 10, 97, 1000])
@pytest.mark.parametrize("shares", [(0.2, 0.1), (0, 0.1), (0.5, 0), (0, 0), (0.89, 0.1)])
def test_split(n, shares):
    labels = np.random.default_rng(n).integers(0, 3, n)
    for given in (None, labels):
        parts = split(n, *shares, given, 0)
        np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(n))
        for part, share in zip(parts[:0:-1], shares, strict=True):
            assert abs(len(part) - n * share) <= 1
    for part, share in zip(split(n, *shares, labels, 0)[:0:-1], shares, strict=True):
        for label in range(3):
            assert abs(np.sum(labels[part] == label) - share * np.sum(labels == label)) <= 2
    assert not np.array_equal(split(1000, 0.2, 0.1, None, 0)[2], split(1000, 0.2, 0.1, None, 1)[2])


def test_split_of_rare_classes():
    """Classes with one row do not keep the others from their shares."""
    labels = np.repeat([0, 1, 2, 3, 4], [60, 38, 1, 1, 20])
    train, validation, test = split(120, 0.2, 0.1, labels, 0)
    for part, n in ((test, [12, 8, 4]), (validation, [6, 4, 2])):
        counts = np.bincount(labels[part], minlength=5)
        assert (abs(counts[[0, 1, 4]] - n) <= 1).all()
    assert len(train) == 84


def test_scores_are_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    labels = RNG.integers(0, 4, 50)
    says = RNG.integers(0, 3, 50)
    trained_on = RNG.integers(0, 4, 90)
    probabilities = RNG.dirichlet(np.ones(4), 50)
    scores = Classification.of(labels, says, trained_on, 5, np.pad(probabilities, ((0, 0), (0, 1))))
    assert scores.auc is None  # no row is of class 4
    area = metrics.roc_auc_score(labels, probabilities, multi_class="ovr")
    assert Classification.of(labels, says, trained_on, 4, probabilities).auc == area
    binary = labels % 2
    two = probabilities[:, :2] / probabilities[:, :2].sum(axis=1, keepdims=True)
    area = metrics.roc_auc_score(binary, two[:, 1])
    assert Classification.of(binary, binary, binary, 2, two).auc == area
    np.testing.assert_array_equal(
        scores.confusion, metrics.confusion_matrix(labels, says, labels=range(5))
    )
    assert scores.accuracy == metrics.accuracy_score(labels, says)
    precision, recall, _, _ = metrics.precision_recall_fscore_support(
        labels, says, labels=range(5), zero_division=np.nan
    )
    np.testing.assert_array_equal([scores.precision, scores.recall], [precision, recall])
    assert scores.commonest == np.bincount(trained_on).argmax()
    assert scores.baseline == np.mean(labels == scores.commonest)
    actual, answers = RNG.normal(3, 2, 40), RNG.normal(3, 2, 40)
    numbers = Regression.of(actual, answers, 2.5)
    assert numbers.r2 == pytest.approx(metrics.r2_score(actual, answers))
    assert numbers.rmse == pytest.approx(metrics.root_mean_squared_error(actual, answers))
    assert numbers.mae == pytest.approx(metrics.mean_absolute_error(actual, answers))
    assert numbers.baseline == pytest.approx(np.sqrt(np.mean((actual - 2.5) ** 2)))
    assert summary(Regression.of(np.ones(3), np.ones(3), 1.0), ()).startswith("R2 not defined")
