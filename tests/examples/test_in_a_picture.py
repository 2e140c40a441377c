"""Clips of two coordinates train with every method."""

import json

import numpy as np
import pytest
from small_run import METHODS, small_options, write_set

from skelblocks.interop import from_pretrained
from skelblocks.training import load_page, pictures


@pytest.fixture
def data(tmp_path):
    """Keypoints of one to three persons: a frame has 6 v numbers, like a frame of two persons in space."""
    rng = np.random.default_rng(0)
    # Each clip has a pose of its own: features of noise alone differ by rounding, and so do their neighbors.
    x = (rng.standard_normal((24, 2, 20, 17, 3)) + 5 * rng.standard_normal((24, 2, 1, 17, 3))).astype(np.float32)
    x[::2, ..., 1:] = 0
    return write_set(tmp_path / "clips2d.npz", "coco-17", x=x)


def options(page, data, folder, **changes):
    settings = {"path": data, "layout": "coco-17", "folder": str(folder), "epochs": 1, "initialization": "torch"}
    return small_options(page, **{**settings, **changes})


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        *((method, {}) for method in METHODS),
        ("aimclr", {"extreme": "official", "cross_stream": True}),
        ("msmclr", {"strong": "official", "stream": "bone", "kind": "dsta"}),
        ("skeattnclr", {"kind": "bigru", "predictors": True, "stream": "motion"}),
        ("crossmoco", {"augmentation": "both", "share_backbone": False, "streams": ["joint"]}),
    ],
)
def test_every_method_trains(data, tmp_path, method, changes):
    if method == "skeattnclr":
        changes = {**changes, "heads": 2}
    page = load_page(method)
    assert np.isfinite(page.train(options(page, data, tmp_path / "run", **changes))["knn"])
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert np.isfinite(rows[-1]["loss"])


@pytest.mark.parametrize("kind", ["stgcn", "bigru"])
def test_a_run_resumes_and_its_encoder_loads(data, tmp_path, kind, monkeypatch):
    upside_down = []

    def draw(clip, **look):
        upside_down.append(look["flip_vertical"])
        return drawing(clip, **look)

    drawing = pictures.draw_skeleton
    monkeypatch.setattr(pictures, "draw_skeleton", draw)
    page, whole, run = load_page("skeletonclr"), tmp_path / "whole", tmp_path / "run"
    page.train(options(page, data, whole, kind=kind, epochs=2))
    for epochs in (1, 2):
        page.train(options(page, data, run, kind=kind, epochs=epochs))
    loaded = [from_pretrained(folder / "encoder").encoder for folder in (whole, run)]
    states = [encoder.state_dict() for encoder in loaded]
    assert all(states[0][name].equal(states[1][name]) for name in states[0])
    assert upside_down == [True] * 3
    assert loaded[1].in_channels == 2
    assert kind != "bigru" or loaded[1].persons == 3


def test_alignment_of_clips_in_a_picture_is_refused(data, tmp_path):
    page = load_page("skeletonclr")
    with pytest.raises(ValueError, match=r"align: expected 3 "):
        page.train(options(page, data, tmp_path / "other", align="clip"))
