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
from datasets import DataOptions, load_sets
from engine import parse
from train_msmclr import MsMCLR, Options, Views, build, train

from skelblocks import layouts

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "examples" / "configs"
SMALL = {
    "synthetic": {"classes": 3, "subjects": 4, "views": 2, "frames": 16},
    "frames": 16,
    "base_channels": 4,
    "out_channels": 16,
    "embedding": 8,
    "queue_size": 8,
    "batch_size": 4,
    "epochs": 2,
    "learning_rate": 0.01,
    "neighbors": 3,
    "probe": "standardized",
    "accelerator": "cpu",
}


def small(tmp_path, **changes):
    return Options(folder=str(tmp_path / "run"), **{**SMALL, **changes})


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_the_papers_model_has_the_papers_size():
    method = build(Options(), layout=layouts.get("ntu-rgb+d"))
    assert parameters(method.query_branch) + parameters(method.key_branch) == 1_840_136
    assert parameters(method.attention) == 16_672
    assert parameters(method) == 1_840_136 + 16_672
    assert method.queue.bank.shape == (32768, 128)


def test_query_and_key_start_equal_and_the_key_follows():
    method = build(Options(**SMALL), layout=layouts.get("sbu"))
    query, key = method.query_branch.state_dict(), method.key_branch.encoder.state_dict()
    assert all(query[name].equal(key[name]) for name in query)
    views = [torch.randn(4, 3, 16, 15, 1) for _ in range(3)]
    output = method(*views, ids=torch.arange(4))
    bank = method.queue.bank.clone()
    torch.testing.assert_close(output.loss, output.figures["contrast"] + output.figures["multi_scale_motion"])
    output.loss.backward()
    assert method.queue.bank.equal(bank)  # neither forward nor backward touches the state
    assert all(p.grad is not None for p in [*method.query_branch.parameters(), *method.attention.parameters()])
    assert all(p.grad is None for p in method.key_branch.parameters())
    with torch.no_grad():
        for p in method.query_branch.parameters():
            p.add_(1.0)
    before = method.key_branch.encoder[0].blocks[0].temporal.weight.clone()
    method.update(output)
    torch.testing.assert_close(method.key_branch.encoder[0].blocks[0].temporal.weight, before + 0.001)
    torch.testing.assert_close(method.queue.bank[:4], torch.nn.functional.normalize(output.keys, dim=1))
    assert method.queue.bank[4:].equal(bank[4:])
    assert method.queue.ids[:4].tolist() == [0, 1, 2, 3]


def test_the_loss_is_eq_10():
    """The total from the formulas, one probability at a time, with the blocks' embeddings."""
    torch.manual_seed(0)
    method = build(Options(**SMALL, dropout=0.0), layout=layouts.get("sbu")).double()
    views = [torch.randn(4, 3, 16, 15, 1, dtype=torch.float64) for _ in range(3)]
    encoder, pool, head = method.query_branch
    unit = torch.nn.functional.normalize
    k = unit(method.key_branch(views[2]))
    q = unit(head(pool(encoder(views[0]))))
    scales = [unit(head(pool(each))) for each in method.attention(encoder(views[1]))]
    p, *branches = [
        torch.cat([(z * k).sum(1, keepdim=True), z @ method.queue.bank.T], 1).div(0.07).softmax(1) for z in (q, *scales)
    ]
    expected = -p[:, 0].log().mean() + sum(-(p * b.log()).sum(1).mean() for b in branches) / 3
    torch.testing.assert_close(method(*views, ids=torch.arange(4)).loss, expected)


@pytest.mark.parametrize(
    "changes",
    [
        {"attention": "none"},
        {"scales": ["joint"], "stream": "bone"},
        {"segment": 2, "strong": "official", "stream": "motion"},
        {"mining_epoch": 1, "exclude_own_keys": True, "attention": "node"},
    ],
)
def test_every_option_trains(tmp_path, changes):
    result = train(small(tmp_path, epochs=2, **changes))
    assert np.isfinite(list(result.values())).all()
    assert {"loss", "contrast", "multi_scale_motion", "knn", "linear", "clips_per_second"} <= set(result)


