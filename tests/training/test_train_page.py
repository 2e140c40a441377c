import dataclasses
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
import yaml
from small_run import METHODS, SMALL, in_groups, options_of, small_method, small_options, write_set

from skelblocks import layouts
from skelblocks.data import Preprocessing, find_clips, prepare
from skelblocks.interop import from_pretrained
from skelblocks.testing import write_nw_ucla, write_pyskl
from skelblocks.training import MethodOptions, Page, load_page, load_sets, parse_options
from skelblocks.training.pages import pages_folder

CONFIGS = pages_folder() / "configs"
PLAIN = load_page("skeletonclr")


def test_a_run_leaves_its_files(page, small, tmp_path):
    options = small(page)
    result = page.train(options)
    run = tmp_path / "run"
    pictures = {"loss.png", "accuracy.png", "embedding.png", "clip.png"}
    own = {"msmclr": "attention.png", "skeattnclr": "attention.png", "actclr": "actionlet.png"}
    if page.name in own:
        pictures.add(own[page.name])
    assert pictures | {"config.yaml", "encoder", "layout.json", "log.jsonl", "checkpoint.pt", "tensorboard"} == {
        path.name for path in run.iterdir()
    }
    assert yaml.safe_load((run / "config.yaml").read_text())["encoder"]["out_channels"] == 16
    last = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    assert last["knn"] == result["knn"]
    assert {"loss", "linear", "clips_per_second"} <= last.keys()
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    method = page.build(options, layout=layouts.get("ntu-rgb+d"), persons=2)
    method.load_state_dict(state["method"])
    assert state["options"]["data"]["stream"] == "joint"


@pytest.mark.parametrize(
    ("method", "changes", "folders"),
    [
        ("msmclr", {"stream": "bone", "seed": 3}, {"encoder": "bone"}),
        ("aimclr", {"cross_stream": True}, {f"encoder_{stream}": stream for stream in ("joint", "bone", "motion")}),
        ("crossmoco", {"streams": ["motion"], "stream": "motion", "share_backbone": False}, {"encoder": "motion"}),
        ("crossmoco", {}, {f"encoder_{stream}": stream for stream in ("joint", "motion", "bone")}),
        ("crossclr", {"streams": ["joint", "bone"]}, {f"encoder_{stream}": stream for stream in ("joint", "bone")}),
    ],
)
def test_every_run_writes_its_encoders(small, tmp_path, method, changes, folders):
    page = load_page(method)
    options = small(page, epochs=1, **changes)
    page.train(options)
    run = tmp_path / "run"
    assert {path.parent.name for path in run.glob("*/config.json")} == folders.keys()
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    built = small_method(page, layout="ntu-rgb+d", persons=1, **changes)
    built.load_state_dict(state["method"])
    for folder, stream in folders.items():
        found = from_pretrained(run / folder)
        record = found.metadata["run"]
        assert (record["method"], record["stream"], record["seed"]) == (method, stream, options.train.seed)
        assert record["options"] == state["options"]
        trained = built.encoders()[stream].state_dict()
        assert all(value.equal(trained[name]) for name, value in found.encoder.state_dict().items())


def test_the_default_folder_names_the_run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for seed in (0, 1):
        PLAIN.train(small_options(PLAIN, stream="bone", epochs=1, seed=seed))
    runs = tmp_path / "runs"
    assert {path.name for path in runs.iterdir()} == {
        f"skeletonclr_synthetic_cross-subject_bone_seed{seed}" for seed in (0, 1)
    }


def test_a_run_keeps_its_layout_and_resumes_with_no_other(small, tmp_path):
    path = write_set(tmp_path / "mine.npz")
    PLAIN.train(small(PLAIN, path=path, epochs=1))
    assert json.loads((tmp_path / "run" / "layout.json").read_text()) == layouts.get("utd-mhad").to_dict()
    other = write_set(tmp_path / "other.npz", "nw-ucla")
    with pytest.raises(ValueError, match="was trained on clips of 'utd-mhad', but this run has 'nw-ucla'"):
        PLAIN.train(small(PLAIN, path=other, epochs=2))


