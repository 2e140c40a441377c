"""`python -m skelblocks`, as it is called from a shell; in this process where nothing speaks against it."""

import builtins
import json
import subprocess
import sys

import numpy as np
import pytest

from skelblocks import layouts
from skelblocks.cli import main
from skelblocks.data import ClipPreparation, PreparedSet, Preprocessing, read_ntu_skeleton
from skelblocks.testing import write_ntu_skeleton, write_nw_ucla, write_pku_mmd, write_position_pair, write_pyskl


@pytest.fixture
def raw(tmp_path):
    """Subjects 1, 2, 3 and cameras 1, 2, 3 of NTU RGB+D; the third file is broken off."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for i in range(6):
        path = folder / f"S{i % 2 + 1:03}C{i % 3 + 1:03}P{i % 3 + 1:03}R001A{i + 1:03}.skeleton"
        write_ntu_skeleton(path, persons=i % 2 + 1, frames=12 + i, seed=i, cut=0.5 if i == 2 else None)
    return folder


def run(*arguments):
    return main([str(argument) for argument in arguments])


def test_from_a_shell(raw, tmp_path):
    out = tmp_path / "out"
    command = ["prepare", "ntu60", "--root", str(raw), "--out", str(out), "--protocol", "xsub", "--workers", "2"]
    result = subprocess.run([sys.executable, "-m", "skelblocks", *command], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "5 clips (3, 50, 25, 2), 4 train, 1 test, 0 neither" in result.stdout
    assert "The set has no training part" not in result.stdout
    assert "1 clip left out" in result.stdout
    assert "6 of 6 files: 5 clips, 1 rejected" in result.stderr
    result = subprocess.run(
        [sys.executable, "-m", "skelblocks", "inspect", str(tmp_path / "none")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.startswith("error: path: there is no file or folder")
    assert "Traceback" not in result.stderr


def test_every_option_reaches_the_preparation(raw, tmp_path, capsys):
    (tmp_path / "missing.txt").write_text("S001C001P001R001A001.skeleton\n")
    options = ("--frames", 9, "--persons", 1, "--bodies", "first", "--denoise", "--gaps", "hold", "--center", "clip")
    more = (
        "--center-origin",
        "first",
        "--align",
        "clip",
        "--scale",
        "bones",
        "--missing-list",
        tmp_path / "missing.txt",
    )
    assert not run("prepare", "ntu120", "--root", raw, "--out", tmp_path / "out", "--protocol", "xset", *options, *more)
    assert "3 clips (3, 9, 25, 1), 2 train, 1 test" in capsys.readouterr().out
    dataset = PreparedSet(tmp_path / "out")
    reasons = [entry["reason"] for entry in dataset.manifest["rejected"]]
    assert reasons[0] == "in the list of missing clips"
    assert reasons[2] == "contains no visible person, once denoised"
    expected = {"bodies": "first", "denoise": True, "gaps": "hold", "channels": 3}
    settings = Preprocessing(frames=9, persons=1, per="clip", origin="first", align="clip", scale="bones")
    written = {name: value for name, value in dataset.manifest["settings"].items() if name != "layout"}
    assert written == {**expected, "preprocessing": settings.to_dict()}
    assert dataset.preprocessing == settings
    clip = read_ntu_skeleton(raw / f"{dataset.names[0]}.skeleton")
    np.testing.assert_array_equal(
        dataset[0].clip, ClipPreparation("ntu-rgb+d", preprocessing=settings, **expected)(clip)
    )


def test_without_centering(raw, tmp_path, capsys):
    assert not run("prepare", "ntu60", "--root", raw, "--out", tmp_path / "out", "--center", "none")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["settings"]["preprocessing"]["center"] is None
    assert manifest["protocol"] is None
    assert manifest["parts"] == {"train": 0, "test": 0, "neither": 5}
    assert "The set has no training part" in capsys.readouterr().out


def test_all_owners(tmp_path, capsys):
    write_nw_ucla(tmp_path / "nw-ucla", clips=4)
    write_pyskl(tmp_path / "pyskl", clips=4)
    write_position_pair(tmp_path / "position", clips=4)
    write_pku_mmd(tmp_path / "pku-mmd", videos=1, clips=2)
    write_pyskl(tmp_path / "flat", clips=4, flat=True)
    out = tmp_path / "flat-out"
    assert not run("prepare", "pyskl", "--root", tmp_path / "flat", "--out", out, "--frames", 8, "--no-score")
    assert "4 clips (2, 8, 17, 2)" in capsys.readouterr().out
    for kind, protocol, line in [
        ("nw-ucla", "xview", "4 clips (3, 8, 20, 1), 3 train, 1 test"),
        ("pyskl", "xsub", "4 clips (3, 8, 25, 2), 2 train, 2 test"),
        ("position", "xview", "4 clips (3, 8, 25, 2), 2 train, 2 test"),
        ("pku-mmd", "xview", "6 clips (3, 8, 25, 2), 4 train, 2 test"),
    ]:
        out = tmp_path / f"{kind}-out"
        assert not run("prepare", kind, "--root", tmp_path / kind, "--out", out, "--protocol", protocol, "--frames", 8)
        assert line in capsys.readouterr().out
        assert not run("inspect", out)
        assert "prepared set" in (shown := capsys.readouterr().out)
        assert "bodies" in shown
        assert "{" not in shown


def test_mistakes_are_said_in_one_line(raw, tmp_path, capsys):
    (tmp_path / "list.txt").write_text("nothing\n")
    out = tmp_path / "out"
    for arguments, message in [
        (("ntu60", "--root", tmp_path / "none"), "there is no folder"),
        (("ntu60", "--root", raw, "--protocol", "xset"), "expected one of 'xsub', 'xview'"),
        (("ntu60", "--root", raw, "--frames", 0), "frames: expected an integer >= 1"),
        (("ntu60", "--root", raw, "--missing-list", tmp_path / "none.txt"), "none.txt"),
        (("ntu60", "--root", raw, "--missing-list", tmp_path / "list.txt"), "list.txt: expected names such as"),
        (("ntu60", "--root", raw, "--workers", 0), "workers: expected"),
        (("nw-ucla", "--root", raw), "no files *.json"),
    ]:
        assert run("prepare", *arguments, "--out", out) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert message in error
        assert error.count("\n") == 1
    assert not out.exists()
    with pytest.raises(SystemExit, match="2"):
        run("prepare", "kinetics", "--root", raw, "--out", out)
    assert "invalid choice" in capsys.readouterr().err


def test_an_interrupt_is_no_error_and_the_run_goes_on(raw, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("skelblocks.cli.prepare.prepare_clips", interrupted)
        assert run("prepare", "ntu60", "--root", raw, "--out", out) == 130
    assert capsys.readouterr().err == "stopped\n"
    assert not run("prepare", "ntu60", "--root", raw, "--out", out)
    assert not run("prepare", "ntu60", "--root", raw, "--out", out)
    assert run("prepare", "ntu60", "--root", raw, "--out", out, "--frames", 3) == 1
    assert "other settings" in capsys.readouterr().err
    assert not run("prepare", "ntu60", "--root", raw, "--out", out, "--frames", 3, "--overwrite")


def test_lines_where_there_is_no_tqdm(raw, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert not run("prepare", "ntu60", "--root", raw, "--out", tmp_path / "out")
    assert capsys.readouterr().err == "6 of 6 files: 5 clips, 1 rejected\n"


def test_inspect_tells_what_a_file_holds(raw, tmp_path, capsys):
    ntu = raw / "S002C002P002R001A002.skeleton"
    ucla = write_nw_ucla(tmp_path / "ucla", clips=1)[0]
    pyskl = write_pyskl(tmp_path / "pyskl", clips=3)
    position, labels = write_position_pair(tmp_path / "pair", clips=3)
    skeletons, label_files, _ = write_pku_mmd(tmp_path / "pku", videos=1)
    x = np.ones((4, 3, 6, 25, 2), dtype=np.float32)
    x[0, 0, 0, 0, 0] = np.nan
    x[1:3, ..., 1] = 0
    x[3] = 0
    np.savez(tmp_path / "mine.npz", x=x, y=[0, 1, 1, 2])
    np.savez(tmp_path / "half.npz", x=np.ones((3, 3, 6, 25, 1), dtype=np.float32), labels=[0, -1, -1])
    joints = np.array(layouts.get("utd-mhad").joints)
    np.savez(tmp_path / "named.npz", x=np.ones((2, 3, 6, 20, 1), dtype=np.float32), joint_names=joints)
    for arguments, lines in [
        ((ntu,), ["(3, 13, 25, 2)", "subject 2", "[13, 13]", "ntu-rgb+d, 25 joints", "2 in 1 clips"]),
        ((ucla,), ["NW-UCLA", "(3, 20, 20, 1)", "nw-ucla, 20 joints"]),
        ((pyskl,), ["clips", "xsub_train 1"]),
        ((position,), ["float32 (3, 3, 60, 25, 2)", "ntu-rgb+d, ntu-rgb+d-anatomical"]),
        ((position, "--labels", labels), ["position file", "S001C001P001R001A001"]),
        ((labels,), ["3, numbered 0..2, with 1 to 1 clips each"]),
        ((skeletons[0], "--labels", label_files[0]), ["PKU-MMD", "0002-L_1_0"]),
        ((tmp_path / "named.npz",), ["utd-mhad, 20 joints"]),
        ((tmp_path / "half.npz",), ["1, numbered 0..0, with 1 to 1 clips each; 2 clips have no label"]),
        ((tmp_path / "mine.npz",), ["NaN or infinite in 1 clips", "0 in 1 clips, 1 in 2 clips, 2 in 1 clips"]),
    ]:
        assert not run("inspect", *arguments)
        text = " ".join(capsys.readouterr().out.split())
        for line in lines:
            assert line in text, text


def test_inspect_takes_a_skeleton_of_ones_own(tmp_path, capsys):
    np.savez(tmp_path / "mine.npz", x=np.ones((2, 3, 6, 20, 1), dtype=np.float32))
    ucla = write_nw_ucla(tmp_path / "ucla", clips=1)[0]
    layouts.save({**layouts.get("nw-ucla").to_dict(), "name": "mine"}, tmp_path / "mine.json")
    for path in (tmp_path / "mine.npz", ucla):
        assert not run("inspect", path, "--layout", tmp_path / "mine.json")
        assert "mine, 20 joints" in capsys.readouterr().out
    assert run("inspect", ucla, "--layout", "mine") == 1
    assert "--layout mine.json" in capsys.readouterr().err


def test_inspect_counts_what_is_damaged(tmp_path, capsys):
    position, labels = write_position_pair(tmp_path, clips=3)
    x = np.load(position)
    x[1, 0, 0, 0, 0] = np.inf
    np.save(position, x)
    assert not run("inspect", position, "--labels", labels)
    assert "1: NaN, infinite or too large coordinates in clip 'S001C002P002R001A002'" in capsys.readouterr().out


def test_inspect_refuses(raw, tmp_path, capsys):
    skeletons, _, _ = write_pku_mmd(tmp_path / "pku", videos=1)
    (tmp_path / "text.csv").write_text("1,2")
    for arguments, message in [
        ((raw,), "expected a prepared set or a file"),
        ((raw / "S001C003P003R001A003.skeleton",), "S001C003P003R001A003.skeleton"),
        ((skeletons[0],), "add --labels"),
        ((tmp_path / "text.csv",), "expected a .npz or .npy file"),
    ]:
        assert run("inspect", *arguments) == 1
        assert message in capsys.readouterr().err


def test_inspect_draws_three_clips(raw, tmp_path, capsys, monkeypatch):
    image = pytest.importorskip("matplotlib.image")
    out, picture = tmp_path / "out", tmp_path / "three.png"
    run("prepare", "ntu60", "--root", raw, "--out", out, "--frames", 4)
    assert not run("inspect", out, "--draw", picture)
    assert "drawn" in capsys.readouterr().out
    pixels = image.imread(picture)
    assert pixels.shape[0] > 600
    assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 20
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 5, 25, 1)))
    assert run("inspect", tmp_path / "x.npy", "--draw", picture) == 1
    assert "name the skeleton with --layout" in capsys.readouterr().err
    assert run("inspect", tmp_path / "x.npy", "--layout", "ntu-rgb+d", "--draw", picture) == 1
    assert "expected a visible person to draw" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "matplotlib.image", None)
    assert run("inspect", out, "--draw", picture) == 1
    assert "skelblocks[viz]" in capsys.readouterr().err


def test_the_commands_need_no_extra(raw, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        assert name.split(".")[0] not in {"tqdm", "matplotlib", "PIL", "sklearn"}, name
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert not run("prepare", "ntu60", "--root", raw, "--out", tmp_path / "out")
    assert not run("inspect", tmp_path / "out")
