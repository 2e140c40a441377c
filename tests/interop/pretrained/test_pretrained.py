import json
import os
import pickle
import struct
import sys

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skelblocks import layouts
from skelblocks.attention import MHSAM, MsMAttention
from skelblocks.encoders import DSTA, STGCN, BarlowProjector, BiGRU, ProjectionHead
from skelblocks.interop import (
    InputDescription,
    Pretrained,
    PretrainedFormatError,
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
INPUT = InputDescription(stream="bone", frames=12, center="elbow", per="clip", body="first", persons=1)


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
    save_pretrained(tmp_path / "a" / "b", **modules, input=INPUT, metadata={"epochs": 3, "of": ["x", None, 0.5]})
    found = from_pretrained(tmp_path / "a" / "b", device="cpu")
    assert torch.get_rng_state().equal(before)
    assert found.layout == ARM
    assert ARM.name not in layouts.available()
    assert found.input == INPUT
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
        (TypeError, "input: expected an InputDescription", {"encoder": small(), "input": {"frames": 50}}),
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
    with pytest.raises(FileExistsError, match=r"something else .*\(thesis\.tex\)"):
        save_pretrained(folder, encoder=other, overwrite=True)
    with pytest.raises(FileExistsError, match="something else"):
        save_pretrained(folder / "thesis.tex", encoder=other, overwrite=True)
    (folder.parent / "empty").mkdir()
    save_pretrained(folder.parent / "empty", encoder=other)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["empty", "mine"]


@pytest.mark.parametrize("place", ["write_files", "rename"])
def test_a_failure_on_the_way_leaves_what_was_there(folder, monkeypatch, place):
    def full(*_, **__):
        raise OSError("no space left on device")

    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    if place == "write_files":
        monkeypatch.setattr("skelblocks._utils.whole_file.os.fsync", full)
    else:
        real = type(folder).rename

        def rename(self, target):
            return full() if self.name.startswith(".mine") and not self.name.endswith(".old") else real(self, target)

        monkeypatch.setattr(type(folder), "rename", rename)
    for target in (folder, folder.with_name("another")) if place == "write_files" else (folder,):
        with pytest.raises(OSError, match="no space left"):
            save_pretrained(target, encoder=small(), overwrite=True)
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


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
        (place("version", 2), "expected version 1, got 2"),
        (drop("input"), "expected the keys"),
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
        (place("input", []), "input: expected exactly the keys"),
        (place("input", 5), "config.json"),
        (place("input", {**INPUT.to_dict(), "frames": 10**4000}), "at most 65536 frames"),
        (place("input", {**INPUT.to_dict(), "persons": 10**9}), "at most 64 persons"),
        (place("metadata", {"loss": float("nan")}), "expected finite numbers, got NaN"),
        (place("metadata", {"loss": -float("inf")}), "expected finite numbers, got -Infinity"),
        (place("input", {**INPUT.to_dict(), "frames": "50"}), "frames: expected an integer"),
        (place("input", {**INPUT.to_dict(), "stream": "../../etc"}), "stream: expected one of"),
        (place("input", {**INPUT.to_dict(), "stream": []}), "stream: expected one of"),
        (place("input", {**INPUT.to_dict(), "center": [1]}), "center: expected"),
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


def test_of_two_that_replace_a_folder_at_once_nothing_is_left_over(folder, monkeypatch):
    real = type(folder).rename

    def other_was_first(self, target):
        if self.name.startswith(".mine") and not self.name.endswith(".old"):
            monkeypatch.setattr(type(folder), "rename", real)
            save_pretrained(folder, encoder=small(dropout=0.1))
        return real(self, target)

    monkeypatch.setattr(type(folder), "rename", other_was_first)
    with pytest.raises(OSError, match=r"not empty|exists"):
        save_pretrained(folder, encoder=small(), overwrite=True)
    assert from_pretrained(folder).encoder.dropout == 0.1
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


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
        ({"stream": "velocity"}, ValueError, "stream: expected one of 'joint', 'bone', 'motion'"),
        ({"frames": 0}, ValueError, "frames: expected an integer >= 1"),
        ({"frames": 2.5}, TypeError, "frames: expected an integer >= 1"),
        ({"persons": 0}, ValueError, "persons: expected"),
        ({"center": 20}, TypeError, "center: expected a joint's name"),
        ({"per": "set"}, ValueError, "per: expected"),
        ({"body": "all"}, ValueError, "body: expected"),
        ({"align": "north"}, ValueError, "align: expected"),
    ],
)
def test_inputs_that_are_wrong(options, error, message):
    with pytest.raises(error, match=message):
        InputDescription(**options)


@pytest.mark.parametrize("wrong", [{"stream": "bone"}, {**INPUT.to_dict(), "fps": 30}])
def test_an_input_has_exactly_its_keys(wrong):
    with pytest.raises(ValueError, match=r"^input: expected exactly the keys \['align', .*, got \[.*'stream'\]$"):
        InputDescription.from_dict(wrong)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 3, 9, 20, 1), r"expected \(n, c=3, t, v=3, m\) with the joints of 'arm-of-nobody', got .*layout\.joints"),
        ((2, 9, 3, 1, 3), r"expected \(n, c=3, t, v=3, m\) .*from_axes"),
        ((3, 9, 3, 1), r"expected 5 axes .*of one clip pass clips\[None\], with one person a clip pass clips"),
        ((2, 3, 9, 3, 2), r"expected at most 1 persons, .*, got 2; leave the others out: clips\[\.\.\., :1\]"),
    ],
)
def test_clips_that_the_encoder_does_not_take(shape, message):
    with pytest.raises(ValueError, match=rf"clips: {message}"):
        Pretrained(encoder=small(), input=INPUT).prepare(torch.randn(shape))


def test_what_is_prepared_has_the_encoders_precision_and_needs_an_input():
    x = torch.randn(2, 3, 9, 3, 1, dtype=torch.float64)
    assert Pretrained(encoder=small().double(), input=INPUT).prepare(x).dtype == torch.float64
    assert Pretrained(encoder=small(), input=INPUT).prepare(x).dtype == torch.float32
    with pytest.raises(ValueError, match=r"save the encoder with input=InputDescription\(\.\.\.\)"):
        Pretrained(encoder=small()).prepare(x)
    with pytest.raises(TypeError, match="clips: expected a floating-point numpy array, got int64"):
        Pretrained(encoder=small(), input=INPUT).prepare(torch.ones(2, 3, 9, 3, 1, dtype=torch.int64))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda(folder):
    encoder = small().cuda()
    save_pretrained(folder, encoder=encoder, overwrite=True)
    found = from_pretrained(folder, device="cuda").encoder
    x = torch.randn(2, 3, 12, 3, 1, device="cuda")
    torch.testing.assert_close(found(x), encoder.eval()(x))
