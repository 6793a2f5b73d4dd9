"""Refuse packed assignments of unrelated values, and words that are not the field's.

    python tests/lint.py [PATH ...]

A packed assignment ``a, b = x, y`` is allowed where its values belong together: they are a rotation of
the targets (``a, b = b, a``), or calls and operations of one shape
(``low, high = floor(x), floor(y)``). Words are looked for in comments, docstrings and Markdown: code is
never a person, and a reader must be able to search for the terms that the field uses.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORDS = re.compile(
    r"\b(nobody|somebody|anybody|whom|whose|is told|are told|asks? for|asked for|brought near|lent|"
    r"meanwhile|by turns|side by side|as it is|sees? to it|has it that|is to be had)\b",
    re.IGNORECASE,
)
PERSONS = re.compile(
    r"\b(who|knows?|knew)\b", re.IGNORECASE
)  # in Python files, where code is meant


def shape(node: ast.expr) -> str:
    """An expression without its names, attributes and constants."""
    text = ast.dump(node)
    text = re.sub(r"(Name|Attribute)\(.*?ctx=\w+\(\)\)", "_", text)
    return re.sub(r"Constant\(value=.*?\)", "_", text)


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
    previous = tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        docstring = token.type == tokenize.STRING and previous in (
            tokenize.NEWLINE,
            tokenize.INDENT,
            tokenize.DEDENT,
        )
        if token.type == tokenize.COMMENT or docstring:
            for i, line in enumerate(token.string.split("\n")):
                yield token.start[0] + i, line
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            previous = token.type


def complaints(path: Path) -> Iterator[tuple[int, str]]:
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        lines = enumerate(text.split("\n"), 1)
        yield from (
            (number, f"word: {m[0]}") for number, line in lines for m in WORDS.finditer(line)
        )
        return
    yield from packed_assignments(ast.parse(text))
    for number, line in prose(text):
        for pattern in (WORDS, PERSONS):
            yield from ((number, f"word: {m[0]}") for m in pattern.finditer(line))


def main(arguments: list[str]) -> int:
    places = [Path(argument) for argument in arguments] or [
        ROOT / name for name in ("src", "kernels", "asv_bench", "tests", "examples", "docs")
    ] + list(ROOT.glob("*.md"))
    files = [
        file
        for place in places
        for file in ([place] if place.is_file() else sorted(place.rglob("*")))
        if file.suffix in (".py", ".md") and file != Path(__file__)
    ]
    found = [(file, *each) for file in files for each in complaints(file)]
    for file, line, what in found:
        print(f"{file}:{line}: {what}")
    print(f"{len(files)} files, {len(found)} complaints")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
