"""Refuse packed assignments of unrelated values, and words that are not the field's.

    python tests/lint.py [PATH ...]

A packed assignment ``a, b = x, y`` is allowed where its values belong together: they use the
targets (``a, b = b, a + b``), or they are calls and operations of one shape
(``low, high = floor(x), floor(y)``). Words are searched in comments, docstrings and Markdown: code
is never a person, and a reader must be able to search for the terms that the field uses.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACES = ("src", "kernels", "asv_bench", "tests", "examples", "docs", *ROOT.glob("*.md"))
WORDS = re.compile(
    r"\b(nobody|somebody|anybody|whom|whose|is told|are told|asks? for|asked for|brought near|lent|"
    r"meanwhile|by turns|side by side|as it is|sees? to it|has it that|is to be had)\b",
    re.IGNORECASE,
)
PERSONS = re.compile(r"\b(who|knows?|knew)\b", re.IGNORECASE)  # in Python files, of code


def shape(node: ast.AST) -> str:
    """An expression without its names, attributes and constants."""
    if isinstance(node, ast.Name | ast.Attribute | ast.Constant):
        return "_"
    children = ", ".join(shape(child) for child in ast.iter_child_nodes(node))
    return f"{type(node).__name__}({children})"


def is_related(targets: list[ast.expr], values: list[ast.expr]) -> bool:
    """Whether the values of a packed assignment belong together."""
    names = {ast.unparse(target) for target in targets}
    if names & {ast.unparse(node) for value in values for node in ast.walk(value)}:
        return True
    return shape(values[0]) != "_" and len({shape(value) for value in values}) == 1


def packed_assignments(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
            continue
        target = node.targets[0]
        if not isinstance(target, ast.Tuple) or len(target.elts) != len(node.value.elts):
            continue
        if not is_related(target.elts, node.value.elts):
            yield node.lineno, f"packed assignment of unrelated values: {ast.unparse(target)}"


def prose(text: str) -> Iterator[tuple[int, str]]:
    """The comments and docstrings of a Python file, by lines."""
    starts = (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)  # of a statement
    previous = tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        docstring = token.type == tokenize.STRING and previous in starts
        if token.type == tokenize.COMMENT or docstring:
            yield from enumerate(token.string.split("\n"), token.start[0])
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            previous = token.type


def complaints(path: Path) -> Iterator[tuple[int, str]]:
    text = path.read_text(encoding="utf-8")
    python = path.suffix == ".py"
    if python:
        yield from packed_assignments(ast.parse(text))
    for number, line in prose(text) if python else enumerate(text.split("\n"), 1):
        for pattern in (WORDS, PERSONS) if python else (WORDS,):
            yield from ((number, f"word: {match[0]}") for match in pattern.finditer(line))


def main(arguments: list[str]) -> int:
    places = [Path(place).resolve() for place in arguments] or [ROOT / place for place in PLACES]
    files = [
        file
        for place in places
        for file in ([place] if place.is_file() else sorted(place.rglob("*")))
        if file.suffix in (".py", ".md") and file != Path(__file__).resolve()
    ]
    found = [(file, *each) for file in files for each in complaints(file)]
    for file, line, what in found:
        print(f"{file}:{line}: {what}")
    print(f"{len(files)} files, {len(found)} complaints")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
