"""Atomic replacement of a file: a process killed at any moment leaves the old content or the new,
never a part of it."""

import contextlib
import errno
import os
import re
import secrets
import sys
import time
from collections.abc import Iterable
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_PREFIX_BYTES = 100  # of a temporary file's name, so that the whole is below 143, the least limit
# On Windows: after which a temporary file without a writer is stale, and for how long a rename is
# tried again while another program has the target open.
_STALE_SECONDS = 60
_RENAME_SECONDS = 2


def check_path(name: str, path: object) -> str:
    """`path`, text, bytes or path-like, as text that can be the path of a file."""
    if not isinstance(path, str | bytes | os.PathLike):
        hint = ": write its content to a file first" * hasattr(path, "read")
        raise TypeError(
            f"{name} must be the path of a file, got an object of type {type(path).__name__}{hint}"
        )
    text = os.fsdecode(path)
    if "\0" in text or not text:
        raise ValueError(f"{name} must be the path of a file, got {text!r}")
    if text.endswith((os.sep, os.altsep or os.sep)):
        raise ValueError(f"{name} must be the path of a file, got that of a folder, {text!r}")
    return text


def replace_file(path: str | os.PathLike, parts: Iterable[bytes]) -> None:
    """Write the concatenated `parts` to the file `path`, which is replaced; a link is followed.

    A device, FIFO or socket, such as ``/dev/null`` or ``/dev/stdout``, is written to and not
    replaced.

    The content is written to a temporary file in the same folder, ``.name.xxxxxxxxxxxxxxxx.tmp``,
    flushed to the disk and renamed; of a long name only the first 100 bytes are used. Temporary
    files of killed processes are removed first; a live writer holds a lock on its own. On Windows
    no file that is open can be removed, renamed or replaced: the open file is the lock, it is
    closed before it is renamed, and a target that another program has open is waited for.

    Raises
    ------
    OSError
        With the name `path`, if the folder is missing or not writable, the disk is full, or, on
        Windows, another program keeps the file open. The previous content is left unchanged.
    """
    target = Path(os.path.realpath(path))
    temporary = None
    try:
        if _is_special(path):
            with open(path, "wb") as file:
                file.writelines(parts)
            return
        _remove_stale(target)
        temporary, descriptor = _locked_file(target)
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(parts)
            file.flush()
            if sys.platform != "win32":
                with contextlib.suppress(FileNotFoundError):
                    os.chmod(temporary, target.stat().st_mode & 0o777)
            _sync(descriptor)
            if sys.platform != "win32":  # while it is locked
                os.replace(temporary, target)
        if sys.platform == "win32":
            _replace_patiently(temporary, target)
            return
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _sync(folder)  # makes the rename itself durable
        finally:
            os.close(folder)
    except BaseException as error:
        if temporary is not None:
            with contextlib.suppress(OSError):  # it may have been renamed already
                temporary.unlink()
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise


def check_writable(path: str | os.PathLike) -> None:
    """Check that `path` can be replaced, and leave it unchanged.

    Raises
    ------
    OSError
        With the name `path`, if its folder is missing or not writable, or, on Windows, the file
        is read-only.
    """
    target = Path(os.path.realpath(path))
    try:
        special = _is_special(path)
        if special or (sys.platform == "win32" and target.exists()):
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            if special:
                return
        temporary, descriptor = _locked_file(target)
        os.close(descriptor)
        temporary.unlink()
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _is_special(path):
    """Whether `path` exists and is neither a regular file nor a folder."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def _prefix(target):
    """The start of the names of temporary files of `target`, cut between characters."""
    name = target.name
    while len(os.fsencode(name)) > _PREFIX_BYTES:
        name = name[:-1]
    return f".{name}."


def _locked_file(target):
    """A new temporary file, locked for as long as its writer lives: its path and descriptor."""
    while True:
        temporary = target.with_name(f"{_prefix(target)}{secrets.token_hex(8)}.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        if sys.platform != "win32":
            # A file system without locks raises; there, `_remove_stale` removes nothing either.
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return temporary, descriptor
        os.close(descriptor)  # another process removed it before it was locked


def _remove_stale(target):
    """Remove the temporary files of `target` that no live process holds a lock on."""
    stale = re.compile(re.escape(_prefix(target)) + r"[0-9a-f]{16}\.tmp")
    for entry in [entry for entry in os.scandir(target.parent) if stale.fullmatch(entry.name)]:
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                # One that is open is refused; one just closed is about to be renamed.
                if time.time() - os.stat(entry.path).st_mtime > _STALE_SECONDS:
                    os.unlink(entry.path)
            else:
                descriptor = os.open(entry.path, os.O_WRONLY)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(entry.path)
                finally:
                    os.close(descriptor)


def _sync(descriptor):
    """Flush an open file to the disk. On macOS fsync leaves it in the drive's own cache."""
    if sys.platform == "darwin":
        with contextlib.suppress(OSError):  # a file system without it
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def _replace_patiently(temporary, target):
    """Rename, again and again while another program, such as a virus scanner, has the file open."""
    end = time.monotonic() + _RENAME_SECONDS
    while True:
        try:
            os.replace(temporary, target)
            return
        except PermissionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
