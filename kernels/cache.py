"""Compiled code on disk: one file per entry and signature, loaded only if it is intact and no other
user could have written it.

Numba's own cache does not suffice. Its key covers neither edits in other files nor an upgrade nor
Numba's settings (numba/numba#10821). It passes any bytes that it finds to the unpickler and the
processor, so one flipped bit may end the process or change a number. Its index is read, changed and
written back, so one of several processes that start together may find another's code under its
signature. Here the file's name covers everything that the code depends on, there is no index, and a
checksum is verified first. A damaged file or folder costs a compilation and raises no error.
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

from .abi import CHECKED

SUFFIX = ".nbc"
# Numba's settings that change the code it makes.
SETTINGS = ("OPT", "BOUNDSCHECK", "DEBUGINFO_DEFAULT", "LOOP_VECTORIZE", "SLP_VECTORIZE")


def cache_folder():
    """The folder of compiled code for exactly these sources and libraries, created if missing.

    Raises OSError if there is no home folder to have it in, if it cannot be created, or if another
    user could have written to it: code from there is run. ValueError if FASTBP_CACHE_DIR is
    relative: every working directory would get a cache.
    """
    folder = _root() / _digest()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = folder.lstat()
    if not (stat.S_ISDIR(status.st_mode) and _only_ours(status)):
        raise PermissionError(f"{folder} is another user's, or others may write to it")
    return folder


def _root():
    """The folder of all versions' compiled code: FASTBP_CACHE_DIR, else that of the system."""
    chosen = os.environ.get("FASTBP_CACHE_DIR")
    if chosen:
        root = Path(os.path.expanduser(chosen))
        if not root.is_absolute():
            missing = ", and there is no such home folder" if chosen.startswith("~") else ""
            raise ValueError(
                f"FASTBP_CACHE_DIR must be an absolute path, or begin with ~, got {chosen!r}"
                + missing
            )
        return root
    try:
        root = platformdirs.user_cache_path("fastbp", appauthor=False)
    except RuntimeError as error:  # of a user without a name and without HOME
        raise FileNotFoundError(f"no home folder ({error}): set FASTBP_CACHE_DIR") from error
    if not root.is_absolute():  # from an older platformdirs, or a relative XDG_CACHE_HOME
        raise FileNotFoundError(f"no home folder, as {root} is relative: set FASTBP_CACHE_DIR")
    return root


@functools.cache
def _folder():
    """`cache_folder`, or None if there is none. It is looked for when a kernel is first compiled:
    importing fastbp touches no folder."""
    try:
        return cache_folder()
    except OSError:
        return None


def _only_ours(status):
    """Whether only this user and root could have written it. On Windows the access lists of a
    user's folders ensure it."""
    return not hasattr(os, "geteuid") or (
        status.st_uid in (0, os.geteuid()) and not status.st_mode & 0o022
    )


@functools.cache
def _digest():
    """Everything that compiled code depends on except the processor, as a folder's name."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    try:
        version = metadata.version("fastbp")
    except metadata.PackageNotFoundError:  # run from a source tree that is not installed
        version = "0"
    libraries = (numba.__version__, llvmlite.__version__, np.__version__, sys.version)
    settings = [getattr(numba.config, name, None) for name in SETTINGS]
    digest.update(repr((version, libraries, settings)).encode())
    return f"{version}-{digest.hexdigest()[:16]}" + ("-checked" if CHECKED else "")


class Cache(NullCache):
    """The cache of one dispatcher: read before it compiles, written afterwards."""

    def __init__(self, function):
        self._name = f"{function.__module__}.{function.__qualname__}"

    def load_overload(self, sig, target_context):
        if _folder() is None:
            return None
        target_context.refresh()
        try:
            path, key = self._place(sig, target_context.codegen())
            with open(path, "rb") as file:
                checksum = file.read(32)
                code = file.read()
                # The folder may have been replaced since it was checked.
                if checksum != _checksum(key, code) or not _only_ours(os.fstat(file.fileno())):
                    return None
            return CompileResult._rebuild(target_context, *pickle.loads(code))
        except Exception:  # usually no such file; unlikely after a correct checksum
            return None

    def save_overload(self, sig, data):
        # Code with dynamic globals holds addresses of this process.
        if _folder() is None or data.lifted or data.library.has_dynamic_globals:
            return
        temporary = None
        try:
            path, key = self._place(sig, data.codegen)
            code = dumps(data._reduce())
            descriptor, temporary = tempfile.mkstemp(".tmp", self._name, _folder())
            with open(descriptor, "wb") as file:
                file.writelines([_checksum(key, code), code])
            os.replace(temporary, path)
            temporary = None
        except Exception:  # usually a full or read-only disk: other processes compile as well
            pass
        finally:
            if temporary is not None:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)

    def _place(self, sig, codegen):
        """Path and key. The checksum covers the key, so a renamed file is rejected."""
        folder = _folder()
        key = repr((folder.name, self._name, sig, codegen.magic_tuple())).encode()
        return folder / f"{self._name}-{hashlib.sha256(key).hexdigest()[:16]}{SUFFIX}", key


def _checksum(key, code):
    digest = hashlib.sha256(key + b"\0")
    digest.update(code)
    return digest.digest()
