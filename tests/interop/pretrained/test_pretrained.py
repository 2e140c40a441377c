import dataclasses
import json
import os
import pickle
import struct
import sys

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skelblocks import layouts
from skelblocks.attention import MHSAM, MsMAttention
from skelblocks.data import ArrayDataset, PreparedSet, Preprocessing, RawClip, prepare, synthetic_motion
from skelblocks.encoders import DSTA, STGCN, BarlowProjector, BiGRU, ProjectionHead, readout
from skelblocks.interop import (
    Pretrained,
    PretrainedFormatError,
    check_fits,
    from_pretrained,
    save_pretrained,
)
from skelblocks.interop.pretrained import pretrained_files
from skelblocks.layouts import JointGroup, SkeletonLayout

safetensors = pytest.importorskip("safetensors.torch")

ARM = SkeletonLayout(
    "arm-of-nobody",
    ("shoulder", "elbow", "hand"),
    ((1, 0), (2, 1)),
    0,
    (0, 1, 2),
    (JointGroup("upper", (0,)), JointGroup("lower", (1, 2))),
    (JointGroup("arm", (0, 1, 2)),),
)
SETTINGS = Preprocessing(frames=12, center="elbow", per="clip", origin="first", persons=1)


def small(layout=ARM, **options):
    return STGCN(layout, base_channels=2, out_channels=8, **options)


@pytest.fixture
def folder(tmp_path):
    save_pretrained(tmp_path / "mine", encoder=small(), head=ProjectionHead(8, hidden_features=4, out_features=2))
    return tmp_path / "mine"


def edit(folder, change):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("encoder", "head", "attention"),
    [
        (small(strategy="agcn"), ProjectionHead(8, batch_norm=True, hidden_layers=2), MsMAttention(8, layout=ARM)),
        (DSTA(ARM, frames=12, layers=[(4, 8, 2, 2)]), BarlowProjector(8, hidden_features=4, out_features=3), MHSAM(8)),
        (BiGRU(ARM, persons=1, hidden_features=4, num_layers=2), None, MHSAM(8)),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_what_was_saved_comes_back(encoder, head, attention, dtype, tmp_path):
    modules = {"encoder": encoder, "head": head, "attention": attention}
    modules = {role: module and module.to(dtype) for role, module in modules.items()}
    before = torch.get_rng_state()
    save_pretrained(
        tmp_path / "a" / "b",
        **modules,
        preprocessing=SETTINGS,
        stream="bone",
        metadata={"epochs": 3, "of": ["x", None, 0.5]},
    )
    found = from_pretrained(tmp_path / "a" / "b", device="cpu")
    assert torch.get_rng_state().equal(before)
    assert found.layout == ARM
    assert ARM.name not in layouts.available()
    assert (found.preprocessing, found.stream) == (SETTINGS, "bone")
    assert found.metadata == {"epochs": 3, "of": ["x", None, 0.5]}
    for role, module in modules.items():
        again = getattr(found, role)
        if module is None:
            assert again is None
            continue
        assert type(again) is type(module)
        assert not again.training
        assert all(parameter.requires_grad for parameter in again.parameters())
        state = again.state_dict()
        for name, value in module.state_dict().items():
            assert state[name].dtype == value.dtype
            torch.testing.assert_close(state[name], value, rtol=0, atol=0)
    x = torch.randn(2, 3, 12, 3, 1, dtype=dtype)
    feature_map = found.encoder(x)
    torch.testing.assert_close(feature_map, encoder.eval()(x), rtol=0, atol=0)
    if isinstance(attention, MsMAttention):
        torch.testing.assert_close(found.attention(feature_map), attention.eval()(feature_map), rtol=0, atol=0)
    assert {path.name for path in (tmp_path / "a" / "b").iterdir()} == {"config.json", "model.safetensors"}
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_a_loaded_encoder_trains(folder):
    encoder = from_pretrained(folder).encoder.train()
    encoder(torch.randn(2, 3, 12, 3, 1)).sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


def test_what_cannot_be_saved_leaves_nothing(tmp_path):
    broken = small()
    broken.data_norm.weight.data[0] = torch.nan
    for error, message, arguments in [
        (ValueError, r"expected finite numbers .* at encoder\.data_norm\.weight", {"encoder": broken}),
        (TypeError, "head: expected", {"encoder": small(), "head": torch.nn.Linear(8, 2)}),
        (ValueError, "attention: expected the layout of the encoder",
         {"encoder": small(), "attention": MsMAttention(8, layout="coco-17")}),
        (TypeError, "metadata: expected what JSON can hold", {"encoder": small(), "metadata": {"a": small()}}),
        (TypeError, "metadata: expected what JSON can hold", {"encoder": small(), "metadata": {"a": float("nan")}}),
        (ValueError, "metadata: expected at most", {"encoder": small(), "metadata": {"a": "a" * 2_000_000}}),
        (TypeError, "preprocessing: expected Preprocessing", {"encoder": small(), "preprocessing": {"frames": 50}}),
    ]:  # fmt: skip
        with pytest.raises(error, match=message):
            save_pretrained(tmp_path / "mine", **arguments)
    assert not list(tmp_path.iterdir())


def test_a_folder_is_replaced_only_when_asked(folder):
    other = small(dropout=0.1)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        save_pretrained(folder, encoder=other)
    save_pretrained(folder, encoder=other, overwrite=True)
    found = from_pretrained(folder)
    assert (found.encoder.dropout, found.head) == (0.1, None)
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"something other .*\(thesis\.tex\)"):
        save_pretrained(folder, encoder=other, overwrite=True)
    with pytest.raises(FileExistsError, match="something other"):
        save_pretrained(folder / "thesis.tex", encoder=other, overwrite=True)
    (folder.parent / "empty").mkdir()
    save_pretrained(folder.parent / "empty", encoder=other)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["empty", "mine"]


