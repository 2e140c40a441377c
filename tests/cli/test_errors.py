"""Whatever is wrong, a command ends in one line; nothing in a file name or a file reaches the terminal as it is."""

import io
import json
import pickle
import random
import zipfile

import numpy as np
import pytest

from skelblocks import layouts
from skelblocks.cli import main
from skelblocks.cli.errors import line_of
from skelblocks.data import PreparedSet
from skelblocks.testing import (
    write_ntu_skeleton,
    write_nw_ucla,
    write_pku_mmd,
    write_position_pair,
    write_pyskl,
)


def run(*arguments):
    return main([str(argument) for argument in arguments])


def member(shape, content=b"", dtype="<f4"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue() + content


def archive(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


def test_an_archive_that_claims_more_than_it_has(tmp_path, capsys):
    path = archive(tmp_path / "big.npz", x=member((10**6, 3, 300, 25, 2000)))
    assert run("inspect", path) == 1
    assert "x.npy claims 180,000,000,000,000 bytes, and the file has 0" in capsys.readouterr().err


def test_files_without_clips_are_told_about(tmp_path, capsys):
    np.savez(tmp_path / "none.npz", x=np.zeros((0, 3, 4, 25, 1), np.float32))
    np.savez(tmp_path / "odd.npz", x=np.ones((2, 3, 4, 25, 1), np.float32), clip_name=np.array("x"), y=np.array(3))
    for name in ("none", "odd"):
        assert run("inspect", tmp_path / f"{name}.npz") == 0
        assert "float32 (" in capsys.readouterr().out
    (tmp_path / "S001C001P001R001A001.skeleton").write_text("1\n")
    assert run("inspect", tmp_path / "S001C001P001R001A001.skeleton") == 1
    assert "line 1: expected frames after their count, got the end of the file" in capsys.readouterr().err


def test_a_file_of_a_body_model_is_told_apart(tmp_path, capsys):
    np.savez(tmp_path / "amass.npz", poses=np.zeros((3, 156)), trans=np.zeros((3, 3)), betas=np.zeros(16))
    assert run("inspect", tmp_path / "amass.npz") == 1
    error = capsys.readouterr().err
    assert "the parameters of a body model, as in AMASS" in error
    assert "keys=" not in error


def test_nothing_in_a_name_reaches_the_terminal(tmp_path, capsys):
    evil = "\x1b[31mred\x1b]0;title\x07\u202e\n"
    np.savez(tmp_path / "mine.npz", x=np.ones((2, 3, 4, 25, 1), np.float32), **{evil: np.ones(2)})
    assert run("inspect", tmp_path / "mine.npz") == 0
    assert run("inspect", tmp_path / f"{evil}.npz") == 1
    assert run("inspect", tmp_path / "mine.npz", "--layout", evil) == 1
    assert run("prepare", "pyskl", "--root", tmp_path / evil, "--out", tmp_path / "out") == 1
    assert run("embed", tmp_path / evil, tmp_path / evil, "--out", tmp_path / evil) == 1
    with pytest.raises(SystemExit):
        run("inspect", tmp_path / "mine.npz", evil)
    captured = capsys.readouterr()
    for text in (captured.out, captured.err):
        assert not set(text) & {"\x1b", "\x07", "\u202e"}
    assert captured.err.count("error: ") == 5


def test_the_traceback_is_behind_debug(tmp_path, capsys):
    assert run("inspect", tmp_path / "none") == 1
    assert "Traceback" not in capsys.readouterr().err
    for place in (0, 1, 2):
        words = ["inspect", str(tmp_path / "none")]
        words.insert(place, "--debug")
        assert main(words) == 1
        error = capsys.readouterr().err
        assert "Traceback (most recent call last)" in error
        assert error.splitlines()[-1].startswith("error: path: there is no file or folder")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (KeyError("x"), "KeyError: 'x'; this looks like an error in skelblocks"),
        (RecursionError("maximum"), "a file or an option is nested too deeply"),
        (MemoryError(), "not enough memory"),
        (MemoryError("Unable to allocate 27 TiB"), "not enough memory: Unable to allocate 27 TiB"),
        (ValueError("a:\n  b\x1b[0m"), r"a: b\x1b[0m"),
        (ValueError(), "ValueError"),
        (
            OSError(2, "No such file or directory", "x"),
            "'x': no such file or directory; check the name, and make the folder that it is in first",
        ),
        (PermissionError(13, "Permission denied", "x"), "'x': permission denied; choose a place that you may write to"),
    ],
)
def test_errors_are_one_line(error, line):
    message = line_of(error)
    assert message.startswith(line)
    assert "\n" not in message


