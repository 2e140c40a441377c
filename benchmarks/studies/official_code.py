"""The released code of a method: fetched when it is asked for, run in a process of its own by `official_train.py`.

None of it is in this repository. Only what holds it to NTU RGB+D and to a GPU is replaced, when it is run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from skelblocks._utils.whole_file import whole_file
from skelblocks.training import MethodOptions


class Released(NamedTuple):
    """Where a method's released code is, and what its parts are called.

    Attributes:
        repository: On GitHub.
        commit: The one that was measured.
        processor: The class that trains.
        model: The class that is trained.
        feeder: The class that augments.
    """

    repository: str
    commit: str
    processor: str
    model: str
    feeder: str


RELEASED = {
    "skeletonclr": Released(
        "LinguoLi/CrosSCLR",
        "792b70c76902a5e7ca5696f5a032f14bb04a255a",
        "processor.pretrain_skeletonclr.SkeletonCLR_Processor",
        "net.skeletonclr.SkeletonCLR",
        "feeder.ntu_feeder.Feeder_dual",
    ),
    "aimclr": Released(
        "Levigty/AimCLR",
        "6cd73767f17748792508647355fa324fa63e235d",
        "processor.pretrain_aimclr.AimCLR_Processor",
        "net.aimclr.AimCLR",
        "feeder.ntu_feeder.Feeder_triple",
    ),
    "msmclr": Released(
        "zengminxu/MsMCLR-Code",
        "bf7ce3e6f4f5fb4f135a392bb499415f7f57cca6",
        "processor.pretrain_aimclr.AimCLR_Processor",
        "net.aimclr.AimCLR",
        "feeder.ntu_feeder.Feeder_triple",
    ),
    "skeattnclr": Released(
        "GitHubOfHyl97/SkeAttnCLR",
        "e3f05c600a8e352bba52193c1586a2f132e8b328",
        "processor.pretrain_SkeAttnLWL.SkeletonCLR_Processor",
        "net.SkeAttnCLR.SkeAttnMask",
        "feeder.ntu_feeder.Feeder_dual",
    ),
    "crossclr": Released(
        "LinguoLi/CrosSCLR",
        "792b70c76902a5e7ca5696f5a032f14bb04a255a",
        "processor.pretrain_crossclr_3views.CrosSCLR_3views_Processor",
        "net.crossclr_3views.CrosSCLR",
        "feeder.ntu_feeder.Feeder_dual",
    ),
    "skelemixclr": Released(
        "czhaneva/SkeleMixCLR",
        "4538d6cd152039de5ead57fff83a4d4d0e6b5471",
        "processor.pretrain_skeletonclr_multi_swapv2.SkeletonCLR_Processor",
        "net.skeletonclr_multi_swapv2.SkeletonCLR",
        "feeder.ntu_feeder.Feeder_multi",
    ),
    "hiclr": Released(
        "JHang2020/HiCLR",
        "49ffdf85231f19c1c7795ec63fb8d25ea96d37cf",
        "processor.pretrain_hiclr.HiCLR_Processor",
        "net.hiclr.HiCLR",
        "feeder.ntu_feeder.Feeder_triple",
    ),
}


def released_for(method: str, options: MethodOptions) -> Released:
    """The entry of ``RELEASED``; CrosSCLR has other classes for two streams than for three."""
    found = RELEASED[method]
    if method == "crossclr" and len(options.trained_streams()) == 2:
        return found._replace(processor="processor.pretrain_crossclr.CrosSCLR_Processor", model="net.crossclr.CrosSCLR")
    return found


def fetch(method: str, *, cache: Path, source: Path | None = None) -> Path:
    """The folder of a method's released code, cloned into ``cache`` unless it is there.

    Args:
        method: One of ``RELEASED``.
        cache: Where clones are kept.
        source: A folder of copies in place of GitHub: ``OWNER+NAME/repo``, ``OWNER+NAME`` or ``NAME``, a repository,
            bare or not, or a plain copy, which is used where it is.

    Raises:
        FileNotFoundError: ``source`` has no copy.
        ValueError: it could not be cloned, and the message says why; or ``cache`` has another commit of it.
    """
    return fetch_repository(RELEASED[method].repository, RELEASED[method].commit, cache=cache, source=source)


def fetch_repository(repository: str, commit: str, *, cache: Path, source: Path | None = None) -> Path:
    """The folder of a repository's code at a commit; see :func:`fetch`."""
    flat, name = repository.replace("/", "+"), repository.split("/")[1]
    how, address = ["--depth", "1", "--filter=blob:none"], f"https://github.com/{repository}"
    if source is not None:
        there = [source / flat / "repo", source / flat, source / name]
        found = next((path for path in there if path.is_dir()), None)
        if found is None:
            raise FileNotFoundError(f"official-source: there is no copy of {repository} in {str(source)!r}")
        if any((found / name).is_dir() for name in ("net", "module", "moco")):
            return found
        how, address = [], str(found.resolve())
    target = cache / flat
    if not target.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as partial:
            code = f"{partial}/code"
            _git("init", "--quiet", code)
            _git("-C", code, "remote", "add", "origin", address)
            _git("-C", code, "fetch", "--quiet", *how, "origin", commit)
            _git("-C", code, "update-ref", "HEAD", "FETCH_HEAD")
            _git("-C", code, "checkout", "--quiet", "HEAD", "--", "*.py")  # no pictures, no weights
            Path(code).rename(target)
    if commit_of(target) != commit:
        raise ValueError(f"official-cache: {str(target)!r} is not at commit {commit[:7]}; remove it, or name another")
    return target


def _git(*arguments: str) -> None:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"official-cache: git {' '.join(arguments)} failed: {done.stderr.strip()}")


def commit_of(folder: Path) -> str | None:
    """Which one of it; None where it is a plain copy."""
    if not (folder / ".git").exists():
        return None
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() or None


def train(
    method: str, options: MethodOptions, *, folder: Path, cache: Path, source: Path | None = None
) -> tuple[Tensor, Tensor, dict[str, str | None]]:
    """Train the released code on the clips of ``options``, in a process of its own, which goes on where one stopped.

    Returns:
        The features ``(n, d)`` of training and test clips, and which code it was.

    Raises:
        ValueError: the process has failed; its own message is on the screen.
    """
    code = fetch(method, cache=cache, source=source).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    job = {"method": method, "code": str(code), "folder": str(folder), "options": options.to_dict()}
    with whole_file(folder / "job.json") as partial:
        partial.write_text(json.dumps(job))
    # Released code imports its own files from its folder.
    paths = os.pathsep.join([str(Path(__file__).parents[2]), str(code), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "benchmarks.studies.official_train", str(folder / "job.json")]
    if subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}).returncode:
        raise ValueError(f"official: the training of {RELEASED[method].repository} in {folder} has failed")
    with np.load(folder / "features.npz") as file:
        train_features, test_features = (torch.from_numpy(file[name]) for name in ("train", "test"))
    return train_features, test_features, {"code": RELEASED[method].repository, "commit": commit_of(code)}
