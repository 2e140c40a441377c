"""The study of small sets: its joined file, its short runs, and its tables."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from small_run import write_set

from benchmarks.studies.small_sets import __main__ as small_sets
from benchmarks.studies.small_sets import across, claims
from benchmarks.studies.small_sets.figures import save_hits
from benchmarks.studies.small_sets.finetuned import run_finetuned
from benchmarks.studies.small_sets.joined import training_part, write_joined
from benchmarks.studies.small_sets.sets import study_sets
from benchmarks.studies.small_sets.table import collect
from skelblocks import layouts
from skelblocks.encoders import STGCN
from skelblocks.interop import save_pretrained
from skelblocks.layouts import remap


@pytest.fixture
def places(tmp_path):
    """A set of one person and a set of two with folds, in which every third clip has one person."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((72, 3, 12, 15, 2)).astype(np.float32)
    x[::3, ..., 1] = 0
    two = {"x": x, "length": np.full(72, 12), "y": np.arange(72) % 3, "subject": None, "fold": np.arange(72) // 3 % 4}
    sbu = write_set(tmp_path / "sbu.npz", "sbu", **two)
    x = rng.standard_normal((72, 3, 9, 20, 1)).astype(np.float32)
    one = {"x": x, "length": np.full(72, 9), "y": np.arange(72) % 3, "subject": 1 + np.arange(72) // 3 % 2}
    utd = write_set(tmp_path / "utd.npz", "utd-mhad", **one)
    return [study_sets("utd-mhad", utd)[0], study_sets("sbu", sbu)[-1]]


def test_the_joined_file_has_the_training_clips_of_each_person(places, tmp_path):
    write_joined(tmp_path / "joined.npz", places)
    with np.load(tmp_path / "joined.npz") as found:
        names, x, length = found["set"], found["x"], found["length"]
    assert {name: int((names == name).sum()) for name in np.unique(names)} == {
        "sbu": 90,  # 54 of 72 clips train, 36 of them have two persons
        "synthetic": 480,
        "utd-mhad": 36,
    }
    assert x.shape[1:] == (3, 50, 25, 1)
    assert set(length[names == "sbu"]) == {12}
    with np.load(places[0].path) as arrays:
        odd = arrays["x"][arrays["subject"] % 2 == 1]
    expected, _ = remap(odd, source=layouts.get("utd-mhad"), target="ntu-rgb+d", missing="nearest")
    np.testing.assert_array_equal(x[names == "utd-mhad"][:, :, :9], expected)
    assert not x[names == "utd-mhad"][:, :, 9:].any()


def test_the_fold_that_tests_does_not_train(places):
    with np.load(places[1].path) as arrays:
        kept = arrays["x"][arrays["fold"] != 3]
    part = training_part(places[1])
    assert len(part.clips) == int((kept != 0).any(axis=(1, 2, 3)).sum())


def test_the_tables_of_the_matrix_and_of_the_pieces(tmp_path):
    def save(name, right, seed=0):
        right = np.array(right, dtype=np.float32)
        save_hits(tmp_path / "hits" / f"{name}={seed}.npz", {"all": right, "kNN-1": 1 - right})

    save("b@4=across, a=mean", [1, 1, 0, 0])
    save("b@4=across, a=mean", [1, 1, 1, 0], seed=1)
    save("a=across, all=mean", [1, 0, 0, 0])
    save("a=claims, aimclr=mean", [1, 1, 1, 0])
    save("a=claims, aimclr, no drop=mean", [1, 0, 0, 0])
    save("a=claims, aimclr=mean", [0, 0, 0, 0], seed=1)  # its other half is not there yet
    save("a=frozen=mean", [1, 1, 1, 1])
    lines = across.matrix(tmp_path)
    assert lines[2:] == [
        "| trained on | a | b |",
        "| --- | --- | --- |",
        "| a |  | 62.5 ± 17.7, 37.5 ± 17.7 |",
        "| all | 25.0, 75.0 |  |",
    ]
    (row,) = claims.what_pieces_change(tmp_path)[4:]
    assert row.startswith("| AimCLR: drop | a | mean | 1 | 75.0 | 25.0 | +50.0 (")
    assert list(collect(tmp_path / "hits")["a"]) == ["frozen | mean"]


@pytest.mark.slow
def test_both_studies_run_and_do_nothing_twice(places, tmp_path):
    save_pretrained(tmp_path / "weights", encoder=STGCN("ntu-rgb+d"))
    root = Path(__file__).parents[1]

    def study(kind, sets):
        command = [sys.executable, "-m", "benchmarks.studies.small_sets", "run", "--out", str(tmp_path / "out")]
        command += ["--rows", kind, "--steps", "1", "--seeds", "1", "--weights", str(tmp_path / "weights")]
        command += [word for place in sets for word in ("--set", f"{place.name}={place.path}")]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=root).stdout

    found = study("across", places)
    assert "| all | " in found
    hits = set((tmp_path / "out" / "hits").iterdir())
    assert len(hits) == 2 * 5 * 2
    assert "across all" in found
    assert "across all" not in study("across", places)
    row = "| CrossMoCo: occlusion in place of shear and crop | utd-mhad | mean_std | 1 |"
    assert row in study("claims", places[:1])


def test_fine_tuned_streams_are_fused_by_name(tmp_path, places):
    class Tuned:
        place = places[0]

        def finetuned(self, seed, *, stream):
            labels = self.place.clips(frames=50).test.labels
            right = torch.eye(3)[labels]
            # Joint and motion agree on a wrong class with 1.0 together, which bone's 0.6 cannot outvote.
            share = {"joint": right.roll(1, dims=1), "bone": right, "motion": right.roll(1, dims=1)}[stream]
            return {"linear": share, "ridge": right, "both": (share + right) / 2}

    run_finetuned(Tuned(), out=tmp_path, seeds=1, streams=("joint", "bone", "motion"))
    found = collect(tmp_path / "hits")["utd-mhad"]
    means = {row: float(seeds[0]["all"].mean()) for row, seeds in found.items()}
    assert means["fine-tuned | classifier: linear"] == 0
    assert means["fine-tuned, bone | classifier: linear"] == 1
    assert means["fine-tuned, three streams | classifier: linear"] == 0
    assert means["fine-tuned, three streams | classifier: ridge"] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--rows", "claims"],
            "--weights: expected weights to start from for the rows claims, got none; add",
        ),
        (["--rows", "nothing", "--weights", "nope.pt"], "--weights: there is no file or folder 'nope.pt'; check"),
        (["--set", "b=nope.npz"], "--set: expected NAME=FILE with a file that exists, got 'b=nope.npz'; correct it"),
    ],
)
def test_a_study_that_cannot_run_says_so_before_the_work(tmp_path, monkeypatch, capsys, words, message):
    (tmp_path / "a.npz").touch()
    command = ["small_sets", "run", "--out", str(tmp_path / "out"), "--set", f"a={tmp_path / 'a.npz'}", *words]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit):
        small_sets.main()
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
