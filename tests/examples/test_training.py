import dataclasses
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import train_skeletonclr
import yaml
from command_line import parse
from datasets import load_sets
from small_run import SMALL, write_set
from training import check_queue

from skelblocks import layouts

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "examples" / "configs"
METHODS = ["skeletonclr", "aimclr", "msmclr", "skeattnclr", "crossmoco"]


def test_the_queue_and_the_batch(capsys):
    with pytest.raises(ValueError, match="batch_size: 128 is more than the 64 rows of the queue; enlarge queue_size"):
        check_queue(size=64, batch_size=128, clips=1000)
    check_queue(size=64, batch_size=64, clips=64)
    assert capsys.readouterr().out == ""
    check_queue(size=65, batch_size=64, clips=64)
    assert "the queue holds 65 keys and there are 64 training clips" in capsys.readouterr().out


def test_a_run_leaves_its_files(example, small, tmp_path):
    options = small(example.script)
    result = example.script.train(options)
    run = tmp_path / "run"
    pictures = {"loss.png", "accuracy.png", "embedding.png", "clip.png"}
    if example.name in {"msmclr", "skeattnclr"}:
        pictures.add("attention.png")
    assert pictures | {"config.yaml", "encoder", "layout.json", "log.jsonl", "checkpoint.pt", "tensorboard"} == {
        path.name for path in run.iterdir()
    }
    assert yaml.safe_load((run / "config.yaml").read_text())["out_channels"] == 16
    last = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    assert last["knn"] == result["knn"]
    assert {"loss", "linear", "clips_per_second"} <= last.keys()
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    method = example.script.build(options, layout=layouts.get("ntu-rgb+d"), persons=2)
    method.load_state_dict(state["method"])
    assert state["options"]["stream"] == "joint"


def test_the_default_folder_names_the_run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    options = train_skeletonclr.Options(**SMALL, stream="bone")
    train_skeletonclr.train(dataclasses.replace(options, epochs=1))
    assert (tmp_path / "runs" / "skeletonclr_synthetic_cross-subject_bone" / "checkpoint.pt").exists()


def test_a_run_keeps_its_layout_and_goes_on_with_no_other(tmp_path):
    path = write_set(tmp_path / "mine.npz")
    settings = train_skeletonclr.Options(**{**SMALL, "data": path, "folder": str(tmp_path / "run"), "epochs": 1})
    train_skeletonclr.train(settings)
    assert json.loads((tmp_path / "run" / "layout.json").read_text()) == layouts.get("utd-mhad").to_dict()
    other = write_set(tmp_path / "other.npz", "nw-ucla")
    with pytest.raises(ValueError, match="was trained on clips of 'utd-mhad', these are of 'nw-ucla'"):
        train_skeletonclr.train(dataclasses.replace(settings, data=other, epochs=2))


@pytest.mark.parametrize("encoder", ["stgcn", "dsta", "bigru"])
@pytest.mark.parametrize("method", ["skeletonclr", "aimclr", "msmclr", "skeattnclr", "crossmoco"])
def test_every_encoder_trains_or_is_refused(method, encoder, small):
    script = importlib.import_module(f"train_{method}")
    options = small(script, encoder=encoder, epochs=1)
    if method == "skeattnclr":
        options.heads = 2
    if method == "crossmoco":
        options.streams = ["joint"]
    if encoder == "bigru" and method in {"aimclr", "msmclr"}:
        with pytest.raises(ValueError, match=r"encoder: BiGRU's feature map has no joints, which (EADM|MsM)"):
            script.train(options)
    else:
        assert np.isfinite(script.train(options)["knn"])


OF_ONE_METHOD = {"aimclr_small", "crossmoco_small"}


@pytest.mark.parametrize(
    "path",
    [each for each in sorted(CONFIGS.glob("*.yaml")) if each.stem not in OF_ONE_METHOD],
    ids=lambda each: each.stem,
)
@pytest.mark.parametrize("method", METHODS)
def test_every_configuration_suits_every_method(path, method):
    options = parse(importlib.import_module(f"train_{method}").Options, ["--config", str(path)])
    assert layouts.get(options.layout)
    if path.stem.startswith("synthetic"):
        assert len(load_sets(options).train) >= options.batch_size


def test_in_double_precision(small):
    assert np.isfinite(train_skeletonclr.train(small(train_skeletonclr, precision="64-true"))["knn"])


def command(tmp_path, method, *arguments):
    config = tmp_path / "small.yaml"
    config.write_text(yaml.safe_dump({**SMALL, "epochs": 6, "folder": str(tmp_path / "run")}))
    return [str(ROOT / "examples" / f"train_{method}.py"), "--config", str(config), *arguments]


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_killed_run_resumes_to_the_same_bits(tmp_path, method):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole, killed = (tmp_path / name for name in ("whole", "killed"))
    for folder in (whole, killed):
        folder.mkdir()
    subprocess.run([sys.executable, *command(whole, method)], check=True, env=environment, capture_output=True)
    process = subprocess.Popen(
        [sys.executable, *command(killed, method)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    log = killed / "run" / "log.jsonl"
    while not log.exists() or len(log.read_text().splitlines()) < 2:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run([sys.executable, *command(killed, method)], check=True, env=environment, capture_output=True)
    states = [torch.load(folder / "run" / "checkpoint.pt")["method"] for folder in (whole, killed)]
    assert all(states[0][name].equal(states[1][name]) for name in states[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["skeletonclr"],
        ["aimclr"],
        ["aimclr", "--cross-stream", "true"],
        ["msmclr"],
        ["skeattnclr", "--heads", "2"],
        ["crossmoco"],
    ],
    ids=" ".join,
)
def test_two_processes_train_under_torchrun(tmp_path, arguments):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launcher, *command(tmp_path, *arguments, "--epochs", "2", "--queue-size", "24")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    state = torch.load(tmp_path / "run" / "checkpoint.pt")["method"]
    ids = [value for name, value in state.items() if name.endswith(".ids")]
    assert ids
    assert all((each >= 0).all() for each in ids)  # 6 steps of both processes' 2 clips; one alone would fill the half
