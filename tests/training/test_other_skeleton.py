"""A run on clips of another skeleton than its encoder's, in a picture, with joints that are not seen."""

import json

import numpy as np
import pytest
from small_run import SMALL, in_groups, write_set

from skelblocks import layouts
from skelblocks.cli import main
from skelblocks.interop import from_pretrained
from skelblocks.training import MethodOptions, load_page, parse_options


def pictures(seed=0):
    """Clips of UTD-MHAD's joints in a picture that counts downwards; some joints are NaN."""
    rng = np.random.default_rng(seed)
    x = 0.2 * rng.standard_normal((24, 2, 20, 20, 1)).astype(np.float32)
    x[:, 1, :, layouts.get("utd-mhad").index("shoulder_center")] -= 0.5
    x[np.broadcast_to(rng.random((24, 1, 20, 20, 1)) < 0.05, x.shape)] = np.nan
    return x


@pytest.mark.slow
def test_a_run_on_another_skeleton_goes_the_whole_way(tmp_path, capsys):
    data = write_set(tmp_path / "clips.npz", x=pictures())
    layouts.save({**layouts.get("ntu-rgb+d").to_dict(), "name": "mine"}, tmp_path / "mine.json")
    chosen = in_groups(MethodOptions, {**SMALL, "synthetic": {}, "epochs": 1})
    (tmp_path / "small.yaml").write_text(json.dumps(chosen))
    words = ["--config", tmp_path / "small.yaml", "--data.path", data, "--train.folder", tmp_path / "run"]
    words += [
        "--data.to",
        tmp_path / "mine.json",
        "--data.y",
        "auto",
        "--data.coordinates",
        "3",
        "--data.nan",
        "unseen",
    ]
    page = load_page("skeletonclr")
    page.train(parse_options(page.options, list(map(str, words))))
    found = from_pretrained(tmp_path / "run" / "encoder")
    settings = found.preprocessing
    assert (settings.y, settings.coordinates, settings.nan, settings.source) == ("down", 3, "unseen", "utd-mhad")
    assert settings.to == found.layout
    assert (found.layout.name, found.encoder.in_channels) == ("mine", 3)
    (tmp_path / "mine.json").rename(tmp_path / "moved.json")
    page.train(parse_options(page.options, [*map(str, words), "--train.epochs", "2"]))  # resumes without the file
    assert "The skeleton's file no longer exists" in capsys.readouterr().out
    run, quick = str(tmp_path / "run"), ["--evaluate.accelerator", "cpu"]
    assert main(["evaluate", "knn", run, *quick]) == 0
    other = write_set(tmp_path / "other.npz", x=pictures(seed=1))
    assert main(["evaluate", "knn", run, "--data.path", other, "--data.split", "cross-subject", *quick]) == 0
    target = 0.2 * np.random.default_rng(2).standard_normal((24, 3, 20, 25, 1)).astype(np.float32)
    same = write_set(tmp_path / "same.npz", "ntu-rgb+d", x=target)
    options = ["--data.path", same, "--data.split", "cross-subject", "--data.y", "up", *quick]
    assert main(["evaluate", "knn", run, *options]) == 0
    for clips in (data, same):
        assert main(["embed", str(tmp_path / "run" / "encoder"), clips, "--out", f"{clips}.embedded"]) == 0


def test_prepare_knows_the_options(tmp_path, capsys):
    from skelblocks.data import PreparedSet
    from skelblocks.testing import write_nw_ucla

    write_nw_ucla(tmp_path / "raw", clips=4)
    command = ["prepare", "nw-ucla", "--root", str(tmp_path / "raw"), "--out", str(tmp_path / "set"), "--frames", "8"]
    options = ["--to", "coco-17", "--missing", "nearest", "--y", "down", "--coordinates", "2"]
    assert main([*command, "--to", "coco-17"]) == 1
    assert "to: source: 'nw-ucla' lacks nose" in capsys.readouterr().err
    assert main([*command, *options]) == 0
    prepared = PreparedSet(tmp_path / "set")
    assert prepared.shape == (2, 8, 17, 1)
    settings = prepared.preprocessing
    assert (settings.to, settings.missing, settings.y, settings.coordinates) == ("coco-17", "nearest", "down", 2)
