"""The cache of compiled code where something goes wrong with it, done for real: a recompile, no
crash and no other number."""

import ast
import itertools
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.needs import needs

from fastbp.kernels import cache

FLIPS = int(os.environ.get("FASTBP_FLIPS", "16"))

# The units that compile fastest. What they give is printed to the bit.
PROGRAM = """
import sys, numpy as np
from fastbp.kernels.entries import first_outside, momentum, sgd
from fastbp.kernels.loader import origins
if "wait" in sys.argv:
    print("ready", flush=True)
    sys.stdin.readline()
bits = []
for dtype in sorted(("f4", "f8"), reverse="backwards" in sys.argv):
    numbers = np.sqrt(np.arange(1, 40, dtype=dtype))
    w, v, g = (numbers[start : start + 37].copy() for start in range(3))
    momentum(w, v, g, 0.1, 0.9, True, 0.0)
    sgd(w, g, 0.01, 0.0)
    bits.append(w.tobytes().hex() + v.tobytes().hex())
bits = [first_outside(np.arange(5), 3), *sorted(bits)]
print(list(origins.values()).count("cache"), *bits)
"""
FILES = 3


def program(folder):
    """The command, and the environment that has it use `folder`."""
    return {
        "args": [sys.executable, "-c", PROGRAM],
        "env": os.environ | {"FASTBP_CACHE_DIR": str(folder), "FASTBP_JIT": "1"},
        "text": True,
    }