def test_a_failure_on_the_way_leaves_what_was_there(folder, monkeypatch):
    def full(*_, **__):
        raise OSError("no space left on device")

    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr("skelblocks._utils.whole_file.os.fsync", full)
    for target in (folder, folder.with_name("another")):
        with pytest.raises(OSError, match="no space left"):
            save_pretrained(target, encoder=small(), overwrite=True)
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("stop", range(1, 5))
def test_a_kill_between_two_files_leaves_the_old_folder_or_the_new_one(folder, monkeypatch, stop):
    """Whatever replaces a file is the last thing that a killed process does."""
    real, moves = type(folder).replace, []

    def replace(self, target):
        moves.append(target)
        if len(moves) == stop:
            raise KeyboardInterrupt
        return real(self, target)

    old, new = from_pretrained(folder), small(dropout=0.25)
    with monkeypatch.context() as patch:
        patch.setattr(type(folder), "replace", replace)
        patch.setattr(type(folder), "unlink", lambda self, missing_ok=False: None)  # a killed process cleans nothing up
        if stop < 4:
            with pytest.raises(KeyboardInterrupt):
                save_pretrained(folder, encoder=new, overwrite=True, metadata={"new": True})
        else:
            save_pretrained(folder, encoder=new, overwrite=True, metadata={"new": True})
    found = from_pretrained(folder)
    expected, metadata = (old.encoder, {}) if stop < 3 else (new, {"new": True})
    assert (found.encoder.dropout, found.metadata) == (expected.dropout, metadata)
    for name, value in expected.state_dict().items():
        assert found.encoder.state_dict()[name].equal(value)
    if stop < 4:
        assert len(list(folder.iterdir())) > 2
    save_pretrained(folder, encoder=new, overwrite=True)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert from_pretrained(folder).metadata == {}


def test_leftovers_of_killed_processes_beside_the_folder_go(folder):
    for name in (".mine.0123abcd", ".mine.0123abcd.old", ".mine.notes", ".mine2.0123abcd"):
        (folder.parent / name).mkdir()
    save_pretrained(folder, encoder=small(), overwrite=True)
    assert sorted(path.name for path in folder.parent.iterdir()) == [".mine.notes", ".mine2.0123abcd", "mine"]


