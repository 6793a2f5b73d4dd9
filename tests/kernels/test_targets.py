"""The kernels of other targets, on this processor: to the last bit the same weights and losses."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastbp.kernels import target

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests" / "helpers" / "target_bits.py"
BOTH = ("float32", "float64")


@functools.cache
def bits(*dtypes, **environment):
    done = subprocess.run(
        [sys.executable, PROGRAM, *dtypes],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(not target.X86, reason="they are targets of x86")
@pytest.mark.parametrize("name", ["x86-64-v3", "x86-64", "arm-shape"])
def test_the_same_bits(name):
    """arm-shape has the lanes, tiles and cache lines of Arm."""
    if name == target.NAME:
        pytest.skip("the target of this processor")
    assert bits(*BOTH, FASTBP_TARGET=name) == bits(*BOTH)


def test_the_same_bits_compiled_for_this_very_processor():
    """With all its features; what one dtype is compiled to differs in no other way."""
    assert bits("float32", FASTBP_JIT="1") == bits(*BOTH)[:1]


THREADS = """
import sys
from fastbp.kernels.compile import compile_unit
sys.stdout.buffer.write(compile_unit("threads", "any"))
"""
YIELDS = {"linux": b"sched_yield", "darwin": b"sched_yield", "win32": b"SwitchToThread"}
PAUSES = {"x86-64-v3": bytes.fromhex("f390"), "aarch64": bytes.fromhex("df3f03d5")}  # pause, isb


@pytest.mark.parametrize(
    ("name", "system"), [("x86-64-v3", "win32"), ("aarch64", "linux"), ("aarch64", "darwin")]
)
def test_waiting_loops_are_those_of_the_target(name, system):
    """Compiled here for another processor and system: its pause, its function that yields."""
    code = subprocess.run(
        [sys.executable, "-c", THREADS],
        env=os.environ | {"FASTBP_TARGET": f"{name}:{system}"},
        capture_output=True,
        check=True,
        timeout=600,
    ).stdout
    assert {symbol for symbol in YIELDS.values() if symbol in code} == {YIELDS[system]}
    assert PAUSES[name] in code


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x86-64-v5", "FASTBP_TARGET must be one of x86-64-v4, x86-64-v3, x86-64, aarch64, arm-sh"),
        ("aarch64" if target.X86 else "x86-64", "FASTBP_TARGET must be a target that this proces"),
    ],
)
def test_a_target_that_cannot_run_here_is_refused(name, message):
    """An illegal instruction would end the process."""
    done = subprocess.run(
        [sys.executable, "-c", "import fastbp; fastbp.functional.relu([1.0])"],
        env=os.environ | {"FASTBP_TARGET": name},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].partition(": ")[2].startswith(message)
