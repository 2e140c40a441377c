import itertools
import sys

import numpy as np
import pytest
import torch

from skelblocks import layouts
from skelblocks.viz import animate_clip

pytest.importorskip("matplotlib")

from viz.baseline import assert_looks_like, waving


def clip(layout="sbu", *, persons=1, frames=5, seed=0):
    joints = layouts.get(layout).num_joints
    return np.random.default_rng(seed).standard_normal((3, frames, joints, persons))


def gif_of(path):
    image = pytest.importorskip("PIL.Image").open(path)
    pictures, times = [], []
    for frame in range(image.n_frames):
        image.seek(frame)
        pictures.append(np.asarray(image.convert("RGB")).astype(int))
        times.append(image.info["duration"])
    return pictures, times, image.info


def mp4_of(path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    frames = ffmpeg.read_frames(str(path))
    facts = next(frames)
    width, height = facts["size"]
    return [np.frombuffer(frame, np.uint8).reshape(height, width, 3).astype(int) for frame in frames], facts


def test_a_gif_has_every_frame_at_its_time(tmp_path):
    figure = animate_clip(clip(), tmp_path / "clip.gif", layout="sbu", fps=30, title="T")
    pictures, times, info = gif_of(tmp_path / "clip.gif")
    assert len(pictures) == 5
    assert times == [30, 40, 30, 30, 40]  # hundredths of a second: 3.33, 6.67, 10, 13.33, 16.67
    assert info["loop"] == 0
    assert all(np.abs(a - b).max() > 50 for a, b in itertools.pairwise(pictures))
    width, height = figure.get_size_inches() * figure.dpi
    assert pictures[0].shape == (int(height), int(width), 3)


def test_the_pictures_are_those_of_the_figure(tmp_path):
    figure = animate_clip(clip(frames=3), tmp_path / "clip.gif", layout="sbu")
    pictures, _, _ = gif_of(tmp_path / "clip.gif")
    figure.canvas.draw()
    assert np.abs(np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int) - pictures[0]).max() <= 24
    assert pictures[0][0, 0].tolist() == [255, 255, 255]


