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
from datasets import DataOptions, load_sets
from engine import parse
from method import MethodOptions, Views, make_contrast, make_encoder, stage_start
from small_run import SMALL

from skelblocks import layouts, streams
from skelblocks.data import find_clips, prepare, write_pyskl

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "examples" / "configs"
# More views than the query and the key.
VIEWS = {"skeletonclr": 2, "aimclr": 3, "msmclr": 3, "skeattnclr": 3}


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_the_papers_frame_has_the_papers_size():
    contrast = make_contrast(MethodOptions(), layout=layouts.get("ntu-rgb+d"), persons=2)
    assert parameters(contrast) == 1_840_136  # MsMCLR's table 9: 1.84 M for SkeletonCLR and AimCLR
    assert contrast.queue.bank.shape == (32768, 128)


def test_query_and_key_start_equal_and_the_key_follows(example, small):
    options = small(example.script, key_momentum=0.999, key_momentum_schedule="constant")
    method = example.script.build(options, layout=layouts.get("sbu"), persons=1)
    contrast = method.contrast
    query, key = contrast.query_branch.state_dict(), contrast.key_branch.encoder.state_dict()
    assert all(query[name].equal(key[name]) for name in query)
    views = [torch.randn(4, 3, 16, 15, 1) for _ in range(VIEWS[example.name])]
    output = method(*views, ids=torch.arange(4))
    bank = contrast.queue.bank.clone()
    output.loss.backward()
    assert contrast.queue.bank.equal(bank)  # neither forward nor backward touches the state
    trained = {name: p for name, p in method.named_parameters() if "key_branch" not in name}
    assert all(p.grad is not None for p in trained.values())
    assert all(p.grad is None for p in contrast.key_branch.parameters())
    with torch.no_grad():
        for p in contrast.query_branch.parameters():
            p.add_(1.0)
    before = contrast.key_branch.encoder[0].blocks[0].temporal.weight.clone()
    method.update(output, step=1, total_steps=10)
    torch.testing.assert_close(contrast.key_branch.encoder[0].blocks[0].temporal.weight, before + 0.001)
    (keys,) = output.keys
    torch.testing.assert_close(contrast.queue.bank[:4], torch.nn.functional.normalize(keys.embeddings, dim=1))
    assert contrast.queue.bank[4:].equal(bank[4:])
    assert contrast.queue.ids[:4].tolist() == [0, 1, 2, 3]


def test_momentum_grows_to_one_along_a_cosine():
    options = MethodOptions(**{**SMALL, "key_momentum": 0.5, "key_momentum_schedule": "cosine"})
    contrast = make_contrast(options, layout=layouts.get("sbu"), persons=1)
    weight, key = contrast.query_branch[2].layers[0].weight, contrast.key_branch.encoder[2].layers[0].weight
    with torch.no_grad():
        weight.add_(1.0)
    shares = []
    for step in range(1, 11):
        before = (weight - key).mean().item()
        contrast.update(contrast.keys(torch.randn(2, 3, 16, 15, 1), torch.arange(2)), step=step, total_steps=10)
        shares.append((weight - key).mean().item() / before)
    expected = [1 - 0.25 * (1 + np.cos(np.pi * step / 10)) for step in range(1, 11)]
    np.testing.assert_allclose(shares, expected, rtol=1e-4)


def test_own_keys_are_left_out_where_asked():
    for exclude in (True, False):
        contrast = make_contrast(
            MethodOptions(**{**SMALL, "exclude_own_keys": exclude}), layout=layouts.get("sbu"), persons=1
        )
        contrast.queue.enqueue(torch.randn(3, 8), ids=torch.tensor([5, 6, 7]))
        keys = contrast.keys(torch.randn(2, 3, 16, 15, 1), torch.tensor([6, 9]))
        hidden = contrast.logits(torch.randn(2, 8), keys).isinf().nonzero().tolist()
        assert hidden == ([[0, 2]] if exclude else [])