@pytest.mark.parametrize("kind", ["stgcn", "dsta", "bigru"])
@pytest.mark.parametrize("method", METHODS)
def test_every_encoder_trains_or_is_refused(method, kind, small):
    page = load_page(method)
    own = {"skeattnclr": {"heads": 2}, "crossmoco": {"streams": ["joint"]}}
    options = small(page, kind=kind, epochs=1, **own.get(method, {}))
    if kind == "bigru" and method in {"aimclr", "msmclr", "actclr", "skelemixclr"}:
        blocks = "EADM|MsM|the actionlet mask|the region pooling"
        with pytest.raises(ValueError, match=rf"encoder.kind: expected a feature map with joints for ({blocks})"):
            page.train(options)
    elif kind == "bigru" and method == "isc":
        with pytest.raises(ValueError, match=r"encoder\.kind: expected 'stgcn' or 'dsta' for the graph, got 'bigru'"):
            page.train(options)
    elif kind != "stgcn" and method == "pstl":
        with pytest.raises(ValueError, match=f"encoder.kind: expected 'stgcn', got '{kind}'"):
            page.train(options)
    else:
        assert np.isfinite(page.train(options)["knn"])


OF_ONE_METHOD = {f"{method}_small" for method in METHODS}


@pytest.mark.parametrize(
    "path",
    [each for each in sorted(CONFIGS.glob("*.yaml")) if each.stem not in OF_ONE_METHOD],
    ids=lambda each: each.stem,
)
@pytest.mark.parametrize("method", METHODS)
def test_every_configuration_suits_every_method(path, method):
    options = parse_options(load_page(method).options, ["--config", str(path)])
    assert options.data.layout is None or layouts.get(options.data.layout)
    assert (options.data.layout is None) == (path.stem in ("small", "adapt", "pictures"))
    if path.stem.startswith("synthetic"):
        assert len(load_sets(options.data).train) >= options.train.batch_size


def test_in_double_precision(small):
    assert np.isfinite(PLAIN.train(small(PLAIN, precision="64-true"))["knn"])


def test_clips_without_labels_or_split(small, tmp_path):
    path = write_set(tmp_path / "mine.npz", y=None, subject=None)
    assert "knn" not in PLAIN.train(small(PLAIN, path=path, split="none"))
    assert (tmp_path / "run" / "embedding.png").exists()


def test_few_test_clips_and_nobody_in_the_first(small, tmp_path):
    x = np.random.default_rng(0).standard_normal((14, 3, 20, 20, 1)).astype(np.float32)
    x[12] = 0
    subject = np.array([1] * 12 + [2] * 2)
    path = write_set(tmp_path / "mine.npz", x=x, y=np.arange(14) % 2, subject=subject)
    PLAIN.train(small(PLAIN, path=path))
    pictures = {path.name for path in (tmp_path / "run").glob("*.png")}
    assert "clip.png" in pictures
    assert "embedding.png" not in pictures


def test_a_picture_that_fails_does_not_fail_the_run(small, tmp_path, capsys):
    def pictures(method, sets, options):
        raise KeyError("mine")

    assert dataclasses.replace(PLAIN, pictures=pictures).train(small(PLAIN))["knn"] >= 0
    assert (
        "Warning: some pictures could not be drawn (KeyError: 'mine'); the run itself is complete."
        in capsys.readouterr().out
    )
    assert (tmp_path / "run" / "encoder" / "config.json").is_file()


