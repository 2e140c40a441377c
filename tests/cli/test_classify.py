"""`skelblocks classify`: from clips of another skeleton to a table of labels."""

import csv
import json

import numpy as np
import pytest
import torch
from saved_run import save_run
from small_run import write_set

from skelblocks import layouts
from skelblocks.cli import main
from skelblocks.clips import Preprocessing
from skelblocks.data import ArrayDataset
from skelblocks.encoders import STGCN, ProjectionHead
from skelblocks.interop import from_pretrained, load_official, save_pretrained, to_official
from skelblocks.testing import write_nw_ucla

pytest.importorskip("safetensors")

SETTINGS = Preprocessing(frames=12, persons=1, per="clip")
NAMES = ["wave", "=1+1", "clap\x1b[31m\nhands, twice"]


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    encoder = STGCN("nw-ucla", base_channels=4, out_channels=8).eval()
    head = ProjectionHead(24, out_features=3, hidden_layers=0)
    with torch.no_grad():
        head.layers[0].weight.mul_(300)  # so that the classes are not all alike
    metadata = {"class_names": NAMES}
    save_pretrained(
        tmp_path / "mine", encoder=encoder, head=head, preprocessing=SETTINGS, readout="thirds", metadata=metadata
    )
    return tmp_path / "mine"


def write_clips(path, layout="nw-ucla", **arrays):
    joints = layouts.get(layout).joints
    x = np.random.default_rng(0).standard_normal((5, 3, 9, len(joints), 1)).astype(np.float32)
    np.savez(path, **{"x": x, "joint_names": np.array(joints), **arrays})
    return path


def run(*arguments):
    return main([str(argument) for argument in arguments])


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def probabilities(folder, clips, layout="nw-ucla"):
    found = from_pretrained(folder)
    settings = found.preprocessing if layout == "nw-ucla" else Preprocessing(**{**vars(SETTINGS), "to": found.layout})
    x = ArrayDataset.from_file(clips, layout=layout, preprocessing=settings).as_tensor()
    with torch.no_grad():
        return found.head(found.features(found.finish(x))).softmax(dim=1)


def test_every_clip_gets_its_classes_in_order(folder, tmp_path, capsys):
    names = np.array(["a", "@b", "c", "d", "e"])
    clips = write_clips(tmp_path / "clips.npz", names=names)
    out = tmp_path / "labels.csv"
    assert run("classify", folder, clips, "--out", out, "--top", 2, "--device", "cpu") == 0
    expected = probabilities(folder, clips).topk(2, dim=1)
    rows = table(out)
    assert list(rows[0]) == ["clip", "rank", "class", "name", "probability"]
    assert [row["clip"] for row in rows] == [name for name in ["a", "'@b", "c", "d", "e"] for _ in range(2)]
    assert [int(row["rank"]) for row in rows] == [1, 2] * 5
    assert [int(row["class"]) for row in rows] == expected.indices.flatten().tolist()
    found = [float(row["probability"]) for row in rows]
    assert found == pytest.approx(expected.values.flatten().tolist(), abs=2e-6)
    shown = {"wave", "'=1+1", r"clap\x1b[31m\nhands, twice"}
    assert {row["name"] for row in rows} <= shown
    assert "labels.csv: 5 clips, 3 classes" in capsys.readouterr().out


def test_json_has_the_names_as_they_are(folder, tmp_path, capsys):
    clips = write_clips(tmp_path / "clips.npz")
    assert run("classify", folder, clips, "--out", tmp_path / "labels.json", "--top", 9, "--device", "cpu") == 0
    rows = json.loads((tmp_path / "labels.json").read_text())
    assert len(rows) == 5 * 3  # no more ranks than classes
    assert {row["name"] for row in rows} == set(NAMES)
    assert sum(row["probability"] for row in rows[:3]) == pytest.approx(1, abs=1e-5)
    assert "\x1b" not in capsys.readouterr().out


