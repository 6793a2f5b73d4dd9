"""How kernels are compiled and where compiled code is kept: the one place that sets Numba's options.

`kernel` makes a building block, `entry` a function that Python calls. Only entries are cached on disk: loading one brings the
machine code of everything that it calls. The cache is a private folder of the user, keyed by a digest of the kernels' sources
and the library's version, because Numba's own key sees neither edits in other files nor an upgrade. A folder that cannot be
written, or a damaged file in it, costs a recompile and never an error.
"""

import hashlib
import os
from importlib import metadata
from pathlib import Path

import numba
import platformdirs
from numba.core import config, ir
from numba.core.caching import FunctionCache
from numba.core.compiler import Compiler

from .memory import CHECKED

# error_model: division without Python's zero check, which would keep loops scalar. No fast-math: NaN must go through, and
# contraction would make an element's bits depend on its place. nogil: the team's members run side by side.
# _nrt: kernels make no arrays, so nothing need be counted; without the counting, which is mostly found out to be needless,
# they compile sooner and a call costs less.
OPTIONS = {"error_model": "numpy", "nogil": True, "no_cfunc_wrapper": True, "_nrt": False}


def kernel(function):
    """A compiled building block: called by kernels, compiled into them."""
    return numba.njit(no_cpython_wrapper=True, **OPTIONS)(function)


def section(function):
    """A kernel that is one place's own: typed as part of its caller. As a function it would be optimised and translated once
    more for every caller up the chain, which is what a cold compile mostly consists of (12 s of train without, 7 s with)."""
    return numba.njit(no_cpython_wrapper=True, inline="always", **OPTIONS)(function)


def entry(function):
    """A compiled function that Python calls; its machine code is cached on disk."""
    dispatcher = numba.njit(pipeline_class=_Compiler, **OPTIONS)(function)
    folder = cache_folder()
    if folder is not None:
        # Numba reads the folder when the cache object is made; any other value is the user's own and is put back at once.
        users, config.CACHE_DIR = config.CACHE_DIR, str(folder)
        try:
            dispatcher._cache = _Cache(function)
        finally:
            config.CACHE_DIR = users
    return dispatcher


def cache_folder():
    """The folder of compiled code for exactly this source, made if missing; None where it cannot be written."""
    chosen = os.environ.get("FASTBP_CACHE_DIR")
    root = Path(chosen) if chosen else platformdirs.user_cache_path("fastbp", appauthor=False)
    folder = root / (_digest() + ("-checked" if CHECKED else ""))
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def _digest():
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    try:
        version = metadata.version("fastbp")
    except metadata.PackageNotFoundError:  # run from a source tree that is not installed
        version = "0"
    digest.update(f"{version} {numba.__version__}".encode())
    return f"{version}-{digest.hexdigest()[:16]}"


class _Compiler(Compiler):
    """Numba's, but for a copy that it makes while inlining sections: with each block of a section's code it copies the table of
    all the function's variables, only to replace it by the caller's. That was a fifth of a cold compile."""

    def compile_extra(self, func):
        def same(scope, memo):
            return scope

        ir.Scope.__deepcopy__ = same  # under Numba's lock, which lets one thread at a time compile
        try:
            return super().compile_extra(func)
        finally:
            del ir.Scope.__deepcopy__


class _Cache(FunctionCache):
    """Numba's cache of one function, except that nothing wrong with its files is ever the caller's problem."""

    def load_overload(self, sig, target_context):
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # whatever a truncated or foreign pickle raises
            self._forget()
            return None

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except Exception:  # a full or read-only disk, a damaged index
            self._forget()

    def _forget(self):
        try:
            self.flush()
        except OSError:
            self.disable()
