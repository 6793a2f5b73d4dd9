"""The number of CPUs that this process may use, and the limits that the environment sets."""

import ctypes
import functools
import math
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

QUOTA_SECONDS = 0.05  # after which the control group's quota is read again
# The number of the calling thread's CPU, or None where threads cannot be moved (all but Linux).
current_cpu = getattr(ctypes.CDLL(None), "sched_getcpu", None) if sys.platform == "linux" else None


@functools.cache
def _quota_files():
    """The files with the CPU quota and its period, of this process's control group and of those
    around it, in the layouts of both versions."""
    found = []
    with suppress(OSError, ValueError):  # no control groups here
        for line in os.fsdecode(Path("/proc/self/cgroup").read_bytes()).splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            root = "/sys/fs/cgroup/cpu" if controllers else "/sys/fs/cgroup"
            names = ["cpu.cfs_quota_us", "cpu.cfs_period_us"] if controllers else ["cpu.max"]
            group = Path(root + path)
            folders = [folder for folder in (group, *group.parents) if folder.is_relative_to(root)]
            found += [
                [str(folder / name) for name in names]
                for folder in folders
                if (folder / names[0]).exists()
            ]
    return found


def _content(path):
    """The content of a short file, by system calls alone, which are faster."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 100)
    finally:
        os.close(descriptor)


@functools.lru_cache(maxsize=1)
def _quota(period):
    """The CPUs that the control groups' quotas come to, read once a `period`: that takes as long as
    a small step."""
    cpus = math.inf
    for files in _quota_files():
        with suppress(OSError, ValueError):  # the group is gone
            quota, period_us = b" ".join(map(_content, files)).split()
            if quota not in (b"max", b"-1"):
                cpus = min(cpus, max(1, int(quota) // int(period_us)))
    return cpus


def available_cpus() -> int:
    """CPUs this process may use: its affinity mask, limited by its control group's quota. On macOS,
    which has neither, and on Windows, all of the machine's, efficiency cores included."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(min(cpus, _quota(time.monotonic() // QUOTA_SECONDS)))


def environment_limit() -> float:
    """The most threads of a call that names no number: the smallest of FASTBP_NUM_THREADS,
    OMP_NUM_THREADS and NUMBA_NUM_THREADS, or infinity.

    joblib sets the last two in its worker processes, to each one's share of the CPUs, Dask the
    second. Of a list, as OpenMP has it for nested loops, the first number counts. OpenMP and Numba
    report numbers in their variables that they cannot use; such are ignored here.

    Raises
    ------
    ValueError
        If FASTBP_NUM_THREADS is no whole number from 1 on.
    """
    own = os.environ.get("FASTBP_NUM_THREADS", "")
    limit = _count(own)
    if own and limit == math.inf:
        raise ValueError(f"FASTBP_NUM_THREADS must be a whole number from 1 on, got {own!r}")
    omp = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return min(limit, _count(omp), _count(os.environ.get("NUMBA_NUM_THREADS", "")))


def _count(text):
    """A whole number from 1 on, or infinity for any other text."""
    try:
        number = int(text)
    except ValueError:
        return math.inf
    return number if number > 0 else math.inf
