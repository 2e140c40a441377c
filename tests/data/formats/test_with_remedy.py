"""Every reader says what to do about a file that it cannot read."""

import pickle

import pytest

from skelblocks.clips.raw_clip import ClipFormatError
from skelblocks.data import read_ntu_skeleton, read_nw_ucla, read_pku_mmd, read_position_labels, read_pyskl
from skelblocks.data.formats.detections import PoseOptions
from skelblocks.data.formats.pose_formats import POSE_FORMATS
from skelblocks.data.formats.with_remedy import with_remedy


@pytest.mark.parametrize("name", POSE_FORMATS)
def test_of_pose_files(tmp_path, name):
    path = tmp_path / f"walk_1{POSE_FORMATS[name].suffixes[0]}"
    path.write_text("[3]\n")
    with pytest.raises(ClipFormatError, match="; "):
        POSE_FORMATS[name].read([path], name="walk", options=PoseOptions(None, (640.0, 480.0), None, None))


def test_of_the_owners_files(tmp_path):
    texts = {"S001C001P001R001A001.skeleton": "1 2", "a01_s01_e00_v01.json": "[]", "0002-L.txt": "1 2"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ClipFormatError, match="; extract the file from the data set's archive again"):
        read_ntu_skeleton(tmp_path / "S001C001P001R001A001.skeleton")
    with pytest.raises(ClipFormatError, match="; extract"):
        read_nw_ucla(tmp_path / "a01_s01_e00_v01.json")
    with pytest.raises(ClipFormatError, match="; extract"):
        read_pku_mmd(tmp_path / "0002-L.txt", labels=tmp_path / "0002-L.txt")
    pickled = tmp_path / "train_label.pkl"
    pickled.write_bytes(pickle.dumps([1, 2, 3]))
    with pytest.raises(ClipFormatError, match="; write both files again"):
        read_position_labels(pickled)
    with pytest.raises(ClipFormatError, match="; download the file again"):
        read_pyskl(pickled)


def test_a_message_with_a_remedy_stays_and_errors_keep_their_place():
    @with_remedy("write it again")
    def read(reason):
        raise ClipFormatError("walk.txt", reason, line=3)

    with pytest.raises(ClipFormatError) as caught:
        read("expected a number, got a word")
    assert (caught.value.line, str(caught.value)) == (
        3,
        "walk.txt, line 3: expected a number, got a word; write it again",
    )
    with pytest.raises(ClipFormatError, match=r"line 3: got two; keep one$"):
        read("got two; keep one")
