"""The cache of compiled code: kept in a private folder, hit by a new process, and never the
caller's problem."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import numpy as np, fastbp
from fastbp.kernels import train
net = fastbp.MLP([3, 2])
net.fit(np.eye(3), [0, 1, 0], epochs=2, batch_size=2)
print(sum(train.train.stats.cache_hits.values()), net.weights[0].tobytes().hex())
"""


def run(folder, **env):
    env = os.environ | {"FASTBP_CACHE_DIR": str(folder)} | env
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    hits, weights = done.stdout.split()
    return int(hits), weights


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    hits, weights = run(folder)
    assert hits == 0
    return folder, weights


def test_a_new_process_finds_it(warm):
    folder, weights = warm
    assert run(folder) == (1, weights)
    assert [path.stat().st_mode & 0o077 for path in folder.iterdir()] == [0]


def test_a_flipped_bit_costs_a_recompile(warm):
    """More of the kind are in test_cache_damage.py, with entries that compile faster."""
    folder, weights = warm
    [path] = folder.rglob("*.train.train-*")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert run(folder) == (0, weights)
    assert run(folder) == (1, weights), "the damaged file was not replaced"


def test_the_user_s_numba_settings_are_left_alone(warm, tmp_path):
    run(warm[0], NUMBA_CACHE_DIR=str(tmp_path))
    assert list(tmp_path.iterdir()) == []