def test_views_are_draws_of_each_stream_of_the_same_augmented_clips():
    layout = layouts.get("nw-ucla")
    clips = torch.randn(3, 3, 16, 20, 1)
    noise = [lambda x, generator: x + torch.randn(x.shape, generator=generator)] * 2
    views = Views(noise, layout=layout, stream=("joint", "motion"))
    once = views(clips, torch.Generator().manual_seed(1))
    again = views(clips, torch.Generator().manual_seed(1))
    assert all(a.equal(b) for a, b in zip(once, again, strict=True))
    joint, other_joint, motion, other_motion = once
    assert not joint.equal(other_joint)
    assert motion.equal(streams.motion(joint))
    assert other_motion.equal(streams.motion(other_joint))
    (bone,) = Views([lambda x, generator: x], layout=layout, stream="bone")(clips, torch.Generator())
    assert bone.equal(streams.bone(clips, layout=layout))


@pytest.mark.parametrize(
    ("chosen", "expected"), [("half", 150), ("never", None), (0, 0), (20, 20)], ids=["half", "never", "0", "20"]
)
def test_when_the_second_stage_starts(chosen, expected):
    assert stage_start(chosen, epochs=300) == expected


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


def test_encoders_have_their_papers_sizes():
    layout = layouts.get("ntu-rgb+d")
    stgcn, dsta, bigru = (
        make_encoder(MethodOptions(encoder=encoder, frames=64), layout=layout, persons=2)
        for encoder in ("stgcn", "dsta", "bigru")
    )
    assert (stgcn.out_channels, dsta.out_channels, bigru.out_channels) == (256, 256, 2048)
    assert parameters(dsta) == 1_935_613
    assert make_encoder(MethodOptions(encoder="dsta", out_channels=64), layout=layout, persons=2).out_channels == 64
    with pytest.raises(ValueError, match="out_channels: expected a multiple of 16 for dsta, got 40"):
        make_encoder(MethodOptions(encoder="dsta", out_channels=40), layout=layout, persons=2)
    graphs = [make_encoder(MethodOptions(graph=graph), layout=layout, persons=2) for graph in ("spatial", "agcn")]
    assert not graphs[0].adjacency.equal(graphs[1].adjacency)
    one_person = make_encoder(MethodOptions(encoder="bigru", out_channels=32), layout=layout, persons=1)
    assert one_person(torch.randn(2, 3, 8, 25, 1)).shape == (2, 1, 32, 8, 1)


@pytest.mark.parametrize(
    "path", sorted(set(CONFIGS.glob("*.yaml")) - {CONFIGS / "crossmoco_small.yaml"}), ids=lambda path: path.stem
)
@pytest.mark.parametrize("method", [*VIEWS, "crossmoco"])
def test_every_configuration_suits_every_method(path, method):
    options = parse(importlib.import_module(f"train_{method}").Options, ["--config", str(path)])
    assert layouts.get(options.layout)
    if path.stem.startswith("synthetic"):
        assert len(load_sets(options).train) >= options.batch_size


def write_set(path, **changes):
    rng = np.random.default_rng(0)
    arrays = {
        "x": rng.standard_normal((24, 3, 20, 20, 1)).astype(np.float32),
        "y": np.arange(24) % 3,
        "subject": 1 + np.arange(24) % 4,
        "view": 1 + np.arange(24) % 3,
        "joint_names": np.array(layouts.get("utd-mhad").joints),
    }
    np.savez(path, **{name: value for name, value in {**arrays, **changes}.items() if value is not None})
    return path


def test_a_file_of_ones_own(small, tmp_path):
    path = write_set(tmp_path / "mine.npz")
    sets = load_sets(DataOptions(data=str(path), frames=16))
    assert sets.layout == layouts.get("utd-mhad")
    assert set(sets.train.subjects) == {1, 3}
    assert sets.train[0].clip.shape == (3, 16, 20, 1)
    cross_view = load_sets(DataOptions(data=str(path), frames=16, split="cross-view"))
    assert set(cross_view.train.views) == {1, 2}
    assert np.isfinite(train_skeletonclr.train(small(train_skeletonclr, data=str(path)))["knn"])


