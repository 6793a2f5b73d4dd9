"""A process without what only POSIX has, in place of a real Windows: `hide` takes away modules,
functions and signals, and gives files and memory the rules of Windows.

Import what is not fastbp's own first: a library that is loaded afterwards takes itself to be on
Windows.
"""

import ctypes
import mmap
import os
import signal
import sys
import warnings

import llvmlite.binding

MODULES = ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty")
FUNCTIONS = [
    "O_DIRECTORY",
    "O_NONBLOCK",
    "chown",
    "fork",
    "forkpty",
    "getegid",
    "geteuid",
    "getgid",
    "getuid",
    "getpgid",
    "killpg",
    "mkfifo",
    "mknod",
    "openpty",
    "register_at_fork",
    "sched_getaffinity",
    "sched_setaffinity",
    "sched_yield",
    "setsid",
    "statvfs",
    "sysconf",
    "uname",
    "wait",
    "waitid",
]
SIGNALS = [
    "ITIMER_REAL",
    "SIGALRM",
    "SIGCHLD",
    "SIGHUP",
    "SIGKILL",
    "SIGPIPE",
    "SIGQUIT",
    "SIGSTOP",
    "SIGUSR1",
    "SIGUSR2",
    "alarm",
    "pthread_kill",
    "pthread_sigmask",
    "setitimer",
    "sigwait",
]
RESERVED_BYTES = 16 << 20  # the most that an anonymous mapping may take: it is committed memory
yields: list[int] = []


def _is_open(path):
    """Whether this process has the file open."""
    wanted = os.path.realpath(path)
    links = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    return os.path.exists(wanted) and any(os.path.realpath(link) == wanted for link in links)


def _closed_only(function):
    def run(*paths, **named):
        for path in paths:
            if _is_open(path):
                raise PermissionError(13, "the file is used by a process", os.fspath(path))
        return function(*paths, **named)

    return run


def _no_folders(path, *arguments, opened=os.open, **named):
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", os.fspath(path))
    return opened(path, *arguments, **named)


def _kill(process, number):
    os._exit(number)  # as TerminateProcess does


class _Mapping(mmap.mmap):
    def __new__(cls, descriptor, size, *arguments, **named):
        if descriptor == -1 and size > RESERVED_BYTES:
            raise OSError(1455, "the paging file is too small")
        return super().__new__(cls, descriptor, size, *arguments, **named)


@ctypes.CFUNCTYPE(ctypes.c_int32)
def _switch_to_thread():
    yields.append(1)
    return 0


def hide():
    """From here on the process is as on Windows."""
    for name in MODULES:
        sys.modules[name] = None  # importing it raises ImportError
    for module, names in ((os, FUNCTIONS), (signal, SIGNALS)):
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    signal.SIGBREAK = 21
    os.kill = _kill
    for name in ("replace", "rename", "unlink", "remove"):
        setattr(os, name, _closed_only(getattr(os, name)))
    os.open = _no_folders
    mmap.mmap = _Mapping
    # Kernels find this in kernel32. Their cache must be one of their own.
    address = ctypes.cast(_switch_to_thread, ctypes.c_void_p).value
    llvmlite.binding.add_symbol("SwitchToThread", address)
    # Where no encoding is named it would be that of the code page.
    warnings.filterwarnings("error", category=EncodingWarning, module="fastbp")
    sys.platform = "win32"
