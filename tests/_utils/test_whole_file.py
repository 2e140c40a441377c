import pytest

from skelblocks._utils.whole_file import whole_file


def test_the_file_takes_its_place_once_it_is_whole(tmp_path):
    path = tmp_path / "clip.gif"
    path.write_text("old")
    with whole_file(path) as place:
        assert (place.parent, place.suffix) == (tmp_path, ".gif")
        place.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_after_an_error_everything_is_as_it_was(tmp_path):
    path = tmp_path / "table.json"
    path.write_text("old")

    def write_half():
        with whole_file(path) as place:
            place.write_text("ne")
            raise RuntimeError("half")

    with pytest.raises(RuntimeError, match="half"):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_do_not_share_a_name(tmp_path):
    path = tmp_path / "table.json"
    with whole_file(path) as one, whole_file(path) as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]
