"""The cache of compiled code: kept in a private folder, hit by a new process, and never the
caller's problem. FASTBP_JIT=1 leaves code that a wheel has ready aside."""

import os
import subprocess
import sys

import pytest
from helpers.needs import needs

from fastbp.kernels import cache

PROGRAM = """
import numpy as np, fastbp
from fastbp.kernels.loader import origins
net = fastbp.MLP([3, 2])
net.fit(np.eye(3), [0, 1, 0], epochs=2, batch_size=2)
print(origins["network", "float32"], net.weights[0].tobytes().hex())
"""


def run(folder, **env):
    env = os.environ | {"FASTBP_CACHE_DIR": str(folder), "FASTBP_JIT": "1"} | env
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") == ("compiler" in done.stdout)
    return tuple(done.stdout.split())


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    origin, weights = run(folder)
    assert origin == "compiler"
    return folder, weights


def test_a_new_process_finds_it(warm):
    folder, weights = warm
    assert run(folder) == ("cache", weights)
    assert [path.stat().st_mode & 0o077 for path in folder.iterdir()] == [0]


def test_a_flipped_bit_costs_a_recompile(warm):
    """More of the kind are in test_cache_damage.py, with entries that compile faster."""
    folder, weights = warm
    [path] = folder.rglob("network-float32-*")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert run(folder) == ("compiler", weights)
    assert run(folder) == ("cache", weights), "the damaged file was not replaced"


def test_the_user_s_numba_settings_are_left_alone(warm, tmp_path):
    run(warm[0], NUMBA_CACHE_DIR=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


# A user without a name (as `docker run --user 54321`), in an empty working directory. The platform
# folders are those of this platformdirs, or what an older one makes of a missing home.
HOMELESS = """
import os, pwd, sys
os.environ.pop("HOME", None)
os.environ.pop("XDG_CACHE_HOME", None)

def no_such_user(*_):
    raise KeyError("uid not found: 54321")

pwd.getpwuid = pwd.getpwnam = no_such_user
import pathlib, platformdirs
if sys.argv[1] == "old":
    platformdirs.user_cache_path = lambda *_, **__: pathlib.Path("~/.cache/fastbp")
import fastbp
assert not os.listdir(".")
import numpy as np
try:
    # the unit that compiles fastest
    fastbp.functional.sgd_step(np.ones(3), np.ones(3), 0.1)
    fastbp.functional.sgd_step(np.ones(3, "f4"), np.ones(3, "f4"), 0.1)
except ValueError as error:
    print(error)
else:
    print("ran")
assert not os.listdir(".")
from fastbp.cli.main import main
main(["info"])
"""


def homeless(folder, which, **env):
    env = {k: v for k, v in os.environ.items() if k != "FASTBP_CACHE_DIR"} | env
    env["FASTBP_JIT"] = "1"
    done = subprocess.run(
        [sys.executable, "-c", HOMELESS, which],
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    first, _, info = done.stdout.partition("\n")
    return first, info, done.stderr


@needs("pwd")
@pytest.mark.parametrize("which", ["new", "old"])
def test_without_a_home_folder_every_process_compiles(tmp_path, which):
    """This is said once; each compilation before it starts."""
    first, info, errors = homeless(tmp_path, which)
    assert first == "ran"
    unkept, *compiling = errors.splitlines()
    assert unkept.startswith("fastbp: compiled kernels cannot be kept, so every process compiles ")
    assert unkept.endswith("Set FASTBP_CACHE_DIR to a folder of yours")
    assert [line.split(" for ")[0] for line in compiling] == [
        "fastbp: compiling kernels (elementwise, float64)",
        "fastbp: compiling kernels (elementwise, float32)",
    ]
    assert "every process compiles anew: no home folder" in info
    assert "set FASTBP_CACHE_DIR" in info


@pytest.mark.parametrize("folder", ["~/x", "~other/x", "x", "./x", "~"])
def test_relative_folders_are_refused_by_name(tmp_path, folder):
    first, _, errors = homeless(tmp_path, "new", FASTBP_CACHE_DIR=folder)
    wanted = f"FASTBP_CACHE_DIR must be an absolute path, or begin with ~, got {folder!r}"
    assert first.startswith(wanted)
    assert first.endswith("there is no such home folder") == folder.startswith("~")
    assert f"error: {wanted}" in errors


def test_a_home_folder_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FASTBP_CACHE_DIR", "~/x")
    assert cache.cache_folder().parent == tmp_path / "x"
    monkeypatch.delenv("FASTBP_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.chdir(tmp_path)
    try:
        folder = cache.cache_folder()
    except FileNotFoundError:
        pass
    else:
        assert folder.is_absolute()
    assert not (tmp_path / "relative").exists()


def test_importing_makes_no_folder(tmp_path):
    env = os.environ | {"FASTBP_CACHE_DIR": str(tmp_path / "x")}
    code = "import fastbp, fastbp.functional, fastbp.kernels.compile"
    subprocess.run([sys.executable, "-W", "error", "-c", code], env=env, check=True, timeout=120)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("setting", ["NUMBA_OPT=0", "NUMBA_BOUNDSCHECK=1", "NUMBA_DEBUGINFO=1"])
def test_numba_s_settings_do_not_change_the_code(setting):
    """They are for the user's own functions."""
    name, _, value = setting.partition("=")
    code = "from fastbp.kernels.compile import compile_unit; import hashlib\n"
    code += "print(hashlib.sha256(compile_unit('threads', 'any')).hexdigest())"
    digests = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | more,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        for more in ({}, {name: value})
    ]
    assert digests[0] == digests[1]


def test_the_compiler_s_line(tmp_path):
    """It comes before the compilation, and says what, how long, and where it is kept."""
    env = os.environ | {"FASTBP_CACHE_DIR": str(tmp_path), "FASTBP_JIT": "1"}
    code = "from fastbp.kernels import entries, loader, compile\n"
    code += "compile.compile_unit = lambda *unit: print(unit) or 1 / 0\nentries.worker_loop(0, 0)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "('threads', 'any')\n"
    line = done.stderr.splitlines()[0]
    assert line.startswith("fastbp: compiling kernels (threads, any) for ")
    assert f", about 1 s on an idle CPU; it is kept in {tmp_path}" in line
    assert line.endswith(". A wheel of fastbp has them ready")
