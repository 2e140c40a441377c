"""Files that want something else than to be read: nothing is run, and each gives the one error type."""

import io
import os
import pickle
import struct
import warnings
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from official_states import official_state

from skelblocks.interop import CheckpointError, load_official
from skelblocks.interop.official.checkpoint_file import check_state_dict, read_state_dict

RAN = "a-file-that-ran-code"
CODE = f"open({RAN!r}, 'w').close()"


class Runs:
    """A pickle of it calls a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Builds:
    def __reduce__(self):
        return OrderedDict, (), {"x": Runs(exec, CODE)}


def good():
    return {"A": torch.ones(3, 2, 2), "data_bn.weight": torch.ones(6)}


def saved(thing, *, zipped=True):
    file = io.BytesIO()
    torch.save(thing, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def rezipped(raw, *, change=None, extra=None, compress=zipfile.ZIP_STORED):
    """The archive with one record replaced, one more, or compressed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(out, "w", compress) as new:
        for entry in old.infolist():
            data = old.read(entry)
            for ending, bytes_ in (change or {}).items():
                data = bytes_ if entry.filename.endswith(ending) else data
            new.writestr(entry.filename, data)
        for name, data in (extra or {}).items():
            new.writestr(name, data)
    return out.getvalue()


def expanded():
    return torch.zeros(1).expand(10**6, 10**6)


def bomb():
    return rezipped(saved(good()), change={"data/0": bytes(10**7)}, compress=zipfile.ZIP_DEFLATED)


def lying_directory():
    """The central directory claims a record larger than the file."""
    raw = bytearray(rezipped(saved(good())))
    at = raw.rindex(b"PK\x01\x02")
    raw[at + 20 : at + 28] = struct.pack("<II", 10**9, 10**9)
    return bytes(raw)


def huge_legacy():
    """An old file whose storage claims 2 ** 50 numbers."""
    raw = saved({"x": torch.zeros(9999)}, zipped=False)
    assert raw.count(b"M\x0f'") >= 2
    return raw.replace(b"M\x0f'", b"\x8a\x07" + (2**50).to_bytes(7, "little"))


def nested_list(depth):
    thing = []
    for _ in range(depth):
        thing = [thing]
    return thing


def shadowed():
    """A tensor with an attribute in the place of a method."""
    thing = torch.nn.Parameter(torch.ones(3))
    thing.detach = OrderedDict
    return thing


def raw_pickle(opcodes):
    """Opcodes in the zip format's place for the pickle."""
    return rezipped(saved(good()), change={"data.pkl": opcodes})


