import re

import numpy as np
import pytest

from skelblocks import layouts
from skelblocks.clips.raw_clip import ClipFormatError
from skelblocks.data.formats.bvh_file import parse_bvh
from skelblocks.data.formats.read_bvh import bvh_positions, frame_rate, looks_like_bvh, read_bvh

pytest.importorskip("scipy")
from mocap_files import BvhCase


def write(path, text, encoding="utf-8"):
    path.write_text(text, encoding=encoding)
    return path


@pytest.mark.parametrize("positions_below", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_equals_the_slow_reference(tmp_path, seed, positions_below):
    case = BvhCase(seed, positions_below=positions_below)
    path = write(tmp_path / "walk.bvh", case.text())
    bvh = parse_bvh(path)
    np.testing.assert_allclose(bvh_positions(bvh)[:, ~bvh.is_end], case.positions(), atol=1e-9)
    [clip] = read_bvh(path)
    assert (clip.name, clip.label, clip.fps, clip.tracked) == ("walk", -1, 30.0, True)
    assert clip.layout.joints == tuple(case.names)
    assert clip.layout.parents == tuple(max(parent, 0) for parent in case.parents)
    assert clip.seen.all()
    np.testing.assert_allclose(clip.x[..., 0], case.positions().transpose(2, 0, 1), rtol=1e-6, atol=1e-6)


def test_end_sites_become_joints(tmp_path):
    case = BvhCase(0)
    path = write(tmp_path / "a.bvh", case.text())
    [clip] = read_bvh(path, end_sites=True)
    ends = [joint for joint in clip.layout.joints if joint.endswith("_end")]
    assert ends == [f"{case.names[i]}_end" for i in case.ends]
    for i, offset in case.ends.items():
        end = clip.x[..., clip.layout.index(f"{case.names[i]}_end"), 0]
        length = np.linalg.norm(end - clip.x[..., clip.layout.index(case.names[i]), 0], axis=0)
        np.testing.assert_allclose(length, np.linalg.norm(offset), rtol=1e-5)


def test_scale_and_frame_rate_can_be_corrected(tmp_path):
    path = write(tmp_path / "a.bvh", BvhCase(0).text(frame_time="0.0083333"))
    [inches], [meters] = read_bvh(path), read_bvh(path, unit_scale=0.0254, fps=60)
    assert (inches.fps, meters.fps) == (120.0, 60.0)
    np.testing.assert_allclose(meters.x, inches.x * 0.0254, rtol=1e-6)


@pytest.mark.parametrize(
    ("written", "rate"),
    [("0.033", 30), (".0083333", 120), ("0.01667", 60), ("0.0333667", 29.97), ("3.3333e-2", 30), ("2", 0.5)],
)
def test_rounded_frame_times(written, rate):
    assert frame_rate(written) == pytest.approx(rate, abs=1e-4)
    assert frame_rate(written) == rate or rate in (29.97, 0.5)


def walk(frames=30):
    """A chain that swings slowly."""
    case = BvhCase(3, frames=frames)
    case.values = [0 * value + 5 * np.sin(np.arange(frames) / 5)[:, None] for value in case.values]
    return case


def test_a_t_pose_is_dropped_where_the_pose_jumps(tmp_path):
    smooth, jump = walk(), walk()
    jump.values = [np.concatenate([value[:1] + 60, value[1:]]) for value in jump.values]
    for case, length in ((smooth, 30), (jump, 29)):
        path = write(tmp_path / "a.bvh", case.text())
        assert read_bvh(path, drop_first="auto")[0].x.shape[1] == length
        assert read_bvh(path)[0].x.shape[1] == 30
        assert read_bvh(path, drop_first=True)[0].x.shape[1] == 29


def test_the_only_frame_is_kept(tmp_path):
    path = write(tmp_path / "a.bvh", BvhCase(0, frames=1).text())
    assert read_bvh(path, drop_first=True)[0].x.shape[1] == 1


def test_other_ways_to_write_the_same(tmp_path):
    case = BvhCase(2)
    text = case.text(tab=" ")
    expected = read_bvh(write(tmp_path / "a.bvh", text))[0].x
    for other in (
        "\ufeff" + text,
        text.replace("\n", "\r\n"),
        re.sub(r"\n\s*{", " {", text),
        text.replace("OFFSET", "offset").replace("End Site", "END SITE").replace("rotation", "ROTATION"),
        text.replace("Frames: ", "Frames:\t").replace("Frame Time:", "Frame Time :  "),
        text + "\n\n",
    ):
        assert (read_bvh(write(tmp_path / "a.bvh", other))[0].x == expected).all()


def test_the_pelvis_is_the_center_where_another_joint_is_the_root(tmp_path):
    case = BvhCase(1)
    case.names[:2] = "World", "Hips"
    layout = read_bvh(write(tmp_path / "a.bvh", case.text()))[0].layout
    assert layout.joints[layout.center] == "Hips"


def test_a_name_that_stands_twice_gets_a_number(tmp_path):
    case = BvhCase(1)
    case.names[1:4] = ["Finger"] * 3
    layout = read_bvh(write(tmp_path / "a.bvh", case.text()))[0].layout
    assert layout.joints[1:4] == ("Finger", "Finger_2", "Finger_3")
    assert layouts.get(layout.to_dict()) == layout


def test_looking_like_a_bvh_file():
    assert looks_like_bvh(b"\xef\xbb\xbf\n hierarchy\nROOT")
    assert not looks_like_bvh(b"the HIERARCHY")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("HIERARCHY", "BVH", "line 1: expected a BVH file, which begins with HIERARCHY, got 'BVH'"),
        ("\n0.1 ", "\nnan ", "frame 0: expected finite numbers, got 'nan'"),
        ("\n0.1 ", "\n1_0 ", "frame 0: expected finite numbers, got '1_0'"),
        ("\n0.1 ", "\n", "frame 0: expected 6 numbers, got 5"),
        ("Frames: 2", "Frames: 3", "expected 3 frames, got the end of the file after 2"),
        ("Frames: 2", "Frames: 1", "expected the end of the file after 1 frames"),
        ("Frames: 2", "Frames: 99999999999", "which is too short"),
        ("Frames: 2", "Frames: -1", "expected Frames: and an integer from 1, got '-1'"),
        ("Time: 0.04", "Time: 0", "expected Frame Time: and a number of seconds above 0, got '0'"),
        ("ROOT Hips", "JOINT Hips", "expected JOINT inside another joint's braces"),
        ("ROOT Hips", "ROOT", "expected a printable name"),
        ("OFFSET 0 0 0", "", "expected an OFFSET for 'Hips'"),
        ("OFFSET 0 0 0", "OFFSET 0 0", "OFFSET: expected 3 numbers, got 2"),
        ("CHANNELS 6", "CHANNELS 5", "expected CHANNELS, a count and as many names"),
        ("Xposition", "Xscale", "expected channels such as Xposition and Zrotation"),
        ("Xposition", "Yposition", "expected each position once"),
        ("}\nMOTION", "MOTION", "line 6: expected the hierarchy to be complete before MOTION"),
        ("}\nMOTION", "}\nROOT B\n{\n}\nMOTION", "expected one ROOT, got a second one"),
        ("}\nMOTION", "}\n}\nMOTION", "expected no closing brace here"),
    ],
)
def test_damaged_files_say_where_and_why(tmp_path, old, new, reason):
    text = (
        "HIERARCHY\nROOT Hips\n{\nOFFSET 0 0 0\n"
        "CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation\n}\nMOTION\n"
        "Frames: 2\nFrame Time: 0.04\n0.1 0 0 0 0 0\n0.2 0 0 0 0 0\n"
    )
    path = write(tmp_path / "a.bvh", text)
    read_bvh(path)
    assert old in text
    with pytest.raises(ClipFormatError, match=re.escape(reason)):
        read_bvh(write(path, text.replace(old, new, 1)))


