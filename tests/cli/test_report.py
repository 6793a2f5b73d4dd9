"""The report: what it shows, that it shows data as text, and that a browser renders it without a
network."""

import html
import html.parser
import re
import shutil
import subprocess

import numpy as np
import pytest

from fastbp.cli.main import main
from fastbp.cli.report import END, SIDE, START, scatter
from fastbp.cli.scores import Regression

EVIL = "</title><script>alert(1)</script><img src=x onerror=alert(2)>&amp;\"'"
BROWSER = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


def table(task):
    rng = np.random.default_rng(0)
    lines = [f'"{EVIL.replace(chr(34), chr(34) * 2)}",size,é']
    for i in range(90):
        size = rng.normal()
        kind = [EVIL, "plain", "x\ny"][i % 3].replace('"', '""')
        answer = f"{size * 3 + i % 3:.3f}" if task == "regression" else f'"{kind}"'
        lines.append(f'"{kind}",{size:.3f},{answer}')
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module", params=["classification", "regression"])
def report(request, tmp_path_factory):
    """The report of a table with HTML in all texts, as (path, content)."""
    folder = tmp_path_factory.mktemp("report")
    source = folder / "<b>&t.csv"
    source.write_text(table(request.param))
    path = folder / "r.html"
    argv = [
        "train",
        str(source),
        "--target",
        "é",
        "--epochs",
        "12",
        "--out",
        str(folder / "net"),
        "--report",
        str(path),
    ]
    assert main(argv) == 0
    return path, path.read_text(encoding="utf-8")


class Elements(html.parser.HTMLParser):
    """The elements of a page that is well formed, and its text."""

    def __init__(self, content):
        super().__init__()
        self.found = []
        self.open = []
        self.text = ""
        self.feed(content)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_data_is_text(report):
    page = Elements(report[1])
    tags = {tag for tag, _ in page.found}
    assert tags <= {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "h1",
        "h2",
        "p",
        "figure",
        "svg",
        "path",
        "polyline",
        "circle",
        "rect",
        "text",
        "div",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "pre",
        "code",
        "details",
        "summary",
        "footer",
        "small",
    }
    names = {name for _, attributes in page.found for name in attributes}
    assert not [name for name in names if name.startswith("on") or name in ("src", "href")]
    assert EVIL[:40] in page.text
    assert "<b>&t.csv" in page.text


def test_nothing_is_fetched(report):
    assert "default-src 'none'" in report[1]
    content = report[1].replace('xmlns="http://www.w3.org/2000/svg"', "")  # a name, not a link
    assert not re.search(r"https?:|url\(|@import", content)


def test_what_it_shows(report):
    text = Elements(report[1]).text
    for what in (
        "held-out rows",
        "Training",
        "Columns",
        "Network",
        "Settings",
        "63 trained on, 9 for validation, 18 held out",
        "--epochs 12",
    ):
        assert what in text
    assert report[1].count("<svg ") == (1 if "precision" in text else 2)


def test_settings_are_folded(report):
    folded = re.search("<details>(.*?)</details>", report[1], re.DOTALL)[1]
    assert "<summary>Settings</summary>" in folded
    assert "--epochs 12" in folded
    assert "--epochs 12" not in report[1].replace(folded, "")


def significant(number):
    return len(number.lstrip("-0.").replace(".", "").partition("e")[0].rstrip("0"))


def test_three_significant_digits(report):
    """Of scores, encodings, importances and the ticks of the figures."""
    page = Elements(report[1])
    score = re.search('<p class="score">(.*?)</p>', report[1], re.DOTALL)[1]
    numbers = re.findall(
        r"(?:accuracy|always \S+ would be|AUC|R2|RMSE|error|mean:) (-?[\d.e+-]+\d)", score
    )
    numbers += re.findall(r"(?:mean|deviation) (-?[\d.e+-]+\d)", page.text)
    numbers += re.findall(r'<td class="n">(-?[\d.]+)</td>', report[1])
    numbers += re.findall(r'text-anchor="(?:end|middle)">(-?[\d.e+-]+)</text>', report[1])
    assert len(numbers) > 15
    assert [number for number in numbers if significant(number) > 3] == []


