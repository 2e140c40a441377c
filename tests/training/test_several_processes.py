import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from several_processes import train

ROOT = Path(__file__).parents[2]
BOUND = 120  # seconds for a run that takes five; the rest is for a busy machine


def start(action, folder, *, world, monitor=0.1):
    """A run under torchrun, which by itself ends the others `monitor` seconds after one has died."""
    folder.mkdir(exist_ok=True)
    for old in (*folder.glob("*.json"), *folder.glob("*.pid")):
        old.unlink()
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc_per_node", str(world), "--monitor-interval", str(monitor)),
            *(str(ROOT / "tests" / "several_processes.py"), action, str(folder)),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(action, folder, *, world, succeeds=True, **options):
    """What each process has found, and what all have printed."""
    process = start(action, folder, world=world, **options)
    try:
        printed, _ = process.communicate(timeout=BOUND)
    finally:
        process.kill()
    assert (process.returncode == 0) == succeeds, printed[-3000:]
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))], printed


@pytest.mark.slow
@pytest.mark.parametrize("world", [2, 4])
def test_gradients_are_those_of_one_process_on_the_whole_batch(tmp_path, world):
    found, _ = run("gradients", tmp_path, world=world)
    assert len(found) == world
    for each in found:
        assert each == found[0]  # bit for bit: weights, key branch, queue, and what was measured
        for name in ("skeletonclr", "msmclr"):
            assert each[name]["gradients"] < 1e-6
            assert each[name]["loss"] < 1e-12
            assert each[name]["queues"] < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("world", [2, 4])
def test_processes_share_weights_and_queue_to_the_bit_though_no_buffer_is_broadcast(tmp_path, world):
    found, printed = run("train", tmp_path, world=world)
    assert len({each["queue"] for each in found}) == 1
    assert len({each["weights"] for each in found}) == 1  # the key branch and the other buffers too
    assert len({each["own"] for each in found}) == world  # a broadcast would have made them one
    assert all(each["losses"] == found[0]["losses"] for each in found)
    assert "broadcast_buffers" not in printed
    assert "Grad strides" not in printed


@pytest.mark.slow
def test_an_interrupted_run_of_two_processes_resumes_to_the_same_bits_in_each(tmp_path):
    whole, _ = run("train", tmp_path / "whole", world=2)
    cut, _ = run("cut", tmp_path / "cut", world=2, succeeds=False)
    assert {each["message"] for each in cut} == {"cut"}
    resumed, _ = run("train", tmp_path / "cut", world=2)
    assert resumed == whole


@pytest.mark.slow
def test_a_loss_that_is_not_finite_in_one_process_ends_all_and_names_its_samples(tmp_path):
    found, printed = run("nan", tmp_path, world=2, monitor=3, succeeds=False)
    assert [each["error"] for each in found] == ["NonFiniteLossError"] * 2
    assert found[0]["message"] == found[1]["message"]
    assert "the loss is nan at epoch 2, step 2, on the samples clip" in found[0]["message"]
    assert found[0]["message"].count("clip") == 4  # a process's share of eight
    assert "NonFiniteLossError" in printed
    assert len(torch.load(tmp_path / "run" / "checkpoint.pt")["history"]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("monitor", [0.1, 3])
def test_a_process_that_is_killed_ends_the_run(tmp_path, monitor):
    found, printed = run("kill", tmp_path, world=2, monitor=monitor, succeeds=False)
    assert "SIGKILL" in printed
    if monitor == 3:  # time enough for the other one to notice by itself, as on another machine
        (other,) = found
        assert other["error"] == "LostProcessError"
        assert "process 0 lost contact with another process" in other["message"]
        assert "LostProcessError: process 0 lost contact with another process" in printed


@pytest.mark.slow
def test_a_process_that_hangs_ends_the_run(tmp_path):
    process = start("stop", tmp_path, world=2)
    try:
        deadline = time.monotonic() + BOUND
        while not (tmp_path / "0.json").exists():
            assert time.monotonic() < deadline, "the other process waits for ever"
            assert process.poll() is None
            time.sleep(0.1)
        # torchrun's SIGTERM waits in a stopped process, which torchrun would kill after half a minute.
        os.kill(int((tmp_path / "1.pid").read_text()), signal.SIGKILL)
        printed, _ = process.communicate(timeout=BOUND)
    finally:
        process.kill()
    assert process.returncode
    assert json.loads((tmp_path / "0.json").read_text())["error"] == "LostProcessError"
    assert "did not answer within train.timeout seconds" in printed


def test_batch_norm_is_synchronized_on_gpus_only(tmp_path):
    with pytest.raises(ValueError, match="sync_batch_norm: expected training on GPUs, got cpu; leave the option off"):
        train(tmp_path, sync_batch_norm=True)


@pytest.mark.slow
@pytest.mark.cuda
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_synchronized_batch_norm_has_the_same_statistics_everywhere(tmp_path):
    found, _ = run("sync", tmp_path, world=2)
    assert len({each["own"] for each in found}) == 1
    assert len({each["queue"] for each in found}) == 1
