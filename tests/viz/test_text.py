"""No name can fail a picture, and every name is drawn as it is written."""

import io

import numpy as np
import pytest
import torch

from skelblocks import layouts
from skelblocks.viz import (
    animate_clip,
    attention_map,
    augmentation_strips,
    class_accuracy,
    clip_attention,
    clip_strip,
    confusion_matrix,
    curves,
    draw_skeleton,
    embedding_scatter,
    occlusion_map,
)

matplotlib = pytest.importorskip("matplotlib")

HOSTILE = {
    "$a_$": "$a_$",
    r"\frac{$": r"\frac{$",
    r"\$x$": r"\$x$",
    "_idle": "_idle",
    "lone \udc80": r"lone \udc80",
    "red\x1b[31m": r"red\x1b[31m",
    "nul\0": r"nul\x00",
    "abc\u202edcba": r"abc\u202edcba",
    "%s {0} &": "%s {0} &",
    "x" * 3000: "x" * 24 + "…" + "x" * 23,
}
NAMES = list(HOSTILE)
SHOWN = set(HOSTILE.values())


def clip(joints=25):
    return torch.randn(3, 6, joints, 1, generator=torch.Generator().manual_seed(0))


def hostile_layout():
    found = layouts.get("sbu").to_dict()
    found["name"] = "hostile"
    found["joints"] = (NAMES * 2)[:10] + list(found["joints"][10:])
    return found


PICTURES = {
    "confusion_matrix": lambda t: confusion_matrix(np.eye(10, dtype=int), class_names=NAMES, title=t),
    "class_accuracy": lambda t: class_accuracy(np.eye(10, dtype=int), class_names=NAMES, title=t),
    "embedding_scatter": lambda t: embedding_scatter(
        np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 10, class_names=NAMES, method=None, title=t
    ),
    "curves": lambda t: curves({name: [1.0, 2.0] for name in NAMES}, xlabel="$x$", ylabel="$y_$", title=t),
    "curves, log": lambda t: curves({name: [1e-3, 1e5] for name in NAMES}, log=True, title=t),
    "attention_map": lambda t: attention_map(np.eye(3)[None].repeat(10, 0), names=NAMES, xlabel="$_$", title=t),
}
STRIPS = {
    "clip_strip": lambda t: clip_strip({name: clip() for name in NAMES}, layout="ntu-rgb+d", frames=2, title=t),
    "augmentation_strips": lambda t: augmentation_strips(
        clip(), {name: lambda x, generator: x for name in NAMES}, layout="ntu-rgb+d", frames=2, title=t
    ),
    "draw_skeleton": lambda t: draw_skeleton(clip(), layout="ntu-rgb+d", frames=2, title=t),
    "occlusion_map": lambda t: occlusion_map(clip()[0, ..., 0] > 0, clip(), layout="ntu-rgb+d", frames=2, title=t),
    "clip_attention": lambda t: clip_attention(
        clip(), torch.rand(6, 25), layout="ntu-rgb+d", frames=2, label="$w_$", title=t
    ),
}


def texts_of(figure):
    """Draw the figure; every text in it, and whether it may be read as mathematics."""
    figure.savefig(io.BytesIO(), format="png", dpi=30)
    found = figure.findobj(matplotlib.text.Text)
    return {text.get_text(): text.get_parse_math() for text in found if text.get_text() and text.get_visible()}


@pytest.mark.parametrize("picture", PICTURES)
def test_names_are_drawn_as_they_are_written(picture):
    found = texts_of(PICTURES[picture]("a title"))
    assert set(found) >= SHOWN
    assert not any(found[name] for name in SHOWN)


@pytest.mark.parametrize("picture", PICTURES | STRIPS)
def test_titles_are_drawn_as_they_are_written(picture):
    title = "$a_$\nlone \udc80\n" + "x" * 5000
    shown = "$a_$\n" + r"lone \udc80" + "\n" + "x" * 120 + "…" + "x" * 119
    assert texts_of((PICTURES | STRIPS)[picture](title))[shown] is False


