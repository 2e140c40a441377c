"""Runs that were trained, evaluated from their folders: every method, planar clips, skeletons of one's own."""

import json

import numpy as np
import pytest
from small_run import METHODS, SMALL, in_groups, small_options, write_set

from skelblocks import layouts
from skelblocks.cli import main
from skelblocks.cli.evaluate_runs import evaluate
from skelblocks.protocols import EvaluatedDataOptions, MeasureOptions, ProtocolOptions, load_evaluated_run, open_encoder
from skelblocks.protocols.evaluated_clips import chosen_data
from skelblocks.training import DataOptions, MethodOptions, load_page, load_sets, parse_options

QUICK = ["--evaluate.accelerator", "cpu", "--finetune.epochs", "1", "--finetune.batch_size", "4", "--semi.draws", "1"]
QUICK += ["--semi.epochs", "1", "--semi.learning_rate", "0.01", "--finetune.learning-rate", "0.01"]
QUICK += ["--semi.fractions", "[0.3]"]
OWN = {
    "name": "mine",
    "joints": ["hip", "chest", "head", "hand_left", "hand_right", "tail"],
    "edges": [[1, 0], [2, 1], [3, 1], [4, 1], [5, 0]],
    "center": 1,
    "swap": [0, 1, 2, 4, 3, 5],
    "parts": {"trunk": [0, 1, 2], "left": [3], "right": [4], "tail": [5]},
    "bodies": {"upper": [1, 2, 3, 4], "lower": [0, 5]},
}
PAGE = '''
"""A method that nobody but its user knows: it learns which half of a batch a clip is in."""

import torch
from torch import nn

from skelblocks.encoders import STGCN, pool
from skelblocks.training import MethodOptions, Output, Page


class Mine(nn.Module):
    def __init__(self, layout, coordinates):
        super().__init__()
        self.somewhere = nn.ModuleDict(
            {"deep": STGCN(layout, in_channels=coordinates, base_channels=4, out_channels=16)}
        )
        self.head = nn.Linear(16, 2)

    def forward(self, view, *, ids, epoch=0):
        logits = self.head(pool(self.somewhere["deep"](view)))
        return Output(nn.functional.cross_entropy(logits, ids % 2))

    def update(self, output, *, step, total_steps):
        pass

    def encoders(self):
        return {"joint": self.somewhere["deep"]}


def build(options, *, layout, persons, coordinates):
    return Mine(layout, coordinates)


def make_views(options, *, layout):
    return lambda clips, generator: [clips]


page = Page(name="mine", options=MethodOptions, build=build, make_views=make_views)
'''


def accuracy(found, protocol, place=0):
    return next(each["accuracy"] for each in found["runs"][place]["results"] if each["protocol"] == protocol)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_evaluated_as_it_logged_itself(tmp_path, method):
    page, run = load_page(method), tmp_path / "run"
    logged = page.train(small_options(page, folder=str(run), epochs=1))
    # One number of neighbors, since features of one epoch tie, and which of equals are nearest depends on how many.
    found = evaluate("frozen", [str(run), *QUICK, "--evaluate.neighbors", "[3]"])
    assert found["runs"][0]["method"] == method
    assert found["runs"][0]["pretrained_apart"]
    assert accuracy(found, "knn") == pytest.approx(logged["knn"])
    assert accuracy(found, "linear") == pytest.approx(logged["linear"])


