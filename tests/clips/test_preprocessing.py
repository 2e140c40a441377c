import dataclasses
import json

import numpy as np
import pytest

from skelblocks import layouts
from skelblocks.clips import Preprocessing
from skelblocks.data import ArrayDataset, ClipPreparation, center, normalize_scale, prepare, preprocess, resample

OTHER = {
    "frames": 64,
    "center": "head",
    "per": "clip",
    "origin": "first",
    "align": "clip",
    "persons": 3,
    "scale": "spine",
}


OF_RAW_CLIPS = {
    "y": "down",
    "to": "nw-ucla",
    "missing": "nearest",
    "coordinates": 3,
    "source": "nw-ucla",
    "unit": "meters",
    "nan": "unseen",
}


def test_every_setting_is_told_apart_and_comes_back():
    plain = Preprocessing(persons=2)
    assert {field.name for field in dataclasses.fields(Preprocessing)} == {*OTHER, *OF_RAW_CLIPS}
    for name, value in OTHER.items():
        other = dataclasses.replace(plain, **{name: value})
        (line,) = other.differences(plain, layout="ntu-rgb+d")
        assert line.startswith(f"{name}={value!r}, not ")
        assert Preprocessing.from_dict(other.to_dict()) == other != plain
    everything = Preprocessing(**OTHER)
    assert len(everything.differences(plain, layout="ntu-rgb+d")) == len(OTHER)
    assert everything.differences(everything, layout="ntu-rgb+d") == []


def test_what_speaks_of_the_raw_clips_is_no_difference():
    plain = Preprocessing()
    assert not OF_RAW_CLIPS.keys() & plain.to_dict().keys()  # earlier versions read what they know
    for name, value in OF_RAW_CLIPS.items():
        other = dataclasses.replace(plain, **{name: value})
        assert Preprocessing.from_dict(other.to_dict()) == other != plain
        assert other.differences(plain, layout="nw-ucla") == []
    assert Preprocessing(to="sbu").differences(plain, layout="sbu") == []
    assert "to='sbu', not None" in Preprocessing(to="sbu", center=None).differences(plain, layout="nw-ucla")


def test_a_layout_of_ones_own_goes_along_whole():
    mine = dataclasses.replace(layouts.get("sbu"), name="mine")
    settings = Preprocessing(to=mine)
    values = json.loads(json.dumps(settings.to_dict()))
    assert values["to"]["name"] == "mine"
    assert Preprocessing.from_dict(values) == settings
    assert Preprocessing(to=layouts.get("sbu")).to == "sbu"


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"to": "ntu"}, ValueError, "to: layout: no layout is named 'ntu'"),
        ({"to": 3}, TypeError, "to: layout: expected a name"),
        ({"y": "left"}, ValueError, "y: expected one of 'up', 'down', 'auto'"),
        ({"coordinates": 4}, ValueError, "coordinates: expected one of 2, 3, got 4"),
        ({"coordinates": 2.0}, TypeError, "coordinates: expected an integer"),
        ({"missing": "zero"}, ValueError, "missing: expected one of"),
    ],
)
def test_settings_of_raw_clips_that_are_refused(values, error, message):
    with pytest.raises(error, match=message):
        Preprocessing(**values)


def test_what_says_nothing_is_no_difference():
    plain = Preprocessing()
    joint = layouts.get("ntu-rgb+d").joints[layouts.get("ntu-rgb+d").center]
    for a, b in [
        (Preprocessing(center=joint), plain),
        (Preprocessing(center=None, per="clip", origin="first"), Preprocessing(center=None)),
        (Preprocessing(persons=1), plain),
        (plain, Preprocessing(persons=1)),
        (Preprocessing(frames=12), Preprocessing(frames=None)),
    ]:
        assert a.differences(b, layout="ntu-rgb+d") == []
    assert Preprocessing(frames=None).differences(plain, layout="ntu-rgb+d") == ["frames=None, not 50"]
    assert Preprocessing(persons=1).differences(Preprocessing(persons=2), layout="ntu-rgb+d") == ["persons=1, not 2"]


def test_dicts_of_earlier_versions():
    old = {"frames": 12, "center": None, "per": "clip", "body": "first", "align": None}
    assert Preprocessing.from_dict(old) == Preprocessing(frames=12, center=None, per="clip", origin="first")
    with pytest.raises(ValueError, match=r"preprocessing: expected some of .*, got fps"):
        Preprocessing.from_dict({"fps": 30})


@pytest.mark.parametrize(
    ("options", "layout", "channels", "message"),
    [
        ({"center": "tail"}, "ntu-rgb+d", 3, "tail"),
        ({"align": "clip"}, "ntu-rgb+d", 2, "align: expected 3 coordinates .*, got 2 coordinates"),
        ({"align": "clip", "center": None}, "arm", 3, "align: .* layout 'arm'"),
        ({"to": "ntu-rgb+d"}, "hand-21", 3, "to: source: 'hand-21' lacks"),
        ({"to": "sbu", "center": "spine_base"}, "ntu-rgb+d", 3, "spine_base"),
        ({"coordinates": 3}, "sbu", 4, "coordinates: expected clips with 2 or 3 coordinates, got 4"),
        ({"coordinates": 2, "align": "clip"}, "ntu-rgb+d", 3, "align: expected 3 coordinates"),
        ({"y": "down"}, "sbu", 1, "y: expected clips with at least 2 coordinates, got 1"),
    ],
)
def test_settings_that_do_not_fit(options, layout, channels, message):
    layout = layouts.restrict("ntu-rgb+d", ["elbow_left", "wrist_left"]) if layout == "arm" else layout
    if not isinstance(layout, str):
        layout = dataclasses.replace(layout, name="arm")
    with pytest.raises(ValueError, match=message):
        Preprocessing(**options).validate(layout=layout, channels=channels)


