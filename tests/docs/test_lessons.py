"""Every lesson of the site runs as a plain script; its own assertions compare NumPy with fastbp."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="the lessons take their data from scikit-learn")
pytest.importorskip("matplotlib", reason="the lessons draw with Matplotlib")

LESSONS = Path(__file__).resolve().parents[2] / "docs" / "lessons"
SCRIPTS = sorted(LESSONS.glob("*.py"))


def test_lessons_are_numbered_in_order():
    assert [path.stem[:3] for path in SCRIPTS] == [f"{i:02d}_" for i in range(1, 11)]
    titles = [path.read_text(encoding="utf-8").splitlines()[1] for path in SCRIPTS]
    assert [title.split(".")[0] for title in titles] == [str(i) for i in range(1, 11)]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_runs_as_a_script(script, tmp_path):
    env = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    # Outside the repository: a lesson needs no file of its working directory, and leaves none.
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path,
        env=env | {"MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert re.search("^right", done.stdout, re.MULTILINE)  # the exercise's solution passed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_ends_with_an_exercise_and_its_solution(script):
    """The exercise, `check`, and a collapsed block with a solution that is passed to `check`."""
    text = script.read_text(encoding="utf-8")
    exercise = text[text.index("# Exercise\n# --------\n") :]
    parts = re.split(r"^# .*</?details.*$", exercise, flags=re.MULTILINE)
    assert len(parts) == 3
    question, solution, rest = parts
    assert "\ndef check(" in question
    assert re.search(r"^check\(\w+(, \w+)*\)$", solution, re.MULTILINE)
    assert rest.strip() == ""
    assert re.search(r"\bassert", text[: text.index(exercise)])  # NumPy against fastbp