def test_clips_of_another_skeleton_are_remapped_and_it_is_said(folder, tmp_path, capsys):
    clips = write_clips(tmp_path / "kinect.npz", "ntu-rgb+d")
    assert run("classify", folder, clips, "--out", tmp_path / "labels.json", "--top", 3, "--device", "cpu") == 0
    assert "clips of ntu-rgb+d as nw-ucla" in capsys.readouterr().err
    rows = json.loads((tmp_path / "labels.json").read_text())
    expected = probabilities(folder, clips, "ntu-rgb+d").sort(dim=1, descending=True).values.flatten()
    assert [row["probability"] for row in rows] == pytest.approx(expected.tolist(), abs=2e-6)


def test_pictures_get_a_depth_and_are_turned_upright(folder, tmp_path):
    flat = np.random.default_rng(0).standard_normal((3, 2, 9, 17, 1)).astype(np.float32)
    clips = write_clips(tmp_path / "pictures.npz", "coco-17", x=flat)
    more = ("--y", "down", "--coordinates", 3, "--missing", "nearest", "--device", "cpu")
    assert run("classify", folder, clips, "--out", tmp_path / "labels.json", "--top", 3, *more) == 0
    up = np.concatenate([flat * [[[[1]]], [[[-1]]]], np.zeros_like(flat[:, :1])], axis=1).astype(np.float32)
    same = write_clips(tmp_path / "up.npz", "coco-17", x=up)
    assert run("classify", folder, same, "--out", tmp_path / "up.json", "--top", 3, "--missing", "nearest") == 0
    assert (tmp_path / "up.json").read_text() == (tmp_path / "labels.json").read_text()


def test_a_released_file_names_the_actions_of_ntu(tmp_path):
    weights = to_official(STGCN("ntu-rgb+d", base_channels=4, out_channels=8), source="PSTL")
    state = {f"encoder_q.{name}": value for name, value in weights.items()}
    state |= {"encoder_q.fc.weight": torch.randn(60, 8, 1, 1), "encoder_q.fc.bias": torch.zeros(60)}
    torch.save(state, tmp_path / "model.pt")
    meters = 0.2 * np.random.default_rng(0).standard_normal((5, 3, 9, 20, 1)).astype(np.float32)
    clips = write_clips(tmp_path / "clips.npz", x=meters)
    assert run("classify", tmp_path / "model.pt", clips, "--out", tmp_path / "labels.csv", "--device", "cpu") == 0
    names = load_official(state).class_names
    assert [row["name"] for row in table(tmp_path / "labels.csv")] == [
        names[int(row["class"])] for row in table(tmp_path / "labels.csv")
    ]


@pytest.mark.parametrize("protocol", ["linear", "finetune"])
def test_a_classifier_of_ones_own_labels_the_clips_that_it_was_tested_on(protocol, tmp_path):
    data = write_set(tmp_path / "mine.npz", class_names=np.array(["wave", "clap", "walk"]))
    save_run(tmp_path / "run", data)
    quick = ["--evaluate.accelerator", "cpu", "--finetune.epochs", "1", "--finetune.batch_size", "4"]
    assert run("evaluate", protocol, tmp_path / "run", "--evaluate.probe", "ridge", "--readout", "body", *quick) == 0
    model = tmp_path / "run" / "evaluation" / f"{protocol}_body_model"
    assert run("classify", model, data, "--out", tmp_path / "labels.csv", "--device", "cpu") == 0
    labels = [row["name"] for row in table(tmp_path / "labels.csv")]
    report = json.loads((tmp_path / "run" / "evaluation" / f"{protocol}_body.json").read_text())
    confusion = np.array(report["runs"][0]["results"][0]["report"]["confusion"])
    arrays = np.load(data)
    test = arrays["subject"] % 2 == 0
    right = [name == arrays["class_names"][label] for name, label in zip(labels, arrays["y"], strict=True)]
    assert int(np.array(right)[test].sum()) == int(np.trace(confusion))