def test_the_order_of_the_steps():
    x = np.random.default_rng(0).standard_normal((4, 3, 20, 20, 2))
    x[:, :, 15:] = 0
    x[1, :, :, :, 1] = 0
    settings = Preprocessing(frames=8, per="clip", origin="first", scale="bones", persons=3)
    expected = center(normalize_scale(x, layout="nw-ucla"), joint=2, per="clip", origin="first")
    expected = resample(expected, 8, length=15)
    got = preprocess(x, layout="nw-ucla", preprocessing=settings)
    np.testing.assert_array_equal(got[..., :2], expected)
    assert not got[..., 2].any()
    assert not got[1, ..., 1].any()


def test_what_follows_the_lengths_has_no_part_in_the_scale():
    x = np.random.default_rng(0).standard_normal((2, 3, 20, 20, 1))
    settings = Preprocessing(frames=10, scale="bones")
    cut = preprocess(x[:, :, :12], layout="nw-ucla", preprocessing=settings)
    x[:, :, 12:] *= 100
    got = preprocess(x, layout="nw-ucla", preprocessing=settings, lengths=[12, 12])
    np.testing.assert_allclose(got, cut, rtol=1e-12, atol=1e-12)


def test_a_body_without_length_is_named():
    x = np.ones((3, 3, 20, 20, 1), dtype=np.float32)
    with pytest.raises(ValueError, match=r"expected bodies of a length > 0, .* clip b"):
        ArrayDataset(x, layout="nw-ucla", names=["b", "c", "d"], preprocessing=Preprocessing(scale="bones")).as_tensor()
    with pytest.raises(ValueError, match="expected at most 1 persons, got 2"):
        preprocess(np.ones((1, 3, 5, 20, 2)), layout="nw-ucla", preprocessing=Preprocessing(persons=1))


def test_flat_settings_work_and_warn(tmp_path):
    x = np.random.default_rng(0).standard_normal((2, 3, 9, 20, 1)).astype(np.float32)
    with pytest.warns(DeprecationWarning, match=r"ArrayDataset: .*Preprocessing\(frames=4, center=3, origin='first'\)"):
        dataset = ArrayDataset(x, layout="nw-ucla", frames=4, center=3, body="first")
    assert dataset.preprocessing == Preprocessing(frames=4, center="head", origin="first")
    np.savez(tmp_path / "x.npz", x=x)
    with pytest.warns(DeprecationWarning, match="ArrayDataset.from_file: frames"):
        opened = ArrayDataset.from_file(tmp_path / "x.npz", layout="nw-ucla", frames=4)
    assert opened.preprocessing == Preprocessing(frames=4)
    with pytest.warns(DeprecationWarning, match="ClipPreparation: frames, persons"):
        assert ClipPreparation("nw-ucla", frames=4, persons=1).shape == (3, 4, 20, 1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'size'"):
        ArrayDataset(x, layout="nw-ucla", size=3)
    with pytest.raises(TypeError, match="expected only preprocessing, got frames too"):
        ArrayDataset(x, layout="nw-ucla", frames=3, preprocessing=Preprocessing())
    with (
        pytest.warns(DeprecationWarning, match="center"),
        pytest.raises(ValueError, match=r"center: expected a joint in 0\.\.19"),
    ):
        ArrayDataset(x, layout="nw-ucla", center=20)
    with pytest.raises(TypeError, match=r"preprocessing: expected Preprocessing\(\.\.\.\), got dict"):
        prepare([("a", lambda: None)], out=tmp_path / "set", layout="nw-ucla", preprocessing={"frames": 3})


def test_raw_clips_are_turned_remapped_and_deepened_before_the_rest():
    x = np.random.default_rng(0).standard_normal((3, 2, 20, 20, 2))
    x[1, :, 12:] = 0
    x[2, ..., 1] = 0
    kept = Preprocessing(frames=8, scale="spine", align="clip", persons=2)
    settings = dataclasses.replace(kept, y="down", to="ntu-rgb+d", coordinates=3)
    upright = np.pad(x * np.array([1.0, -1.0])[:, None, None, None], ((0, 0), (0, 1), (0, 0), (0, 0), (0, 0)))
    remapped, _ = layouts.remap(upright, source="nw-ucla", target="ntu-rgb+d")
    expected = preprocess(remapped, layout="ntu-rgb+d", preprocessing=kept)
    got = preprocess(x, layout="nw-ucla", preprocessing=settings)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
    assert not got[2, ..., 1].any()
    flat = preprocess(remapped, layout="ntu-rgb+d", preprocessing=Preprocessing(coordinates=2))
    np.testing.assert_array_equal(flat, preprocess(remapped[:, :2], layout="ntu-rgb+d", preprocessing=Preprocessing()))
