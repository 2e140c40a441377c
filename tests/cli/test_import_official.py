import pytest
import torch
from official_states import official_state

from skelblocks import layouts
from skelblocks.cli import main
from skelblocks.interop import from_pretrained, load_official

pytest.importorskip("safetensors")


def run(*arguments):
    return main(["import-official", *map(str, arguments)])


def test_a_checkpoint_becomes_a_pretrained_folder(tmp_path, capsys):
    state = official_state("CrosSCLR_2views", queue=8)
    torch.save(state, tmp_path / "epoch300_model.pt")
    out = tmp_path / "folder"
    assert run(tmp_path / "epoch300_model.pt", "--out", out, "--stream", "motion", "--frames", 64) == 0
    printed = capsys.readouterr().out
    assert "CrosSCLR: 732 tensors loaded, 0 dropped, 0 missing, 0 unexpected" in printed
    assert "encoder, head of CrosSCLR, motion stream, 64 frames" in printed
    pretrained = from_pretrained(out)
    assert (pretrained.stream, pretrained.preprocessing.frames, pretrained.preprocessing.align) == (
        "motion",
        64,
        "official",
    )
    assert pretrained.metadata["official"] == {"source": ["CrosSCLR"], "file": "epoch300_model.pt"}
    expected = load_official(state, stream="motion").encoder.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in pretrained.encoder.state_dict().items())
    assert run(tmp_path / "epoch300_model.pt", "--out", out) == 1
    assert run(tmp_path / "epoch300_model.pt", "--out", out, "--overwrite") == 0


@pytest.mark.parametrize(
    ("model", "options", "expected"),
    [
        ("AimCLR_linear_eval", (), (50, "official")),
        ("SkeAttnCLR_linear_eval", (), (64, "official")),
        ("SkeAttnCLR_linear_eval", ("--frames", 32, "--align", "none"), (32, None)),
        ("SkeleMixCLR_plus", ("--align", "clip"), (64, "clip")),
    ],
)
def test_clips_are_described_as_the_releases_prepared_them(tmp_path, model, options, expected):
    torch.save(official_state(model, queue=8, narrow=True), tmp_path / "model.pt")
    assert run(tmp_path / "model.pt", "--out", tmp_path / "folder", *options) == 0
    described = from_pretrained(tmp_path / "folder").preprocessing
    assert (described.frames, described.align) == expected


def test_a_graph_tells_whose_a_linear_evaluation_is(tmp_path):
    whole = official_state("SkeleMixCLR_plus", queue=8, narrow=True)
    state = {name: value for name, value in whole.items() if name.startswith("encoder_q.") and ".fc." not in name}
    channels = whole["encoder_q.fc.0.weight"].shape[1]
    state |= {"encoder_q.fc.weight": torch.zeros(60, channels), "encoder_q.fc.bias": torch.zeros(60)}
    torch.save(state, tmp_path / "model.pt")
    assert run(tmp_path / "model.pt", "--out", tmp_path / "folder") == 0
    assert from_pretrained(tmp_path / "folder").preprocessing.frames == 64


def test_a_skeleton_of_ones_own(tmp_path, capsys):
    torch.save(official_state("AimCLR_linear_eval", narrow=True), tmp_path / "model.pt")
    layouts.save({**layouts.get("ntu-rgb+d").to_dict(), "name": "mine"}, tmp_path / "mine.json")
    assert run(tmp_path / "model.pt", "--out", tmp_path / "folder", "--layout", tmp_path / "mine.json") == 0
    assert from_pretrained(tmp_path / "folder").layout.name == "mine"
    assert run(tmp_path / "model.pt", "--out", tmp_path / "other", "--layout", tmp_path / "none.json") == 1
    assert "error: layout: there is no file" in capsys.readouterr().err


def test_the_classifier_and_its_classes_are_kept(tmp_path, capsys):
    state = official_state("AimCLR_linear_eval", narrow=True)
    state["encoder_q.fc.weight"] = state["encoder_q.fc.weight"][..., None, None]
    torch.save(state, tmp_path / "model.pt")
    assert run(tmp_path / "model.pt", "--out", tmp_path / "folder") == 0
    assert "encoder, classifier of 60 classes as head of ActCLR or AimCLR or DoGCLR" in capsys.readouterr().out
    found = from_pretrained(tmp_path / "folder")
    assert found.metadata["class_names"][7] == "sitting down"
    features = torch.randn(3, 32)
    assert found.head(features).allclose(load_official(state).classifier(features))


def test_a_classifier_beside_a_projection_head_is_kept_and_said(tmp_path, capsys):
    state = official_state("SkeAttnCLR_linear_eval", narrow=True)
    torch.save(state, tmp_path / "model.pt")
    assert run(tmp_path / "model.pt", "--out", tmp_path / "folder") == 0
    assert "classifier of 60 classes as head in place of the projection head, attention" in capsys.readouterr().out
    assert from_pretrained(tmp_path / "folder").head.out_features == 60


def test_attention_is_kept(tmp_path):
    torch.save(official_state("SkeAttnCLR_linear_eval"), tmp_path / "model.pt")
    assert run(tmp_path / "model.pt", "--out", tmp_path / "folder", "--heads", 4) == 0
    assert from_pretrained(tmp_path / "folder").attention.num_heads == 4


def test_errors_are_one_line(tmp_path, capsys):
    state = official_state("AimCLR_linear_eval")
    del state["encoder_q.fc.bias"]
    torch.save(state, tmp_path / "model.pt")
    assert run(tmp_path / "model.pt", "--out", tmp_path / "folder") == 1
    assert "1 missing: encoder_q.fc.bias" in capsys.readouterr().err
    assert not (tmp_path / "folder").exists()
    assert run(tmp_path / "none.pt", "--out", tmp_path / "folder") == 1
    assert "there is none" in capsys.readouterr().err
