"""Motion capture in folders, read by what the files hold."""

import pytest

from skelblocks import layouts
from skelblocks.clips.raw_clip import ClipFormatError
from skelblocks.data import read_poses

pytest.importorskip("scipy")
from mocap_files import AmcCase, BvhCase


def test_amc_files_are_read_with_their_skeletons(tmp_path):
    case = AmcCase(0)
    for folder in ("02", "03"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{folder}.asf").write_text(case.asf(), encoding="latin-1")
        for number in (1, 2):
            (tmp_path / folder / f"{folder}_{number:02d}.amc").write_text(case.amc())
    clips = read_poses(tmp_path, fps=120)
    assert [clip.name for clip in clips] == ["02/02_01", "02/02_02", "03/03_01", "03/03_02"]
    assert {clip.fps for clip in clips} == {120}


def test_a_skeleton_without_motion_is_refused(tmp_path):
    (tmp_path / "02.asf").write_text(AmcCase(0).asf(), encoding="latin-1")
    with pytest.raises(ClipFormatError, match="got an ASF file, which has a skeleton without frames"):
        read_poses(tmp_path)


def test_bvh_files_are_told_by_what_they_hold(tmp_path):
    text = BvhCase(1).text()
    (tmp_path / "a_1.txt").write_text(text)
    (tmp_path / "a_2.txt").write_text(text)
    clips = read_poses(tmp_path)
    assert [clip.name for clip in clips] == ["a_1", "a_2"]
    assert clips[0].layout == clips[1].layout


def test_a_layout_of_the_caller_comes_first(tmp_path):
    (tmp_path / "a.bvh").write_text(BvhCase(1, joints=15).text())
    assert read_poses(tmp_path / "a.bvh", layout="sbu")[0].layout == layouts.get("sbu")
    with pytest.raises(ClipFormatError, match=r"expected a layout with the 15 joints .* got 'ntu-rgb\+d' with 25"):
        read_poses(tmp_path / "a.bvh", layout="ntu-rgb+d")