def test_hierarchies_without_end_are_refused(tmp_path):
    for text in ("ROOT a\n{\n" + "JOINT a\n{\n" * 5000, "ROOT a\n{\n" + "JOINT a\n{\nOFFSET 0 0 0\n}\n" * 5000):
        with pytest.raises(ClipFormatError, match="expected at most 1000 joints on 200 levels"):
            read_bvh(write(tmp_path / "a.bvh", "HIERARCHY\n" + text))


def test_many_joints_without_channels_are_refused(tmp_path):
    joints = "JOINT a\n{\nOFFSET 0 0 0\n}\n" * 900
    head = (
        f"HIERARCHY\nROOT a\n{{\nOFFSET 0 0 0\nCHANNELS 1 Xposition\n{joints}}}\nMOTION\nFrames: 90000\nFrame Time: 1\n"
    )
    with pytest.raises(ClipFormatError, match="expected coordinates of at most 16 times the file's size"):
        read_bvh(write(tmp_path / "a.bvh", head + "0\n" * 90000))


def test_wrong_arguments_are_refused(tmp_path):
    path = write(tmp_path / "a.bvh", BvhCase(0).text())
    with pytest.raises(ValueError, match="fps: expected a number > 0, got 0"):
        read_bvh(path, fps=0)
    with pytest.raises(ValueError, match="drop_first: expected one of True, False, 'auto', got 'yes'"):
        read_bvh(path, drop_first="yes")