def test_a_folder_of_version_0_2_loads(folder):
    """Its configuration, as that version wrote it."""
    config = json.loads((folder / "config.json").read_text())
    del config["preprocessing"], config["stream"], config["readout"]
    config["version"] = 1
    config["input"] = {"stream": "bone", "frames": 12, "center": "elbow", "per": "clip", "body": "first",
                       "align": None, "persons": 1}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    found = from_pretrained(folder)
    assert (found.preprocessing, found.stream) == (SETTINGS, "bone")
    config["input"] = None
    (folder / "config.json").write_text(json.dumps(config))
    assert from_pretrained(folder).preprocessing is None
    for key, value in (("fps", 30), ("frames", "12"), ("stream", None)):
        wrong = {**SETTINGS.to_dict(), "stream": "bone", "body": "own", key: value}
        config["input"] = {name: value for name, value in wrong.items() if name not in ("origin", "scale")}
        (folder / "config.json").write_text(json.dumps(config))
        with pytest.raises(PretrainedFormatError, match=r"input: expected|frames: expected|stream: expected"):
            from_pretrained(folder)


def test_a_folder_of_version_0_3_loads(folder):
    """It had no readout: features were the mean."""
    config = json.loads((folder / "config.json").read_text())
    del config["readout"]
    config["version"] = 2
    (folder / "config.json").write_text(json.dumps(config))
    assert from_pretrained(folder).readout == "mean"


def test_the_readout_is_kept_and_gives_the_features(tmp_path):
    encoder = small()
    save_pretrained(tmp_path / "mine", encoder=encoder.eval(), preprocessing=SETTINGS, readout="thirds")
    found = from_pretrained(tmp_path / "mine")
    assert found.readout == "thirds"
    x = found.prepare(torch.randn(2, 3, 20, 3, 1))
    assert found.features(x).equal(readout(found.encoder(x), "thirds"))
    with pytest.raises(ValueError, match="readout: expected one of 'mean'"):
        save_pretrained(tmp_path / "mine", encoder=encoder, readout="median", overwrite=True)


def test_class_names_are_those_of_a_classifier(tmp_path):
    head = ProjectionHead(16, out_features=2, hidden_layers=0)
    for names, expected in ([["sit", "stand"], ("sit", "stand")], [["sit"], ()], [None, ()], [["sit", 3], ()]):
        metadata = {} if names is None else {"class_names": names}
        assert Pretrained(encoder=small(), head=head, metadata=metadata).class_names == expected
    assert Pretrained(encoder=small(), metadata={"class_names": ["sit", "stand"]}).class_names == ()


def test_the_old_words_for_the_input_work_and_warn(tmp_path):
    from skelblocks.interop import InputDescription

    with pytest.warns(DeprecationWarning, match="use preprocessing"):
        old = InputDescription(stream="bone", frames=12, center="elbow", per="clip", body="first", persons=1)
    with pytest.warns(DeprecationWarning, match="save_pretrained: the argument input is deprecated"):
        save_pretrained(tmp_path / "mine", encoder=small(), input=old)
    found = from_pretrained(tmp_path / "mine")
    assert (found.preprocessing, found.stream) == (SETTINGS, "bone")
    with pytest.warns(DeprecationWarning, match=r"use Pretrained\.preprocessing"):
        assert found.input == old
    x = torch.randn(2, 3, 12, 3, 1)
    assert old.finish(x, layout=ARM).equal(found.finish(x))
    with pytest.raises(TypeError, match="got both"), pytest.warns(DeprecationWarning, match="input is deprecated"):
        Pretrained(encoder=small(), input=old, preprocessing=SETTINGS)


