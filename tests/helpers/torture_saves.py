"""Processes killed while they save, and several that save to one file: run by test_faults.py, for
longer by `make torture`.

python tests/helpers/torture_saves.py FOLDER KILLS
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

import fastbp


def nets():
    """Two that can be told apart, with an optimizer's state: a file of some 70,000 numbers."""
    made = []
    for seed in (1, 2):
        net = fastbp.MLP([20, 200, 90], seed=seed)
        net.fit(np.ones((4, 20)), [seed] * 4, epochs=1, optimizer=fastbp.Adam())
        made.append(net)
    return made


def whole(path, made):
    """Which of the nets the file holds, every number of it."""
    loaded = fastbp.load(path)
    (found,) = [
        i for i, net in enumerate(made) if net.parameters.tobytes() == loaded.parameters.tobytes()
    ]
    assert (
        loaded.train_state.optimizer_state.tobytes()
        == made[found].train_state.optimizer_state.tobytes()
    )
    assert loaded.history_ == made[found].history_
    return found


def saving(path, made, times):
    """A process that saves one net after the other, `times` times. Its id."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            for i in range(times):
                made[i % 2].save(path)
            status = 0
        finally:
            os._exit(status)
    return pid


def kills(path, made, number):
    """Kill so many, each at a moment of its own: the file is whole each time, and at most one other
    is left."""
    made[0].save(path)
    rng = random.Random(0)
    found = [0, 0]
    for _ in range(number):
        pid = saving(path, made, 1_000_000)
        time.sleep(rng.uniform(0.0, 0.02))
        os.kill(pid, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        found[whole(path, made)] += 1
        assert len(list(path.parent.iterdir())) <= 2
    made[0].save(path)
    assert [p.name for p in path.parent.iterdir()] == [path.name], (
        "what killed processes have left is still there"
    )
    return found


def together(path, made, times):
    """Four processes save at once, and a fifth reads: none fails, and no temporary file is left."""
    pids = {saving(path, made, times) for _ in range(4)}
    reads = 0
    while pids:
        whole(path, made)
        reads += 1
        done, status = os.waitpid(-1, os.WNOHANG)
        if done:
            pids.remove(done)
            assert os.waitstatus_to_exitcode(status) == 0
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    return reads


if __name__ == "__main__":
    folder, number = Path(sys.argv[1]), int(sys.argv[2])
    both = nets()
    print(
        f"{number} kills: the files held the one net and the other "
        f"{kills(folder / 'net', both, number)} times"
    )
    print(
        f"four processes at once, {number} saves each: "
        f"read {together(folder / 'net', both, number)} times"
    )