def test_units_and_notes(report):
    text = Elements(report[1]).text
    if "precision" in text:
        assert "Loss: cross entropy, in nats, the mean over rows." in text
    else:
        assert "where 1 is one standard deviation of the target" in text
    assert "12 epochs (all done" in text


def test_dark_mode(report):
    """Texts and the ground of figures take the page's colours, for which the browser chooses."""
    style = re.search("<style>(.*?)</style>", report[1], re.DOTALL)[1]
    assert "color-scheme: light dark" in style
    assert "@media (prefers-color-scheme: dark)" in style
    assert "svg text { font-size: 13px; fill: CanvasText; }" in style
    # the rules are for what the figures have
    page = Elements(report[1])
    strokes = {attributes.get("stroke") for _, attributes in page.found}
    assert {"#e4e4e4", "#1f77b4"} <= strokes
    assert re.search('<svg [^>]*><rect width="100%" height="100%"', report[1])


def test_importance_is_shown(report):
    """The column from which the target follows is the first."""
    rows = re.search("Importance of columns</h2>.*?<tbody>(.*?)</tbody>", report[1], re.DOTALL)[1]
    names = re.findall("<tr><td>(.*?)</td>", rows)
    assert len(names) == 2
    bars = list(map(float, re.findall(r'class="bar" style="width: ([\d.]+)%', rows)))
    assert bars == sorted(bars, reverse=True)
    assert bars[0] == 100


def test_importance_is_scikit_learns():
    """For columns of one input; those of a column of categories are permuted together."""
    inspection = pytest.importorskip("sklearn.inspection")
    from sklearn.base import BaseEstimator, ClassifierMixin

    import fastbp
    from fastbp.cli.scores import permutation_importance
    from fastbp.preprocessing import OneHot, Preprocessing, Scaled

    rng = np.random.default_rng(0)
    n = 400
    colour = rng.integers(0, 3, n)
    numbers = rng.normal(size=(n, 2))
    X = np.column_stack([numbers, np.eye(3)[colour]]).astype(np.float32)
    y = (numbers[:, 0] + 2 * (colour == 1) > 0.5).astype(int)
    net = fastbp.MLP([5, 16, 2], output="softmax", seed=0)
    inputs = (Scaled("a", 0.0, 1.0), Scaled("b", 0.0, 1.0), OneHot("c", ("x", "y", "z")))
    net.preprocessing_ = Preprocessing(inputs, OneHot("y", ("n", "m")))
    net.fit(X, y, epochs=30, optimizer=fastbp.Adam(0.01))
    kept = X.copy()
    found = {one.name: one for one in permutation_importance(net, X, y, 0)}
    np.testing.assert_array_equal(X, kept)
    assert list(found) == ["c", "a", "b"]

    class Wrapped(ClassifierMixin, BaseEstimator):
        classes_ = np.array([0, 1])

        def fit(self, X, y):
            return self

        def predict(self, X):
            return net.predict(X)

    judge = inspection.permutation_importance(Wrapped(), X, y, n_repeats=50, random_state=0)
    for i, name in enumerate("ab"):
        assert abs(found[name].mean - judge.importances_mean[i]) < 0.03
    assert found["c"].mean > judge.importances_mean[2:].max()
    regression = fastbp.MLP([5, 1], output="identity", seed=0)
    regression.preprocessing_ = Preprocessing(inputs, Scaled("y", 0.0, 1.0))
    target = 3 * X[:, 1:2]
    regression.fit(X, target, epochs=30, optimizer=fastbp.Adam(0.05))
    best = permutation_importance(regression, X, target, 0)[0]
    assert best.name == "b"
    assert best.mean == pytest.approx(2, abs=0.2)  # R2 falls from 1 to 1 - 2 var / var
    assert permutation_importance(regression, X[:1], target[:1], 0) == []