def test_the_saved_scale_is_applied(tmp_path):
    settings = Preprocessing(frames=12, center="elbow", scale="bones")
    save_pretrained(tmp_path / "mine", encoder=small(), preprocessing=settings)
    found = from_pretrained(tmp_path / "mine")
    meters = torch.randn(3, 3, 12, 3, 2)
    pixels = 500 + 200 * meters
    torch.testing.assert_close(found.prepare(pixels), found.prepare(meters), rtol=1e-4, atol=1e-4)
    unscaled = Pretrained(encoder=small(), preprocessing=Preprocessing(frames=12, center="elbow"))
    with pytest.warns(UserWarning, match="a body is about .* units long, but in meters it would be 2"):
        unscaled.prepare(pixels)


def performed(layout):
    return synthetic_motion(layout, classes=2, subjects=2, views=1, frames=16, noise=0.0).x


def test_clips_of_the_source_and_of_the_target_are_taken(tmp_path):
    mine = dataclasses.replace(layouts.get("ntu-rgb+d"), name="mine")
    encoder = STGCN(mine, base_channels=4, out_channels=16)
    clips = ArrayDataset(performed("nw-ucla").numpy(), layout="nw-ucla", preprocessing=Preprocessing(frames=8, to=mine))
    save_pretrained(tmp_path / "mine", encoder=encoder, preprocessing=clips.preprocessing)
    found = from_pretrained(tmp_path / "mine")
    assert found.preprocessing == clips.preprocessing
    assert layouts.get(found.preprocessing.to) == found.layout == mine
    from_source = found.prepare(performed("nw-ucla"))
    assert from_source.equal(clips.as_tensor())
    assert found.prepare(performed("nw-ucla"), layout="nw-ucla").equal(from_source)
    from_target = found.prepare(performed("ntu-rgb+d"))
    own = ArrayDataset(performed("ntu-rgb+d").numpy(), layout=mine, preprocessing=Preprocessing(frames=8))
    assert from_target.equal(own.as_tensor())
    assert found.prepare(performed("utd-mhad"), layout="utd-mhad").shape == from_target.shape
    with pytest.raises(ValueError, match=r"clips: expected .* pass the skeleton of the clips as layout="):
        found.prepare(performed("sbu"))
    with pytest.raises(ValueError, match=r"to: source: 'hand-21' lacks "):
        found.prepare(torch.randn(1, 3, 9, 21, 1), layout="hand-21")


def test_two_skeletons_with_as_many_joints_are_told_apart_by_the_caller():
    encoder = STGCN("utd-mhad", base_channels=4, out_channels=16)
    settings = Preprocessing(frames=8, to="utd-mhad", source="nw-ucla")
    found = Pretrained(encoder=encoder, preprocessing=settings)
    with pytest.raises(ValueError, match=r"layout: expected the skeleton of the clips, 'utd-mhad' or 'nw-ucla', got N"):
        found.prepare(performed("nw-ucla"))
    assert not found.prepare(performed("nw-ucla"), layout="nw-ucla").equal(
        found.prepare(performed("nw-ucla"), layout="utd-mhad")
    )


@pytest.mark.parametrize("factor", [1000, 0.01])
def test_an_encoder_of_meters_refuses_another_unit(tmp_path, factor):
    meters = performed("nw-ucla")
    settings = Preprocessing(frames=8, unit="meters")
    found = Pretrained(encoder=STGCN("nw-ucla", base_channels=4, out_channels=16), preprocessing=settings)
    assert found.prepare(meters).shape[2] == 8
    with pytest.raises(
        ValueError, match=r"clips: expected meters, .* divide millimeters by 1000; .* --data.scale bones"
    ):
        found.prepare(factor * meters)
    raws = [RawClip(str(i), (factor * each).numpy(), np.ones((16, 1), bool), 0, {}) for i, each in enumerate(meters)]
    prepare(
        [(raw.name, lambda raw=raw: raw) for raw in raws],
        out=tmp_path,
        layout="nw-ucla",
        preprocessing=Preprocessing(frames=8, persons=1),
    )
    with pytest.raises(ValueError, match="clips: expected meters"):
        check_fits(PreparedSet(tmp_path), found)
    scaled = dataclasses.replace(settings, scale="bones")
    Pretrained(encoder=found.encoder, preprocessing=scaled).prepare(factor * meters)


