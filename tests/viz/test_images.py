"""Every picture looks as it did; and the comparison sees what it must see."""

import numpy as np
import pytest

from skelblocks.viz import (
    attention_map,
    class_accuracy,
    clip_attention,
    confusion_matrix,
    curves,
    draw_skeleton,
    embedding_scatter,
)

pytest.importorskip("matplotlib")
pytest.importorskip("PIL")

from viz import baseline
from viz.baseline import assert_inside, assert_looks_like, waving

NTU = {"layout": "ntu-rgb+d", "frames": [0, 2, 4, 6]}


def matrices(count=3, t=13):
    i = np.arange(t)
    near = np.exp(-0.15 * (i[:, None] - i) ** 2) + 0.3 * (i == t - 1)
    return np.stack([near / (1 + k) + 0.1 * k for k in range(count)])


def triangle():
    """Three classes of 15 samples on a line each, in the plane."""
    along = np.tile(np.linspace(0, 1, 15), 3)
    labels = np.repeat([0, 1, 2], 15)
    return np.stack([along + 2 * (labels == 1), along * (1 - labels) + 3 * (labels == 2)], axis=1), labels


def counts(classes):
    """A confusion matrix: neighbors are confused, the last class but one never occurs."""
    i = np.arange(classes)
    matrix = (
        np.diag(20 + i * 7 % 11) + np.where(i == i[:, None] + 1, i * 3 % 8, 0) + np.where(i == i[:, None] - 3, 2, 0)
    )
    matrix[-2] = 0
    return matrix


def weights(persons=1, steps=4):
    """The waving arm weighs more and more."""
    grid = np.full((persons, steps, 25), 0.15)
    grid[:, :, [9, 10, 11, 23, 24]] = np.linspace(0.3, 1, steps)[:, None]
    grid[:, :, 3] = 0.5
    return grid


