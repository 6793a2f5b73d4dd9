"""Saving where something goes wrong, done for real: the last good file stands, and one error says
what and where."""

import os
import re
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from helpers.needs import needs
from helpers.saved_nets import everything, trained

import fastbp

KILLS = int(os.environ.get("FASTBP_KILLS", "25"))
TORTURE = Path(__file__).parents[1] / "helpers" / "torture_saves.py"


@needs("os.fork")
def test_killed_while_saving(tmp_path):
    """FASTBP_KILLS says how often."""
    command = [sys.executable, TORTURE, tmp_path, str(KILLS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 + 2 * KILLS)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.startswith(f"{KILLS} kills: ")


@pytest.fixture
def saved(tmp_path):
    net, _ = trained()
    net.save(tmp_path / "net")
    return net, tmp_path / "net", (tmp_path / "net").read_bytes()


def stands(path, before):
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


FULL = """
import resource, sys, fastbp, numpy as np
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    fastbp.MLP([200, 300, 2]).save(sys.argv[1])
except OSError as error:
    print(type(error).__name__, error)
"""


@needs("resource")
def test_no_room(saved):
    """As on a full disk, writing fails in the middle of it."""
    _, path, before = saved
    done = subprocess.run(
        [sys.executable, "-c", FULL, path], capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.stderr) == (f"OSError [Errno 27] File too large: '{path}'\n", "")
    stands(path, before)


def test_a_full_disk(tmp_path):
    """A real one, where this user may make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        net = fastbp.MLP([10, 20, 2])
        net.save(folder / "net")
        before = (folder / "net").read_bytes()
        with pytest.raises(OSError, match=rf"No space left on device: '{folder / 'net'}'"):
            fastbp.MLP([200, 300, 2]).save(folder / "net")
        stands(folder / "net", before)
        net.save(folder / "net")
        stands(folder / "net", before)
    finally:
        subprocess.run(["umount", folder], check=True)


FORBIDDEN = """
import os, sys, fastbp
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    fastbp.MLP([4, 2]).save(sys.argv[1])
except OSError as error:
    print(type(error).__name__, error)
"""


@needs("os.geteuid")
def test_a_folder_that_may_not_be_written_to(saved):
    _, path, before = saved
    path.parent.chmod(0o555)
    try:
        # so that it is this folder that refuses, and none on the way to it
        for folder in path.parents[1:4]:
            folder.chmod(folder.stat().st_mode | 0o055)
        done = subprocess.run(
            [sys.executable, "-c", FORBIDDEN, path], capture_output=True, text=True, timeout=120
        )
        assert (done.stdout, done.stderr) == (
            f"PermissionError [Errno 13] Permission denied: '{path}'\n",
            "",
        )
    finally:
        path.parent.chmod(0o755)
    stands(path, before)


def test_a_missing_folder(saved):
    net, path, before = saved
    with pytest.raises(
        FileNotFoundError,
        match=re.escape(f"No such file or directory: '{path.parent / 'no' / 'net'}'"),
    ):
        net.save(path.parent / "no" / "net")
    stands(path, before)


def test_a_folder_of_that_name(tmp_path):
    net, _ = trained()
    (tmp_path / "net").mkdir()
    with pytest.raises(IsADirectoryError, match=re.escape(f"'{tmp_path / 'net'}'")):
        net.save(tmp_path / "net")
    stands_empty = list(tmp_path.rglob("*"))
    assert stands_empty == [tmp_path / "net"]


@needs("os.geteuid")
def test_links_and_permissions_stay(saved):
    net, path, _ = saved
    path.chmod(0o640)
    link = path.with_name("link")
    link.symlink_to(path.name)
    net.weights[0] += 1
    net.save(link)
    assert link.is_symlink()
    assert everything(fastbp.load(path)) == everything(net)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_new_file_has_the_permissions_of_any_other(tmp_path):
    net, _ = trained()
    net.save(tmp_path / "net")
    (tmp_path / "other").write_text("")
    assert (tmp_path / "net").stat().st_mode == (tmp_path / "other").stat().st_mode


INTERRUPTED = """
import os, signal, sys, fastbp
net = fastbp.load(sys.argv[1])
net.weights[0] += 1
files = fastbp.base.files
write = files._sync
def press(descriptor):
    write(descriptor)
    os.kill(os.getpid(), signal.SIGINT)
files._sync = press
try:
    net.save(sys.argv[1])
except KeyboardInterrupt:
    print("interrupted")
"""


@needs("signal.pthread_kill")
def test_ctrl_c_while_saving(saved):
    _, path, before = saved
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, path], capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.stderr) == ("interrupted\n", "")
    stands(path, before)


def test_a_folder_that_others_have_files_in(saved):
    """Only what killed saves of this very file have left is removed."""
    net, path, _ = saved
    mine = path.with_name(f".net.{'0' * 16}.tmp")
    others = [
        path.with_name(name)
        for name in (f".net2.{'0' * 16}.tmp", ".net.tmp", ".net.xyz.tmp", f"net.{'0' * 16}.tmp")
    ]
    for other in [mine, *others]:
        other.write_text("left")
        os.utime(other, (0, 0))  # on Windows it is kept for a minute
    net.save(path)
    assert not mine.exists()
    assert all(other.read_text() == "left" for other in others)


def test_a_fit_goes_on_after_a_save_that_failed(tmp_path):
    """A callback may save every epoch and choose to live with what goes wrong."""
    errors = []

    def save(net, history):
        try:
            net.save(tmp_path / "no" / "net")
        except OSError as error:
            errors.append(error)

    net = trained(callbacks=save)[0]
    plain = trained()[0]
    assert len(errors) == 3
    assert net.parameters.tobytes() == plain.parameters.tobytes()
    assert np.isfinite(net.parameters).all()


@needs("os.mkfifo")
def test_a_fifo_is_written_to_and_not_replaced(tmp_path):
    net = trained()[0]
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with ThreadPoolExecutor() as pool:
        content = pool.submit(path.read_bytes)
        net.save(path)
    assert stat.S_ISFIFO(path.stat().st_mode)
    (tmp_path / "net").write_bytes(content.result())
    assert everything(fastbp.load(tmp_path / "net")) == everything(net)


@needs("os.mknod")
def test_a_device_is_written_to_and_not_replaced(tmp_path):
    path = tmp_path / "null"
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))  # as /dev/null
    except PermissionError:
        pytest.skip("only root may make a device")
    trained()[0].save(path)
    assert stat.S_ISCHR(path.stat().st_mode)
