"""`python -m skelblocks embed` and `export`: pretrained encoders from a shell."""

import copy
import dataclasses
import json
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from skelblocks import layouts, streams
from skelblocks.cli import main
from skelblocks.data import ArrayDataset, PreparedSet, Preprocessing
from skelblocks.encoders import DSTA, STGCN, BiGRU, ProjectionHead, pool
from skelblocks.evaluation import extract_features
from skelblocks.interop import from_pretrained, save_pretrained
from skelblocks.testing import write_nw_ucla

pytest.importorskip("safetensors")

SETTINGS = {"preprocessing": Preprocessing(frames=12, persons=2, per="clip"), "stream": "bone"}


def run(*arguments):
    return main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    encoder = STGCN("nw-ucla", base_channels=4, out_channels=8)
    for _ in range(3):  # statistics of its own clips, or all features would be alike
        encoder(streams.bone(torch.randn(16, 3, 12, 20, 2), layout="nw-ucla") / 4)
    return encoder.eval()


@pytest.fixture
def folder(encoder, tmp_path):
    save_pretrained(tmp_path / "encoder", encoder=encoder, **SETTINGS)
    return tmp_path / "encoder"


@pytest.fixture
def prepared(tmp_path):
    write_nw_ucla(tmp_path / "raw", clips=7)
    out = tmp_path / "set"
    options = ("--frames", 12, "--persons", 2, "--center", "clip", "--protocol", "xview")
    assert not run("prepare", "nw-ucla", "--root", tmp_path / "raw", "--out", out, *options)
    return out


@pytest.fixture
def arrays(tmp_path):
    x = np.random.default_rng(0).standard_normal((5, 3, 9, 20, 1)).astype(np.float32)
    path = tmp_path / "mine.npz"
    np.savez(path, x=x, y=[0, 1, 2, 0, 1])
    return path


def read(out):
    with np.load(out / "embeddings.npz") as file:
        return dict(file), json.loads((out / "neighbors.json").read_text())


def check_neighbors(table, held, *, k):
    features = torch.from_numpy(held["embeddings"]).double()
    cosine = F.cosine_similarity(features[:, None], features[None], dim=2)
    names, labels = held["names"].tolist(), held["labels"].tolist()
    assert [(row["name"], row["label"]) for row in table] == list(zip(names, labels, strict=True))
    for i, row in enumerate(table):
        found = [names.index(each["name"]) for each in row["neighbors"]]
        assert i not in found
        assert len(set(found)) == k
        assert [each["label"] for each in row["neighbors"]] == [labels[j] for j in found]
        similarity = [each["similarity"] for each in row["neighbors"]]
        assert similarity == pytest.approx(cosine[i, found].tolist(), abs=2e-6)
        others = [value for j, value in enumerate(cosine[i].tolist()) if j != i]
        assert similarity == pytest.approx(sorted(others, reverse=True)[:k], abs=2e-6)


def test_a_prepared_set(folder, prepared, encoder, tmp_path, capsys):
    out = tmp_path / "a" / "out"
    assert not run("embed", folder, prepared, "--out", out, "--neighbors", 3, "--batch-size", 2, "--device", "cpu")
    assert "7 clips, 8 features each, 3 neighbors" in capsys.readouterr().out
    held, table = read(out)
    dataset = PreparedSet(prepared)
    clips = dataset.batch(range(7))
    expected = pool(encoder(streams.bone(clips, layout="nw-ucla"))).detach()
    np.testing.assert_allclose(held["embeddings"], expected, rtol=1e-4, atol=1e-6)
    assert held["embeddings"].dtype == np.float32
    assert held["names"].tolist() == list(dataset.names)
    assert held["labels"].tolist() == dataset.labels.tolist()
    check_neighbors(table, held, k=3)


