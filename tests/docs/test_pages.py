"""The code blocks of README and of the site's pages run, and print what the pages say.

The ``python`` blocks of a page run in order in one namespace, in an empty folder, after those of
its comments ``<!-- hidden``. A ``text`` block directly after one is its output; ``...`` in it
stands for anything. A block after ``<!-- needs MODULE -->`` is left out without this module. Lines
of ``sh`` blocks that begin with ``fastbp`` are parsed by the command.

    python tests/docs/test_pages.py PAGE

runs those of one page.
"""

import contextlib
import doctest
import importlib.util
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fastbp.cli.main import parser

ROOT = Path(__file__).parents[2]
MADE = ("api/generated", "learn", "lessons")  # at build time, and the sources of the lessons
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if not page.relative_to(ROOT / "docs" if "docs" in page.parts else ROOT)
    .as_posix()
    .startswith(MADE)
]
FENCES = {"python", "text", "sh", "ipython", "toml", "json", "html"}
BLOCK = re.compile(
    r"""
    ^<!--\ hidden\n(?P<hidden>.*?)^-->$
    |
    (?:^<!--\ needs\ (?P<needs>\w+)\ -->\n+)?
    ^(?P<fence>```+)python\n(?P<code>.*?)^(?P=fence)$
    (?:\n+^```text\n(?P<output>.*?)^```$)?
    """,
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def text_of(page):
    return page.read_text(encoding="utf-8")


def run(text, name):
    """Run the blocks of a page; yield the expected and the printed output of each that has one."""
    namespace = {"__name__": "__main__"}
    for block in BLOCK.finditer(text):
        if block["needs"] and importlib.util.find_spec(block["needs"]) is None:
            continue
        # Empty lines before the code: a traceback names the line of the page.
        group = "hidden" if block["code"] is None else "code"
        lines = "\n" * text.count("\n", 0, block.start(group))
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(lines + block[group], name, "exec"), namespace)
        if block["output"] is not None:
            yield block["output"], printed.getvalue()


def main(page):
    """Print the outputs that differ from those of the page, and return whether there are any."""
    equal = doctest.OutputChecker().check_output
    differ = False
    for expected, printed in run(Path(page).read_text(encoding="utf-8"), page):
        if not equal(expected, printed, doctest.ELLIPSIS):
            differ = True
            print(f"expected\n{expected}got\n{printed}")
    return differ


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```python" in text_of(page)], ids=name_of
)
def test_blocks_run(page, tmp_path):
    """Each page in a process of its own, as its reader has it: pages patch scikit-learn and log."""
    done = subprocess.run(
        [sys.executable, "-W", "error", __file__, str(page)],
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_fences_and_commands(page):
    """Every block is of a known kind, so that no code escapes `test_blocks_run`."""
    text = text_of(page)
    opened = re.findall(r"^\s*```+(\S*)[^\n]*\n.*?^\s*```+$", text, re.MULTILINE | re.DOTALL)
    assert {kind for kind in opened if not kind.startswith("{")} <= FENCES
    for script in re.findall(r"^\s*```sh\n(.*?)^\s*```$", text, re.MULTILINE | re.DOTALL):
        for line in script.replace("\\\n", " ").splitlines():
            if line.startswith("fastbp "):
                words = shlex.split(re.split(r"[|>]", line)[0], comments=True)
                if not {"--help", "--version"} & set(words):
                    parser().parse_args(words[1:])


def test_a_wrong_output_is_found():
    ((expected, printed),) = run("```python\nprint(1)\n```\n\n```text\n2\n```\n", "page")
    assert (expected, printed) == ("2\n", "1\n")


def test_hidden_and_skipped_blocks():
    text = "<!-- hidden\nx = 3\n-->\n<!-- needs no_such_module -->\n```python\nx = 4\n```\n"
    ((_, printed),) = run(text + "```python\nprint(x)\n```\n```text\n3\n```\n", "page")
    assert printed == "3\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
