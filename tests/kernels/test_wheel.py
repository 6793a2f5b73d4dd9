"""The wheel: kernels that are ready where nothing can be compiled, with the bits of those compiled
here; objects of other systems, as far as they can be checked on this one."""

import os
import platform
import subprocess
import sys
import zipfile
from pathlib import Path

import lief
import pytest

from fastbp.kernels import cache, compile

ROOT = Path(__file__).parents[2]
HOST = f"{sys.platform}-{platform.machine().lower()}"
MAKE_SECONDS = 900

# What people do with the package, and a digest of what comes of it.
PROGRAM = """
import hashlib, sys, tempfile, pathlib
import numpy as np
import fastbp
from fastbp import functional as F
from fastbp.cli.main import main
from fastbp.sklearn import MLPClassifier

digest = hashlib.sha256()
rows = hashlib.sha256()  # of what depends on the vectors' width
rng = np.random.default_rng(0)
X = rng.normal(size=(400, 20))
y = (X[:, 0] * X[:, 1] > 0).astype(int)
for dtype in ("float32", "float64"):
    net = fastbp.MLP([20, 40, 2], hidden="tanh", dtype=dtype, seed=0)
    history = net.fit(X, y, epochs=3, optimizer=fastbp.Adam(), X_val=X, y_val=y)
    digest.update(net.parameters.tobytes() + repr(history.loss + history.val_loss).encode())
    digest.update(net.predict_proba(X).tobytes() + net.predict_proba(X[:1]).tobytes())
    x, W, b = (rng.normal(size=shape).astype(dtype) for shape in ((40, 5), (5, 7), 7))
    a = F.dense_forward(x, W, b, "tanh")
    loss, delta = F.output_delta(a, np.arange(40) % 7)
    for part in (a, delta, *F.dense_backward(delta, x, W, "relu"), F.sigmoid(a)):
        digest.update(part.tobytes())
    rows.update(F.softmax(a).tobytes())
    F.adam_step(W, np.ones_like(W), np.zeros_like(W), np.zeros_like(W), 3)
    digest.update(W.tobytes())
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "net.safetensors"
    net.save(path)
    digest.update(fastbp.load(path).predict_proba(X).tobytes())
    table = pathlib.Path(folder) / "table.csv"
    lines = [",".join(f"{v:.3f}" for v in row) + f",{'ab'[label]}" for row, label in zip(X, y)]
    table.write_text("\\n".join([",".join(f"x{i}" for i in range(20)) + ",kind", *lines]))
    model = pathlib.Path(folder) / "model.safetensors"
    options = ["--target", "kind", "--out", str(model), "--epochs", "3"]
    assert not main(["train", str(table), *options])
    digest.update(fastbp.load(model).parameters.tobytes())
estimator = MLPClassifier((10,), max_iter=5, random_state=0, tol=0).fit(X, y)
digest.update(estimator.predict_proba(X).tobytes())
from fastbp.kernels.loader import origins
print("\\n" + " ".join(sorted(set(origins.values()))), len(origins))
print(digest.hexdigest(), rows.hexdigest())
"""


