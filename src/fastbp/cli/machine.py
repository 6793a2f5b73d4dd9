"""``fastbp info`` and ``fastbp warmup``: this machine, and the kernels compiled for it."""

import os
import platform
import time
from importlib import metadata

from ..kernels import target
from ..kernels.cache import SHIPPED, SUFFIX, cache_folder, file_name, read
from ..kernels.signatures import UNITS
from ..runtime.cpus import available_cpus, environment_limit
from ..warmup import warmup

REQUIRED = ("fastbp", "numpy", "numba", "llvmlite", "safetensors")
OPTIONAL = ("pyarrow", "scikit-learn", "Jinja2", "matplotlib", "torch", "jax")
DTYPES = ["float32", "float64"]


def add_to(commands) -> None:
    info = commands.add_parser("info", help="versions, vector lanes, threads, cache folder")
    info.description = "Describe this machine and the installed versions, for reports of problems."
    info.set_defaults(run=run_info)
    warm = commands.add_parser(
        "warmup",
        help="compile the kernels now",
        epilog="example:\n  fastbp warmup --dtype float32\n",
    )
    warm.description = "Compile the kernels, or load them from the cache, ahead of the first use."
    warm.add_argument(
        "--dtype", choices=DTYPES, help="only for nets of this dtype; by default for both"
    )
    warm.set_defaults(run=run_warmup)


def run_info(arguments) -> None:
    n_bytes = target.VECTOR_BYTES
    lanes = f"{n_bytes // 4} lanes of float32, {n_bytes // 8} of float64"
    facts = {name: _version(name) for name in REQUIRED} | {
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "lanes": f"{lanes} ({8 * n_bytes}-bit vectors)",
        "register tile": f"{target.TILE_ROWS} rows x {target.TILE_VECTORS} vectors",
        "kernels": f"for {target.NAME}, {_origin()}",
        "threads": _threads(),
        "cache": _cache(),
    }
    for name, fact in (facts | {name: _version(name) for name in OPTIONAL}).items():
        print(f"{name + ':':15}{fact}")


def run_warmup(arguments) -> None:
    for dtype in [arguments.dtype] if arguments.dtype else DTYPES:
        start = time.perf_counter()
        warmup([dtype])
        print(f"{dtype}: ready after {time.perf_counter() - start:.1f} s")
    print(f"cache: {_cache()}")


def _version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _origin():
    """Where compiled kernels come from."""
    names = [file_name(unit, of.dtypes[0]) for unit, (of, *_) in UNITS.items()]
    is_shipped = all(read(SHIPPED, name) is not None for name in names)
    return "ready in the package" if is_shipped else "compiled at first use, and kept in the cache"


def _threads():
    cpus = f"up to {available_cpus()}, the processors that this process may use"
    try:
        limit = environment_limit()
    except ValueError as error:
        return f"{cpus}; {error}"
    return cpus if limit >= available_cpus() else f"{cpus}; by default {limit}, by the environment"


def _cache():
    try:
        folder = cache_folder()
        sizes = [path.stat().st_size for path in folder.glob("*" + SUFFIX)]
    except OSError as error:
        return f"its folder cannot be used, so every process compiles anew: {error}"
    read_only = "" if os.access(folder, os.W_OK) else ", not writable"
    return f"{folder} ({len(sizes)} files, {sum(sizes) / 1e6:.1f} MB{read_only})"