def test_no_importance_of_very_wide_tables(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "t.npz", X=rng.normal(size=(30, 201)), y=np.arange(30) % 2)
    argv = ["train", str(tmp_path / "t.npz"), "--target", "y", "--epochs", "1"]
    argv += ["--out", str(tmp_path / "m"), "--report", str(tmp_path / "r.html")]
    assert main(argv) == 0
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "importance of columns is measured for at most 200 of them" in text


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")
def test_in_a_browser(report, tmp_path):
    """It lays out every figure and runs nothing; cut off from any network by its policy and by the
    browser's settings."""
    path, content = report
    page = tmp_path / "page.html"
    # The policy forbids scripts; for this look at the layout alone it is replaced by one that lets
    # the test's own script run.
    probe = (
        "<script>document.title = JSON.stringify("
        "[...document.querySelectorAll('svg, table')].map(e => {"
        "const b = e.getBoundingClientRect(); return [e.tagName, b.width, b.height]"
        "}))</script></body>"
    )
    page.write_text(
        content.replace(
            "default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'"
        ).replace("</body>", probe)
    )

    def browse(*arguments):
        command = [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
        ]
        command += ["--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=900,1400", *arguments]
        return subprocess.run(command, capture_output=True, timeout=180, check=True).stdout.decode()

    dom = browse("--dump-dom", page.as_uri())
    boxes = re.search(r"<title>(.*?)</title>", dom)[1]
    boxes = re.findall(r'\["(\w+)",([\d.]+),([\d.]+)\]', html.unescape(boxes))
    assert len(boxes) >= 3
    assert all(float(width) > 100 and float(height) > 50 for _, width, height in boxes)
    plain = browse("--dump-dom", path.as_uri())
    assert "alert(1)</script>" not in plain
    assert "<script" not in plain.replace("&lt;script", "")
    browse(f"--screenshot={tmp_path / 'r.png'}", path.as_uri())
    assert (tmp_path / "r.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("actual", "predicted"),
    [
        ([1.0, 2.0], [2.0, 1.5]),
        ([0.0], [0.0]),
        ([-1e300, 1e300], [5.0, 5.0]),
        ([0.1, 0.30000001], [-3e-7, 8e9]),
        (range(5000), range(5000)),
    ],
)
def test_scatter(actual, predicted):
    scores = Regression(0.0, 0.0, 0.0, None, np.array(actual, float), np.array(predicted, float))
    points = scatter(scores)["points"]
    assert len(points) == min(len(scores.actual), 2000)
    assert all(START <= x <= END for x, _ in points)
    assert all(SIDE - END <= y <= SIDE - START for _, y in points)


def test_points_are_where_their_values_are():
    scores = Regression.of(np.array([1.0, 2.0]), np.array([2.0, 1.5]), 0.0)
    (left, above), (right, below) = sorted(scatter(scores)["points"])
    assert left < right
    assert above < below  # 2 is above 1.5


def test_both_axes_have_one_scale():
    """The same number of pixels for a unit, and the same ticks."""
    drawn = scatter(Regression.of(np.array([1.0, 7.0]), np.array([3.0, 4.0]), 0.0))
    (_, x0, y0), *_, (_, x1, y1) = drawn["ticks"]
    assert x1 - x0 == pytest.approx(y0 - y1)
    for x, y in drawn["points"]:
        assert START <= x <= END
        assert SIDE - END <= y <= SIDE - START


def test_the_target_of_a_regression_is_text(tmp_path, monkeypatch, fastbp_says):
    """In the title of the scatter plot's axis too."""
    monkeypatch.chdir(tmp_path)
    rows = "\n".join(f"{i},{i * 0.37 % 5}" for i in range(80))
    (tmp_path / "t.csv").write_text(f"a,<i>p</i>\n{rows}\n", encoding="utf-8")
    options = ("--target", "<i>p</i>", "--epochs", "2", "--report", "r.html")
    code, _, err = fastbp_says("train", "t.csv", *options)
    assert code == 0, err
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<i>" not in page
    assert "actual &lt;i&gt;p&lt;/i&gt;" in page
