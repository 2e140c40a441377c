"""The page that distills, as a command."""

import json

import numpy as np
import pytest
import torch

from skelblocks import layouts
from skelblocks.cli import main
from skelblocks.data import Preprocessing, motion_batches
from skelblocks.encoders import STGCN
from skelblocks.evaluation import extract_features
from skelblocks.interop import from_pretrained, save_pretrained
from skelblocks.training import DistillOptions
from skelblocks.training.pages import load_script

SHORT = ["--steps", "3", "--batch-size", "4"]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher") / "encoder"
    torch.manual_seed(0)
    encoder = STGCN("ntu-rgb+d", base_channels=4, out_channels=8)
    with torch.no_grad():  # weights that tell clips apart
        for parameter in encoder.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    settings = Preprocessing(frames=16, align="official", persons=2)
    save_pretrained(folder, encoder=encoder, preprocessing=settings)
    return folder


@pytest.fixture(scope="module")
def student(teacher, tmp_path_factory):
    folder = tmp_path_factory.mktemp("student") / "coco"
    assert main(["distill", "--teacher", str(teacher), "--layout", "coco-17", "--out", str(folder), *SHORT]) == 0
    return folder


def flat(n=4):
    return next(motion_batches(batch_size=n, layout="coco-17", frames=24))[:, :2]


def test_the_student_is_an_ordinary_encoder_with_a_record(student, teacher):
    found = from_pretrained(student)
    assert found.layout.name == "ntu-rgb+d"
    assert found.preprocessing.to_dict() | {"source": "coco-17"} == found.preprocessing.to_dict()
    assert (found.preprocessing.scale, found.preprocessing.y, found.preprocessing.coordinates) == ("bones", "auto", 3)
    record = found.metadata["distilled"]
    assert (record["teacher"], record["layout"], record["seed"]) == (["encoder"], "coco-17", 0)
    assert record["motion"] == ["synthetic"]
    assert found.encoder.dropout == from_pretrained(teacher).encoder.dropout


def test_what_comes_after_takes_the_readout_of_the_student(student, teacher, tmp_path):
    assert from_pretrained(student).readout == "mean_std"
    words = ["distill", "--teacher", str(teacher), "--layout", "coco-17", "--readout", "mean", *SHORT]
    assert main([*words, "--out", str(tmp_path / "other")]) == 0
    assert from_pretrained(tmp_path / "other").readout == "mean"


