"""A skeleton of one's own, in a file that the command line is given."""

import json

import numpy as np
import pytest
import torch
from small_run import SMALL, in_groups, write_set

from skelblocks import layouts
from skelblocks.cli import main
from skelblocks.interop import from_pretrained
from skelblocks.training import MethodOptions, load_page, parse_options

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
    """Clips that do not name their joints; ``own("msmclr", "--train.epochs", "1")`` trains as from a command line."""
    x = np.random.default_rng(0).standard_normal((24, 3, 20, 6, 1)).astype(np.float32)
    write_set(tmp_path / "clips.npz", x=x, joint_names=None)
    layouts.save(OWN, tmp_path / "mine.json")
    chosen = in_groups(MethodOptions, {**SMALL, "layout": str(tmp_path / "mine.json"), "epochs": 1})
    (tmp_path / "small.yaml").write_text(json.dumps(chosen))

    def train(method, *arguments):
        page = load_page(method)
        words = ["--config", tmp_path / "small.yaml", "--data.path", tmp_path / "clips.npz"]
        words += ["--train.folder", tmp_path / "run"]
        return page.train(parse_options(page.options, [*map(str, words), *arguments]))

    return train


def state(folder):
    return torch.load(folder / "checkpoint.pt", weights_only=True)


def test_a_run_outlives_the_file(own, tmp_path, capsys):
    own("msmclr")
    (tmp_path / "mine.json").rename(tmp_path / "moved.json")
    own("msmclr", "--train.epochs", "2")
    assert "The skeleton's file no longer exists; the run resumes with the copy in" in capsys.readouterr().out
    assert len(state(tmp_path / "run")["history"]) == 2
    own("msmclr", "--train.epochs", "3", "--data.layout", str(tmp_path / "moved.json"))  # the same skeleton elsewhere
    assert len(state(tmp_path / "run")["history"]) == 3
    assert layouts.load(tmp_path / "run" / "layout.json") == layouts.get(OWN)
    (tmp_path / "moved.json").unlink()
    assert "mine" not in layouts.available()
    encoder, clips = str(tmp_path / "run" / "encoder"), str(tmp_path / "clips.npz")
    assert from_pretrained(encoder).layout == layouts.get(OWN)
    assert main(["embed", encoder, clips, "--out", str(tmp_path / "embedded")]) == 0
    assert main(["export", encoder, "--out", str(tmp_path / "encoder.pt2"), "--frames", "16"]) == 0
    with pytest.raises(FileNotFoundError, match="layout: there is no file"):
        own("msmclr", "--train.resume", "false")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"center": 0}, "center"),
        ({"parts": dict(reversed(OWN["parts"].items()))}, "parts"),  # whose order matters
        ({"name": "other", "swap": list(range(6))}, "name, swap"),
    ],
)
def test_a_run_does_not_resume_with_another_skeleton(own, tmp_path, changes, named):
    own("skeletonclr")
    layouts.save({**OWN, **changes}, tmp_path / "mine.json")
    with pytest.raises(ValueError, match=rf"resume: .*was trained on clips of 'mine', .* with another {named}; choose"):
        own("skeletonclr", "--train.epochs", "2")
    assert layouts.load(tmp_path / "run" / "layout.json") == layouts.get(OWN)
    assert len(state(tmp_path / "run")["history"]) == 1


def test_chosen_joints_of_an_own_skeleton(own, tmp_path):
    some = {**OWN, "name": "some", "joints": ["head", "hand_left", "chest", "elbow", "hand_right", "hip"]}
    layouts.save(some, tmp_path / "some.json")
    own("skeletonclr", "--data.joints", str(tmp_path / "some.json"))
    shared = layouts.shared_joints(OWN, some)
    assert len(shared) == 5
    for name in ("mine.json", "some.json"):
        (tmp_path / name).unlink()
    own("skeletonclr", "--data.joints", str(tmp_path / "some.json"), "--train.epochs", "2")
    assert len(state(tmp_path / "run")["history"]) == 2
    assert layouts.load(tmp_path / "run" / "layout.json") == layouts.restrict(OWN, shared)
    assert layouts.load(tmp_path / "run" / "clips_layout.json") == layouts.get(OWN)
    assert from_pretrained(tmp_path / "run" / "encoder").layout == layouts.restrict(OWN, shared)


def test_a_run_that_starts_again_keeps_no_skeleton_of_the_one_before(own, tmp_path):
    own("skeletonclr", "--data.joints", "[hip,chest,head]")
    assert (tmp_path / "run" / "clips_layout.json").exists()
    own("skeletonclr", "--train.resume", "false")
    assert not (tmp_path / "run" / "clips_layout.json").exists()
    with pytest.raises(ValueError, match=r"this run has 'mine.3 joints.', with another name, joints, edges"):
        own("skeletonclr", "--data.joints", "[hip,chest,head]", "--train.epochs", "2")