NAMES = (
    "drink water",
    "eat meal",
    "brush teeth",
    "brush hair",
    "drop",
    "pick up",
    "throw",
    "sit down",
    "stand up",
    "clap",
)
PICTURES = {
    "skeleton_bodies": lambda: draw_skeleton(waving(), title="Wave", **NTU),
    "skeleton_parts_3d": lambda: draw_skeleton(waving(), color_by="part", axes=(0, 2, 1), **NTU),
    "skeleton_two_people": lambda: draw_skeleton(waving(persons=2), color_by=None, **NTU),
    "skeleton_two_bodies": lambda: draw_skeleton(waving(persons=2), axes=(0, 2, 1), **NTU),
    "skeleton_hidden": lambda: draw_skeleton(waving(), hidden=np.tile(np.arange(25) < 8, (8, 1)), **NTU),
    "curves": lambda: curves({"loss": [3.0, 2.0, 1.5, 1.2], "kNN": ([1, 4], [0.2, 0.6])}, title="Pre-training"),
    "curves_log": lambda: curves({"loss": 10 ** np.cos(np.arange(40) / 9)}, log=True, xlabel="step"),
    "curves_levels": lambda: curves(
        {"kNN": [65.0, 66.0, 76.0, 79.0], "linear": [67.0, 75.0, 81.0, 83.0]},
        levels={"untrained": 43.0, "chance": 10.0},
        from_zero=True,
    ),
    "attention_map": lambda: attention_map(matrices(), names=["joint", "part", "body"], title="Attention"),
    "embedding_points": lambda: embedding_scatter(*triangle(), method=None, class_names=["a", "b", "c"]),
    "embedding_pca": lambda: embedding_scatter(*triangle(), method="pca", title="Features"),
    "embedding_many_classes": lambda: embedding_scatter(
        np.stack([np.arange(90) % 10, np.arange(90) // 10], axis=1), np.arange(90) // 2, method=None
    ),
    "confusion_10": lambda: confusion_matrix(counts(10), class_names=NAMES, title="Linear evaluation"),
    "confusion_10_counts": lambda: confusion_matrix(counts(10), normalize=None),
    "confusion_27": lambda: confusion_matrix(counts(27), class_names=[f"action number {i}" for i in range(27)]),
    "confusion_60": lambda: confusion_matrix(counts(60), class_names=[f"some action {i}" for i in range(60)]),
    "class_accuracy_10": lambda: class_accuracy(counts(10), class_names=NAMES, title="Linear evaluation"),
    "class_accuracy_60": lambda: class_accuracy(counts(60), class_names=[f"some action {i}" for i in range(60)]),
    "clip_attention": lambda: clip_attention(waving(frames=16), weights()[0], layout="ntu-rgb+d", title="Attention"),
    "clip_attention_two_people": lambda: clip_attention(
        waving(frames=16, persons=2), weights(2) * [[[1.0]], [[0.5]]], layout="ntu-rgb+d", frames=4, axes=(0, 2, 1)
    ),
}


SMALL_PRINT = {"confusion_27", "confusion_60", "embedding_many_classes", "clip_attention", "clip_attention_two_people"}


@pytest.mark.parametrize("name", PICTURES)
def test_it_looks_as_it_did_and_all_text_lies_inside(name):
    figure = PICTURES[name]()
    assert_looks_like(figure, name, pixels=120 if name in SMALL_PRINT else baseline.PIXELS)
    assert_inside(figure)


def test_the_kept_pictures_are_small_and_there_is_none_too_many():
    kept = {path.stem: path.stat().st_size for path in baseline.FOLDER.glob("*.png")}
    assert set(PICTURES) <= set(kept)
    assert max(kept.values()) < 40_000


def test_text_that_hangs_out_is_seen():
    figure = curves({"loss": [3.0, 2.0]})
    figure.text(0.99, 0.5, "beyond the edge")
    with pytest.raises(AssertionError):
        assert_inside(figure)


def moved_joint():
    clip = waving()
    clip[0, 4, 14] -= 0.1
    return draw_skeleton(clip, title="Wave", **NTU)


def bone_left_out():
    figure = PICTURES["skeleton_bodies"]()
    for line in figure.axes[1].lines:
        if line.get_label() == "left_leg":
            line.set_data(*(np.delete(values, slice(3, 6)) for values in line.get_data()))
    return figure


def other_color_of_a_limb():
    figure = PICTURES["skeleton_bodies"]()
    next(line for line in figure.axes[0].lines if line.get_label() == "left_arm").set_color("#009e73")
    return figure


def other_value():
    return curves({"loss": [3.0, 2.1, 1.5, 1.2], "kNN": ([1, 4], [0.2, 0.6])}, title="Pre-training")


def other_words():
    return curves({"loss": [3.0, 2.0, 1.5, 1.2], "top-1": ([1, 4], [0.2, 0.6])}, title="Pre-training")


def other_colormap():
    figure = PICTURES["attention_map"]()
    figure.axes[0].images[0].set_cmap("viridis_r")
    return figure


def other_cell():
    maps = matrices()
    maps[2, 2, 9] = 1
    return attention_map(maps, names=["joint", "part", "body"], title="Attention")


def moved_point():
    points, labels = triangle()
    points[20] += [0, 0.3]
    return embedding_scatter(points, labels, method=None, class_names=["a", "b", "c"])


def other_class():
    points, labels = triangle()
    labels[20:23] = 2
    return embedding_scatter(points, labels, method=None, class_names=["a", "b", "c"])


def other_weight():
    grid = weights()[0]
    grid[1, 6] = 0.8
    return clip_attention(waving(frames=16), grid, layout="ntu-rgb+d", title="Attention")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (moved_joint, "skeleton_bodies"),
        (bone_left_out, "skeleton_bodies"),
        (other_color_of_a_limb, "skeleton_bodies"),
        (other_value, "curves"),
        (other_words, "curves"),
        (other_colormap, "attention_map"),
        (other_cell, "attention_map"),
        (moved_point, "embedding_points"),
        (other_class, "embedding_points"),
        (other_weight, "clip_attention"),
        (lambda: curves({"loss": [1.0]}), "attention_map"),
    ],
)
def test_the_comparison_sees_a_change(change, name, monkeypatch):
    monkeypatch.delenv(baseline.REDRAW, raising=False)
    with pytest.raises(AssertionError, match=rf"{name}: .* pixels.*difference\.png"):
        assert_looks_like(change(), name)


def test_edges_and_a_pixel_more_are_let_pass(monkeypatch):
    monkeypatch.delenv(baseline.REDRAW, raising=False)
    picture = baseline.pixels_of(PICTURES["skeleton_bodies"]())
    soft = (3 * picture.astype(int) + np.roll(picture, 1, axis=1)) // 4  # other smoothing
    assert_looks_like(soft.astype(np.uint8), "skeleton_bodies")
    assert_looks_like(np.roll(picture, 1, axis=1), "skeleton_bodies")
    assert_looks_like(picture[:-1], "skeleton_bodies")


def test_a_picture_that_is_not_kept_is_asked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(baseline, "FOLDER", tmp_path / "kept")
    monkeypatch.delenv(baseline.REDRAW, raising=False)
    picture = np.full((20, 30, 3), 255, dtype=np.uint8)
    with pytest.raises(AssertionError, match=f"draw it with {baseline.REDRAW}=1"):
        assert_looks_like(picture, "new")
    monkeypatch.setenv(baseline.REDRAW, "1")
    assert_looks_like(picture, "new")
    monkeypatch.delenv(baseline.REDRAW)
    assert_looks_like(picture, "new")
