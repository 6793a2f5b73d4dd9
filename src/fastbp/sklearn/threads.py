"""The number of threads of the estimators: that of the engine, within the limits that threadpoolctl
sets and joblib relies on."""

import functools
import threading

from sklearn.utils.parallel import _get_threadpool_controller

from ..runtime import autotune
from ..runtime.cpus import environment_limit

_lock = threading.Lock()


@functools.cache
def _libraries():
    """The BLAS and OpenMP libraries that this process had loaded at the first call. threadpoolctl
    may deadlock where two threads look for them at once (joblib/threadpoolctl#239)."""
    with _lock:
        return _get_threadpool_controller().lib_controllers


def library_limit():
    """The smallest limit of the BLAS and OpenMP libraries in this process, which
    ``threadpool_limits`` changes, and of the environment. It is read in 10 us."""
    limits = [library.num_threads for library in _libraries()]
    return min([environment_limit(), *filter(None, limits)])


def thread_count(n_threads, macs):
    """As in `fastbp.runtime.autotune`, within `library_limit`."""
    return autotune.thread_count(n_threads, macs, library_limit)


def thread_counts(n_threads, macs):
    """As in `fastbp.runtime.autotune`, within `library_limit`."""
    return autotune.thread_counts(n_threads, macs, library_limit)