def test_a_method_of_ones_own_is_evaluated_as_ours(tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn.manifold.TSNE.fit_transform", lambda self, x: x[:, :2].copy())  # seconds
    (tmp_path / "mine.py").write_text(PAGE)
    page, run = load_page(str(tmp_path / "mine.py")), str(tmp_path / "run")
    logged = page.train(small_options(page, folder=run, epochs=1))
    (tmp_path / "mine.py").unlink()  # an evaluation needs nothing of it
    # One number of neighbors, since features of one epoch tie.
    found = evaluate("report", [run, "--animation", "false", *QUICK, "--evaluate.neighbors", "[3]"])
    assert accuracy(found, "knn") == pytest.approx(logged["knn"])
    assert found["runs"][0]["name"] == "mine"
    assert len(found["untrained"]) == 2


def test_planar_clips_go_the_whole_way(tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn.manifold.TSNE.fit_transform", lambda self, x: x[:, :2].copy())  # seconds
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((24, 2, 20, 17, 3)) + 5 * rng.standard_normal((24, 2, 1, 17, 3))).astype(np.float32)
    x[::2, ..., 1:] = 0  # one to three persons
    data = write_set(tmp_path / "clips2d.npz", "coco-17", x=x)
    page, run = load_page("skeletonclr"), str(tmp_path / "run")
    changes = {
        "path": data,
        "layout": "coco-17",
        "folder": run,
        "epochs": 1,
        "initialization": "torch",
        "kind": "bigru",
    }
    page.train(small_options(page, **changes))
    found = evaluate("report", [run, "--finetune.augment", "weak", *QUICK])
    assert [each["protocol"] for each in found["runs"][0]["results"]] == ["knn", "linear", "semi 30 %", "finetune"]
    assert (tmp_path / "run" / "evaluation" / "clip.gif").exists()


@pytest.fixture
def own(tmp_path):
    """Clips that do not name their joints; ``own("--train.epochs", "1")`` trains on them as from a command line."""
    x = np.random.default_rng(0).standard_normal((24, 3, 20, 6, 1)).astype(np.float32)
    write_set(tmp_path / "clips.npz", x=x, joint_names=None)
    layouts.save(OWN, tmp_path / "mine.json")
    chosen = in_groups(MethodOptions, {**SMALL, "layout": str(tmp_path / "mine.json"), "epochs": 1})
    (tmp_path / "small.yaml").write_text(json.dumps(chosen))

    def train(*arguments):
        page = load_page("skeletonclr")
        words = ["--config", tmp_path / "small.yaml", "--data.path", tmp_path / "clips.npz"]
        words += ["--train.folder", tmp_path / "run"]
        return page.train(parse_options(page.options, [*map(str, words), *arguments]))

    return train


def loaded(run, **data):
    options = ProtocolOptions(data=EvaluatedDataOptions(**data), evaluate=MeasureOptions(accelerator="cpu"))
    return load_evaluated_run(run, options)


def test_a_run_is_evaluated_when_the_file_of_its_skeleton_is_gone(own, tmp_path):
    own()
    (tmp_path / "mine.json").unlink()
    assert "mine" not in layouts.available()
    run, encoder, clips = (str(tmp_path / name) for name in ("run", "run/encoder", "clips.npz"))
    for command in ("frozen", "tsne"):
        assert evaluate(command, [run, *QUICK])["runs"]
    assert evaluate("knn", [encoder, "--data.path", clips, *QUICK])["runs"]
    assert main(["evaluate", "knn", run, *QUICK]) == 0
    assert loaded(run).sets.layout == layouts.get(OWN)


def test_chosen_joints_of_ones_own_skeleton(own, tmp_path):
    some = {**OWN, "name": "some", "joints": ["head", "hand_left", "chest", "elbow", "hand_right", "hip"]}
    layouts.save(some, tmp_path / "some.json")
    own("--data.joints", str(tmp_path / "some.json"))
    shared = list(layouts.shared_joints(OWN, some))
    assert len(shared) == 5
    whole = load_sets(
        DataOptions(path=str(tmp_path / "clips.npz"), layout=str(tmp_path / "mine.json"), frames=16, joints=shared)
    )
    for name in ("mine.json", "some.json"):
        (tmp_path / name).unlink()
    found = open_encoder(tmp_path / "run")
    assert found.layout == layouts.restrict(OWN, shared)
    assert found.clips_layout == layouts.get(OWN)
    assert loaded(tmp_path / "run").sets.test.as_tensor().equal(whole.test.as_tensor())
    assert chosen_data(found, EvaluatedDataOptions()).joints == shared
    assert evaluate("linear", [str(tmp_path / "run"), *QUICK])["runs"]


def test_other_clips_without_names_of_joints_have_the_runs_skeleton(own, tmp_path, capsys):
    own()
    x = np.random.default_rng(1).standard_normal((24, 3, 20, 6, 1)).astype(np.float32)
    run, other = str(tmp_path / "run"), tmp_path / "other.npz"

    def layout(layout_name=None, **arrays):
        write_set(other, x=x, **arrays)
        return loaded(run, path=str(other), layout=layout_name).sets.layout

    assert layout(joint_names=None) == layouts.get(OWN)
    assert "other.npz does not name its joints; assuming the run's layout mine" in capsys.readouterr().out
    assert layout(joint_names=OWN["joints"]) == layouts.get(OWN)
    assert layout("mine", joint_names=None) == layouts.get(OWN)
    assert "does not name" not in capsys.readouterr().out
    turned = {**OWN, "name": "turned", "joints": OWN["joints"][::-1], "swap": [0, 2, 1, 3, 4, 5], "center": 4}
    turned["edges"] = [[5 - a, 5 - b] for a, b in OWN["edges"]]
    layouts.save(turned, tmp_path / "turned.json")
    sets = loaded(run, path=str(other), layout=str(tmp_path / "turned.json")).sets
    raw = load_sets(DataOptions(path=str(other), layout=str(tmp_path / "turned.json"), frames=16))
    assert sets.test.as_tensor().equal(raw.test.as_tensor().flip(3))
    with pytest.raises(ValueError, match="have joints with other names"):
        layout(joint_names=list("abcdef"))
    write_set(other, joint_names=None)  # 20 joints
    with pytest.raises(ValueError, match=r"'mine' has 6 joints, the clips have 20"):
        evaluate("linear", [run, "--data.path", str(other), *QUICK])


def test_cost_of_ones_own_skeleton(tmp_path):
    layouts.save(OWN, tmp_path / "mine.json")
    sizes = ["--frames", "8", "--persons", "1", "--layout", str(tmp_path / "mine.json"), "--batch_size", "2"]
    found = evaluate("cost", ["--method", "msmclr", "--out", str(tmp_path), *sizes])
    assert found["encoder, torch"]["macs"] > 0
