"""A skeleton of one's own, in a file that the command lines are given: from the training to the last evaluation."""

import json

import evaluate
import numpy as np
import pytest
import torch
import train_msmclr
import train_skeletonclr
from candidate import data_options, load_candidate
from command_line import parse
from datasets import DataOptions, load_sets
from load_run import load_run
from protocols import ProtocolOptions
from small_run import SMALL, write_set

from skelblocks import layouts
from skelblocks.cli import main
from skelblocks.interop import from_pretrained

QUICK = ["--accelerator", "cpu", "--finetune.epochs", "1", "--finetune.batch_size", "4", "--draws", "1"]
QUICK += ["--semi.epochs", "1", "--semi.learning_rate", "0.01", "--finetune.learning-rate", "0.01"]
QUICK += ["--fractions", "[0.3]"]
OWN = {
    "name": "mine",
    "joints": ["hip", "chest", "head", "hand_left", "hand_right", "tail"],
    "edges": [[1, 0], [2, 1], [3, 1], [4, 1], [5, 0]],
    "center": 1,
    "swap": [0, 1, 2, 4, 3, 5],
    "parts": {"trunk": [0, 1, 2], "left": [3], "right": [4], "tail": [5]},
    "bodies": {"upper": [1, 2, 3, 4], "lower": [0, 5]},
}


@pytest.fixture
def own(tmp_path):
    """Clips that do not name their joints; ``own(script, "--epochs", "1")`` trains on them as from a command line."""
    x = np.random.default_rng(0).standard_normal((24, 3, 20, 6, 1)).astype(np.float32)
    write_set(tmp_path / "clips.npz", x=x, joint_names=None)
    layouts.save(OWN, tmp_path / "mine.json")
    (tmp_path / "small.yaml").write_text(json.dumps({**SMALL, "layout": str(tmp_path / "mine.json"), "epochs": 1}))

    def train(script, *arguments):
        given = ["--config", tmp_path / "small.yaml", "--data", tmp_path / "clips.npz", "--folder", tmp_path / "run"]
        return script.train(parse(script.Options, [*map(str, given), *arguments]))

    return train


def state(folder):
    return torch.load(folder / "checkpoint.pt", weights_only=True)


def test_a_run_outlives_the_file(own, tmp_path, monkeypatch, capsys):
    own(train_msmclr)
    (tmp_path / "mine.json").rename(tmp_path / "moved.json")
    own(train_msmclr, "--epochs", "2")
    assert "The skeleton's file is gone; the run goes on with the one that is kept in" in capsys.readouterr().out
    gone = state(tmp_path / "run")
    assert len(gone["history"]) == 2
    own(train_msmclr, "--epochs", "3", "--layout", str(tmp_path / "moved.json"))  # the same skeleton elsewhere
    assert len(state(tmp_path / "run")["history"]) == 3
    assert layouts.load(tmp_path / "run" / "layout.json") == layouts.get(OWN)
    (tmp_path / "moved.json").unlink()
    assert "mine" not in layouts.available()

    monkeypatch.setattr("sklearn.manifold.TSNE.fit_transform", lambda self, x: x[:, :2].copy())  # seconds
    run, plain = str(tmp_path / "run"), ["--animation", "false"]
    found = evaluate.main(["report", run, *QUICK, *plain])
    assert [each["protocol"] for each in found["runs"][0]["outcomes"]] == ["knn", "linear", "semi 30 %", "finetune"]
    for command in ("frozen", "tsne"):
        assert evaluate.main([command, run, *QUICK])["runs"]
    encoder, clips = str(tmp_path / "run" / "encoder"), str(tmp_path / "clips.npz")
    assert evaluate.main(["knn", encoder, "--data", clips, *QUICK])["runs"]
    assert main(["embed", encoder, clips, "--out", str(tmp_path / "embedded")]) == 0
    assert main(["export", encoder, "--out", str(tmp_path / "encoder.pt2"), "--frames", "16"]) == 0
    with pytest.raises(FileNotFoundError, match="layout: there is no file"):
        own(train_msmclr, "--resume", "false")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"center": 0}, "center"),
        ({"parts": dict(reversed(OWN["parts"].items()))}, "parts"),  # whose order matters
        ({"name": "other", "swap": list(range(6))}, "name, swap"),
    ],
)
def test_a_run_does_not_go_on_with_another_skeleton(own, tmp_path, changes, named):
    own(train_skeletonclr)
    layouts.save({**OWN, **changes}, tmp_path / "mine.json")
    with pytest.raises(ValueError, match=rf"resume: .*was trained on clips of 'mine', .* with another {named}; choose"):
        own(train_skeletonclr, "--epochs", "2")
    assert layouts.load(tmp_path / "run" / "layout.json") == layouts.get(OWN)
    assert len(state(tmp_path / "run")["history"]) == 1
    sets = load_candidate(str(tmp_path / "run"), ProtocolOptions(accelerator="cpu")).sets
    assert sets.layout == layouts.get(OWN)  # it is judged by what it was trained on


