import dataclasses
import errno
import json
import math
import os
import re
import resource
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from small_run import METHODS

from skelblocks.training import NonFiniteLossError, RunFolder, RunFolderError, load_page
from skelblocks.training.monitor import Monitor

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [0, 1])
def test_runs_that_are_killed_at_a_hundred_random_moments_resume_to_the_same_bits(tmp_path, seed):
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "kill_runs.py"), "100", str(seed), str(tmp_path)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["kills"] == 100
    assert found["in_a_write"] >= 15  # half of the kills are aimed at a write, which takes some milliseconds
    assert found["before_a_checkpoint"] >= 3
    assert found["runs"] >= 10


@pytest.mark.slow
def test_two_runs_at_once_in_one_folder_leave_one_whole_run(tmp_path):
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "pair_runs.py"), "50", "0", str(tmp_path)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["refused"] >= 10
    assert found["killed"] >= 10
    assert found["finished"] >= 10


def state(number, *, size=10):
    return {"history": [number], "method": {"weight": torch.full((size,), float(number))}}


@pytest.fixture
def folder(tmp_path):
    """With a good checkpoint of number 1."""
    with RunFolder(tmp_path / "run") as folder:
        folder.save(state(1))
        yield folder


def check_kept(folder):
    kept = folder.load(device=CPU)
    assert kept["history"] == [1]
    assert kept["method"]["weight"].equal(torch.ones(10))
    assert {path.name for path in folder.path.iterdir()} - {".lock"} == {"checkpoint.pt"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("size", [10, 1_000_000])  # the second does not fit into the file's buffer
def test_a_full_disk_keeps_the_last_good_checkpoint(folder, size, monkeypatch):
    monkeypatch.setattr("secrets.token_hex", lambda _: "0123abcd")  # the name of a partial file
    (folder.path / ".0123abcd.checkpoint.pt").symlink_to("/dev/full")
    message = f"cannot write to {folder.path}: No space left on device; the last good checkpoint is {folder.checkpoint}"
    with pytest.raises(RunFolderError, match=re.escape(message)):
        folder.save(state(2, size=size))
    check_kept(folder)
    for name, write in (
        ("config.yaml", lambda: folder.write_config({"seed": 1})),
        ("log.jsonl", lambda: folder.log([{"epoch": 1}])),
    ):
        (folder.path / f".0123abcd.{name}").symlink_to("/dev/full")
        with pytest.raises(RunFolderError, match="No space left on device; the last good checkpoint is"):
            write()
    check_kept(folder)
    folder.save(state(2))  # there is room again
    assert folder.load(device=CPU)["history"] == [2]


@pytest.mark.parametrize("size", [100_000, 10_000_000])
def test_a_checkpoint_that_fits_only_in_part_leaves_no_half_of_it(folder, size):
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(RunFolderError, match="File too large; the last good checkpoint is") as error:
            folder.save(state(2, size=size))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "run the same command again" in str(error.value)
    check_kept(folder)


def test_a_disk_that_fails_when_it_is_to_keep_what_was_written(folder, monkeypatch):
    def fail(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RunFolderError, match="Input/output error; the last good checkpoint is"):
        folder.save(state(2))
    check_kept(folder)


def test_without_a_checkpoint_the_error_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        RunFolderError, match=r"cannot write to .*: Not a directory; there is no checkpoint yet. Free some space"
    ):
        RunFolder(tmp_path / "file" / "run").__enter__()
    with RunFolder(tmp_path / "other", write=False) as other:
        assert not other.path.exists()


def test_what_has_nothing_to_do_with_the_disk_is_raised_as_it_is(folder):
    with pytest.raises(AttributeError):
        folder.save({"history": lambda: None})
    check_kept(folder)


@contextmanager
def without_rights():
    """As nobody, where the process is root, whom nothing is forbidden."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no POSIX permissions")
def test_a_folder_that_may_only_be_read_keeps_its_checkpoint():
    with tempfile.TemporaryDirectory() as base:  # pytest's folders are closed to nobody
        Path(base).chmod(0o755)
        folder = RunFolder(f"{base}/run")
        folder.path.mkdir()
        folder.save(state(1))
        folder.path.chmod(0o555)
        message = f"cannot write to {folder.path}: Permission denied; the last good checkpoint is {folder.checkpoint}"
        with without_rights():
            for write in (
                lambda: folder.write_config({"seed": 1}),  # with which a training begins
                lambda: folder.save(state(2)),
                lambda: folder.log([{"epoch": 1}]),
                lambda: Monitor(folder, epochs=1, steps=1, batch_size=1, done=0).scalars({"loss": 1.0}, step=0),
                folder.__enter__,
            ):
                with pytest.raises(RunFolderError, match=re.escape(message)):
                    write()
        check_kept(folder)
        folder.path.chmod(0o755)


@pytest.mark.parametrize("name", METHODS)
def test_a_clip_that_is_not_finite_is_named_by_every_method(small, name):
    page = load_page(name)

    def build(options, **kwargs):
        method = page.build(options, **kwargs)
        forward, calls = method.forward, []

        def spoiled(first, *views, **kwargs):
            calls.append(1)
            return forward(first * (math.nan if len(calls) == 4 else 1), *views, **kwargs)

        method.forward = spoiled
        return method

    options = small(page)
    with pytest.raises(NonFiniteLossError, match="the loss is nan at epoch 2, step 1, on the samples") as error:
        dataclasses.replace(page, build=build).train(options)
    assert len(str(error.value).split("samples")[1].split(". ")[0].split(",")) == options.train.batch_size
    saved = torch.load(RunFolder(options.train.folder).checkpoint, weights_only=True)
    assert len(saved["history"]) == 1
    assert all(tensor.isfinite().all() for tensor in saved["method"].values())
