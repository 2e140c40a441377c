import re

import numpy as np
import pytest

from skelblocks import layouts
from skelblocks.clips.raw_clip import ClipFormatError
from skelblocks.data.formats.asf_file import parse_asf
from skelblocks.data.formats.read_amc import (
    _CMU_BONES,
    amc_positions,
    find_asf,
    looks_like_amc,
    looks_like_asf,
    read_amc,
)

pytest.importorskip("scipy")
from mocap_files import AmcCase


def write(folder, case, *, name="07_01.amc", skeleton="07.asf"):
    (folder / skeleton).write_text(case.asf(), encoding="latin-1")
    (folder / name).write_text(case.amc(), encoding="latin-1")
    return folder / name


@pytest.mark.parametrize("radians", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_equals_the_slow_reference(tmp_path, seed, radians):
    case = AmcCase(seed, radians=radians)
    path = write(tmp_path, case)
    values = np.concatenate([case.root, *case.values], axis=1)
    turns = [channel[0] == "R" for channel in case.root_order] + [True] * (values.shape[1] - 6)
    asf = parse_asf(tmp_path / "07.asf")
    exact = amc_positions(asf, np.where(turns, np.radians(values), values))
    np.testing.assert_allclose(exact, case.positions(), atol=1e-9)
    [clip] = read_amc(path, fps=120)
    assert (clip.name, clip.fps, clip.layout.joints) == ("07_01", 120.0, ("root", *case.names))
    np.testing.assert_allclose(clip.x[..., 0], case.positions().transpose(2, 0, 1), rtol=1e-6, atol=2e-6)
    scaled = read_amc(path, unit_scale=0.056444)[0].x
    np.testing.assert_allclose(scaled, 0.056444 * clip.x, rtol=1e-6, atol=1e-6)


def test_a_file_that_lists_a_child_before_its_parent(tmp_path):
    case = AmcCase(1)
    case.above = [3, -1, 0, 1, -1, 4]
    asf = parse_asf(write(tmp_path, case).with_name("07.asf"))
    lengths = np.linalg.norm(
        np.diff(amc_positions(asf, np.zeros((1, 6 + sum(map(len, case.dofs)))))[0, [4, 1]], axis=0)
    )
    assert lengths == pytest.approx(case.lengths[0])
    assert read_amc(tmp_path / "07_01.amc")[0].layout.parents[1] == 4


def test_the_skeleton_of_cmu_is_in_the_catalogue(tmp_path):
    case = AmcCase(0, bones=30)
    case.names = _CMU_BONES[1:]
    path = write(tmp_path, case)
    assert read_amc(path)[0].layout == "hdm05"
    case.names = [*case.names[1:], case.names[0]]
    assert read_amc(write(tmp_path, case))[0].layout.name == "asf-31"


def test_joints_of_the_catalogue_are_where_the_bones_end():
    ends = dict(zip(_CMU_BONES, layouts.get("hdm05").joints, strict=True))
    assert [ends[f"l{bone}"] for bone in ("hipjoint", "femur", "tibia", "foot", "toes")] == [
        *("hip_left", "knee_left", "ankle_left", "foot_left", "toes_left"),
    ]
    assert [ends[f"r{bone}"] for bone in ("clavicle", "humerus", "radius", "wrist", "fingers", "thumb")] == [
        *("shoulder_right", "elbow_right", "wrist_right", "hand_right", "fingertips_right", "thumb_right"),
    ]


def test_the_skeleton_is_found_by_its_name(tmp_path):
    case = AmcCase(0)
    path = write(tmp_path, case, skeleton="07.ASF")
    (tmp_path / "0.asf").write_text("no skeleton")
    assert find_asf(path).name == "07.ASF"
    other = write(tmp_path, case, name="walk.amc", skeleton="8.asf")
    with pytest.raises(ClipFormatError, match=r"got 0.asf, 07.ASF, 8.asf; pass read_amc\(..., skeleton="):
        read_amc(other)
    assert read_amc(other, skeleton=tmp_path / "8.asf")[0].name == "walk"


def test_the_only_skeleton_is_taken(tmp_path):
    assert read_amc(write(tmp_path, AmcCase(0), name="walk.amc"))[0].name == "walk"
    (tmp_path / "07.asf").unlink()
    with pytest.raises(ClipFormatError, match="expected the ASF file of its skeleton beside it, got none"):
        read_amc(tmp_path / "walk.amc")


def test_looking_like_the_files():
    case = AmcCase(0)
    asf, amc = case.asf().encode("latin-1"), case.amc().encode("latin-1")
    assert looks_like_asf(asf)
    assert not looks_like_amc(asf)
    assert looks_like_amc(amc)
    assert not looks_like_asf(amc)
    for other in (b"", b"HIERARCHY\nROOT a", b"1 2 3\n4 5 6", b"0 0.5 0.5 0.1\n", b"1\n2\n"):
        assert not looks_like_asf(other)
        assert not looks_like_amc(other)


@pytest.mark.parametrize(
    ("kind", "old", "new", "reason"),
    [
        ("amc", "\n2\n", "\n3\n", "expected frame 2, got '3'"),
        ("amc", "root ", "hips ", "expected one line for each bone, got a name that has no dof in the ASF file"),
        ("amc", "\nbone0 ", "\nbone0 nan ", "'bone0': expected 1 numbers, got 2"),
        ("amc", "\nbone0 ", "\nbone1 0\nbone0 ", "got a second line"),
        ("amc", ":DEGREES\n1\n", ":DEGREES\n", "expected the number of a frame, got 'root"),
        ("asf", "name bone1", "name bone0", "expected at most 1000 bones with names of their own"),
        ("asf", "    length", "    length 3", "length: expected 1 numbers, got 2"),
        ("asf", " angle deg", " angle gon", "expected angle deg or rad, got 'gon'"),
        ("asf", "dof ", "dof l ", "expected channels such as rx and tz"),
        ("asf", "order TX", "order TQ", "expected channels such as rx and tz"),
        ("asf", ":hierarchy", ":other", "expected :hierarchy to lead from root to every bone"),
        ("asf", ":bonedata", ":other", "expected the bones of :bonedata in :hierarchy, got 'bone0'"),
    ],
)
def test_damaged_files_say_where_and_why(tmp_path, kind, old, new, reason):
    case = AmcCase(5)
    case.dofs[0], case.values[0] = ["rx"], case.root[:, :1]
    case.dofs[1], case.values[1] = ["rx"], case.root[:, :1]
    case.root_order = ["TX", "TY", "TZ", "RX", "RY", "RZ"]
    path = write(tmp_path, case)
    read_amc(path)
    damaged = tmp_path / ("07.asf" if kind == "asf" else "07_01.amc")
    text = damaged.read_text(encoding="latin-1")
    assert old in text
    damaged.write_text(text.replace(old, new, 1), encoding="latin-1")
    with pytest.raises(ClipFormatError, match=re.escape(reason)):
        read_amc(path)


def test_a_file_that_breaks_off_is_refused(tmp_path):
    path = write(tmp_path, AmcCase(0))
    text = path.read_text()
    path.write_text(text[: text.rindex("\nbone")])
    with pytest.raises(ClipFormatError, match="frame 4: expected numbers for 'bone"):
        read_amc(path)
    path.write_text(":DEGREES\n")
    with pytest.raises(ClipFormatError, match="expected frames, got the end of the file"):
        read_amc(path)


def test_a_circle_of_bones_is_refused(tmp_path):
    case = AmcCase(0)
    case.above = [1, 0, -1, -1, -1, -1]
    with pytest.raises(
        ClipFormatError, match="expected :hierarchy to lead from root to every bone, got none to 'bone0'"
    ):
        read_amc(write(tmp_path, case))