def test_chosen_joints_of_ones_own_skeleton(own, tmp_path):
    some = {**OWN, "name": "some", "joints": ["head", "hand_left", "chest", "elbow", "hand_right", "hip"]}
    layouts.save(some, tmp_path / "some.json")
    own(train_skeletonclr, "--joints", str(tmp_path / "some.json"))
    shared = list(layouts.shared_joints(OWN, some))
    assert len(shared) == 5
    whole = load_sets(
        DataOptions(data=str(tmp_path / "clips.npz"), layout=str(tmp_path / "mine.json"), frames=16, joints=shared)
    )
    for name in ("mine.json", "some.json"):
        (tmp_path / name).unlink()
    own(train_skeletonclr, "--joints", str(tmp_path / "some.json"), "--epochs", "2")
    assert len(state(tmp_path / "run")["history"]) == 2
    loaded = load_run(tmp_path / "run")
    assert loaded.layout == layouts.restrict(OWN, shared)
    assert loaded.clips_layout == layouts.get(OWN)
    candidate = load_candidate(str(tmp_path / "run"), ProtocolOptions(accelerator="cpu"))
    assert candidate.sets.test.as_tensor().equal(whole.test.as_tensor())
    assert data_options(loaded, ProtocolOptions()).joints == shared
    assert evaluate.main(["linear", str(tmp_path / "run"), *QUICK])["runs"]


def test_a_run_that_begins_anew_keeps_no_skeleton_of_the_one_before(own, tmp_path):
    own(train_skeletonclr, "--joints", "[hip,chest,head]")
    assert (tmp_path / "run" / "clips_layout.json").exists()
    own(train_skeletonclr, "--resume", "false")
    assert not (tmp_path / "run" / "clips_layout.json").exists()
    with pytest.raises(ValueError, match=r"these are of 'mine.3 joints.', with another name, joints, edges"):
        own(train_skeletonclr, "--joints", "[hip,chest,head]", "--epochs", "2")


def test_other_clips_without_names_of_joints_have_the_runs_skeleton(own, tmp_path, capsys):
    own(train_skeletonclr)
    x = np.random.default_rng(1).standard_normal((24, 3, 20, 6, 1)).astype(np.float32)
    run, other = str(tmp_path / "run"), tmp_path / "other.npz"

    def layout(*arguments, **arrays):
        write_set(other, x=x, **arrays)
        options = ProtocolOptions(accelerator="cpu", data=str(other), **dict(arguments))
        return load_candidate(run, options).sets.layout

    assert layout(joint_names=None) == layouts.get(OWN)
    assert "other.npz does not name its joints; they are taken for those of 'mine'" in capsys.readouterr().out
    assert layout(joint_names=OWN["joints"]) == layouts.get(OWN)
    assert layout(("layout", "mine"), joint_names=None) == layouts.get(OWN)
    assert "does not name" not in capsys.readouterr().out
    turned = {**OWN, "name": "turned", "joints": OWN["joints"][::-1], "edges": [[1, 0]], "center": 0}
    turned["edges"] = [[5 - a, 5 - b] for a, b in OWN["edges"]]
    turned |= {"swap": [0, 2, 1, 3, 4, 5], "center": 4}
    layouts.save(turned, tmp_path / "turned.json")
    sets = load_candidate(
        run, ProtocolOptions(accelerator="cpu", data=str(other), layout=str(tmp_path / "turned.json"))
    ).sets
    raw = load_sets(DataOptions(data=str(other), layout=str(tmp_path / "turned.json"), frames=16))
    assert sets.test.as_tensor().equal(raw.test.as_tensor().flip(3))
    with pytest.raises(ValueError, match="have joints of other names"):
        layout(joint_names=list("abcdef"))
    write_set(other, joint_names=None)  # 20 joints
    with pytest.raises(ValueError, match=r"'mine' has 6 joints, the clips have 20; layouts with 20 joints: 'nw-ucla'"):
        evaluate.main(["linear", run, "--data", str(other), *QUICK])


def test_cost_of_ones_own_skeleton(own, tmp_path):
    sizes = ["--frames", "8", "--persons", "1", "--layout", str(tmp_path / "mine.json"), "--batch_size", "2"]
    found = evaluate.main(["cost", "--method", "msmclr", "--out", str(tmp_path), *sizes])
    assert found["encoder, torch"]["macs"] > 0


def test_a_pretrained_encoder_has_its_skeleton(own, tmp_path):
    own(train_skeletonclr)
    assert from_pretrained(tmp_path / "run" / "encoder").layout == layouts.get(OWN)
    assert load_run(tmp_path / "run" / "encoder").clips_layout == layouts.get(OWN)