@pytest.mark.parametrize("picture", ["clip_strip", "augmentation_strips"])
def test_names_of_rows(picture):
    found = {text.replace("\n", " ") for text in texts_of(STRIPS[picture](None))}
    assert found >= SHOWN - {"x" * 24 + "…" + "x" * 23}


def test_names_of_a_film(tmp_path):
    pytest.importorskip("PIL")
    figure = animate_clip({name: clip() for name in NAMES[:3]}, tmp_path / "a.gif", layout="ntu-rgb+d", title="$a_$")
    assert set(texts_of(figure)) >= {"$a_$", r"\frac{$", r"\$x$"}


def test_numbers_of_a_logarithmic_axis_stay_powers_of_ten():
    found = texts_of(curves({"loss": [1e-3, 1e5]}, log=True))
    assert any(parsed and "10^" in text for text, parsed in found.items())


@pytest.mark.parametrize("parse", [True, False])
def test_the_users_settings_change_no_name(parse):
    with matplotlib.rc_context({"text.parse_math": parse}):
        assert texts_of(PICTURES["class_accuracy"]("$a_$"))["$a_$"] is False


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: animate_clip([clip(), clip()], "a.gif", layout="ntu-rgb+d"),
            "a dict of several by name, got a list",
        ),
        (lambda: clip_strip((clip(), clip()), layout="ntu-rgb+d"), "or a dict of several by name, got a tuple of 2"),
        (lambda: draw_skeleton([clip()], layout="ntu-rgb+d"), "clip: expected one clip .* got a list"),
        (lambda: draw_skeleton({"a": clip()}, layout="ntu-rgb+d"), "clip: expected one clip .* got a dict"),
        (lambda: clip_attention([clip()], torch.rand(6, 25), layout="ntu-rgb+d"), "clip: expected one clip"),
        (lambda: clip_strip({"a": [clip()]}, layout="ntu-rgb+d"), r"clip\['a'\]: expected one clip"),
        (lambda: augmentation_strips(clip(), [], layout="ntu-rgb+d"), "transforms: expected a dict of transforms"),
        (lambda: curves([1.0, 2.0]), "series: expected a dict of curves by name, got list; pass {'loss': losses}"),
        (lambda: attention_map({"a": torch.eye(3)}), "attention: expected .* got a dict; pass list"),
        (
            lambda: confusion_matrix(np.eye(2), class_names="ab"),
            "class_names: expected a list of names, got the",
        ),
        (lambda: clip_strip(clip(), layout="ntu-rgb+d", colour_by="part"), "colour_by"),
    ],
)
def test_what_is_wanted_instead(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_a_batch_is_told_from_a_clip():
    with pytest.raises(ValueError, match=r"got shape \(2, 3, 6, 25, 1\); of a batch, pass clips\[i\]"):
        draw_skeleton(torch.randn(2, 3, 6, 25, 1), layout="ntu-rgb+d")


@pytest.mark.parametrize(
    "labels", [[0, None, 1], [0.0, np.nan, 1.0], np.ma.masked_equal([0, -1, 1], -1), np.array([0, None, 1])]
)
def test_missing_labels_are_refused(labels):
    with pytest.raises((ValueError, TypeError), match="labels: expected"):
        embedding_scatter(np.eye(3), labels, method="pca")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_features_that_differ_by_rounding_have_no_components(method, dtype):
    features = np.full((12, 5), 0.3, dtype=dtype)
    features[::2] *= 1 + np.finfo(dtype).eps
    figure = embedding_scatter(features, np.arange(12) % 3, method=method)
    if method == "pca":
        assert figure.axes[0].get_xlabel() == "component 1 (0% of the variance)"


@pytest.mark.parametrize("scale", [1e-200, 1e-14, 1e200])
def test_features_of_any_scale(scale):
    features = np.random.default_rng(0).normal(size=(12, 5))
    pictures = [embedding_scatter(x, np.zeros(12, dtype=int), method="pca") for x in (features, features * scale)]
    plain, scaled = (figure.axes[0].collections[0].get_offsets() for figure in pictures)
    np.testing.assert_allclose(scaled, plain, atol=1e-9)