def test_names_that_a_picture_could_misread(small, tmp_path):
    names = np.array(["$a_$", r"\frac", "a\x1b[31mb"])
    path = write_set(tmp_path / "mine.npz", class_names=names)
    PLAIN.train(small(PLAIN, path=path))
    assert (tmp_path / "run" / "clip.png").is_file()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 10}, "train.batch_size: expected at most the 8 rows of the queue, got 10"),
        ({"batch_size": 64, "queue_size": 64}, "train.batch_size: expected at most the 12 training clips, got 64"),
        ({"accelerator": "nope"}, "train.accelerator: 'nope' is not available"),
        ({"split": "is_train"}, "data.split: expected an array 'is_train'"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_training(small, tmp_path, changes, message):
    path = write_set(tmp_path / "mine.npz")
    with pytest.raises(ValueError, match=message):
        PLAIN.train(small(PLAIN, path=path, **changes))
    assert not (tmp_path / "run").exists()


def test_the_recipe_for_own_clips_fits_the_set(tmp_path, capsys):
    path = write_set(tmp_path / "mine.npz")
    words = ["--config", "small", "--data.path", path, "--train.folder", str(tmp_path / "run"), "--train.batch_size=4"]
    words += ["--train.steps=5", "--train.warmup_epochs=0", "--encoder.base_channels=4", "--encoder.out_channels=16"]
    page = load_page("msmclr")
    page.train(parse_options(page.options, words))
    assert "Warning" not in capsys.readouterr().out
    found = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert (found["contrast"]["queue_size"], found["train"]["epochs"]) == (8, 2)  # 12 clips, 3 steps in an epoch


def test_a_run_in_steps_resumes_and_its_config_makes_the_same_run(small, tmp_path):
    path = write_set(tmp_path / "mine.npz")
    page = load_page("msmclr")
    changes = {"path": path, "batch_size": 4, "nnm_epoch": "half", "epochs": 300, "schedule": "cosine"}
    page.train(small(page, steps=4, **changes))
    run = tmp_path / "run"
    found = yaml.safe_load((run / "config.yaml").read_text())["train"]
    assert (found["steps"], found["epochs"]) == (4, 2)  # 12 clips, 3 steps in an epoch
    log = (run / "log.jsonl").read_text()
    assert len(log.splitlines()) == 2
    page.train(parse_options(page.options, ["--config", str(run / "config.yaml")]))
    assert (run / "log.jsonl").read_text() == log
    with pytest.raises(ValueError, match=r"train.epochs is 2 there and 3 here"):
        page.train(small(page, steps=7, **changes))


def test_steps_beside_the_least_number_of_steps_are_refused():
    with pytest.raises(ValueError, match=r"train.min_steps: expected 0 beside train.steps=8, got 5; leave one of"):
        parse_options(load_page("msmclr").options, ["--train.steps", "8", "--train.min_steps", "5"])


def test_a_method_of_ones_own_names_its_streams(small):
    class Nameless(torch.nn.Module):
        def update(self, output, **progress): ...

        def encoders(self):
            return {"joints": self}

    page = Page(name="mine", options=MethodOptions, build=lambda *_, **__: Nameless(), make_views=None)
    with pytest.raises(ValueError, match=r"encoders: expected one encoder for each of the streams joint, got joints"):
        page.train(small(page))


@pytest.mark.parametrize(
    "write", [(write_pyskl, "pyskl", "xsub"), (write_nw_ucla, "nw-ucla", "xview")], ids=["pyskl", "nw-ucla"]
)
def test_a_prepared_set_trains(small, tmp_path, write):
    make, name, protocol = write
    make(tmp_path / "raw", clips=24, seed=0)
    found = find_clips(name, tmp_path / "raw", protocol=protocol)
    folder, settings = str(tmp_path / "set"), Preprocessing(frames=16, center=None)
    prepare(found.clips, out=folder, layout=found.layout, protocol=protocol, part=found.part, preprocessing=settings)
    assert np.isfinite(PLAIN.train(small(PLAIN, path=folder))["knn"])
    record = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["data"]
    assert record["split"] == {"xsub": "cross-subject", "xview": "cross-view"}[protocol]
    assert record["center"] is None
    with pytest.raises(ValueError, match=r"data.frames: the set in .* was prepared with 16, not 20"):
        PLAIN.train(options_of(PLAIN.options, path=folder, frames=20))


def command(tmp_path, method, *arguments):
    config = tmp_path / "small.yaml"
    chosen = {**SMALL, "epochs": 6, "folder": str(tmp_path / "run")}
    config.write_text(yaml.safe_dump(in_groups(load_page(method).options, chosen)))
    return ["-m", "skelblocks", "train", method, "--config", str(config), *arguments]


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_killed_run_resumes_to_the_same_bits(tmp_path, method):
    whole, killed = (tmp_path / name for name in ("whole", "killed"))
    for folder in (whole, killed):
        folder.mkdir()
    subprocess.run([sys.executable, *command(whole, method)], check=True, env=ENVIRONMENT, capture_output=True)
    process = subprocess.Popen(
        [sys.executable, *command(killed, method)],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    log = killed / "run" / "log.jsonl"
    while not log.exists() or len(log.read_text().splitlines()) < 2:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run([sys.executable, *command(killed, method)], check=True, env=ENVIRONMENT, capture_output=True)
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
        ["crossclr", "--crossed-from", "1"],
        ["skelemixclr"],
        ["hiclr"],
        ["isc"],
        ["crossclr", "--crossed-from", "1", "--heads", "official", "--moving-keys", "official"],
    ],
    ids=" ".join,
)
def test_two_processes_train_under_torchrun(tmp_path, arguments):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    sizes = ["--train.epochs", "2", "--contrast.queue-size", "24"]
    done = subprocess.run(
        [*launcher, *command(tmp_path, *arguments, *sizes)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    state = torch.load(tmp_path / "run" / "checkpoint.pt")["method"]
    ids = [value for name, value in state.items() if name.endswith(".ids")]
    assert ids
    assert all((each >= 0).all() for each in ids)  # 6 steps of both processes' 2 clips; one alone would fill the half