def test_a_classifier_on_a_remapped_skeleton_labels_clips_as_they_were_recorded(tmp_path):
    data = write_set(tmp_path / "mine.npz", "nw-ucla", class_names=np.array(["wave", "clap", "walk"]))
    torch.manual_seed(0)
    encoder = STGCN("ntu-rgb+d", base_channels=4, out_channels=8).eval()
    save_pretrained(tmp_path / "encoder", encoder=encoder, preprocessing=Preprocessing(frames=12))
    more = ["--data.path", data, "--data.split", "cross-subject", "--data.to", "ntu-rgb+d", "--evaluate.probe", "ridge"]
    more += ["--evaluate.accelerator", "cpu"]
    assert run("evaluate", "linear", tmp_path / "encoder", *more) == 0
    there = tmp_path / "encoder_evaluation"
    assert run("classify", there / "linear_mine_model", data, "--out", tmp_path / "labels.csv", "--device", "cpu") == 0
    report = json.loads((there / "linear_mine.json").read_text())
    confusion = np.array(report["runs"][0]["results"][0]["report"]["confusion"])
    arrays, rows = np.load(data), table(tmp_path / "labels.csv")
    test = arrays["subject"] % 2 == 0
    right = np.array([row["class"] for row in rows]).astype(int) == arrays["y"]
    assert int(right[test].sum()) == int(np.trace(confusion))


def test_a_prepared_set(folder, tmp_path):
    write_nw_ucla(tmp_path / "raw", clips=4)
    prepared = tmp_path / "set"
    more = ("--frames", 12, "--persons", 1, "--center", "clip")
    assert run("prepare", "nw-ucla", "--root", tmp_path / "raw", "--out", prepared, *more) == 0
    assert run("classify", folder, prepared, "--out", tmp_path / "labels.csv", "--device", "cpu") == 0
    assert len(table(tmp_path / "labels.csv")) == 4
    assert run("classify", folder, prepared, "--out", tmp_path / "other.csv", "--y", "down") == 1


def test_what_a_user_can_mend_is_one_line(folder, tmp_path, capsys):
    clips = write_clips(tmp_path / "clips.npz")
    encoder = from_pretrained(folder).encoder
    save_pretrained(tmp_path / "bare", encoder=encoder, preprocessing=SETTINGS)
    head = ProjectionHead(8, out_features=3, hidden_layers=0)
    about = {"class_names": ["a", "b", "c"]}
    save_pretrained(
        tmp_path / "other", encoder=encoder, head=head, preprocessing=SETTINGS, readout="body", metadata=about
    )
    save_pretrained(tmp_path / "silent", encoder=encoder, head=head, metadata=about)
    bad = write_clips(tmp_path / "hands.npz", "hand-21")
    out = tmp_path / "labels.csv"
    for arguments, message in [
        ((tmp_path / "bare", clips), "encoder: expected an encoder with a classifier and class names"),
        (
            (tmp_path / "other", clips),
            "expected a classifier that takes the 40 features of the readout 'body', got one that takes 8",
        ),
        ((tmp_path / "silent", clips), "does not record how to prepare clips"),
        ((tmp_path / "none", clips), "there is no pretrained encoder in"),
        ((clips, clips), "clips.npz: expected a checkpoint"),
        ((folder, tmp_path / "none.npz"), "clips: there is no file or folder"),
        ((folder, bad), "add --missing nearest to use the nearest joints"),
        ((folder, clips, "--top", 0), "top: expected an integer >= 1, got 0"),
        ((folder, clips, "--layout", "sbu"), "layout: "),
        ((folder, clips, "--device", "toaster"), "device: 'toaster' is not available"),
    ]:
        assert run("classify", *arguments, "--out", out) == 1, arguments
        error = capsys.readouterr().err
        last = error.splitlines()[-1]
        assert last.startswith("error: "), error
        assert message in last, error
        assert not out.exists()
    assert run("classify", folder, clips, "--out", tmp_path / "labels.txt") == 1
    assert "out: expected a file that ends in .csv or .json" in capsys.readouterr().err
    out.write_text("mine")
    assert run("classify", folder, clips, "--out", out) == 1
    assert "overwrite=True" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert run("classify", folder, clips, "--out", out, "--overwrite", "--device", "cpu") == 0
