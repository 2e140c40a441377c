import numpy as np
import pytest

from skelblocks.data import ClipFormatError, RawClip
from skelblocks.data.recordings.clip_labels import ClipLabels, LabelRow
from skelblocks.data.recordings.recording_clips import recording_clips
from skelblocks.data.recordings.recording_options import RecordingOptions
from skelblocks.layouts import get

pytest.importorskip("scipy")
COCO = get("coco-17")


def recording(frames=100, *, persons=2, tracked=False, fps=30.0, leaves=None):
    """Bodies beside each other, each moving to the right by a pixel a frame; the second leaves at a frame."""
    body = np.random.default_rng(0).uniform(0, 100, (2, 1, 17, 1))
    x = body + np.zeros((2, frames, 17, persons))
    x[0] += 300 * np.arange(persons) + np.arange(frames)[:, None, None]
    seen = np.ones((frames, 17, persons), dtype=bool)
    if leaves is not None:
        seen[leaves:, :, 1] = False
    clip = RawClip("walk", x.astype(np.float32), seen, -1, {"recording": 4}, layout="coco-17", fps=fps, tracked=tracked)
    swap = np.arange(frames) % 2 == 1
    if not tracked:
        clip.x[:, swap], clip.seen[swap] = clip.x[:, swap, :, ::-1], clip.seen[swap][..., ::-1]
    return clip


def cut(clip, labels=None, **options):
    return recording_clips(clip, layout=COCO, options=RecordingOptions(**options), labels=labels)


def test_each_person_in_each_window():
    clips = cut(recording(leaves=60), window=40, stride=20)
    assert [clip.name for clip in clips] == [
        "walk_00000-00040_p0",
        "walk_00000-00040_p1",
        "walk_00020-00060_p0",
        "walk_00020-00060_p1",
        "walk_00040-00080_p0",
        "walk_00040-00080_p1",
        "walk_00060-00100_p0",
    ]
    third = clips[5]
    assert third.x.shape == (2, 20, 17, 1)  # up to where the second leaves
    assert third.seen.all()
    assert third.origin == {"recording": 4, "start": 40, "stop": 80, "start_ms": 1333, "stop_ms": 2667, "person": 1}
    np.testing.assert_allclose(np.diff(clips[0].x[0, :, 0, 0]), 1, atol=1e-3)


def test_people_together_keep_their_places():
    first, second = cut(recording(leaves=60), people="together", window=50, stride=50)
    assert first.name == "walk_00000-00050"
    assert first.x.shape == (2, 50, 17, 2)
    assert second.seen[:, 0].tolist() == [[True, True]] * 10 + [[True, False]] * 40
    assert "person" not in first.origin
    assert second.order[20].tolist() == [0, -1]
    only = cut(recording(), people="together", window=50, stride=50, persons=1)
    assert only[0].x.shape[3] == 1


def test_whole_recordings():
    clips = cut(recording(), window=None)
    assert [clip.name for clip in clips] == ["walk_p0", "walk_p1"]
    assert [clip.name for clip in cut(recording(), window=None, people="together")] == ["walk"]
    assert [clip.name for clip in cut(recording(30), window=64)] == ["walk_p0", "walk_p1"]
    padded = cut(recording(30), window=64, short="pad")
    assert padded[0].x.shape[1] == 64
    assert (padded[0].x[:, 30:] == padded[0].x[:, 29:30]).all()
    assert padded[0].seen[30:].all()
    assert cut(recording(30), window=64, short="drop") == []


def test_labels_by_piece_by_person_and_by_the_whole():
    labels = ClipLabels(
        class_names=("fall", "push"),
        files={"walk": (LabelRow(2, 1, 0, 50, person=0), LabelRow(3, 0, 0, 50, person=1), LabelRow(4, 1, 50, 100))},
    )
    assert [clip.label for clip in cut(recording(), labels, window=50, stride=50)] == [1, 0, 1, 1]
    pieces = cut(recording(), labels, window=None)
    assert [(clip.name, clip.label) for clip in pieces] == [
        ("walk_00000-00050_p0", 1),
        ("walk_00000-00050_p1", 0),
        ("walk_00050-00100_p0", 1),
        ("walk_00050-00100_p1", 1),
    ]
    assert [clip.label for clip in cut(recording(), window=50)] == [-1] * 6


def test_another_frame_rate_keeps_the_time():
    clips = cut(recording(100, fps=30.0), fps=15.0, window=20, stride=20)
    assert [clip.name for clip in clips[::2]] == ["walk_00000-00040_p0", "walk_00040-00080_p0", "walk_00060-00100_p0"]
    assert clips[0].x.shape[1] == 20
    np.testing.assert_allclose(np.diff(clips[0].x[0, :, 0, 0]), 2, atol=1e-3)
    assert clips[2].origin["start_ms"] == 1333
    assert clips[0].fps == 15.0
    with pytest.raises(ClipFormatError, match="tells no frame rate"):
        cut(recording(fps=None), fps=15.0)


def test_seconds_need_a_frame_rate():
    labels = ClipLabels(class_names=("walk",), files={"walk": (LabelRow(2, 0, 1.0, 2.0, seconds=True),)})
    (clip,) = cut(recording(persons=1), labels, window=None)
    assert (clip.name, clip.label, clip.x.shape[1]) == ("walk_00030-00060_p0", 0, 30)
    with pytest.raises(ClipFormatError, match="its labels are in seconds"):
        cut(recording(fps=None), labels, window=None)
    late = ClipLabels(class_names=("walk",), files={"walk": (LabelRow(2, 0, 200, 300),)})
    with pytest.raises(ClipFormatError, match="line 2 of the labels is a piece behind its end, after 100 frames"):
        cut(recording(), late, window=None)


def test_recordings_that_are_refused():
    with pytest.raises(ClipFormatError, match="expected the skeleton 'coco-17' like other recordings, got 'body-25'"):
        cut(recording()._replace(layout="body-25"))
    empty = recording()
    empty.seen[:] = False
    with pytest.raises(ClipFormatError, match="contains ghosts at most"):
        cut(empty)
    with pytest.raises(ClipFormatError, match="contains no visible person"):
        cut(empty._replace(tracked=True))


def test_options_are_checked():
    with pytest.raises(ValueError, match="people: expected one of 'split', 'together'"):
        RecordingOptions(people="all")
    with pytest.raises(ValueError, match="window: expected an integer >= 1"):
        RecordingOptions(window=0)
    with pytest.raises(ValueError, match="fps: expected a number > 0"):
        RecordingOptions(fps=-1)
