"""README is short, and counts right; the pages on the API list every public name. That README's
code runs is checked in test_pages.py."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from fastbp.base.activations import ALIASES, HIDDEN
from fastbp.base.losses import LOSSES
from fastbp.optimizers import OPTIMIZERS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MODULES = ("", ".callbacks", ".functional", ".graph", ".plot", ".schedules", ".sklearn")


def test_one_screen_and_a_half():
    assert len(README.splitlines()) <= 120
    assert len(README.split()) <= 700


def test_counts():
    counts = {"seven": 7, "eight": 8, "twelve": 12}
    words = re.search(r"(\w+) activations, (\w+) losses, (\w+) optimizers", README).groups()
    rows = (HIDDEN.keys() - ALIASES.keys(), LOSSES, OPTIMIZERS)
    assert [counts[word.lower()] for word in words] == list(map(len, rows))


def listed(page):
    """The full names that the autosummary tables of a page list."""
    names = set()
    module = ""
    for line in page.read_text(encoding="utf-8").splitlines():
        if found := re.match(r"\.\. currentmodule:: (\S+)", line):
            module = found[1]
        elif found := re.match(r"(?:   |\.\. data:: )([\w.]+)$", line):
            names.add(f"{module}.{found[1]}")
    return names


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_listed(module):
    """The build of the site checks its inventory in the same way, methods included."""
    package = import_module(f"fastbp{module}")
    pages = set().union(*map(listed, (ROOT / "docs" / "api").glob("*.md")))
    modules = {name for name in MODULES if name}
    public = {name for name in package.__all__ if f".{name}" not in modules}
    assert {f"fastbp{module}.{name}" for name in public} <= pages


def test_every_example_is_listed():
    listed = re.findall(r"\| `(\w+\.py)` \|", (ROOT / "docs" / "examples.md").read_text("utf-8"))
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == set(listed)


def test_twelve_tasks():
    """What a user of scikit-learn looks for is a link on one page, which the top of each page has;
    the build of the site fails where one leads nowhere."""
    page = (ROOT / "docs" / "sklearn" / "index.md").read_text(encoding="utf-8")
    table = page[page.index("## Twelve tasks") :]
    tasks = re.findall(r"^\| (?!task |-)(.*) \|$", table, re.MULTILINE)
    assert len(tasks) == 12
    assert all("](" in task for task in tasks)
