"""Clips of two coordinates, from the file to the report."""

import importlib
import json

import evaluate
import numpy as np
import pytest
import run_pictures
import train_skeletonclr
from command_line import parse
from load_run import load_run
from small_run import SMALL, save_run, write_set

from skelblocks.interop import from_pretrained

METHODS = ["skeletonclr", "aimclr", "msmclr", "skeattnclr", "crossmoco"]
QUICK = ["--accelerator", "cpu", "--draws", "1", "--fractions", "[0.5]", "--finetune.epochs", "1", "--semi.epochs", "1"]
QUICK += ["--finetune.augment", "normal", "--finetune.batch_size", "4", "--finetune.learning_rate", "0.01"]


@pytest.fixture
def data(tmp_path):
    """Keypoints of one to three persons: a frame has 6 v numbers, as that of two persons in space."""
    rng = np.random.default_rng(0)
    # Each clip has a pose of its own: features of noise alone differ by rounding, and so do their neighbours.
    x = (rng.standard_normal((24, 2, 20, 17, 3)) + 5 * rng.standard_normal((24, 2, 1, 17, 3))).astype(np.float32)
    x[::2, ..., 1:] = 0
    return write_set(tmp_path / "clips2d.npz", "coco-17", x=x)


def options(script, data, folder, **changes):
    made = {
        **SMALL,
        "data": data,
        "layout": "coco-17",
        "folder": str(folder),
        "epochs": 1,
        "initialization": "torch",
        **changes,
    }
    return script.Options(**made)


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        *((method, {}) for method in METHODS),
        ("aimclr", {"extreme": "official", "cross_stream": True}),
        ("msmclr", {"strong": "official", "stream": "bone", "encoder": "dsta"}),
        ("skeattnclr", {"encoder": "bigru", "predictors": True, "stream": "motion"}),
        ("crossmoco", {"augmentation": "both", "share_backbone": False, "streams": ["joint"]}),
    ],
)
def test_every_method_trains(data, tmp_path, method, changes):
    script = importlib.import_module(f"train_{method}")
    if method == "skeattnclr":
        changes = {**changes, "heads": 2}
    assert np.isfinite(script.train(options(script, data, tmp_path / "run", **changes))["knn"])
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert np.isfinite(rows[-1]["loss"])


def test_the_command_line_takes_the_number_from_the_data(data, tmp_path):
    given = {**SMALL, "data": data, "layout": "coco-17", "folder": tmp_path / "run", "epochs": 1}
    given.pop("synthetic")
    chosen = parse(train_skeletonclr.Options, [f"--{name}={value}" for name, value in given.items()])
    train_skeletonclr.train(chosen)
    assert from_pretrained(tmp_path / "run" / "encoder").encoder.in_channels == 2


@pytest.mark.parametrize("encoder", ["stgcn", "bigru"])
def test_a_run_goes_on_and_is_loaded_and_judged(data, tmp_path, encoder, monkeypatch):
    monkeypatch.setattr("sklearn.manifold.TSNE.fit_transform", lambda self, x: x[:, :2].copy())  # seconds
    upside_down = []

    def draw(clip, **look):
        upside_down.append(look["flip_vertical"])
        return drawing(clip, **look)

    drawing = run_pictures.draw_skeleton
    monkeypatch.setattr("run_pictures.draw_skeleton", draw)
    whole, run = tmp_path / "whole", tmp_path / "run"
    train_skeletonclr.train(options(train_skeletonclr, data, whole, encoder=encoder, epochs=2))
    for epochs in (1, 2):
        train_skeletonclr.train(options(train_skeletonclr, data, run, encoder=encoder, epochs=epochs))
    states = [load_run(folder).encoder.state_dict() for folder in (whole, run)]
    assert all(states[0][name].equal(states[1][name]) for name in states[0])
    assert upside_down == [True] * 3
    loaded = load_run(run).encoder
    assert loaded.in_channels == 2
    assert encoder != "bigru" or loaded.persons == 3
    report = evaluate.main(["report", str(run), "--out", str(tmp_path / "report"), *QUICK])
    outcomes = {outcome["protocol"]: outcome for outcome in report["runs"][0]["outcomes"]}
    assert list(outcomes) == ["knn", "linear", "semi 50 %", "finetune"]
    assert len(report["others"]) == 2
    assert (tmp_path / "report" / "clip.gif").exists()
    saved = evaluate.main(["knn", str(run / "encoder"), "--data", data, *QUICK])["runs"][0]["outcomes"][0]
    assert saved["by_neighbors"][1] == outcomes["knn"]["by_neighbors"][1]


def test_clips_of_other_coordinates_are_refused(data, tmp_path):
    save_run(tmp_path / "run", train_skeletonclr, layout="coco-17", coordinates=2, data=data)
    in_space = write_set(tmp_path / "space.npz", "coco-17")
    with pytest.raises(ValueError, match=r"x: expected \(n, c=2, .* axis 'c' is 3, not 2"):
        evaluate.main(["knn", str(tmp_path / "run"), "--data", in_space, *QUICK])
    with pytest.raises(ValueError, match=r"align: expected 3 .* have 2, .*leave them as they are"):
        train_skeletonclr.train(options(train_skeletonclr, data, tmp_path / "other", align="clip"))


def test_what_a_method_costs(tmp_path):
    sizes = ["--frames", "8", "--persons", "1", "--layout", "coco-17", "--batch_size", "2", "--out", str(tmp_path)]
    flat, space = (
        evaluate.main(["cost", "--method", "skeletonclr", *sizes, "--coordinates", c])["encoder, torch"] for c in "23"
    )
    assert space["parameters"] - flat["parameters"] == 2 * 17 + 3 * 16  # of the first norm and the first convolution
