"""Near copies and pages of ``skelblocks inspect``."""

import sys

import numpy as np
import pytest

from skelblocks.cli import main
from skelblocks.data import synthetic_motion
from skelblocks.testing import write_nw_ucla, write_pyskl


def run(*arguments):
    return main([str(argument) for argument in arguments])


@pytest.fixture
def file(tmp_path):
    """Twelve clips, of which clip 9 is clip 2 by another subject and before another view."""
    motion = synthetic_motion(classes=3, subjects=2, views=2, frames=12)
    x = motion.x.numpy().copy()
    x[9] = x[2] + 0.5 * (x[2] != 0)
    path = tmp_path / "set.npz"
    np.savez(path, x=x, y=motion.labels.numpy(), subject=1 + motion.subjects.numpy(), view=motion.views.numpy())
    return path


def printed(capsys):
    return " ".join(capsys.readouterr().out.split())


def test_text_tells_of_near_copies(file, capsys):
    assert not run("inspect", file)
    assert "near copies 1 pair: 1 of another subject, 1 of another view." in printed(capsys)
    assert not run("inspect", file, "--split", "cross-subject")
    assert "near copies 1 pair, 1 across training and test." in printed(capsys)
    assert not run("inspect", file, "--split", "cross-view", "--train-ids", 1)
    assert "near copies 1 pair, 1 across training and test." in printed(capsys)
    assert not run("inspect", file, "--threshold", 0)
    assert "No two clips are near copies" in printed(capsys)


def test_large_sets_are_searched_when_asked(file, capsys, monkeypatch):
    monkeypatch.setattr("skelblocks.cli.inspect_page._SEARCHED", 11)
    assert not run("inspect", file)
    assert "not searched in 12 clips; add --copies to search" in printed(capsys)
    assert not run("inspect", file, "--copies")
    assert "near copies 1 pair" in printed(capsys)


def test_the_split_of_the_set_itself(file, tmp_path, capsys):
    arrays = dict(np.load(file))
    np.savez(tmp_path / "split.npz", **arrays, is_train=np.arange(12) < 6)
    assert not run("inspect", tmp_path / "split.npz")
    assert "1 pair, 1 across training and test" in printed(capsys)
    write_nw_ucla(tmp_path / "raw", clips=6)
    assert not run("prepare", "nw-ucla", "--root", tmp_path / "raw", "--out", tmp_path / "out", "--protocol", "xview")
    assert not run("inspect", tmp_path / "out", "--html", tmp_path / "out.html")
    html = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "4 train, 2 test" in html
    assert "The set out" in html


def test_a_page_of_any_source(file, tmp_path, capsys):
    page = tmp_path / "set.html"
    assert not run("inspect", file, "--layout", "ntu-rgb+d", "--split", "cross-view", "--html", page)
    assert f"page: {page}" in capsys.readouterr().out
    html = page.read_text(encoding="utf-8")
    assert "1 pair, 1 across training and test" in html
    assert 'id="data-motion"' in html
    clips = write_pyskl(tmp_path / "pyskl", clips=3)
    assert not run("inspect", clips, "--html", tmp_path / "pyskl.html")
    assert 'id="data-motion"' in (tmp_path / "pyskl.html").read_text(encoding="utf-8")


def test_mistakes_leave_no_page(file, tmp_path, capsys, monkeypatch):
    page = tmp_path / "set.html"
    flat = tmp_path / "flat.npz"
    np.savez(flat, x=np.zeros((4, 3)))
    there = tmp_path / "there.html"
    there.write_text("mine")
    for arguments, message in [
        ((file, "--html", tmp_path / "set.pdf"), "html: expected a name that ends in .html"),
        ((file, "--html", tmp_path / "none" / "set.html"), "does not exist; create it first"),
        ((file, "--html", there), "choose another name, or add --overwrite"),
        ((file, "--html", page, "--split", "fold"), "split: expected groups fold for fold, got subject, view"),
        ((file, "--html", page, "--split", "is_train"), "expected an array 'is_train'"),
        ((file, "--html", page, "--train-ids", 1), "train-ids: expected a --split"),
        (
            (file, "--html", page, "--split", "cross-view", "--train-ids", 7),
            "train-ids: expected some of the views 0, 1",
        ),
        ((file, "--html", page, "--threshold", 1), "threshold: expected a number from 0 to below 1"),
        ((flat, "--html", page), "expected clips, which --html"),
    ]:
        assert run("inspect", *arguments) == 1, arguments
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert there.read_text() == "mine"
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert run("inspect", file, "--html", page) == 1
    assert "skelblocks[pages]" in capsys.readouterr().err
    assert not page.exists()
    monkeypatch.undo()
    assert not run("inspect", file, "--html", there, "--overwrite")
    assert "<!doctype html>" in there.read_text(encoding="utf-8")


def test_a_set_that_cannot_be_compared_is_still_told_of(tmp_path, capsys):
    np.savez(tmp_path / "empty.npz", x=np.zeros((0, 3, 5, 25, 1)))
    assert not run("inspect", tmp_path / "empty.npz")
    assert "near copies not searched: clips: expected at least one clip" in printed(capsys)
