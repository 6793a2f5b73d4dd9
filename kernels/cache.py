"""Compiled code on disk: one object file per unit, dtype and target, loaded only if it is intact.

A file is a checksum of 32 bytes and an object file. The checksum covers the file's name and the
kernels' sources, so a damaged, renamed or outdated file is rejected, at the price of a compilation.
Files are read from two folders: that of the package, where wheels have them, and the user's cache.
From the cache code is run only if no other user could have written it. A folder's or a disk's
failure raises no error. Nothing is unpickled.
"""

import contextlib
import functools
import hashlib
import os
import stat
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import llvmlite
import numpy as np
import platformdirs

from . import target
from .abi import CHECKED

SUFFIX = ".kernels"
SHIPPED = Path(__file__).parent / "objects"


def cache_folder():
    """The folder of compiled code for exactly these sources and libraries, created if missing.

    Raises OSError if there is no home folder to have it in, if it cannot be created, or if another
    user could have written to it: code from there is run. ValueError if FASTBP_CACHE_DIR is
    relative: every working directory would get a cache.
    """
    folder = _root() / _folder_name()
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


def _only_ours(status):
    """Whether only this user and root could have written it. On Windows the access lists of a
    user's folders ensure it."""
    return not hasattr(os, "geteuid") or (
        status.st_uid in (0, os.geteuid()) and not status.st_mode & 0o022
    )


@functools.cache
def sources_digest():
    """A digest of the kernels' sources: code of other sources is never run."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.digest()


@functools.cache
def _folder_name():
    """The cache's folder of these sources and of the libraries that compile them."""
    versions = [np.__version__, llvmlite.__version__, sys.version]
    for name in ("numba", "fastbp"):
        try:
            versions.append(metadata.version(name))
        except metadata.PackageNotFoundError:  # run from a source tree that is not installed
            versions.append("0")
    digest = hashlib.sha256(sources_digest() + repr(versions).encode()).hexdigest()
    return f"{versions[-1]}-{digest[:16]}"


def file_name(unit, dtype):
    """The name of the object file of a unit for this process's target."""
    name = f"{unit}-{dtype}-{target.NAME}-{target.SYSTEM}"
    if target.TARGET.features:  # of one processor
        processor = f"{target.TARGET.cpu} {target.TARGET.features}"
        name += f"-{hashlib.sha256(processor.encode()).hexdigest()[:16]}"
    return name + ("-checked" if CHECKED else "") + SUFFIX


def read(folder, name):
    """The code in a file, or None if it is missing, damaged, of other sources or, in the cache, if
    another user could have written it."""
    try:
        with open(folder / name, "rb") as file:
            checksum = file.read(32)
            code = file.read()
            # The folder may have been replaced since it was checked.
            if folder != SHIPPED and not _only_ours(os.fstat(file.fileno())):
                return None
    except OSError:  # usually no such file
        return None
    return code if checksum == _checksum(name, code) else None


def write(folder, name, code):
    """Write a file, whole or not at all.

    Raises OSError, usually of a full or read-only disk.
    """
    descriptor, temporary = tempfile.mkstemp(".tmp", name, folder)
    try:
        with open(descriptor, "wb") as file:
            file.writelines([_checksum(name, code), code])
        os.replace(temporary, folder / name)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _checksum(name, code):
    digest = hashlib.sha256(sources_digest() + name.encode() + b"\0")
    digest.update(code)
    return digest.digest()