def test_neighbors_of_features_that_differ(folder, prepared, tmp_path, monkeypatch):
    features = torch.randn(7, 8, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr("skelblocks.cli.embed.features_of", lambda *_, **__: features)
    assert not run("embed", folder, prepared, "--out", tmp_path / "out", "--neighbors", 4, "--device", "cpu")
    held, table = read(tmp_path / "out")
    np.testing.assert_array_equal(held["embeddings"], features)
    check_neighbors(table, held, k=4)


def test_arrays_are_prepared_as_the_encoder_wants_them(folder, arrays, encoder, tmp_path):
    out = tmp_path / "out"
    assert not run("embed", folder, arrays, "--out", out, "--neighbors", 2, "--device", "cpu")
    held, table = read(out)
    dataset = ArrayDataset.from_file(arrays, layout="nw-ucla", preprocessing=SETTINGS["preprocessing"])
    x = streams.bone(F.pad(dataset.as_tensor(), (0, 0)), layout="nw-ucla")
    np.testing.assert_allclose(held["embeddings"], pool(encoder(x)).detach(), rtol=1e-4, atol=1e-6)
    assert held["labels"].tolist() == [0, 1, 2, 0, 1]
    check_neighbors(table, held, k=2)


@pytest.mark.parametrize(("part", "places"), [("train", [0, 3, 4]), ("test", [1, 2])])
def test_a_part_of_arrays(part, places, folder, arrays, tmp_path):
    with np.load(arrays) as file:
        np.savez(tmp_path / "parts.npz", **file, is_train=[True, False, False, True, True])
    call = ("embed", folder, tmp_path / "parts.npz", "--device", "cpu")
    assert not run(*call, "--out", tmp_path / "all")
    assert not run(*call, "--out", tmp_path / "part", "--part", part)
    (whole, _), (held, table) = (read(tmp_path / name) for name in ("all", "part"))
    assert held["names"].tolist() == [str(place) for place in places]
    assert held["labels"].tolist() == whole["labels"][places].tolist()
    np.testing.assert_allclose(held["embeddings"], whole["embeddings"][places], rtol=1e-4, atol=1e-6)
    check_neighbors(table, held, k=len(places) - 1)


def test_clips_come_in_the_precision_of_the_encoder(encoder, arrays, tmp_path):
    save_pretrained(tmp_path / "low", encoder=copy.deepcopy(encoder).bfloat16(), **SETTINGS)
    assert not run("embed", tmp_path / "low", arrays, "--out", tmp_path / "out", "--device", "cpu")
    embedded, found = read(tmp_path / "out")[0]["embeddings"], from_pretrained(tmp_path / "low")
    assert embedded.dtype == np.float32
    with np.load(arrays) as file:
        expected = extract_features(found.encoder, found.prepare(file["x"]))
    assert expected.dtype == torch.bfloat16
    np.testing.assert_array_equal(embedded, expected.float())


def test_prepare_gives_the_clips_that_embed_looks_at(folder, tmp_path):
    x = np.random.default_rng(0).standard_normal((5, 3, 9, 20, 1)).astype(np.float32)
    lengths = [9, 4, 1, 7, 9]
    np.savez(tmp_path / "mine.npz", x=x, length=lengths)
    assert not run("embed", folder, tmp_path / "mine.npz", "--out", tmp_path / "out", "--device", "cpu")
    embedded = torch.from_numpy(read(tmp_path / "out")[0]["embeddings"])
    found = from_pretrained(folder)
    prepared = found.prepare(x, lengths=lengths)
    assert prepared.shape == (5, 3, 12, 20, 2)
    assert prepared[..., 0].any()
    assert not prepared[..., 1].any()
    assert found.prepare(torch.from_numpy(x), lengths=lengths).equal(prepared)
    assert extract_features(found.encoder, prepared).equal(embedded)
    for other in (found.prepare(x), torch.from_numpy(x)):  # other frames, and clips as they were recorded
        assert not torch.allclose(extract_features(found.encoder, other), embedded, rtol=1e-2)


@pytest.mark.parametrize("clips", [1, 3])
def test_of_few_clips_all_others_are_neighbors(clips, folder, tmp_path):
    np.savez(tmp_path / "few.npz", x=np.random.default_rng(0).standard_normal((clips, 3, 9, 20, 1)))
    assert not run("embed", folder, tmp_path / "few.npz", "--out", tmp_path / "out", "--device", "cpu")
    if clips == 1:
        assert not (tmp_path / "out" / "neighbors.json").exists()
    else:
        held, table = read(tmp_path / "out")
        check_neighbors(table, held, k=clips - 1)


def test_parts_overwriting_and_no_table(folder, prepared, tmp_path, capsys):
    out = tmp_path / "out"
    call = ("embed", folder, prepared, "--out", out, "--device", "cpu")
    assert not run(*call, "--part", "train", "--neighbors", 0)
    assert [path.name for path in out.iterdir()] == ["embeddings.npz"]
    with np.load(out / "embeddings.npz") as file:
        assert file["names"].tolist() == list(PreparedSet(prepared, part="train").names)
    assert run(*call) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert not run(*call, "--overwrite")
    assert sorted(path.name for path in out.iterdir()) == ["embeddings.npz", "neighbors.json"]
    assert len(read(out)[0]["names"]) == 7
    assert not run(*call, "--overwrite", "--neighbors", 0)
    assert [path.name for path in out.iterdir()] == ["embeddings.npz"]  # no neighbors of other embeddings
    (tmp_path / "file").write_text("")
    assert run("embed", folder, prepared, "--out", tmp_path / "file") == 1
    assert "is a file; choose another name" in capsys.readouterr().err


def test_a_set_that_does_not_fit(encoder, folder, prepared, arrays, tmp_path, capsys):
    others = {
        "frames": Preprocessing(frames=50, per="clip"),
        "persons": Preprocessing(frames=12, per="clip", persons=1),
        "per": Preprocessing(frames=12),
        "center": Preprocessing(frames=12, per="clip", center=None),
        "origin": Preprocessing(frames=12, per="clip", origin="first"),
        "align": Preprocessing(frames=12, per="clip", align="clip"),
    }
    out = tmp_path / "out"
    for name, described in others.items():
        save_pretrained(tmp_path / name, encoder=encoder, preprocessing=described)
        assert run("embed", tmp_path / name, prepared, "--out", out) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: clips: expected the encoder's preprocessing, got ")
        assert f"{name}=" in error, error
        assert error.count("\n") == 1
    save_pretrained(tmp_path / "utd", encoder=STGCN("utd-mhad", base_channels=2, out_channels=8), **SETTINGS)
    save_pretrained(tmp_path / "silent", encoder=encoder)
    save_pretrained(tmp_path / "flat", encoder=STGCN("nw-ucla", in_channels=2, base_channels=2), **SETTINGS)
    x = np.full((3, 3, 9, 20, 3), 1.0, dtype=np.float32)
    np.savez(tmp_path / "three.npz", x=x)
    for name, clips, message in [
        ("utd", prepared, "the skeleton of the encoder, 'utd-mhad', got 'nw-ucla', which has joints of its own"),
        ("silent", arrays, "does not record how to prepare clips"),
        ("flat", prepared, "expected 2 coordinates as for the encoder, got 3"),
        ("encoder", tmp_path / "three.npz", "expected at most 2 persons"),
        ("encoder", tmp_path / "none.npz", "there is no file or folder"),
        ("encoder", tmp_path / "raw", "there is no prepared set in"),
        ("raw", prepared, "there is no pretrained encoder in"),
    ]:
        assert run("embed", tmp_path / name, clips, "--out", out, "--neighbors", 1) == 1
        error = capsys.readouterr().err
        assert message in error, error
    for more, message in [
        (("--neighbors", 7), "neighbors: expected fewer than the 7 clips"),
        (("--neighbors", -1), "neighbors: expected an integer >= 0"),
        (("--batch-size", 0), "batch-size: expected an integer >= 1"),
        (("--device", "toaster"), "device: 'toaster' is not available on this machine"),
    ]:
        assert run("embed", folder, prepared, "--out", out, *more) == 1
        assert message in capsys.readouterr().err
    assert not out.exists()
    assert not run("embed", tmp_path / "silent", prepared, "--out", out)
    assert "not compared" in capsys.readouterr().err


def test_a_center_by_name_and_frames_left_open_fit(encoder, prepared, tmp_path):
    center = layouts.get("nw-ucla").joints[layouts.get("nw-ucla").center]
    described = Preprocessing(frames=None, center=center, per="clip")
    save_pretrained(tmp_path / "named", encoder=encoder, preprocessing=described)
    assert not run("embed", tmp_path / "named", prepared, "--out", tmp_path / "out", "--device", "cpu")


def test_lines_where_there_is_no_tqdm(folder, prepared, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert not run("embed", folder, prepared, "--out", tmp_path / "out", "--device", "cpu")
    assert capsys.readouterr().err == "7 of 7 clips\n"


def test_export_to_a_program(tmp_path, capsys):
    encoder = DSTA("nw-ucla", frames=8, layers=[(4, 4, 2, 1)])
    save_pretrained(tmp_path / "encoder", encoder=encoder, preprocessing=Preprocessing(frames=8, persons=1))
    out = tmp_path / "encoder.pt2"
    assert not run("export", tmp_path / "encoder", "--out", out)
    said = capsys.readouterr().out
    assert "DSTA of nw-ucla" in said
    assert "It takes clips (clips, 3, 8, 20, 1): channels, frames, joints, persons; --persons sets" in said
    x = torch.randn(3, 3, 8, 20, 1)
    torch.testing.assert_close(torch.export.load(out).module()(x), pool(encoder.eval()(x)))
    assert run("export", tmp_path / "encoder", "--out", out) == 1
    assert "exists already" in capsys.readouterr().err
    assert not run("export", tmp_path / "encoder", "--out", out, "--overwrite", "--map", "--persons", 2)
    x = torch.randn(3, 3, 8, 20, 2)
    torch.testing.assert_close(torch.export.load(out).module()(x), encoder(x))
    assert run("export", tmp_path / "encoder", "--out", tmp_path / "encoder.pth") == 1
    assert "ends in .pt2 or .onnx" in capsys.readouterr().err


def test_export_from_recorded_clips_to_probabilities(encoder, tmp_path, capsys):
    head, about = ProjectionHead(24, out_features=2, hidden_layers=0), {"class_names": ["sit", "stand"]}
    settings = Preprocessing(frames=12, persons=1, align="clip")
    known = {"preprocessing": settings, "stream": "bone", "readout": "thirds", "metadata": about}
    save_pretrained(tmp_path / "whole", encoder=encoder, head=head, **known)
    out, more = tmp_path / "whole.pt2", ("--classifier", "--preparation", "--layout", "ntu-rgb+d")
    assert not run("export", tmp_path / "whole", "--out", out, *more)
    said = capsys.readouterr()
    assert "clips of ntu-rgb+d as nw-ucla" in said.err
    assert "It takes clips (clips, 3, frames, 25, 1)" in said.out
    extra = {"skelblocks.layout": "", "skelblocks.class_names": "", "skelblocks.preprocessing": ""}
    graph = torch.export.load(out, extra_files=extra).module()
    assert layouts.get(json.loads(extra["skelblocks.layout"])) == layouts.get("ntu-rgb+d")
    assert json.loads(extra["skelblocks.class_names"]) == ["sit", "stand"]
    x = np.random.default_rng(0).standard_normal((3, 3, 9, 25, 1)).astype(np.float32)
    remapped = dataclasses.replace(settings, to=encoder.layout)
    clips = ArrayDataset(x, layout="ntu-rgb+d", preprocessing=remapped).as_tensor()
    found = from_pretrained(tmp_path / "whole")
    with torch.no_grad():
        expected = found.head(found.features(found.finish(clips))).softmax(dim=1)
    torch.testing.assert_close(graph(torch.from_numpy(x)), expected, rtol=1e-4, atol=1e-5)
    save_pretrained(tmp_path / "bare", encoder=encoder)
    for folder, arguments, message in [
        ("bare", ("--classifier",), "classifier: expected an encoder with a classifier"),
        ("bare", ("--preparation",), "does not record how clips are prepared"),
        ("whole", ("--y", "down"), "y: expected this option only with --preparation"),
        ("whole", ("--map", "--classifier"), "map: expected --map without --classifier"),
        ("whole", ("--preparation", "--persons", 2), "persons: expected at most the 1 of the preparation, got 2"),
        ("whole", ("--preparation", "--layout", "hand-21"), "add --missing nearest"),
        ("whole", ("--preparation", "--coordinates", 2), "align: expected 3 coordinates"),
    ]:
        assert run("export", tmp_path / folder, "--out", tmp_path / "no.pt2", *arguments) == 1
        assert message in capsys.readouterr().err.splitlines()[-1]
        assert not (tmp_path / "no.pt2").exists()


@pytest.mark.filterwarnings("ignore")
def test_export_of_a_recurrent_encoder_to_onnx(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    encoder = BiGRU("nw-ucla", persons=1, hidden_features=4, num_layers=1)
    save_pretrained(tmp_path / "encoder", encoder=encoder, preprocessing=Preprocessing(frames=4, persons=1))
    assert not run("export", tmp_path / "encoder", "--out", tmp_path / "encoder.onnx")
    session = runtime.InferenceSession(str(tmp_path / "encoder.onnx"), providers=["CPUExecutionProvider"])
    x = torch.randn(3, 3, 4, 20, 1)
    (found,) = session.run(None, {"clips": x.numpy()})
    np.testing.assert_allclose(found, pool(encoder.eval()(x)).detach(), rtol=1e-5, atol=1e-6)