def test_clips_of_another_skeleton_are_told_how_to_become_the_encoders():
    encoder = Pretrained(encoder=STGCN("nw-ucla", base_channels=4, out_channels=16), preprocessing=Preprocessing())
    x = performed("utd-mhad").numpy()
    with pytest.raises(ValueError, match=r"which has joints of its own; .*Preprocessing\(to=\.\.\.\), .* --to nw-ucla"):
        check_fits(ArrayDataset(x, layout="utd-mhad"), encoder)
    check_fits(ArrayDataset(x, layout="utd-mhad", preprocessing=Preprocessing(to="nw-ucla")), encoder)


def put(role, key, value):
    return lambda config: config[role]["arguments"].__setitem__(key, value)


def drop(key):
    return lambda config: config.pop(key)


def place(key, value):
    return lambda config: config.__setitem__(key, value)


def layout_of(key, value):
    return lambda config: config["layout"].__setitem__(key, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (place("format", "other"), "expected an object with 'format'"),
        (place("version", 4), "expected version 1 to 3, got 4"),
        (place("version", True), "expected version 1 to 3, got True"),
        (drop("stream"), "expected the keys"),
        (place("_target_", "os.system"), "expected the keys"),
        (place("metadata", []), "expected an object as metadata"),
        (place("encoder", None), "encoder: expected an object of 'class'"),
        (place("layout", "coco-17"), "layout: expected an object"),
        (layout_of("joints", 3), "layout: expected an object with a list of joints"),
        (layout_of("joints", ["a"] * 5000), "at most 1024 joints"),
        (layout_of("joints", [1, 2, 3]), "each a string"),
        (layout_of("edges", None), "NoneType"),
        (layout_of("edges", [[0, 1], [1, 9]]), "joints in 0..2"),
        (layout_of("parts", 5), "config.json"),
        (layout_of("swap", {"a": 1}), "swap"),
        (layout_of("swap", [[0], [1], [2]]), "swap"),
        (layout_of("more", 1), "unknown"),
        (place("preprocessing", []), "preprocessing: expected an object"),
        (place("preprocessing", 5), "config.json"),
        (place("preprocessing", {**SETTINGS.to_dict(), "frames": 10**4000}), "at most 65536 frames"),
        (place("preprocessing", {**SETTINGS.to_dict(), "persons": 10**9}), "at most 64 persons"),
        (place("metadata", {"loss": float("nan")}), "expected finite numbers, got NaN"),
        (place("metadata", {"loss": -float("inf")}), "expected finite numbers, got -Infinity"),
        (place("preprocessing", {**SETTINGS.to_dict(), "frames": "50"}), "frames: expected an integer"),
        (place("stream", "../../etc"), "stream: expected one of"),
        (place("stream", []), "stream: expected one of"),
        (place("readout", "median"), "readout: expected one of 'mean', 'body'"),
        (place("readout", ["mean"]), "readout: expected one of"),
        (place("preprocessing", {**SETTINGS.to_dict(), "center": [1]}), "center: expected"),
        (put("encoder", "in_channels", 2), "model.safetensors: expected torch.float32"),
        (put("encoder", "out_channels", 1 << 20), "missing"),
        (put("encoder", "edge_importance", False), "unknown"),
        (place("head", None), r"model.safetensors: missing \[\], unknown \['head"),
        (put("head", "batch_norm", True), "missing"),
    ],
)
def test_configurations_that_are_wrong(folder, change, message):
    edit(folder, change)
    with pytest.raises(PretrainedFormatError, match=message) as caught:
        from_pretrained(folder)
    assert str(caught.value).startswith(str(folder))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"a": ' + b"9" * 10_000 + b"}", b" " * 2_000_000, b"null"],
)
def test_json_that_is_wrong(folder, content):
    (folder / "config.json").write_bytes(content)
    with pytest.raises(PretrainedFormatError, match=r"config\.json"):
        from_pretrained(folder)