def test_in_double_precision(small):
    assert np.isfinite(train_skeletonclr.train(small(train_skeletonclr, precision="64-true"))["knn"])


def test_clips_without_labels_or_split(small, tmp_path):
    path = write_set(tmp_path / "mine.npz", y=None, subject=None, view=None)
    settings = small(train_skeletonclr, data=str(path), split="none")
    assert len(load_sets(settings).train) == 24
    assert "knn" not in train_skeletonclr.train(settings)
    assert (tmp_path / "run" / "embedding.png").exists()


def test_copies_of_training_clips_are_not_tested(tmp_path):
    copies = np.zeros(24, dtype=bool)
    copies[[1, 2]] = True  # of subjects 2 (test) and 3 (train)
    path = write_set(tmp_path / "mine.npz", duplicate_of_other_view=copies)
    sets = load_sets(DataOptions(data=str(path)))
    assert (len(sets.train), len(sets.test)) == (12, 11)


@pytest.mark.parametrize(
    ("changes", "arrays", "error", "message"),
    [
        ({"data": "nowhere.npz"}, {}, FileNotFoundError, "there is no file"),
        ({"layout": "ntu-rgb+d"}, {}, ValueError, "'ntu-rgb\\+d' has 25 joints, the clips have 20"),
        ({"layout": "nw-ucla"}, {}, ValueError, "another order"),
        ({"split": "is_train"}, {}, ValueError, "has no array 'is_train'"),
        ({}, {"subject": None}, ValueError, "has no array 'subject'; choose another split"),
        ({"train_ids": [9]}, {}, ValueError, "no clip has \\[9\\]"),
        ({"batch_size": 10}, {}, ValueError, "batch_size: 10 is more than the 8 rows of the queue"),
        ({"batch_size": 64, "queue_size": 64}, {}, ValueError, "batch_size: 64 is more than the 12 training clips"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_trained(small, tmp_path, changes, arrays, error, message):
    path = write_set(tmp_path / "mine.npz", **arrays)
    with pytest.raises(error, match=message):
        train_skeletonclr.train(small(train_skeletonclr, **{"data": str(path), **changes}))


def command(tmp_path, method, *arguments):
    config = tmp_path / "small.yaml"
    config.write_text(yaml.safe_dump({**SMALL, "epochs": 6, "folder": str(tmp_path / "run")}))
    return [str(ROOT / "examples" / f"train_{method}.py"), "--config", str(config), *arguments]


@pytest.mark.slow
@pytest.mark.parametrize("method", [*VIEWS, "crossmoco"])
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


def test_a_prepared_set(small, tmp_path):
    write_pyskl(tmp_path / "raw", clips=24, seed=0)
    found = find_clips("pyskl", tmp_path / "raw", protocol="xsub")
    folder = tmp_path / "set"
    prepare(found.clips, out=folder, layout=found.layout, protocol="xsub", part=found.part, frames=16)
    sets = load_sets(DataOptions(data=str(folder), frames=16))
    assert {*sets.train.names} | {*sets.test.names} == {name for name, _ in found.clips}
    assert np.isfinite(train_skeletonclr.train(small(train_skeletonclr, data=str(folder)))["knn"])
    for changes, message in (
        ({"frames": 20}, "frames: the set in .* was prepared with 16, not 20"),
        ({"frames": 16, "align": "clip"}, "align: the set in .* was prepared with None, not 'clip'"),
        ({"frames": 16, "layout": "nw-ucla"}, "layout: the set in .* was prepared with"),
    ):
        with pytest.raises(ValueError, match=message):
            load_sets(DataOptions(data=str(folder), **changes))
