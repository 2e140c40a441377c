"""Damaged files and odd options for every command: each must end in a status, never in a traceback.

    python tests/fuzz_commands.py COUNT SEED FOLDER [--processes]

makes small valid inputs in FOLDER, then COUNT times damages one file or one option and runs a command on it, in this
process or in processes of their own. It prints each case that raised, and ends with 1 if there was one.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from skelblocks import layouts, synthetic_motion
from skelblocks.cli import main
from skelblocks.clips import Preprocessing
from skelblocks.encoders import STGCN, ProjectionHead
from skelblocks.interop import save_pretrained
from skelblocks.testing import write_ntu_skeleton, write_nw_ucla, write_position_pair, write_pyskl

WORDS = [b"NaN", b"null", b"-1", b"1e999", b"{}", b"[]", b'""', b"\x00", b"\xff\xfe", b"\x1b[31m", b"true", b"[" * 3000]
VALUES = [
    "",
    "-1",
    "0",
    "1",
    "2.5",
    "nan",
    "inf",
    "-inf",
    "[]",
    "{}",
    "null",
    "true",
    "\x1b[31mred",
    "a\nb",
    "../..",
    "|",
]
VALUES += ["[1,2", "{a: 1}", "x" * 300, "joint", "none", "\ud800", "1e400", "--", "[-1, nan]", "é", "0x10", "$a_$"]
TINY = ["--train.epochs", "1", "--train.batch_size", "4", "--contrast.queue_size", "8", "--data.frames", "16"]
TINY += ["--encoder.base_channels", "4", "--encoder.out_channels", "16", "--contrast.embedding", "8"]
TINY += ["--train.accelerator", "cpu"]


def make_inputs(folder: Path) -> dict[str, list[list[str]]]:
    """Small valid inputs, and for each file or folder the commands that read it."""
    (folder / "raw").mkdir(parents=True)
    motion = synthetic_motion("ntu-rgb+d", classes=2, subjects=4, views=1, frames=16)
    names = np.array(layouts.get("ntu-rgb+d").joints)
    people = {"subject": motion.subjects.numpy(), "joint_names": names, "class_names": np.array(motion.class_names)}
    np.savez(folder / "clips.npz", x=motion.x.numpy(), y=motion.labels.numpy(), **people)
    np.save(folder / "clips.npy", motion.x.numpy())
    layouts.save(layouts.get("sbu"), folder / "layout.json")
    write_ntu_skeleton(folder / "S001C001P001R001A001.skeleton", frames=3)
    write_nw_ucla(folder / "raw", clips=4)
    write_pyskl(folder / "pyskl", clips=3).rename(folder / "pyskl.pkl")
    write_position_pair(folder / "position", clips=2, frames=8)
    encoder = STGCN("ntu-rgb+d", base_channels=4, out_channels=16)
    head = ProjectionHead(16, hidden_features=16, out_features=2)
    save_pretrained(folder / "encoder", encoder=encoder, head=head)
    classifier = ProjectionHead(16, out_features=2, hidden_layers=0)
    about = {"class_names": ["sit", "stand"]}
    settings = Preprocessing(frames=16, persons=2)
    save_pretrained(folder / "model", encoder=encoder, head=classifier, preprocessing=settings, metadata=about)
    np.savez(folder / "features.npz", embeddings=np.eye(8, 4, dtype=np.float32), names=[str(i) for i in range(8)])
    torch.save({"encoder_q.conv.weight": torch.ones(2, 2), "epoch": 3}, folder / "official.pt")
    (folder / "options.yaml").write_text("train:\n  epochs: 1\n  batch_size: 4\ndata:\n  frames: 16\n")
    out = str(folder / "out")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert main(["prepare", "nw-ucla", "--root", str(folder / "raw"), "--out", str(folder / "set")]) == 0
    shutil.rmtree(folder / "pyskl", ignore_errors=True)
    here = {path.name: str(path) for path in folder.iterdir()}
    page = ["--out", f"{out}.html", "--map", "pca", "--no-baselines", "--overwrite"]
    train = ["train", "skeletonclr", *TINY, "--train.folder", out]
    return {
        "clips.npz": [
            ["inspect", here["clips.npz"]],
            ["embed", here["encoder"], here["clips.npz"], "--out", out],
            ["classify", here["model"], here["clips.npz"], "--out", f"{out}.csv", "--overwrite"],
            [*train, "--data.path", here["clips.npz"], "--data.split", "none"],
        ],
        "clips.npy": [["inspect", here["clips.npy"], "--layout", "ntu-rgb+d"]],
        "features.npz": [["explore", here["features.npz"], here["clips.npz"], *page]],
        "layout.json": [["inspect", here["clips.npy"], "--layout", here["layout.json"]]],
        "S001C001P001R001A001.skeleton": [["inspect", here["S001C001P001R001A001.skeleton"]]],
        "raw": [["prepare", "nw-ucla", "--root", here["raw"], "--out", out, "--overwrite"]],
        "pyskl.pkl": [
            ["inspect", here["pyskl.pkl"]],
            ["prepare", "pyskl", "--root", here["pyskl.pkl"], "--out", out, "--overwrite"],
        ],
        "position": [["prepare", "position", "--root", here["position"], "--out", out, "--overwrite"]],
        "encoder": [
            ["embed", here["encoder"], here["clips.npz"], "--out", out, "--overwrite"],
            ["inspect", here["encoder"]],
        ],
        "model": [
            ["classify", here["model"], here["clips.npz"], "--out", f"{out}.csv", "--overwrite"],
            ["explore", here["model"], here["clips.npz"], *page],
        ],
        "official.pt": [["import-official", here["official.pt"], "--out", out, "--overwrite"]],
        "options.yaml": [["train", "skeletonclr", *TINY, "--config", here["options.yaml"], "--train.folder", out]],
        "set": [["inspect", here["set"]], ["embed", here["encoder"], here["set"], "--out", out, "--overwrite"]],
    }


def damage(content: bytes, draw: random.Random) -> bytes:
    """Other bytes: cut, flipped, repeated, or with an odd word."""
    kind, place = draw.randrange(6), draw.randrange(len(content) + 1)
    if kind == 0:
        return content[:place]
    if kind == 1:
        changed = bytearray(content or b"\0")
        for _ in range(draw.choice([1, 3, 30])):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        return bytes(changed)
    if kind == 2:
        return content[:place] + draw.choice(WORDS) + content[place + draw.choice([0, 1, 8]) :]
    if kind == 3:
        return content[:place] + content[max(0, place - 40) : place] * draw.choice([2, 50]) + content[place:]
    if kind == 4:
        with contextlib.suppress(ValueError):
            return json.dumps(_odd(json.loads(content), draw)).encode("utf-8", "surrogatepass")
        return content[place:]
    return b""


def _odd(value: object, draw: random.Random) -> object:
    """A JSON value with one inner value replaced."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        key = draw.choice(list(value))
        if draw.random() < 0.2:
            return {name: each for name, each in value.items() if name != key}
        return {**value, key: _odd(value[key], draw)}
    if isinstance(value, list) and value and draw.random() < 0.8:
        place = draw.randrange(len(value))
        return [*value[:place], _odd(value[place], draw), *value[place + 1 :]]
    return draw.choice(
        [None, -1, 0, 1.5, float("nan"), "", "x", [], {}, [[]], True, 1e308, "\x1b[31m", 2**40, [0] * 50]
    )


