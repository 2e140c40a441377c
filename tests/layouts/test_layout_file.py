import json

import pytest

from skelblocks import layouts
from skelblocks.layouts.layout_file import is_file_name

ARM = {
    "name": "Ärmchen",
    "joints": ["shoulder", "elbow", "hand"],
    "edges": [[1, 0], [2, 1]],
    "center": 0,
    "swap": [0, 1, 2],
    "parts": {"upper": [0], "lower": [1, 2]},
    "bodies": {"arm": [0, 1, 2]},
}


@pytest.mark.parametrize("layout", [*layouts.available(), ARM], ids=str)
def test_what_is_saved_is_loaded(layout, tmp_path):
    path = tmp_path / "mine.json"
    layouts.save(layout, path)
    assert layouts.load(path) == layouts.get_or_load(str(path)) == layouts.get(layout)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.json"]
    text = path.read_text(encoding="utf-8")
    assert json.loads(text) == layouts.get(layout).to_dict()
    assert len(text.splitlines()) == 9  # a line a key
    assert layouts.get(layout).name in text


def test_a_file_is_read_as_editors_write_it(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(ARM, indent=4), encoding="utf-8-sig")
    assert layouts.load(path) == layouts.get(ARM)
    assert ARM["name"] not in layouts.available()  # it is not registered


def test_a_word_is_a_name_or_a_file():
    assert layouts.get_or_load("sbu") == layouts.get("sbu")
    assert [is_file_name(each) for each in ("mine.json", "a/mine.json", "mine", "json")] == [True, True, False, False]
    with pytest.raises(ValueError, match=r"no layout is named 'mine'; .* layouts.register, or .*--layout mine.json"):
        layouts.get_or_load("mine")
    with pytest.raises(ValueError, match=r"no layout is named 'mine.json'; .* layouts.load\('mine.json'\)"):
        layouts.get("mine.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 100_000, "got JSON nested too deep"),
        (b"{'name': 1}", r"is not JSON: Expecting property name .* line 1 column 2 .*use double quotes"),
        (b"\xff\xfe{", "is not UTF-8 text"),
        (b"[1, 2]", r"expected an object \{...\}, got list"),
        ({"swap": None}, r"swap: expected a list of joints, got null"),
        ({"joints": "abc"}, 'joints: expected a list of names, got "abc"'),
        ({"joints": ["a", "b", 3]}, "joints: expected a list of names, got 3 among them"),
        ({"edges": [1, 0]}, "edges: expected a list of pairs of joints, got 1 among them"),
        ({"parts": [[0], [1, 2]]}, r"parts: expected an object of names, each with a list of joints, got \[\[0\], \[1"),
        ({"bodies": {"arm": 0}}, "bodies: expected an object of names, each with a list of joints, got 0 among them"),
        ({"center": 0.5}, "center: expected the number of a joint, got 0.5"),
        ({"bones": []}, r"expected exactly the keys .* unknown \['bones'\]"),
        ({"edges": [[1, 0], [3, 2]]}, r"edges: expected joints in 0..2 in layout 'Ärmchen', got 3"),
        ({"swap": [0, True, 2]}, "swap: expected joints as integers"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(content, message, tmp_path):
    path = tmp_path / "mine.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps({**ARM, **content}).encode())
    with pytest.raises(ValueError, match=rf"layout: '.*mine.json'.*{message}"):
        layouts.load(path)


def test_a_missing_key_is_named(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"name": "mine"}))
    with pytest.raises(ValueError, match=r"mine.json': layout: expected exactly .* missing \['bodies', 'center'"):
        layouts.load(path)


def test_where_nothing_can_be_read_or_written(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"layout: there is no file '.*none.json' \(looked in /.*layouts.save"):
        layouts.load(tmp_path / "none.json")
    with pytest.raises(ValueError, match=r"path: expected a file that ends in .json, got 'mine.yaml'"):
        layouts.save(ARM, tmp_path / "mine.yaml")
    with pytest.raises(FileNotFoundError, match=r"path: there is no folder '.*none' to write 'mine.json' to"):
        layouts.save(ARM, tmp_path / "none" / "mine.json")
    assert not list(tmp_path.iterdir())
