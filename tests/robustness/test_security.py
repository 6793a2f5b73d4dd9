"""What SECURITY.md promises of files from strangers: nothing in one is run or followed, and what is
shown of it is text."""

import ast
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from helpers.checkpoint_files import resuming, written
from helpers.mutation import changed
from helpers.saved_nets import trained

import fastbp
from fastbp.cli.tables import DataError, Selection, read_table

SOURCE = Path(fastbp.__file__).parent
EVIL = "<script>alert(1)</script>"
PATHS = [
    "../../../../etc/passwd",
    "/etc/passwd",
    "file:///etc/passwd",
    "https://example.com/x",
    "\\\\host\\share",
    EVIL,
]


def calls_and_imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (("import", name.name.split(".")[0]) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield "import", node.module.split(".")[0]
        elif isinstance(node, ast.Call):
            yield "call", ast.unparse(node.func)
            if ast.unparse(node.func).endswith("np.load"):
                assert "allow_pickle=False" in ast.unparse(node), path


def test_no_module_unpickles_or_evaluates():
    """`accel` runs the script that its command line names, and nothing else is run from a text."""
    wrong = {
        ("import", name)
        for name in (
            "pickle",
            "cPickle",
            "marshal",
            "shelve",
            "dill",
            "joblib",
            "yaml",
            "urllib",
            "socket",
        )
    }
    wrong |= {
        ("call", name)
        for name in (
            "eval",
            "exec",
            "compile",
            "os.system",
            "os.popen",
            "__import__",
            "pd.read_pickle",
        )
    }
    found = {
        path.relative_to(SOURCE).as_posix(): wrong & set(calls_and_imports(path))
        for path in SOURCE.rglob("*.py")
    }
    assert len(found) > 60
    assert {name: used for name, used in found.items() if used} == {
        "accel.py": {("call", "compile"), ("call", "exec")}
    }


EVENTS = (
    "open",
    "compile",
    "exec",
    "import",
    "marshal.",
    "pickle.",
    "code.",
    "ctypes.",
    "os.",
    "subprocess.",
    "socket.",
)
EVENTS += (
    "shutil.",
    "tempfile.",
    "urllib.",
    "ftplib.",
    "http.",
    "webbrowser.",
    "sqlite3.",
    "mmap.",
    "sys.settrace",
)


class Watch:
    """Python's own events while it is on: files opened, code compiled, run or imported, processes,
    sockets, libraries."""

    seen: list | None = None

    def __call__(self, event, arguments):
        if self.seen is not None and event.startswith(EVENTS):
            self.seen.append((event, str(arguments[0]) if event == "open" else ""))


WATCH = Watch()
sys.addaudithook(WATCH)


@pytest.fixture
def events():
    """What happens during a call, its files by name."""

    def during(call):
        WATCH.seen = []
        try:
            call()
        finally:
            seen, WATCH.seen = WATCH.seen, None
        return seen

    return during


def test_the_watch_is_awake(events, tmp_path):
    (tmp_path / "a").write_text("")
    assert events(lambda: (tmp_path / "a").read_text()) == [("open", str(tmp_path / "a"))]
    assert ("compile", "") in events(lambda: eval("1 + 1"))


def with_texts(text):
    """This text wherever a model's document takes one that is not chosen from a list."""

    def change(header, document):
        document["versions"] = dict.fromkeys(document["versions"], text)
        document["preprocessing"] = {
            "inputs": [
                {"name": f"{text}{i}", "categories": [text]}
                for i in range(document["net"]["widths"][0])
            ],
            "target": {"name": text, "categories": [text, "b", "c"]},
        }
        if "course" in document:
            document["course"]["order"] = text
        else:
            # in a checkpoint it would say that the fit had ended
            document["history"]["stopped_by"] = text

    return change


@pytest.mark.parametrize("text", PATHS)
def test_loading_opens_one_file_and_runs_nothing(text, events, tmp_path):
    path = tmp_path / "net"
    trained()[0].save(path)
    path.write_bytes(changed(path.read_bytes(), with_texts(text)))
    nets = [fastbp.load(path)]
    assert nets[0].history_.stopped_by == text
    assert events(lambda: nets.append(fastbp.load(path))) == [("open", str(path))]
    columns = {column.name: [text] for column in nets[1].preprocessing_.inputs}
    assert events(lambda: nets[1].preprocessing_.transform(columns)) == []


@pytest.mark.parametrize("text", PATHS)
def test_a_checkpoint_with_such_texts_is_refused_and_runs_nothing(text, events, tmp_path):
    """Its order is a digest, which no path is; nothing is opened but it."""
    path = tmp_path / "run"
    content = changed(written(path), with_texts(text))

    def resume():
        with pytest.raises(ValueError, match="path must be a checkpoint whose shuffles"):
            resuming(content, path)

    resume()
    opened = {name for event, name in events(resume) if event == "open"}
    assert opened == {str(path)}
    assert {event for event, _ in events(resume)} <= {"open"}


@pytest.mark.parametrize("text", PATHS)
def test_texts_in_a_table_are_texts(text, events, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(f'"{text}",y\n"{text}",1\n')
    tables = [read_table(str(path), Selection())]
    assert tables[0].columns[text].tolist() == [text]
    seen = events(lambda: tables.append(read_table(str(path), Selection())))
    assert set(seen) == {("open", str(path))}


def test_messages_are_one_line_without_control_characters(tmp_path, monkeypatch, fastbp_says):
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text('a,"\x1b]0;x\x07\n\u202e"\n1,2\n')
    code, out, err = fastbp_says("train", "t.csv", "--target", "y")
    assert (code, out) == (1, "")
    assert err.startswith(
        "fastbp train: error: t.csv: no column 'y'; there are 'a', '\\x1b]0;x\\x07\\n\\u202e'"
    )
    assert err[:-1].isprintable()


def test_pickles_in_an_npz_are_refused(tmp_path):
    class Run:
        def __reduce__(self):
            return open, (str(tmp_path / "run"), "w")

    np.savez(tmp_path / "t.npz", a=np.array([Run()], object))
    with pytest.raises(DataError, match="Object arrays cannot be loaded"):
        read_table(str(tmp_path / "t.npz"), Selection())
    assert not (tmp_path / "run").exists()


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags = set()
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        assert not [
            name for name, _ in attributes if name.startswith("on") or name in ("src", "href")
        ]


def test_what_a_notebook_shows_of_a_loaded_net_is_text(tmp_path):
    path = tmp_path / "net"
    trained()[0].save(path)
    path.write_bytes(changed(path.read_bytes(), with_texts(EVIL)))
    net = fastbp.load(path)
    shown = [
        net._repr_html_(),
        net.history_._repr_html_(),
        net.explain(np.zeros(4), 1)._repr_html_(),
    ]
    assert "&lt;script&gt;alert(1)" in shown[1]
    for html in shown:
        assert Tags(html).tags <= {
            "div",
            "p",
            "b",
            "table",
            "tr",
            "th",
            "td",
            "svg",
            "rect",
            "path",
            "text",
            "polyline",
        }
