"""README's example prints what README says it prints."""

import contextlib
import io
import re
from pathlib import Path

import fastbp

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_example():
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (output,) = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    assert printed.getvalue() == output


def test_every_public_name_is_in_the_api_table():
    table = README[README.index("## The API") : README.index("## Examples")]
    missing = [
        name
        for name in fastbp.__all__
        if name not in table and name not in ("DivergenceError", "GradientCheck")
    ]
    assert missing == []


def test_every_example_is_listed():
    examples = Path(__file__).parents[2] / "examples"
    assert {path.name for path in examples.glob("*.py")} == set(
        re.findall(r"\| `(\w+\.py)` \|", README)
    )