HOSTILE = {
    "reduce eval": lambda: saved(Runs(eval, CODE)),
    "reduce exec": lambda: saved({"x": Runs(exec, CODE)}),
    "reduce os.system": lambda: saved({"x": Runs(os.system, f"touch {RAN}")}),
    "reduce open": lambda: saved({"x": Runs(open, RAN, "w")}),
    "reduce getattr": lambda: saved({"x": Runs(getattr, "a", "upper")}),
    "reduce as a key": lambda: saved({Runs(exec, CODE): torch.ones(1)}),
    "build a state": lambda: saved({"x": Builds()}),
    "legacy reduce exec": lambda: saved({"x": Runs(exec, CODE)}, zipped=False),
    "legacy reduce os.system": lambda: saved(Runs(os.system, f"touch {RAN}"), zipped=False),
    "plain pickle, protocol 0": lambda: pickle.dumps(Runs(exec, CODE), protocol=0),
    "plain pickle, protocol 2": lambda: pickle.dumps({"x": Runs(exec, CODE)}, protocol=2),
    "plain pickle, protocol 5": lambda: pickle.dumps(Runs(exec, CODE), protocol=5),
    "opcode GLOBAL and REDUCE": lambda: raw_pickle(b"\x80\x02cbuiltins\nexec\n(X" + pack(CODE) + b"tR."),
    "opcode INST": lambda: raw_pickle(b"(S'" + CODE.replace("'", '"').encode() + b"'\nibuiltins\nexec\n."),
    "opcode OBJ": lambda: raw_pickle(b"\x80\x02(cbuiltins\nexec\nX" + pack(CODE) + b"o."),
    "opcode STACK_GLOBAL": lambda: raw_pickle(b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93(X" + pack(CODE) + b"tR."),
    "opcode EXT1": lambda: raw_pickle(b"\x80\x02\x82\x01."),
    "opcode NEWOBJ": lambda: raw_pickle(b"\x80\x02csubprocess\nPopen\n(X" + pack(f"touch {RAN}") + b"t\x81."),
    "a pickle without an end": lambda: raw_pickle(b"\x80\x02}q\x00("),
    "an empty pickle": lambda: raw_pickle(b""),
    "zip cut at 10 bytes": lambda: saved(good())[:10],
    "zip cut in the middle": lambda: saved(good())[: len(saved(good())) // 2],
    "zip cut at its directory": lambda: saved(good())[:-30],
    "legacy cut in the pickle": lambda: saved(good(), zipped=False)[:60],
    "legacy cut in the numbers": lambda: saved(good(), zipped=False)[:-20],
    "compressed records": bomb,
    "directory of larger records": lying_directory,
    "entry ../x": lambda: rezipped(saved(good()), extra={"../x": b"1"}),
    "entry /x": lambda: rezipped(saved(good()), extra={"/x": b"1"}),
    r"entry ..\x": lambda: rezipped(saved(good()), extra={"archive/..\\..\\x": b"1"}),
    "no such storage": lambda: rezipped(saved(good()), change={"data/0": b""}),
    "huge legacy storage": huge_legacy,
    "an expanded tensor": lambda: saved({"A": expanded()}),
    "a sparse tensor": lambda: saved({"A": torch.eye(3).to_sparse()}),
    "a meta tensor": lambda: saved({"A": torch.ones(10**6, 10**6, device="meta")}),
    "integer weights": lambda: saved({"A": torch.ones(3, dtype=torch.int32)}),
    "complex weights": lambda: saved({"A": torch.ones(3, dtype=torch.complex64)}),
    "boolean weights": lambda: saved({"A": torch.ones(3, dtype=torch.bool)}),
    "floating counter": lambda: saved({"queue_ptr": torch.ones(1)}),
    "NaN": lambda: saved({"A": torch.tensor([1.0, float("nan")])}),
    "infinity": lambda: saved({"A": torch.tensor([1.0, float("inf")], dtype=torch.float16)}),
    "a list": lambda: saved([torch.ones(1)]),
    "a number": lambda: saved(3),
    "a tensor alone": lambda: saved(torch.ones(3)),
    "an empty dict": lambda: saved({}),
    "deep lists": lambda: saved({"A": nested_list(200)}),
    "a whole training state": lambda: saved({"state_dict": good(), "epoch": 3}),
    "numbers as keys": lambda: saved({3: torch.ones(1)}),
    "a module": lambda: saved(torch.nn.Linear(2, 2)),
    "a tensor with another detach": lambda: saved({"A": shadowed()}),
    "numpy arrays": lambda: saved({"A": np.ones(3)}),
    "an empty file": lambda: b"",
    "a text": lambda: b"<html>quota exceeded</html>",
    "zeros": lambda: bytes(1000),
    "another archive": lambda: empty_zip(),
}  # fmt: skip


def pack(text):
    return struct.pack("<I", len(text)) + text.encode()


def empty_zip():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    return file.getvalue()


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_and_broken_files_run_nothing(what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.pt"
    path.write_bytes(HOSTILE[what]())
    (tmp_path / RAN).unlink(missing_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CheckpointError) as caught:
            load_official(path)
    assert str(path) in str(caught.value) or "checkpoint: expected" in str(caught.value)
    assert str(caught.value).isprintable()
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.pt"]


def test_the_payloads_would_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.load(io.BytesIO(HOSTILE["reduce exec"]()), weights_only=False)
    assert (tmp_path / RAN).exists()


def test_the_message_says_what_was_refused_and_advises_nothing_unsafe(tmp_path):
    for what, called in (("reduce exec", "exec"), ("reduce os.system", "system"), ("a module", "Linear")):
        (tmp_path / "model.pt").write_bytes(HOSTILE[what]())
        with pytest.raises(CheckpointError, match=rf"as weights alone \(\w+: .*{called}") as caught:
            load_official(tmp_path / "model.pt")
        assert not any(advice in str(caught.value) for advice in ("still be loaded", "safe_globals", "`weights_only`"))


def test_what_is_no_file(tmp_path):
    with pytest.raises(CheckpointError, match="there is none"):
        load_official(tmp_path / "missing.pt")
    with pytest.raises(CheckpointError, match=r"got a folder; name the \.pt file itself"):
        load_official(tmp_path)
    with pytest.raises(CheckpointError, match=r"there is none|cannot be read"):
        load_official("model\0.pt")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.pt")
        with pytest.raises(CheckpointError, match="device or pipe"):
            load_official(tmp_path / "pipe.pt")


@pytest.mark.parametrize("zipped", [True, False])
def test_whole_files_are_read_in_both_formats(tmp_path, zipped):
    state = OrderedDict(official_state("PSTL_encoder"))
    state["A"] = torch.nn.Parameter(state["A"])
    path = tmp_path / "model.pt"
    path.write_bytes(saved(state, zipped=zipped))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = read_state_dict(path)
        loaded = load_official(str(path))
    assert all(torch.equal(read[key], state[key]) for key in state)
    assert not any(value.requires_grad for value in read.values())
    assert loaded.report.complete


def test_weights_of_two_dtypes_are_named_and_can_be_converted():
    state = {**good(), "fc.weight": torch.ones(2).double(), "data_bn.num_batches_tracked": torch.tensor(3)}
    named = r"^state: expected weights of one dtype, got torch\.float32 \('A'\) and torch\.float64 \('fc\.weight'\)"
    with pytest.raises(CheckpointError, match=named):
        check_state_dict(state, name="state")
    advised = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    assert list(check_state_dict(advised, name="state")) == list(state)


def test_a_wrapped_state_dict_is_named():
    with pytest.raises(CheckpointError, match=r"the weights seem to be under 'state_dict'; pass torch\.load"):
        check_state_dict({"state_dict": good()}, name="state")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer instead of the file"),
        (b"\n<!doctype HTML><html>", "a web page instead of the file"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"\x93NUMPY\x01\x00", "an array of NumPy"),
        (b'\x08\x00\x00\x00\x00\x00\x00\x00{"a": 1}', "a safetensors file; load it with safetensors.torch.load_file"),
        (b'{"state_dict": 1}', "a JSON file"),
        (b"\x1f\x8b\x08", "a gzip archive; unpack it first"),
    ],
)
def test_a_file_of_another_kind_is_told_what_it_seems_to_be(tmp_path, content, kind):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=f"model.pt: expected a checkpoint that torch.save wrote, got {kind}"):
        read_state_dict(tmp_path / "model.pt")


def test_archives_of_another_kind_are_told_what_they_seem_to_be(tmp_path):
    np.savez(tmp_path / "clips.npz", x=np.zeros(3))
    with pytest.raises(CheckpointError, match=r"got an \.npz file of NumPy"):
        read_state_dict(tmp_path / "clips.npz")
    with zipfile.ZipFile(tmp_path / "script.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("script/code/__torch__/linear.py", "def forward(self): ...")
    with pytest.raises(CheckpointError, match="TorchScript module"):
        read_state_dict(tmp_path / "script.pt")
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.writestr("model.pt", b"1")
    with pytest.raises(CheckpointError, match="a zip archive; unpack it first"):
        read_state_dict(tmp_path / "more.zip")