@pytest.fixture
def pictures(tmp_path):
    path = tmp_path / "clips.npz"
    names = np.array(layouts.get("coco-17").joints)
    np.savez(path, x=flat(12).numpy(), y=np.arange(12) % 3, subject=1 + np.arange(12) // 6, joint_names=names)
    return path


def test_a_classifier_on_the_student_labels_clips(student, pictures, tmp_path):
    words = ["evaluate", "linear", str(student), "--data.path", str(pictures), "--evaluate.probe", "ridge"]
    assert main([*words, "--out", str(tmp_path / "scores")]) == 0
    model = tmp_path / "scores" / "linear_clips_model"
    assert from_pretrained(model).readout == "mean_std"
    assert main(["classify", str(model), str(pictures), "--out", str(tmp_path / "found.csv")]) == 0
    rows = (tmp_path / "found.csv").read_text().splitlines()
    assert len({row.split(",")[0] for row in rows[1:]}) == 12


def test_a_method_starts_from_the_student(student, pictures, tmp_path):
    run = tmp_path / "run"
    words = ["train", "skeletonclr", "--config", "adapt", "--start", str(student), "--data.path", str(pictures)]
    words += ["--data.to", "ntu-rgb+d", "--data.missing", "nearest", "--data.coordinates", "3"]
    words += ["--data.scale", "bones", "--data.y", "auto", "--data.frames", "16"]
    words += ["--encoder.base_channels", "4", "--encoder.out_channels", "8", "--contrast.queue_size", "4"]
    words += ["--train.epochs", "1", "--train.warmup_epochs", "0", "--train.batch_size", "2"]
    assert main([*words, "--train.accelerator", "cpu", "--train.folder", str(run)]) == 0
    found = from_pretrained(run / "encoder")
    assert found.preprocessing.differences(from_pretrained(student).preprocessing, layout="ntu-rgb+d") == []


def test_unit_and_direction_of_the_clips_do_not_matter(student):
    found, x = from_pretrained(student), flat()
    pixels = torch.stack((640 + 300 * x[:, 0], 700 - 300 * x[:, 1]), dim=1)
    features = [extract_features(found.encoder, found.prepare(clips)) for clips in (x, pixels)]
    torch.testing.assert_close(*features, rtol=1e-3, atol=1e-3)


def test_the_same_seed_gives_the_same_student(student, teacher, tmp_path):
    words = ["distill", "--teacher", str(teacher), "--layout", "coco-17", *SHORT]
    assert main([*words, "--out", str(tmp_path / "again")]) == 0
    assert main([*words, "--out", str(tmp_path / "other"), "--seed", "1"]) == 0
    first, again, other = (
        from_pretrained(folder).encoder.state_dict() for folder in (student, tmp_path / "again", tmp_path / "other")
    )
    assert all(value.equal(again[name]) for name, value in first.items())
    assert not all(value.equal(other[name]) for name, value in first.items())


def test_a_student_on_its_own_layout_of_another_size(teacher, tmp_path):
    layouts.save(layouts.restrict("coco-17", list(layouts.get("coco-17").joints[5:])), tmp_path / "mine.json")
    words = ["--start", "nothing", "--base-channels", "4", "--out-channels", "4", *SHORT]
    command = ["distill", "--teacher", str(teacher), str(teacher), "--layout", str(tmp_path / "mine.json"), *words]
    assert main([*command, "--out", str(tmp_path / "small")]) == 0
    found = from_pretrained(tmp_path / "small")
    assert (found.layout.num_joints, found.encoder.in_channels, found.encoder.out_channels) == (12, 2, 4)


def test_the_first_guesses_of_a_fresh_student_have_the_spread_of_the_targets():
    """Otherwise the first steps go into the size of the features alone."""
    torch.manual_seed(0)
    targets = 5 + 0.01 * torch.randn(64, 12)
    encoder = STGCN("coco-17", in_channels=2, base_channels=4, out_channels=8)
    student = load_script("distill").Student(encoder, targets=targets, started=False)
    guesses = student(torch.randn(8, 2, 16, 17, 1))
    units = (guesses - targets.mean(dim=0)) / targets.std(dim=0)
    assert 0.1 < units.std() < 3
    assert units.mean().abs() < 1


@pytest.mark.slow
def test_the_student_comes_to_agree_with_the_teacher(teacher):
    script = load_script("distill")
    options = DistillOptions(teacher=(str(teacher),), layout="coco-17", batch_size=16, noise=False, precision="32")
    first, last = (script.distill(DistillOptions(**{**vars(options), "steps": steps}))[1]["loss"] for steps in (2, 150))
    assert last < 0.8 * first


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--layout", "coco-18"], "layout"),
        (["--layout", "coco-17", "--teacher", "none.pt"], "teacher: there is no file or folder 'none.pt'"),
        (["--layout", "coco-17", "--motion", "none.npz"], "motion: there is no file or folder 'none.npz'"),
        (["--layout", "coco-17", "--learning-rate", "1e30"], "the loss of step"),
        (["--layout", "hand-21"], ""),
    ],
)
def test_mistakes_are_said_in_a_line_and_leave_nothing(words, message, teacher, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["distill", "--teacher", str(teacher), *words, "--out", str(out), *SHORT]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: ")
    assert message in said
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_replaced_without_being_asked(student, teacher, capsys):
    before = (student / "config.json").read_bytes()
    words = ["distill", "--teacher", str(teacher), "--layout", "coco-17", "--out", str(student), *SHORT]
    assert main(words) == 1
    assert "is not empty; choose another folder" in capsys.readouterr().err
    assert (student / "config.json").read_bytes() == before
    assert main([*words, "--overwrite", "--seed", "3"]) == 0
    assert json.loads((student / "config.json").read_text())["metadata"]["distilled"]["seed"] == 3
