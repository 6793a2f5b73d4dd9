"""``fastbp info`` and ``fastbp warmup``: this machine, and the kernels compiled for it."""

import os
import platform
import time
from importlib import metadata

from ..kernels import cpu_features
from ..kernels.cache import SUFFIX, cache_folder
from ..runtime.cpus import available_cpus
from ..warmup import warmup

REQUIRED = ("fastbp", "numpy", "numba", "llvmlite", "safetensors")
OTHERS = ("scikit-learn", "pyarrow", "matplotlib", "torch", "jax")


def add_to(commands) -> None:
    info = commands.add_parser("info", help="versions, vector lanes, threads, cache folder")
    info.description = "What fastbp finds on this machine: what to add to a report of a problem."
    info.set_defaults(run=run_info)
    warm = commands.add_parser(
        "warmup",
        help="compile the kernels now",
        epilog="example:\n  fastbp warmup --dtype float32\n",
    )
    warm.description = (
        "Compile the kernels, or load them from the cache, so that nothing later waits for it."
    )
    warm.add_argument(
        "--dtype",
        choices=["float32", "float64"],
        help="only for nets of this dtype; by default for both",
    )
    warm.set_defaults(run=run_warmup)


def run_info(arguments) -> None:
    bits = 8 * cpu_features.VECTOR_BYTES
    lanes = f"{cpu_features.VECTOR_BYTES // 4} lanes of float32, {cpu_features.VECTOR_BYTES // 8} of float64 ({bits}-bit vectors)"
    tile = f"{cpu_features.TILE_ROWS} rows x {cpu_features.TILE_VECTORS} vectors"
    facts = [(name, _version(name)) for name in REQUIRED]
    facts += [
        ("python", f"{platform.python_version()} ({platform.python_implementation()})"),
        ("system", platform.platform()),
    ]
    facts += [
        ("processor", platform.processor() or platform.machine()),
        ("lanes", lanes),
        ("register tile", tile),
    ]
    facts += [
        ("threads", f"up to {available_cpus()}, the processors that this process may use"),
        ("cache", _cache()),
    ]
    facts += [(name, _version(name)) for name in OTHERS]
    for name, fact in facts:
        print(f"{name + ':':15}{fact}")


def run_warmup(arguments) -> None:
    for dtype in [arguments.dtype] if arguments.dtype else ["float32", "float64"]:
        start = time.perf_counter()
        warmup([dtype])
        print(f"{dtype}: ready after {time.perf_counter() - start:.1f} s")
    print(f"cache: {_cache()}")


def is_warm() -> bool:
    """Whether there is compiled code in the cache."""
    try:
        return any(cache_folder().glob("*" + SUFFIX))
    except OSError:
        return False


def _version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _cache():
    try:
        folder = cache_folder()
        files = [path.stat().st_size for path in folder.glob("*" + SUFFIX)]
    except OSError as error:
        return f"its folder cannot be used, so every process compiles anew: {error}"
    read_only = "" if os.access(folder, os.W_OK) else ", cannot be written to"
    return f"{folder} ({len(files)} files, {sum(files) / 1e6:.1f} MB{read_only})"