def one_case(commands: dict[str, list[list[str]]], folder: Path, work: Path, draw: random.Random) -> list[str]:
    """Damage a copy of the inputs, or an option; the arguments of the command to run on it."""
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(folder, work)
    name = draw.choice(list(commands))
    arguments = [each.replace(str(folder), str(work)) for each in draw.choice(commands[name])]
    if draw.random() < 0.25:
        place = draw.randrange(1, len(arguments) + 1)
        if draw.random() < 0.5 and place < len(arguments):
            arguments[place] = draw.choice(VALUES)
        else:
            arguments[place:place] = [
                draw.choice(["--frames", "--part", "--persons", "--train.epochs", "--data.split"])
            ]
            arguments[place + 1 : place + 1] = [draw.choice(VALUES)]
        return arguments
    files = [work / name] if (work / name).is_file() else sorted(p for p in (work / name).rglob("*") if p.is_file())
    file = draw.choice(files)
    file.write_bytes(damage(file.read_bytes(), draw))
    return arguments


def run_here(arguments: list[str]) -> str | None:
    """The traceback of a command that raised, or None."""
    quiet = io.StringIO()
    try:
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            main(arguments)
    except SystemExit as end:
        return None if end.code in (0, 1, 2) or isinstance(end.code, str) else f"status {end.code}"
    except BaseException:  # the point of the exercise
        return traceback.format_exc()
    return "a traceback was printed" if "Traceback (most recent call last)" in quiet.getvalue() else None


def run_apart(arguments: list[str]) -> str | None:
    """The same in a process of its own."""
    if any("\ud800" in each or "\0" in each for each in arguments):
        return None  # no shell passes such an argument
    done = subprocess.run([sys.executable, "-m", "skelblocks", *arguments], capture_output=True, text=True, check=False)
    wrong = done.returncode not in (0, 1, 2) or "Traceback (most recent call last)" in done.stderr
    return done.stderr or f"status {done.returncode}" if wrong else None


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def fuzz(count: int, *, seed: int, folder: Path, apart: bool = False) -> list[tuple[list[str], str]]:
    """The cases that raised: the arguments, and the traceback."""
    folder = folder.resolve()
    commands = make_inputs(folder / "inputs")
    run = run_apart if apart else run_here
    failures = []
    for case in range(count):
        draw = random.Random(f"{seed}/{case}")
        arguments = one_case(commands, folder / "inputs", folder / "work", draw)
        with _inside(folder / "work"):  # an odd name may be a place to write to
            found = run(arguments)
        if found is not None:
            shutil.copytree(folder / "work", folder / f"failed_{case}", dirs_exist_ok=True)
            failures.append((arguments, found))
    return failures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--processes", action="store_true")
    given = parser.parse_args()
    raised = fuzz(given.count, seed=given.seed, folder=given.folder, apart=given.processes)
    for arguments, found in raised:
        print(arguments, found, sep="\n", end="\n\n")
    print(f"{given.count} cases, {len(raised)} raised")
    sys.exit(bool(raised))
