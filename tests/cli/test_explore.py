"""`skelblocks explore`: a page from a run, an encoder, or saved features."""

import sys

import numpy as np
import pytest
import torch
from explored_page import carried
from saved_run import save_run
from small_run import write_set

from skelblocks.cli import main
from skelblocks.clips import Preprocessing
from skelblocks.encoders import STGCN
from skelblocks.evaluation import nearest_neighbors
from skelblocks.interop import save_pretrained

for package in ("jinja2", "sklearn", "safetensors", "lightning_fabric"):
    pytest.importorskip(package)

QUICK = ("--map", "pca", "--device", "cpu")


def run(*arguments):
    return main([str(argument) for argument in arguments])


@pytest.fixture
def clips(tmp_path):
    return write_set(tmp_path / "clips.npz")


@pytest.fixture
def encoder(tmp_path):
    torch.manual_seed(0)
    save_pretrained(
        tmp_path / "encoder",
        encoder=STGCN("utd-mhad", base_channels=4, out_channels=8),
        preprocessing=Preprocessing(frames=16),
    )
    return tmp_path / "encoder"


def test_an_encoder_and_clips(tmp_path, encoder, clips, capsys):
    out = tmp_path / "page.html"
    assert not run("explore", encoder, clips, "--out", out, *QUICK, "--neighbors", 4)
    assert "page.html: 24 clips" in capsys.readouterr().out
    html = out.read_text(encoding="utf-8")
    for row in ("this encoder", "untrained encoder", "raw coordinates"):
        assert f'<th scope="row">{row}</th>' in html
    found = carried(html)
    assert found["neighbors"].shape == (24, 4)
    assert found["explore"]["maps"] == ["principal components"]


def test_saved_features_give_the_same_neighbors(tmp_path, encoder, clips):
    assert not run("embed", encoder, clips, "--out", tmp_path, "--device", "cpu")
    out = tmp_path / "page.html"
    features = tmp_path / "embeddings.npz"
    assert not run("explore", features, clips, "--out", out, *QUICK, "--no-baselines", "--color", "subject")
    found = carried(out.read_text(encoding="utf-8"))
    with np.load(features) as file:
        saved = torch.from_numpy(file["embeddings"])
    np.testing.assert_array_equal(found["neighbors"], nearest_neighbors(saved, saved, k=5, exclude_self=True)[1])
    assert found["explore"]["color"] == "subject"


def test_features_go_by_the_names_of_their_clips(tmp_path, clips):
    embeddings = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    np.savez(tmp_path / "some.npz", embeddings=embeddings, names=["4", "0", "7", "2", "9"])
    out = tmp_path / "page.html"
    assert not run("explore", tmp_path / "some.npz", clips, "--out", out, *QUICK)
    assert carried(out.read_text(encoding="utf-8"))["explore"]["names"] == ["4", "0", "7", "2", "9"]


def test_a_run_shows_its_test_clips(tmp_path, clips):
    save_run(tmp_path / "run", clips)
    out = tmp_path / "page.html"
    assert not run("explore", tmp_path / "run", "--out", out, *QUICK)
    html = out.read_text(encoding="utf-8")
    assert "12 test clips, by 12 training clips" in html
    assert "untrained, N(0, 0.02)" in html
    assert "coordinates, plain" in html
    assert len(carried(html)["explore"]["names"]) == 12
    assert not run("explore", tmp_path / "run", "--out", out, *QUICK, "--overwrite", "--sample", 5, "--no-baselines")
    assert len(carried(out.read_text(encoding="utf-8"))["explore"]["names"]) == 5


def test_a_sample_is_the_same_for_the_same_seed(tmp_path, encoder, clips):
    names = []
    for seed in (1, 1, 2):
        out = tmp_path / "page.html"
        options = ("--overwrite", "--no-baselines", "--sample", 6, "--seed", seed)
        assert not run("explore", encoder, clips, "--out", out, *QUICK, *options)
        names.append(carried(out.read_text(encoding="utf-8"))["explore"]["names"])
    assert names[0] == names[1] != names[2]
    assert len(names[0]) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["{encoder}", "{clips}", "--out", "{out}", "--color", "sex"],
            "color: expected one of class, subject, cluster",
        ),
        (["{encoder}", "{clips}", "--out", "{folder}/page.pdf"], "out: expected a name that ends in .html"),
        (["{encoder}", "{clips}", "--out", "{folder}/none/page.html"], "out: the folder"),
        (["{encoder}", "{clips}", "--out", "{out}", "--neighbors", "0"], "neighbors: expected an integer >= 1"),
        (["{encoder}", "{clips}", "--out", "{out}", "--sample", "25"], "sample: expected at most 24, got 25"),
        (["{encoder}", "{clips}", "--out", "{out}", "--seed", "-1"], "seed"),
        (["{encoder}", "{folder}/none", "--out", "{out}"], "clips: there is no file or folder"),
        (["{encoder}", "{clips}", "--out", "{out}", "--layout", "coco-17"], "17"),
        (["{encoder}", "--out", "{out}"], "name the clips after the encoder"),
        (
            ["{encoder}", "--out", "{out}", "--part", "test"],
            "part: this option describes clips named on the command line",
        ),
        (["{features}", "--out", "{out}"], "clips: expected the clips of these features"),
        (["{features}", "{clips}", "--out", "{out}"], "the set has no 'nobody'"),
        (["{clips}", "{clips}", "--out", "{out}"], "encoder: expected an .npz file with the arrays embeddings, names"),
        (["{folder}/broken.npz", "{clips}", "--out", "{out}"], "is not a whole numpy file"),
        (["{folder}/none", "{clips}", "--out", "{out}"], "none"),
    ],
)
def test_errors_are_one_line_and_leave_no_page(tmp_path, encoder, clips, capsys, arguments, message):
    np.savez(tmp_path / "features.npz", embeddings=np.ones((3, 2), np.float32), names=["0", "1", "nobody"])
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 and so on")
    places = {"encoder": encoder, "clips": clips, "folder": tmp_path, "out": tmp_path / "page.html"}
    places["features"] = tmp_path / "features.npz"
    assert run("explore", *(each.format(**places) for each in arguments), *QUICK) == 1
    (line,) = [each for each in capsys.readouterr().err.splitlines() if each.startswith("error: ")]
    assert message in line
    assert not list(tmp_path.glob("*.html"))


def test_too_many_clips(tmp_path, encoder, clips, capsys, monkeypatch):
    monkeypatch.setattr("skelblocks.cli.explore._MOST", 20)
    assert run("explore", encoder, clips, "--out", tmp_path / "page.html", *QUICK) == 1
    assert (
        "clips: expected at most 20, the most that a page can hold, got 24; add --sample 20" in capsys.readouterr().err
    )


@pytest.mark.parametrize(("module", "arguments"), [("jinja2", []), ("umap", ["--map", "umap"])])
def test_a_missing_extra_is_named(tmp_path, encoder, clips, capsys, monkeypatch, module, arguments):
    monkeypatch.setitem(sys.modules, module, None)
    assert run("explore", encoder, clips, "--out", tmp_path / "page.html", *QUICK, *arguments) == 1
    assert 'pip install "skelblocks[' in capsys.readouterr().err


def test_a_page_that_is_there_stays(tmp_path, encoder, clips, capsys):
    out = tmp_path / "page.html"
    out.write_text("mine")
    assert run("explore", encoder, clips, "--out", out, *QUICK) == 1
    assert "exists already" in capsys.readouterr().err
    assert out.read_text() == "mine"