def test_a_pickle_of_another_skeleton_needs_its_layout(tmp_path, capsys):
    path = write_pyskl(tmp_path / "raw", clips=4, flat=True)
    content = pickle.loads(path.read_bytes())
    for one in content["annotations"]:
        one["keypoint"], one["keypoint_score"] = one["keypoint"][:, :, :13], one["keypoint_score"][:, :, :13]
    path.write_bytes(pickle.dumps(content))
    layout = layouts.restrict("coco-17", layouts.get("coco-17").joints[:13])
    layouts.save(layout, tmp_path / "thirteen.json")
    call = ("prepare", "pyskl", "--root", path, "--out", tmp_path / "out", "--frames", 8, "--no-score")
    assert run(*call) == 1
    assert "expected 17 joints, got 13" in (error := capsys.readouterr().err)
    assert "--layout" in error
    assert run(*call, "--layout", tmp_path / "thirteen.json") == 0
    assert PreparedSet(tmp_path / "out").shape == (2, 8, 13, 2)
    write_nw_ucla(tmp_path / "ucla", clips=1)
    assert run("prepare", "nw-ucla", "--root", tmp_path / "ucla", "--out", tmp_path / "u", "--layout", "sbu") == 1
    assert "layout: expected none for 'nw-ucla'" in capsys.readouterr().err


def mutated(data, rng):
    data = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        kind, place = rng.randrange(4), rng.randrange(max(1, len(data)))
        if kind == 0:
            data[place : place + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            del data[place:]
        elif kind == 2:
            del data[place : place + rng.randrange(1, 40)]
        else:
            data[place:place] = rng.choice([b"9" * 30, b"[" * 5000, b"nan", b"-1", b"\x00", b"\xff\xfe", b"1e999"])
    return bytes(data)


def raw_files(folder):
    """Small files of every kind, each with the command that reads it."""
    write_ntu_skeleton(folder / "S001C001P001R001A001.skeleton", frames=2)
    (ucla,) = write_nw_ucla(folder / "ucla", clips=1)
    pyskl = write_pyskl(folder / "pyskl", clips=2)
    position, labels = write_position_pair(folder / "pair", clips=2)
    skeletons, label_files, _ = write_pku_mmd(folder / "pku", videos=1, clips=2)
    np.savez(folder / "mine.npz", x=np.ones((2, 3, 3, 20, 1), np.float32), y=[0, 1], is_train=[True, False])
    return [
        (folder / "S001C001P001R001A001.skeleton", ()),
        (ucla, ()),
        (pyskl, ()),
        (labels, ()),
        (folder / "mine.npz", ()),
        (position, ("--labels", labels)),
        (label_files[0], ("--labels", label_files[0])),
        (skeletons[0], ("--labels", label_files[0])),
    ]


@pytest.mark.parametrize("rounds", [15, pytest.param(1250, marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore")
def test_mutated_files_never_end_in_a_traceback(tmp_path, capsys, rounds):
    rng = random.Random(rounds)
    for path, more in raw_files(tmp_path):
        whole = path.read_bytes()
        for _ in range(rounds):
            path.write_bytes(mutated(whole, rng))
            code = run("inspect", path, *more)
            error = capsys.readouterr().err
            assert code in (0, 1)
            assert "Traceback" not in error
            assert "this looks like an error in skelblocks" not in error, (path.name, path.read_bytes()[:300], error)
            assert error.count("\n") == code
        path.write_bytes(whole)


@pytest.mark.parametrize("rounds", [40, pytest.param(1500, marks=pytest.mark.slow)])
def test_mutated_manifests_never_end_in_a_traceback(tmp_path, capsys, rounds):
    write_nw_ucla(tmp_path / "raw", clips=3)
    assert not run("prepare", "nw-ucla", "--root", tmp_path / "raw", "--out", tmp_path / "set", "--frames", 4)
    path, rng = tmp_path / "set" / "manifest.json", random.Random(rounds)
    whole = path.read_bytes()

    def changed(value):
        if isinstance(value, dict) and value and rng.random() < 0.9:
            key = rng.choice(list(value))
            if rng.random() < 0.2:
                return {name: part for name, part in value.items() if name != key}
            return {**value, key: changed(value[key])}
        if isinstance(value, list) and value and rng.random() < 0.7:
            place = rng.randrange(len(value))
            return [*value[:place], changed(value[place]), *value[place + 1 :]]
        return rng.choice([None, -1, 10**30, "", "\x00", [], {}, True, 0.5, ["a"], [[]], {"a": 1}])

    for _ in range(rounds):
        path.write_text(json.dumps(changed(json.loads(whole))))
        capsys.readouterr()
        code = run("inspect", tmp_path / "set")
        error = capsys.readouterr().err
        assert code in (0, 1)
        assert "this looks like an error in skelblocks" not in error, (error, path.read_text())
        assert error.count("\n") == code
