"""Every test that docs/guarantees.md names exists, and every link between files leads to one."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUARANTEES = ROOT / "docs" / "guarantees.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def functions(path):
    return {
        node.name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }


def test_every_named_test_exists():
    named = NAMED.findall(GUARANTEES.read_text(encoding="utf-8"))
    assert len(named) > 50
    assert {file for file, _ in named if not (ROOT / file).is_file()} == set()
    assert [
        (file, name) for file, name in named if name and name not in functions(ROOT / file)
    ] == []


def test_every_row_names_a_test():
    rows = [
        line
        for line in GUARANTEES.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ")
    ]
    rows = [row for row in rows if row != "| guarantee | held by |"]
    assert [row for row in rows if not NAMED.search(row.rsplit(" | ", 1)[1])] == []


def test_links_lead_to_files():
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")):
        for link in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), (page.name, link)