def run(folder):
    """Files taken from the cache, and the bits of the results."""
    done = subprocess.run(**program(folder), capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    hits, *bits = done.stdout.split()
    lines = [line for line in done.stderr.splitlines() if "compiling kernels" in line]
    assert len(lines) == FILES - int(hits)
    # That the cache cannot be used is said once.
    assert len(done.stderr.splitlines()) - len(lines) <= 1
    return int(hits), bits


def files(folder):
    """The cache's files, with nothing else in its folder."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    assert all(path.suffix == ".kernels" for path in found)
    return found


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    hits, bits = run(folder)
    assert (hits, len(files(folder))) == (0, FILES)
    assert run(folder) == (FILES, bits)
    return folder, bits


@pytest.fixture
def warm(clean, tmp_path):
    """A copy of a cache that is whole, and the bits to expect."""
    shutil.copytree(clean[0], tmp_path / "warm")
    return tmp_path / "warm", clean[1]


def test_flipped_bits(warm):
    """FASTBP_FLIPS says how many. Each time in all files but one, which shows that what was written
    before it is whole."""
    folder, bits = warm
    rng = random.Random(0)
    for trial in range(-(-FLIPS // (FILES - 1))):
        for path in rng.sample(files(folder), FILES - 1):
            content = bytearray(path.read_bytes())
            # in the checksums at first
            content[rng.randrange(len(content) if trial else 32)] ^= 1 << rng.randrange(8)
            path.write_bytes(content)
        assert run(folder) == (1, bits), trial
    assert run(folder) == (FILES, bits)


def cut(length):
    return lambda contents, i: contents[i][:length]


DAMAGE = {
    "empty": cut(0),
    "no code": cut(32),
    "some code": cut(33),
    "half": lambda contents, i: contents[i][: len(contents[i]) // 2],
    "without its end": cut(-1),
    "longer": lambda contents, i: contents[i] + b"\0",
    "zeros, as a loss of power may leave": lambda contents, i: bytes(len(contents[i])),
    "another's code": lambda contents, i: contents[i - 1],
}


@pytest.mark.parametrize("first", range(0, len(DAMAGE), FILES))
def test_damaged_files(warm, first):
    folder, bits = warm
    kinds = list(DAMAGE)[first : first + FILES]
    contents = [path.read_bytes() for path in files(folder)]
    for i, (path, kind) in enumerate(zip(files(folder), kinds, strict=False)):
        path.write_bytes(DAMAGE[kind](contents, i))
    assert run(folder) == (FILES - len(kinds), bits)
    assert run(folder) == (FILES, bits), "they were not replaced"


def test_something_else_of_that_name(warm):
    folder, bits = warm
    for path in files(folder):
        path.unlink()
        path.mkdir()
    assert run(folder) == (0, bits)
    assert files(folder) == []


def test_twelve_processes_at_once(tmp_path, clean):
    """Half of them compile for one dtype first, half for the other."""
    orders = [["wait"], ["wait", "backwards"]] * 6
    command = program(tmp_path) | {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
    }
    processes = [
        subprocess.Popen(**command | {"args": command["args"] + order}) for order in orders
    ]
    try:
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * len(processes)
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        for process in processes:
            out, err = process.communicate(timeout=120)
            assert (process.returncode, out.split()[1:]) == (0, clean[1])
            assert all("compiling kernels" in line for line in err.splitlines())
    finally:
        for process in processes:
            process.kill()
    assert len(files(tmp_path)) == FILES
    assert run(tmp_path) == (FILES, clean[1])


def test_a_file_where_its_folder_should_be(tmp_path, clean):
    (tmp_path / "file").write_text("in the way")
    assert run(tmp_path / "file" / "cache") == (0, clean[1])
    assert run(tmp_path / "file") == (0, clean[1])


def mounted(folder, options):
    """Whether `folder` is now a file system in memory; its user unmounts it."""
    folder.mkdir()
    return (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True
        ).returncode
        == 0
    )


@pytest.mark.parametrize("options", ["size=32k", "nr_inodes=1"])
def test_a_full_disk(options, tmp_path, clean):
    """One that becomes full with the first file or two, and one on which not even a folder can be
    made."""
    disk = tmp_path / "disk"
    if not mounted(disk, options):
        pytest.skip("needs the right to mount a file system")
    try:
        assert run(disk) == (0, clean[1])
        left = len(files(disk))
        assert left < FILES
        assert left == 0 or run(disk) == (left, clean[1])
    finally:
        subprocess.run(["umount", disk], check=True)


@needs("resource")
def test_no_room_for_the_larger_files(tmp_path, clean):
    """Writing fails in the middle of them."""
    sizes = sorted(path.stat().st_size for path in files(clean[0]))
    limit = (
        f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({sizes[1]}, {sizes[1]}))\n"
    )
    command = program(tmp_path) | {"args": [sys.executable, "-c", limit + PROGRAM]}
    done = subprocess.run(**command, capture_output=True, timeout=120)
    assert (done.returncode, done.stdout.split()) == (0, ["0", *clean[1]])
    assert done.stderr.count("cannot be kept") == 1
    assert [path.stat().st_size <= sizes[1] for path in files(tmp_path)] == [True, True]
    assert run(tmp_path) == (2, clean[1])


@pytest.fixture
def read_only(warm, tmp_path):
    """A folder of a warm cache of which one file is damaged, and nothing can be written there."""
    folder, bits = warm
    path = files(folder)[0]
    path.write_bytes(path.read_bytes()[:-1])
    if os.geteuid():
        for inner in [folder, *folder.iterdir()]:
            inner.chmod(0o555)
        yield folder, bits
        for inner in [folder, *folder.iterdir()]:
            inner.chmod(0o755)
    elif not mounted(tmp_path / "disk", "size=16m"):
        pytest.skip("root writes everywhere, and may not mount a file system here")
    else:
        try:
            shutil.copytree(folder, tmp_path / "disk" / "warm")
            subprocess.run(["mount", "-o", "remount,ro", tmp_path / "disk"], check=True)
            yield tmp_path / "disk" / "warm", bits
        finally:
            subprocess.run(["umount", tmp_path / "disk"], check=True)


@needs("os.geteuid")
def test_a_cache_that_can_only_be_read(read_only):
    """What is whole is used, and what is not is compiled."""
    folder, bits = read_only
    before = [path.read_bytes() for path in files(folder)]
    assert run(folder) == (FILES - 1, bits)
    assert [path.read_bytes() for path in files(folder)] == before


@needs("os.geteuid")
def test_a_read_only_home(read_only, monkeypatch):
    folder, bits = read_only
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    before = sorted(folder.rglob("*"))
    assert run("") == (0, bits)
    assert sorted(folder.rglob("*")) == before


# Saved in the place of compiled code, under a right checksum: it finds a label that is not there.
BOMB = """
from llvmlite import binding
from fastbp.kernels import cache, compile, python_call, target
cache.cache_folder()
compile_unit = compile.compile_unit
def bomb(unit, dtype):
    if unit != "threads":
        return compile_unit(unit, dtype)
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    names = ("worker_loop", "wait_for_workers", "first_outside")
    code = "".join(f"define i64 @fastbp_{name}(ptr %words) {{ ret i64 4242 }}" for name in names)
    machine = binding.Target.from_default_triple().create_target_machine()
    return machine.emit_object(binding.parse_assembly(python_call.CODE + code))
compile.compile_unit = bomb
"""


OTHERS = {"group": lambda path: path.chmod(0o720), "others": lambda path: path.chmod(0o702)}
if hasattr(os, "geteuid") and os.geteuid() == 0:
    OTHERS["owner"] = lambda path: os.chown(path, 65534, -1)


@needs("os.geteuid")
def test_what_others_could_have_written_is_not_run(tmp_path, clean):
    """Neither from a folder that they may write to, nor if they put such a folder in the place of
    ours later."""
    folder_of_all = tmp_path / "cache"
    bits = clean[1]
    command = program(folder_of_all) | {"args": [sys.executable, "-c", BOMB + PROGRAM]}
    subprocess.run(**command, check=True, stdout=subprocess.DEVNULL, timeout=120)
    shutil.copytree(folder_of_all, tmp_path / "live")
    [folder] = folder_of_all.iterdir()
    before = [path.read_bytes() for path in files(folder)]
    assert len(before) == FILES
    for open_to_others in OTHERS.values():
        open_to_others(folder)
        assert run(folder_of_all) == (0, bits)
        os.chown(folder, os.geteuid(), -1)
        folder.chmod(0o700)
    assert [path.read_bytes() for path in files(folder)] == before
    for path, open_to_others in zip(files(folder), itertools.cycle(OTHERS.values())):
        open_to_others(path)
    assert run(folder_of_all) == (0, bits)
    assert run(folder_of_all) == (FILES, bits), "they were not replaced"
    assert run(tmp_path / "live") == (FILES, ["4242", *bits[1:]]), "it would not have been run"


def test_nothing_is_unpickled():
    for path in Path(cache.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert "pickle" not in ast.unparse(node), path


@needs("os.geteuid")
def test_a_folder_that_is_a_link(warm, tmp_path):
    """Whoever made the link says what it leads to."""
    folder, bits = warm
    [inner] = folder.iterdir()
    inner.rename(tmp_path / "elsewhere")
    inner.symlink_to(tmp_path / "elsewhere")
    assert run(folder) == (0, bits)


@needs("os.geteuid")
def test_info_says_why(warm):
    [inner] = warm[0].iterdir()
    inner.chmod(0o777)
    done = subprocess.run(
        [sys.executable, "-m", "fastbp", "info"],
        env=program(warm[0])["env"],
        capture_output=True,
        text=True,
    )
    assert (
        f"every process compiles anew: {inner} is another user's, or others may write to it\n"
        in done.stdout
    )
