"""A run's folder: the checkpoint that it goes on from, its options, its log and its curves, each written whole."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import torch
import yaml
from torch.utils.tensorboard import SummaryWriter

from skelblocks import layouts
from skelblocks.layouts import SkeletonLayout

# The skeleton of what the encoder takes; where joints were chosen, also that of the clips with all of theirs.
LAYOUT, CLIPS_LAYOUT = "layout.json", "clips_layout.json"
# What may change when a run goes on: where and how it runs, how long, and how it is judged; not what it learns from.
# What the skeleton is called may change, since what it is, is compared by `write_layout`.
_FREE = frozenset(
    {"accelerator", "checkpoint_every", "data", "epochs", "evaluate_every", "folder", "resume", "timeout", "workers"}
    | {"joints", "layout", "neighbors", "probe", "probe_rate", "probe_milestone"}
)


class RunFolderError(RuntimeError):
    """The run's folder cannot be written; the message says why and where the last good checkpoint is."""


class RunFolder:
    """A run's files: config.yaml, layout.json, log.jsonl, checkpoint.pt, tensorboard/, pictures."""

    def __init__(self, path: str | Path, *, options: Mapping[str, Any], write: bool = True) -> None:
        self.path = Path(path)
        self.options = dict(options)
        self.write = write
        self.tensorboard: SummaryWriter | None = None
        if write:
            with self._writing():
                self.path.mkdir(parents=True, exist_ok=True)

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.pt"

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint in one move, so that a kill or a full disk leaves the old one or the new one, whole.

        Raises:
            RunFolderError: it cannot be written.
        """
        with self._writing(), replacing(self.checkpoint) as file:
            torch.save({**state, "options": self.options}, file)

    def set_aside(self) -> None:
        """Move the checkpoint of an earlier run out of the way of one that does not go on from it.

        Raises:
            RunFolderError: it cannot be moved.
        """
        if self.write and self.checkpoint.exists():
            with self._writing():
                self.checkpoint.replace(self.path / "checkpoint.earlier.pt")

    def load(self, *, device: torch.device) -> dict[str, Any] | None:
        """The checkpoint's state, or None where there is none.

        Raises:
            ValueError: the checkpoint was trained with other options.
        """
        if not self.checkpoint.exists():
            return None
        state: dict[str, Any] = torch.load(self.checkpoint, map_location=device, weights_only=True)
        theirs = state["options"]
        # A longer run is another run where something is a share of the whole.
        whole = {"cosine", "half"} & {str(value) for value in self.options.values()}
        names = sorted((theirs.keys() | self.options.keys()) - (_FREE - {"epochs"} if whole else _FREE))
        changed = [n for n in names if theirs.get(n) != self.options.get(n)]
        if changed:
            shown = ", ".join(f"{n} {theirs.get(n)!r} there, {self.options.get(n)!r} here" for n in changed)
            raise ValueError(
                f"resume: {self.checkpoint} has other options: {shown}; choose another folder, or resume=false"
            )
        return state

    def write_config(self) -> None:
        """Write all options to config.yaml."""
        self.replace("config.yaml", yaml.safe_dump(self.options, sort_keys=False))

    def write_layout(self, layout: SkeletonLayout, *, resume: bool, clips: SkeletonLayout | None = None) -> None:
        """Write the skeleton to layout.json, for whoever loads the encoder.

        Args:
            layout: Of what the encoder takes.
            resume: Whether the run goes on from its checkpoint, if there is one.
            clips: Where joints are chosen, of the clips with all of theirs, if the options name it.

        Raises:
            ValueError: to resume, a checkpoint that was trained on another one.
            RunFolderError: it cannot be written.
        """
        goes_on = resume and self.checkpoint.exists()
        for name, mine in ((LAYOUT, layout), (CLIPS_LAYOUT, clips)):
            path = self.path / name
            if mine is not None and goes_on and path.exists():
                self._check_layout(layouts.load(path), mine)
            if mine is not None:
                self.replace(name, json.dumps(mine.to_dict()) + "\n")
            elif self.write and not goes_on:
                with self._writing():
                    path.unlink(missing_ok=True)

    def _check_layout(self, theirs: SkeletonLayout, mine: SkeletonLayout) -> None:
        names = [field.name for field in dataclasses.fields(mine)]
        changed = ", ".join(name for name in names if getattr(theirs, name) != getattr(mine, name))
        if changed:
            raise ValueError(
                f"resume: {self.checkpoint} was trained on clips of {theirs.name!r}, these are of {mine.name!r}, with "
                f"another {changed}; choose another folder, or resume=false"
            )

    def log(self, history: Sequence[Mapping[str, float]]) -> None:
        """Write the history as JSON lines, whole: after a resume it holds no line of the steps that were lost."""
        self.replace("log.jsonl", "".join(json.dumps(row) + "\n" for row in history))

    def replace(self, name: str, text: str) -> None:
        """Write one of the folder's small files, whole or not at all.

        Raises:
            RunFolderError: it cannot be written.
        """
        if self.write:
            with self._writing():
                write_atomically(self.path / name, text.encode())

    def scalars(self, values: Mapping[str, float], *, step: int) -> None:
        """Add a point to TensorBoard's curves."""
        if not self.write:
            return
        with self._writing():
            if self.tensorboard is None:
                self.tensorboard = SummaryWriter(str(self.path / "tensorboard"), purge_step=step)
            for name, value in values.items():
                self.tensorboard.add_scalar(name, value, step)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError) as error:
            # torch.save's own error hides the disk's.
            cause = error if isinstance(error, OSError) else error.__context__
            if not isinstance(cause, OSError):
                raise
            kept = "there is no checkpoint yet"
            with contextlib.suppress(OSError):
                kept = f"the last good checkpoint is {self.checkpoint}" if self.checkpoint.exists() else kept
            raise RunFolderError(
                f"folder: cannot write to {self.path}: {cause.strerror or cause}; {kept}. Make room, or the folder "
                "writable, and run the same command again"
            ) from error


def kept_layout(folder: Path, *, joints: bool) -> SkeletonLayout | None:
    """The skeleton of a run's clips, with all their joints, where its folder has it.

    Args:
        folder: The run's.
        joints: Whether the run has chosen some of the joints.
    """
    path = folder / (CLIPS_LAYOUT if joints else LAYOUT)
    return layouts.load(path) if path.is_file() else None


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write into, which takes the place of ``path`` in one move once it is whole and on the disk."""
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    partial.replace(path)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file in one move, so that it is the old one or the new one, whole."""
    with replacing(path) as file:
        file.write(content)
