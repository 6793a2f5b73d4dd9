"""Compiled code kept on disk: a file for each entry and signature, read back only if it is whole
and nobody else's.

Numba's own cache does not do: its key sees neither edits in other files nor an upgrade; it hands
whatever bytes it finds to the unpickler and the processor, so that one flipped bit may end the
process or change a number; and its index is read, changed and written back, so that of processes
that start together one may find another's code under its signature. Here a file's name is what its
code depends on, there is no index, and a checksum comes before everything else. Whatever is wrong
with a file or a folder costs a recompile and is never the caller's problem.
"""

import contextlib
import functools
import hashlib
import os
import pickle
import stat
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import llvmlite
import numba
import numpy as np
import platformdirs
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from .memory import CHECKED

SUFFIX = ".nbc"


def cache_folder():
    """The folder of compiled code for exactly these sources and libraries, made if missing.

    Raises OSError where it cannot be made, or where others could have put something in it: code is
    run from there.
    """
    chosen = os.environ.get("FASTBP_CACHE_DIR")
    root = Path(chosen) if chosen else platformdirs.user_cache_path("fastbp", appauthor=False)
    folder = root.absolute() / _digest()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = folder.lstat()
    if not (stat.S_ISDIR(status.st_mode) and _only_ours(status)):
        raise PermissionError(f"{folder} is another user's, or others may write to it")
    return folder


def _only_ours(status):
    """Whether nobody but this user or root can have written it; on Windows the access lists of a
    user's folders see to that."""
    return not hasattr(os, "geteuid") or (
        status.st_uid in (0, os.geteuid()) and not status.st_mode & 0o022
    )


@functools.cache
def _digest():
    """Everything but the processor that compiled code depends on, as a folder's name."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    try:
        version = metadata.version("fastbp")
    except metadata.PackageNotFoundError:  # run from a source tree that is not installed
        version = "0"
    libraries = (numba.__version__, llvmlite.__version__, np.__version__, sys.version)
    digest.update(repr((version, libraries)).encode())
    return f"{version}-{digest.hexdigest()[:16]}" + ("-checked" if CHECKED else "")


class Cache(NullCache):
    """What a dispatcher asks for compiled code before it compiles, and hands it to afterwards."""

    def __init__(self, function, folder):
        self._name, self._folder = f"{function.__module__}.{function.__qualname__}", folder

    @property
    def cache_path(self):
        return str(self._folder)

    def load_overload(self, sig, target_context):
        target_context.refresh()
        try:
            path, key = self._place(sig, target_context.codegen())
            with open(path, "rb") as file:
                checksum, code = file.read(32), file.read()
                # The folder was ours when it was looked at, but it may have been moved away since.
                if checksum != _checksum(key, code) or not _only_ours(os.fstat(file.fileno())):
                    return None
            return CompileResult._rebuild(target_context, *pickle.loads(code))
        except Exception:  # no such file, mostly; with a right checksum, hardly anything
            return None

    def save_overload(self, sig, data):
        if data.lifted or data.library.has_dynamic_globals:
            return  # it holds addresses of this process
        temporary = None
        try:
            path, key = self._place(sig, data.codegen)
            code = dumps(data._reduce())
            descriptor, temporary = tempfile.mkstemp(".tmp", self._name, self._folder)
            with open(descriptor, "wb") as file:
                file.writelines([_checksum(key, code), code])
            os.replace(temporary, path)
            temporary = None
        # a disk that is full or read-only, mostly: other processes will have to compile as well
        except Exception:
            pass
        finally:
            if temporary is not None:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)

    def _place(self, sig, codegen):
        """Path and key: the checksum covers the key too, so a file under another's name is not
        taken for that one."""
        key = repr((self._folder.name, self._name, sig, codegen.magic_tuple())).encode()
        return self._folder / f"{self._name}-{hashlib.sha256(key).hexdigest()[:16]}{SUFFIX}", key


def _checksum(key, code):
    digest = hashlib.sha256(key + b"\0")
    digest.update(code)
    return digest.digest()