def test_an_mp4_has_every_frame_and_even_sizes(tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    x = clip(frames=6)
    animate_clip(x, tmp_path / "clip.MP4", layout="sbu", fps=25)
    pictures, facts = mp4_of(tmp_path / "clip.MP4")
    assert len(pictures) == 6
    assert facts["fps"] == 25
    assert all(size % 2 == 0 for size in facts["size"])
    animate_clip(x, tmp_path / "clip.gif", layout="sbu", fps=25)
    expected = gif_of(tmp_path / "clip.gif")[0]
    assert expected[0].shape[1] % 2 == 1
    for film, gif in zip(pictures, expected, strict=True):
        height, width = film.shape[:2]
        assert np.abs(film - gif[:height, :width]).mean() < 4  # compressed


def test_the_figure_is_the_first_frame_in_a_window_of_the_whole_clip(tmp_path, rendered):
    x = clip(persons=2)
    figure = animate_clip(x, tmp_path / "clip.gif", layout="sbu", title="T")
    (panel,) = figure.axes
    dots = np.concatenate([np.stack(line.get_data(), 1) for line in panel.lines if line.get_marker() == "o"])
    np.testing.assert_allclose(np.sort(dots, axis=0), np.sort(x[:2, 0].reshape(2, -1).T, axis=0))
    assert panel.get_xlabel() == "0.00 s"
    (left, right), (bottom, top) = panel.get_xlim(), panel.get_ylim()
    low, high = x[:2].reshape(2, -1).min(axis=1), x[:2].reshape(2, -1).max(axis=1)
    margin = 0.06 * (high - low).max()
    np.testing.assert_allclose([left, bottom, right, top], [*(low - margin), *(high + margin)])
    rendered(figure)


def test_the_frame_does_not_move_nor_its_surroundings(tmp_path):
    x = np.repeat(clip(frames=1), 3, axis=1)
    x[:, 1, 0] += 0.5
    animate_clip(x, tmp_path / "clip.gif", layout="sbu")
    first, second, third = gif_of(tmp_path / "clip.gif")[0]
    height = len(first)
    assert np.array_equal(first[: height * 5 // 6], third[: height * 5 // 6])  # below is the time
    assert np.array_equal(first[:, -150:], second[:, -150:])  # the legend


def test_several_clips_side_by_side_and_no_padding_at_the_end(tmp_path, rendered):
    clips = {"long": clip(frames=7), "short": clip(frames=3, persons=2, seed=1)}
    clips["long"][:, 5:] = 0
    figure = animate_clip(clips, tmp_path / "clip.gif", layout="sbu")
    pictures, _, _ = gif_of(tmp_path / "clip.gif")
    assert len(pictures) == 5
    assert [panel.get_title() for panel in figure.axes] == ["long", "short"]
    half = pictures[0].shape[1] * 55 // 100
    inside = slice(60, -60)
    assert (pictures[2][inside, half : half + 100] < 200).any()
    assert (pictures[3][inside, half : half + 100] > 230).all()  # the shorter one is over
    rendered(figure)


def test_a_frame_in_which_nobody_is_seen_is_empty(tmp_path):
    x = clip(frames=3)
    x[:, 1] = 0
    animate_clip(x, tmp_path / "clip.gif", layout="sbu")
    pictures, _, _ = gif_of(tmp_path / "clip.gif")
    dark = [(picture[: len(picture) * 5 // 6, :200] < 200).any() for picture in pictures]
    assert dark == [True, False, True]


@pytest.mark.parametrize("suffix", ["gif", "mp4"])
def test_a_film_that_fails_leaves_what_was_there(tmp_path, suffix, monkeypatch):
    if suffix == "mp4":
        pytest.importorskip("imageio_ffmpeg")
    path = tmp_path / f"clip.{suffix}"
    path.write_bytes(b"before")
    module = sys.modules["skelblocks.viz.animate_clip"]
    draw, calls = module.draw_frame, []

    def fails(*arguments, **options):
        calls.append(0)
        if len(calls) > 2:
            raise RuntimeError("no ink")
        draw(*arguments, **options)

    monkeypatch.setattr(module, "draw_frame", fails)
    with pytest.raises(RuntimeError, match="no ink"):
        animate_clip(clip(), path, layout="sbu")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    animate_clip(clip(), str(path), layout="sbu")
    assert path.stat().st_size > 1000
    assert list(tmp_path.iterdir()) == [path]


def test_pyplot_and_the_global_settings_are_not_touched(tmp_path):
    import matplotlib as mpl

    before, settings = "matplotlib.pyplot" in sys.modules, mpl.rcParams.copy()
    animate_clip(torch.ones(3, 2, 15, 1, requires_grad=True), tmp_path / "clip.gif", layout="sbu", axes=(0, 2, 1))
    assert ("matplotlib.pyplot" in sys.modules) == before
    assert mpl.rcParams.copy() == settings


def test_without_imageio_ffmpeg_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ImportError, match=r"skelblocks\[viz\]"):
        animate_clip(clip(), tmp_path / "clip.mp4", layout="sbu")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "change", "error", "message"),
    [
        ("clip.avi", {}, ValueError, r"path: expected a name that ends in .gif or .mp4, got 'clip.avi'"),
        ("no/clip.gif", {}, FileNotFoundError, "path: the folder .* does not exist"),
        ("clip.gif", {"fps": 60}, ValueError, "fps: expected at most 50 in a GIF, got 60"),
        ("clip.mp4", {"fps": -1}, ValueError, "fps: expected a number > 0"),
        ("clip.gif", {"clip": np.zeros((3, 2, 15, 1))}, ValueError, "clip: expected a visible person"),
        ("clip.gif", {"color_by": "hand"}, ValueError, "color_by: expected one of"),
    ],
)
def test_wrong_arguments_say_what_was_expected(tmp_path, name, change, error, message):
    arguments = {"clip": clip(), "layout": "sbu", **change}
    with pytest.raises(error, match=message):
        animate_clip(arguments.pop("clip"), tmp_path / name, **arguments)
    assert not list(tmp_path.iterdir())


def test_it_looks_as_it_did(tmp_path):
    clips = {"two": waving(persons=2, frames=3), "one": waving(frames=3)}
    figure = animate_clip(clips, tmp_path / "clip.gif", layout="ntu-rgb+d", title="Wave")
    assert_looks_like(figure, "animation_two_clips")
    assert_looks_like(animate_clip(waving(frames=2), tmp_path / "clip.gif", layout="ntu-rgb+d"), "animation")