def run(*paths, **env):
    """Where the units came from and how many there were, digests of the results, what was said."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))} | env
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        env=env,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    origin, count, *digests = " ".join(done.stdout.splitlines()[-2:]).split()
    return (origin, int(count)), digests, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the wheel's contents, in which importing numba raises."""
    if not (ROOT / "Makefile").exists() or HOST != "linux-x86_64":
        pytest.skip("`make wheel` runs on Linux")
    done = subprocess.run(
        ["make", f"wheel-{HOST}"], cwd=ROOT, capture_output=True, text=True, timeout=MAKE_SECONDS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [wheel] = (ROOT / "dist").glob("fastbp-*-py3-none-manylinux_2_17_x86_64.whl")
    assert wheel.stat().st_size < 6e6
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    (folder / "numba.py").write_text("raise ImportError('numba is imported')")
    return folder


def test_nothing_is_compiled(installed, tmp_path):
    """Nor is anything written, or anything said; there is no home folder. The bits are those of
    kernels that are compiled here."""
    assert len(list(installed.rglob("*.kernels"))) == 14
    (tmp_path / "file").touch()  # nothing can be below it
    home = {"HOME": str(tmp_path / "file"), "FASTBP_CACHE_DIR": str(tmp_path / "file" / "cache")}
    origin, digests, said = run(installed, **home)
    assert origin == ("package", 7)
    assert "fastbp:" not in said
    narrow = run(installed, FASTBP_TARGET="x86-64-v3", **home)
    assert narrow[:2] == (("package", 7), [digests[0], narrow[1][1]])
    here = run(FASTBP_JIT="1", FASTBP_CACHE_DIR=str(tmp_path / "cache"))
    assert here[:2] == (("compiler", 7), digests)


def test_objects_of_other_sources_are_not_used(installed, tmp_path):
    """An edited copy of the package would compile."""
    source = installed / "fastbp" / "kernels" / "rules.py"
    text = source.read_text()
    source.write_text(text + "\n# edited\n")
    code = "from fastbp.kernels import cache\n"
    code += "print(cache.read(cache.SHIPPED, cache.file_name('threads', 'any')) is None)"
    try:
        env = os.environ | {"PYTHONPATH": str(installed)}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    finally:
        source.write_text(text)
    assert done.stdout == "True\n", done.stderr


FORMATS = {
    "linux": lief.ELF.Binary,
    "win32": lief.ELF.Binary,
    "darwin": lief.MachO.Binary,
}
IN_EVERY_PROCESS = {"memcpy", "memmove", "memset"}
YIELD = ("sched_yield", "SwitchToThread")


@pytest.mark.parametrize(
    ("target", "system"),
    [
        ("x86-64-v3", "linux"),
        ("x86-64-v4", "linux"),
        ("aarch64", "linux"),
        ("x86-64-v3", "darwin"),
        ("aarch64", "darwin"),
        ("x86-64-v4", "win32"),
    ],
)
def test_objects_of_other_systems(target, system, tmp_path):
    """Their format, the functions that they offer and those that they need."""
    code = "import pathlib, sys; from fastbp.kernels.compile import compile_unit\n"
    code += "for unit, dtype in (('threads', 'any'), ('elementwise', 'float32')):\n"
    code += "    (pathlib.Path(sys.argv[1]) / unit).write_bytes(compile_unit(unit, dtype))"
    env = os.environ | {"FASTBP_TARGET": f"{target}:{system}"}
    subprocess.run([sys.executable, "-c", code, tmp_path], env=env, check=True, timeout=300)
    machines = set()
    for unit in ("threads", "elementwise"):
        binary = lief.parse(tmp_path / unit)
        assert isinstance(binary, FORMATS[system])
        machines.add(str(getattr(binary.header, "machine_type", None) or binary.header.cpu_type))
        prefix = "_" if system == "darwin" else ""
        undefined = set()
        offered = set()
        for symbol in binary.symbols:
            name = str(symbol.name).removeprefix(prefix)
            if not name or name.startswith(("ltmp", "l_", "L")):
                continue
            if is_undefined(symbol):
                undefined.add(name)
            elif name.startswith("fastbp_"):
                offered.add(name)
        assert undefined <= compile.IMPORTED | IN_EVERY_PROCESS
        assert undefined & {"SwitchToThread", "sched_yield"} == {YIELD[system == "win32"]}
        assert offered >= {"fastbp_call", "fastbp_failed"}
        assert {"threads": "fastbp_worker_loop", "elementwise": "fastbp_adam"}[unit] in offered
    assert all(("AARCH64" in m or "ARM64" in m) == (target == "aarch64") for m in machines)


def is_undefined(symbol):
    if isinstance(symbol, lief.ELF.Symbol):
        return symbol.shndx == 0 and bool(symbol.name)
    return symbol.type == lief.MachO.Symbol.TYPE.UNDEFINED if hasattr(symbol, "type") else False


def test_a_shipped_object_is_read_with_its_checksum(tmp_path):
    """The same format as in the cache: a flipped bit is found."""
    code = b"object code"
    cache.write(tmp_path, "name", code)
    assert cache.read(tmp_path, "name") == code
    content = bytearray((tmp_path / "name").read_bytes())
    content[-1] ^= 1
    (tmp_path / "name").write_bytes(content)
    assert cache.read(tmp_path, "name") is None