def test_a_run_leaves_its_files(tmp_path):
    result = train(small(tmp_path))
    run = tmp_path / "run"
    pictures = {"loss.png", "accuracy.png", "embedding.png", "clip.png", "attention.png"}
    assert pictures | {"config.yaml", "log.jsonl", "checkpoint.pt", "tensorboard"} == {
        path.name for path in run.iterdir()
    }
    assert yaml.safe_load((run / "config.yaml").read_text())["out_channels"] == 16
    last = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    assert last["knn"] == result["knn"]
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    method = build(small(tmp_path), layout=layouts.get("ntu-rgb+d"))
    method.load_state_dict(state["method"])
    assert state["options"]["stream"] == "joint"


def test_views_are_three_draws_of_the_stream(tmp_path):
    layout = layouts.get("nw-ucla")
    clips = torch.randn(3, 3, 16, 20, 1)
    views = Views(small(tmp_path, stream="bone"), layout=layout)
    once = views(clips, torch.Generator().manual_seed(1))
    again = views(clips, torch.Generator().manual_seed(1))
    assert all(a.equal(b) for a, b in zip(once, again, strict=True))
    assert not once[0].equal(once[2])
    assert all((view[:, :, :, layout.center] == 0).all() for view in once)  # the centre has no bone


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_configuration_is_understood(path):
    options = parse(Options, ["--config", str(path)])
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


def test_a_file_of_ones_own(tmp_path):
    path = write_set(tmp_path / "mine.npz")
    sets = load_sets(DataOptions(data=str(path), frames=16))
    assert sets.layout == layouts.get("utd-mhad")
    assert set(sets.train.subjects) == {1, 3}
    assert sets.train[0].clip.shape == (3, 16, 20, 1)
    cross_view = load_sets(DataOptions(data=str(path), frames=16, split="cross-view"))
    assert set(cross_view.train.views) == {1, 2}
    assert np.isfinite(train(small(tmp_path, data=str(path)))["knn"])


def test_clips_without_labels_or_split(tmp_path):
    path = write_set(tmp_path / "mine.npz", y=None, subject=None, view=None)
    settings = small(tmp_path, data=str(path), split="none")
    assert len(load_sets(settings).train) == 24
    assert "knn" not in train(settings)
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
def test_what_is_wrong_is_said_before_anything_is_trained(tmp_path, changes, arrays, error, message):
    path = write_set(tmp_path / "mine.npz", **arrays)
    with pytest.raises(error, match=message):
        train(small(tmp_path, **{"data": str(path), **changes}))


def command(tmp_path, *arguments):
    config = tmp_path / "small.yaml"
    config.write_text(yaml.safe_dump({**SMALL, "epochs": 6, "folder": str(tmp_path / "run")}))
    return [str(ROOT / "examples" / "train_msmclr.py"), "--config", str(config), *arguments]


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_bits(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    subprocess.run([sys.executable, *command(tmp_path / "whole")], check=True, env=environment, capture_output=True)
    process = subprocess.Popen(
        [sys.executable, *command(tmp_path / "killed")],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    log = tmp_path / "killed" / "run" / "log.jsonl"
    while not log.exists() or len(log.read_text().splitlines()) < 2:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run([sys.executable, *command(tmp_path / "killed")], check=True, env=environment, capture_output=True)
    states = [torch.load(tmp_path / name / "run" / "checkpoint.pt")["method"] for name in ("whole", "killed")]
    assert all(states[0][name].equal(states[1][name]) for name in states[0])


@pytest.mark.slow
def test_two_processes_train_under_torchrun(tmp_path):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29517"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launcher, *command(tmp_path, "--epochs", "2")], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    state = torch.load(tmp_path / "run" / "checkpoint.pt")
    ids = state["method"]["queue.ids"]
    assert (ids >= 0).all()  # a queue of eight, filled by both processes' keys
    assert isinstance(build(Options(**SMALL), layout=layouts.get("ntu-rgb+d")), MsMCLR)
