"""Units of compiled code, loaded on first use: from the package, from the user's cache, or compiled
now and kept in the cache.

Loading takes some milliseconds and needs LLVM's linker only. Numba is imported to compile.
"""

import contextlib
import logging
import os
import sys
import threading

from llvmlite import binding

from . import cache, target
from .abi import CHECKED

# Seconds that a unit takes to compile on a quiet machine, for the message.
COMPILE_SECONDS = {"network": 7, "layer": 4, "elementwise": 1, "threads": 1}
# Where the loaded units came from, by (unit, dtype): "package", "cache" or "compiler".
origins: dict[tuple[str, str], str] = {}
_engines: dict = {}  # with the code, which lives as long as the process
_lock = threading.RLock()
_said: set[str] = set()


def load(unit, dtype):
    """Load a unit, compiled before if necessary.

    Returns a function from a symbol's name to its address. RuntimeError if the target is not one
    that this processor can run.
    """
    with _lock:
        if (unit, dtype) not in _engines:
            target.check_runs_here()
            name = cache.file_name(unit, dtype)
            origin = "package"
            code = cache.read(cache.SHIPPED, name)
            if code is None:
                origin, code = _from_cache(unit, dtype, name)
            _engines[unit, dtype] = _link(code)
            origins[unit, dtype] = origin
        engine = _engines[unit, dtype]
        return engine.get_global_value_address if CHECKED else engine.get_function_address


def _from_cache(unit, dtype, name):
    try:
        folder = cache.cache_folder()
    except OSError as error:
        _say_unkept(error)
        folder = None
    code = None if folder is None else cache.read(folder, name)
    if code is not None:
        return "cache", code
    kept = f"; it is kept in {folder}" if folder is not None else ""
    _say(
        f"fastbp: compiling kernels ({unit}, {dtype}) for {target.NAME}, about "
        f"{COMPILE_SECONDS[unit]} s on an idle CPU{kept}. A wheel of fastbp has them ready"
    )
    from .compile import compile_unit

    code = compile_unit(unit, dtype)
    if folder is not None:
        try:
            cache.write(folder, name, code)
        except OSError as error:
            _say_unkept(error)
    return "compiler", code


def _say_unkept(error):
    """Say once that compiled code is not kept."""
    if "unkept" not in _said:
        _said.add("unkept")
        _say(
            f"fastbp: compiled kernels cannot be kept, so every process compiles anew: {error}. "
            "Set FASTBP_CACHE_DIR to a folder of yours"
        )


def _say(text):
    """One line to the logger, and on standard error, which may be closed."""
    logging.getLogger("fastbp").info(text)
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            print(text, file=sys.stderr, flush=True)


def _link(code):
    """Load an object file into this process."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_triple(binding.get_process_triple()).create_target_machine()
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), machine)
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine


def _new_lock():
    """A fork of another thread may have held the lock."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)
