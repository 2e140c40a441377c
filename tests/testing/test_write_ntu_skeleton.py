import numpy as np
import pytest

from skelblocks.testing import write_ntu_skeleton

NAME = "S001C001P001R001A001.skeleton"


def test_the_same_seed_gives_the_same_file(tmp_path):
    path = tmp_path / NAME
    files = []
    for seed in (1, 1, 2):
        write_ntu_skeleton(path, persons=2, frames=3, seed=seed)
        files.append(path.read_bytes())
    assert files[0] == files[1] != files[2]


def test_has_the_form_of_the_raw_files(tmp_path):
    write_ntu_skeleton(tmp_path / NAME, persons=2, frames=3, hidden={0: [1], 1: [1, 2]})
    lines = (tmp_path / NAME).read_text().split("\n")
    block = [10, 1] + [12] * 25
    assert [len(line.split()) for line in lines] == [1, 1, *block, *block, 1, 1, *block, 0]
    assert [lines[i] for i in (0, 1, 56, 57)] == ["3", "2", "0", "1"]
    assert len({lines[i].split()[0] for i in (2, 29)}) == 2
    assert lines[58].split()[0] == lines[2].split()[0]


def test_cut_and_swapped(tmp_path):
    path = tmp_path / NAME
    whole = write_ntu_skeleton(path, persons=3, frames=3)
    data = path.read_bytes()
    cut = write_ntu_skeleton(path, persons=3, frames=3, cut=0.5)
    assert path.read_bytes() == data[: len(data) // 2]
    np.testing.assert_array_equal(cut.x, whole.x)
    swapped = write_ntu_skeleton(path, persons=3, frames=3, swapped=[1])
    np.testing.assert_array_equal(swapped.x, whole.x)
    assert swapped.order.tolist() == [[0, 1, 2], [2, 1, 0], [0, 1, 2]]
    assert len(path.read_bytes()) == len(data)
    assert path.read_bytes() != data


def test_wrong_arguments_are_named(tmp_path):
    for options, message in (
        ({"persons": -1}, "persons, frames: expected at least 0 and 1, got -1 and 30"),
        ({"frames": 0}, "got 1 and 0"),
        ({"cut": 1.5}, r"cut: expected a ratio in \[0, 1\], got 1.5"),
        ({"hidden": {1: []}}, r"hidden: expected persons in 0\.\.0 and frames in 0\.\.29"),
        ({"hidden": {0: [30]}}, "hidden: expected"),
        ({"swapped": [30]}, r"swapped: expected frames in 0\.\.29, got \[30\]"),
    ):
        with pytest.raises(ValueError, match=message):
            write_ntu_skeleton(tmp_path / NAME, **options)
    with pytest.raises(ValueError, match="name: expected the form"):
        write_ntu_skeleton(tmp_path / "clip.skeleton")
    assert not list(tmp_path.iterdir())


def test_the_old_name_of_persons_still_works(tmp_path):
    with pytest.warns(DeprecationWarning, match="the argument bodies is deprecated; use persons"):
        clip = write_ntu_skeleton(tmp_path / NAME, bodies=2)
    assert clip.x.shape[-1] == 2