@pytest.mark.parametrize(
    ("old", "new"), [('{"format"', '{"version": 1, "format"'), ('"metadata": {}', '"metadata": {"a": 1e999}')]
)
def test_json_that_reads_in_two_ways_or_overflows(folder, old, new):
    text = json.dumps(json.loads((folder / "config.json").read_text()))
    assert old in text
    (folder / "config.json").write_text(text.replace(old, new))
    with pytest.raises(PretrainedFormatError, match=r"has a key twice|expected finite numbers, got 1e999"):
        from_pretrained(folder)


def test_a_folder_that_is_replaced_while_it_is_read(folder, monkeypatch):
    read = pretrained_files.read_weights

    def replaced_first(*arguments):
        monkeypatch.setattr(pretrained_files, "read_weights", read)
        save_pretrained(folder, encoder=small(), head=ProjectionHead(8, hidden_features=4, out_features=2),
                        metadata={"epochs": 2}, overwrite=True)  # fmt: skip
        return read(*arguments)

    monkeypatch.setattr(pretrained_files, "read_weights", replaced_first)
    with pytest.raises(PretrainedFormatError, match="replaced while it was read; open it again"):
        from_pretrained(folder)
    assert from_pretrained(folder).metadata == {"epochs": 2}


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
def test_a_link_stays_one(folder):
    link = folder.parent / "link"
    link.symlink_to(folder, target_is_directory=True)
    save_pretrained(link, encoder=small(dropout=0.1), overwrite=True)
    assert link.is_symlink()
    assert from_pretrained(folder).encoder.dropout == 0.1
    assert sorted(path.name for path in folder.parent.iterdir()) == ["link", "mine"]


def test_huge_sizes_are_refused_without_memory(folder, monkeypatch):
    edit(folder, put("head", "hidden_features", 1 << 20))
    edit(folder, put("head", "in_features", 1 << 20))
    real = torch.empty

    def counted(*sizes, **options):
        result = real(*sizes, **options)
        assert result.device.type == "meta" or result.numel() < 1 << 20
        return result

    monkeypatch.setattr(torch, "empty", counted)
    with pytest.raises(PretrainedFormatError, match=r"expected torch\.float32"):
        from_pretrained(folder)


def header_of(path):
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def write(path, header, body):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def test_weights_that_are_wrong(folder):
    path = folder / "model.safetensors"
    good = path.read_bytes()
    header, body = header_of(path)
    name = "encoder.data_norm.weight"

    def refuse(message):
        with pytest.raises(PretrainedFormatError, match=message):
            from_pretrained(folder)

    for content in (b"", b"\x80\x04.", good[:-1], good + b"\0", struct.pack("<Q", 1 << 60) + good[8:], good[:100]):
        path.write_bytes(content)
        refuse("not a whole safetensors file")
    write(path, {**header, name: {**header[name], "shape": [1 << 50]}}, body)
    refuse("not a whole safetensors file")
    write(path, {**header, name: {**header[name], "dtype": "I32"}}, body)
    refuse(r"at encoder\.data_norm\.weight, got I32")
    write(path, {**header, name: {**header[name], "shape": [9, 1]}}, body)
    refuse(r"\(9,\) at encoder\.data_norm\.weight, got F32 \(9, 1\)")
    renamed = {("encoder.../../x" if key == name else key): value for key, value in header.items()}
    write(path, renamed, body)
    refuse(r"missing \['encoder\.data_norm\.weight'\], unknown \['encoder\.\.\./\.\./x'\]")
    start = header[name]["data_offsets"][0]
    for value in (torch.nan, -torch.inf):
        write(path, header, body[:start] + struct.pack("<f", value) + body[start + 4 :])
        refuse("NaN or infinite numbers at encoder")
    path.write_bytes(pickle.dumps(print))
    refuse("not a whole safetensors file")
    path.write_bytes(good)
    from_pretrained(folder)


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_flipped_bytes_never_give_another_error(folder, data):
    name = data.draw(st.sampled_from(["config.json", "model.safetensors"]))
    good = (folder / name).read_bytes()
    bad = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        bad[data.draw(st.integers(0, min(len(bad), 6000) - 1))] = data.draw(st.integers(0, 255))
    (folder / name).write_bytes(bad)
    try:
        from_pretrained(folder)
    except PretrainedFormatError:
        pass
    finally:
        (folder / name).write_bytes(good)


