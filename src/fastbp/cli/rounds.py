"""Timing by turns: each peer in a process of its own, each round asking all of them, so that a
noisy minute meets all."""

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import TextIO, cast

from ..runtime.cpus import available_cpus
from .peers import PEERS, Case

MODULES = {
    "ONNX Runtime": "onnxruntime",
    "NumPy": "numpy",
    "scikit-learn": "sklearn",
    "PyTorch": "torch",
    "JAX": "jax",
    "fastbp": "fastbp",
}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
LEAST = 0.05  # seconds that the work is timed
# seconds before each, in which the threads of the one before go to sleep: some keep a core busy for
# a while
PAUSE = 0.1


class Worker:
    """A process that does its work once for every line it is sent, and answers with the seconds.

    Parameters
    ----------
    command : sequence of str
        Which runs `serve`.
    peer : str
    threads : int
        Of whatever arithmetic library the process uses.
    """

    def __init__(self, command: Sequence[str], peer: str, threads: int) -> None:
        self.peer, self.threads, self.times = peer, threads, list[float]()
        limits = os.environ | dict.fromkeys(THREADS, str(threads))
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=limits
        )
        self._stdin, self._stdout = (
            cast(TextIO, self.process.stdin),
            cast(TextIO, self.process.stdout),
        )

    def once(self) -> float:
        try:
            self._stdin.write("\n")
            self._stdin.flush()
            answer = self._stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise ValueError(
                f"{self.peer} with {self.threads} threads stopped; what it says is above"
            )
        return float(answer)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def serve(work: Callable[[], object]) -> None:
    """What a worker's process does for each line of standard input: `work` for a moment, and its
    mean seconds.

    Work of milliseconds is done once before, not counted: a core that has slept takes a millisecond
    more for the next three.
    """
    last = 0.0
    for _ in sys.stdin:
        if last < LEAST:
            work()
        start, times = time.perf_counter(), 0
        while times == 0 or time.perf_counter() - start < LEAST:
            work()
            times += 1
        last = (time.perf_counter() - start) / times
        print(last, flush=True)


def measure(
    commands: Sequence[tuple[str, int, Sequence[str]]], rounds: int
) -> dict[str, tuple[float, int]]:
    """Median seconds of each peer at its better number of threads.

    Two rounds first, not counted, compile and warm up.

    Parameters
    ----------
    commands : sequence of (peer, threads, command)
    rounds : int

    Returns
    -------
    dict of peer to (seconds, threads)
    """
    workers = list[Worker]()
    try:
        workers += [Worker(command, peer, threads) for peer, threads, command in commands]
        for worker in workers:
            worker.once()
            worker.once()
        for _ in range(rounds):
            for worker in workers:
                time.sleep(PAUSE)
                worker.times.append(worker.once())
    finally:
        for worker in workers:
            worker.close()
    best: dict[str, tuple[float, int]] = {}
    for worker in workers:
        seconds = statistics.median(worker.times)
        if worker.peer not in best or seconds < best[worker.peer][0]:
            best[worker.peer] = seconds, worker.threads
    return best


def commands_for(
    peers: Sequence[str], command: Sequence[str], **spec
) -> list[tuple[str, int, list[str]]]:
    """Each peer with one thread and with all; the command ends with what to do, as JSON."""
    return [
        (peer, threads, [*command, json.dumps({"peer": peer, "threads": threads} | spec)])
        for peer in peers
        for threads in sorted({1, available_cpus()})
    ]


def installed(peers: Sequence[str]) -> list[str]:
    """Those of the peers that can be imported."""
    return [peer for peer in peers if importlib.util.find_spec(MODULES.get(peer, peer.lower()))]


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    case = Case(**wanted["case"] | {"widths": tuple(wanted["case"]["widths"])})
    serve(PEERS[wanted["peer"]](case, wanted["threads"]))
