"""A file replaced as a whole: whoever is killed at whatever moment leaves the old content or the
new, never a part."""

import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path


def replace_file(path: str | os.PathLike, parts: Iterable[bytes]) -> None:
    """Write `parts`, one after the other, to the file `path`, in place of what it may hold; a link
    is followed.

    It is written to a temporary file in the same folder, ``.name.xxxxxxxxxxxxxxxx.tmp``, forced to
    the disk, and then given the name. Such files that killed processes have left behind are
    removed; a lock tells them from those at work.

    Raises
    ------
    OSError
        Naming `path`, if there is no such folder, it may not be written to, or the disk is full.
        What `path` held still stands.
    """
    target = Path(os.path.realpath(path))
    temporary = None
    try:
        _clear(target)
        temporary, descriptor = _locked_file(target)
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(parts)
            file.flush()
            with contextlib.suppress(FileNotFoundError):
                os.chmod(temporary, target.stat().st_mode & 0o777)
            os.fsync(descriptor)
            os.replace(temporary, target)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)  # the new name itself
        finally:
            os.close(folder)
    except BaseException as error:
        if temporary is not None:
            with contextlib.suppress(OSError):  # it may have its final name by now
                temporary.unlink()
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise


def probe(path: str | os.PathLike) -> None:
    """Find out whether `path` can be replaced, leaving it as it is.

    Raises
    ------
    OSError
        Naming `path`, if its folder is missing or may not be written to.
    """
    target = Path(os.path.realpath(path))
    try:
        temporary, descriptor = _locked_file(target)
        os.close(descriptor)
        temporary.unlink()
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _locked_file(target):
    """A new temporary file, with the lock that says that its writer lives: its path and descriptor."""
    while True:
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        # of a file system that has no locks, where nobody clears away either
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return temporary, descriptor
        os.close(descriptor)  # cleared away before it was locked


def _clear(target):
    """Remove the temporary files of `target` whose writers are no more."""
    left = re.compile(re.escape(f".{target.name}.") + r"[0-9a-f]{16}\.tmp")
    for entry in [entry for entry in os.scandir(target.parent) if left.fullmatch(entry.name)]:
        with contextlib.suppress(OSError):
            descriptor = os.open(entry.path, os.O_WRONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(entry.path)
            finally:
                os.close(descriptor)