def test_what_is_not_a_file_is_not_opened(folder, tmp_path):
    for name in ("config.json", "model.safetensors"):
        with pytest.raises(FileNotFoundError, match=r"has no config\.json"):
            from_pretrained(tmp_path)
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        if hasattr(os, "mkfifo"):
            os.mkfifo(folder / name)
        else:
            (folder / name).mkdir()
        with pytest.raises(FileNotFoundError, match=f"has no {name}"):
            from_pretrained(folder)
        (folder / name).unlink() if hasattr(os, "mkfifo") else (folder / name).rmdir()
        (folder / name).write_bytes(content)


def test_without_the_extra(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError, match=r'pip install "skelblocks\[hub\]"'):
        from_pretrained(folder)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"frames": 0}, ValueError, "frames: expected an integer >= 1"),
        ({"frames": 2.5}, TypeError, "frames: expected an integer >= 1"),
        ({"persons": 0}, ValueError, "persons: expected"),
        ({"center": 20}, TypeError, "center: expected a joint's name"),
        ({"per": "set"}, ValueError, "per: expected"),
        ({"origin": "all"}, ValueError, "origin: expected"),
        ({"align": "north"}, ValueError, "align: expected"),
    ],
)
def test_settings_that_are_wrong(options, error, message):
    with pytest.raises(error, match=message):
        Preprocessing(**options)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            (2, 3, 9, 20, 1),
            r"expected \(n, c=3, t, v=3, m\) with the joints of 'arm-of-nobody', got .*pass the skeleton of the clips",
        ),
        ((2, 9, 3, 1, 3), r"expected \(n, c=3, t, v=3, m\) .*from_axes"),
        ((3, 9, 3, 1), r"expected 5 axes .*of one clip pass clips\[None\], with one person per clip pass clips"),
        ((2, 3, 9, 3, 2), r"expected at most 1 persons, got 2; leave the others out, clips\[\.\.\., :1\]"),
    ],
)
def test_clips_that_the_encoder_does_not_take(shape, message):
    with pytest.raises(ValueError, match=rf"clips: {message}"):
        Pretrained(encoder=small(), preprocessing=SETTINGS).prepare(torch.randn(shape))


def test_what_is_prepared_has_the_encoders_precision_and_needs_an_input():
    x = torch.randn(2, 3, 9, 3, 1, dtype=torch.float64)
    assert Pretrained(encoder=small().double(), preprocessing=SETTINGS).prepare(x).dtype == torch.float64
    assert Pretrained(encoder=small(), preprocessing=SETTINGS).prepare(x).dtype == torch.float32
    with pytest.raises(ValueError, match=r"save the encoder with preprocessing=Preprocessing\(\.\.\.\)"):
        Pretrained(encoder=small()).prepare(x)
    with pytest.raises(TypeError, match="clips: expected a floating-point numpy array, got int64"):
        Pretrained(encoder=small(), preprocessing=SETTINGS).prepare(torch.ones(2, 3, 9, 3, 1, dtype=torch.int64))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda(folder):
    encoder = small().cuda()
    save_pretrained(folder, encoder=encoder, overwrite=True)
    found = from_pretrained(folder, device="cuda").encoder
    x = torch.randn(2, 3, 12, 3, 1, device="cuda")
    torch.testing.assert_close(found(x), encoder.eval()(x))
