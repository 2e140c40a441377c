"""A run's folder: checkpoint, options, log and curves. One process writes them, atomically."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from typing_extensions import Self

from skelblocks import layouts
from skelblocks._utils.locks import InUseError, locked
from skelblocks._utils.optional import require
from skelblocks._utils.whole_file import remove_partial_files, whole_file
from skelblocks.layouts import SkeletonLayout
from skelblocks.training.errors import RunFolderError
from skelblocks.training.resume import check_same_run

# The skeleton of the encoder's clips; with selected joints, also the skeleton of the clips with all joints.
LAYOUT, CLIPS_LAYOUT = "layout.json", "clips_layout.json"


class RunFolder:
    """A run's files: config.yaml, layout.json, log.jsonl, checkpoint.pt, tensorboard/, pictures and encoders.

    Use it as a context manager: inside the block, only this process writes to the folder.

    Args:
        path: The folder, which is created if it does not exist.
        write: Whether this process writes. Of several processes, only the first one should.

    Raises:
        RunFolderError: Another process uses the folder, or it cannot be written. Raised on entering the context.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as place, RunFolder(f"{place}/run") as folder:
        ...     folder.log([{"epoch": 1, "loss": 2.5}])
        ...     [path.name for path in folder.path.iterdir() if path.suffix]
        ['log.jsonl']
    """

    def __init__(self, path: str | Path, *, write: bool = True) -> None:
        self.path = Path(path)
        self.write = write
        self._lock = contextlib.ExitStack()
        self._parent_is_new = False

    @property
    def checkpoint(self) -> Path:
        """The file that a run resumes from."""
        return self.path / "checkpoint.pt"

    def __enter__(self) -> Self:
        if self.write:
            with self.writing():
                self._parent_is_new = not self.path.parent.exists()
                self.path.mkdir(parents=True, exist_ok=True)
                busy = (
                    f"train.folder: another process trains in {self.path}; wait until it ends, or choose another "
                    "train.folder"
                )
                self._lock.enter_context(locked(self.path / ".lock", busy=busy))
                remove_partial_files(self.path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.close()
        if self.write and error is not None:
            with contextlib.suppress(OSError):
                self.path.rmdir()  # works only if it is empty, so a refused run leaves no folder
                if self._parent_is_new:
                    self.path.parent.rmdir()

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint atomically: a kill or a full disk leaves either the old or the new one.

        Raises:
            RunFolderError: The checkpoint cannot be written.
        """
        if self.write:
            with self.writing(), whole_file(self.checkpoint) as place, place.open("wb") as file:
                torch.save(dict(state), file)

    def set_aside(self) -> None:
        """Rename the checkpoint of an earlier run to checkpoint.earlier.pt, for a run that does not resume from it.

        Raises:
            RunFolderError: The checkpoint cannot be renamed.
        """
        if self.write and self.checkpoint.exists():
            with self.writing():
                self.checkpoint.replace(self.path / "checkpoint.earlier.pt")

    def load(self, *, device: torch.device) -> dict[str, Any] | None:
        """The checkpoint's state, or None if there is no checkpoint.

        Raises:
            RunFolderError: The file is damaged.
        """
        if not self.checkpoint.exists():
            return None
        try:
            state = torch.load(self.checkpoint, map_location=device, weights_only=True)
        except Exception as error:  # damaged content can make the unpickler raise anything
            raise RunFolderError(
                f"train.resume: {self.checkpoint} cannot be read ({type(error).__name__}); it is damaged, or not a "
                "checkpoint of a run. Start again with train.resume=false, which keeps it as checkpoint.earlier.pt"
            ) from error
        return state if isinstance(state, dict) else {}

    def load_same_run(
        self, options: Mapping[str, Any], *, device: torch.device, fixed_length: bool
    ) -> dict[str, Any] | None:
        """The state of a checkpoint of the same run, or None if there is no checkpoint.

        Args:
            options: The run's options, in groups.
            device: Device of the loaded tensors.
            fixed_length: Whether some options are fractions of the whole run, so that its length must not change.

        Raises:
            RunFolderError: The file is damaged.
            ValueError: The checkpoint was trained with other options, or by an earlier version.
        """
        state = self.load(device=device)
        if state is not None:
            check_same_run(state, options, checkpoint=self.checkpoint, fixed_length=fixed_length)
        return state

    def write_config(self, options: Mapping[str, Any]) -> None:
        """Write all options to config.yaml."""
        yaml = require("yaml", extra="train")
        self.replace("config.yaml", yaml.safe_dump(dict(options), sort_keys=False))

    def write_layout(self, layout: SkeletonLayout, *, resume: bool, clips: SkeletonLayout | None = None) -> None:
        """Write the skeleton to layout.json, so that a resumed run does not need its file.

        Args:
            layout: Skeleton that the encoder takes.
            resume: Whether the run resumes from its checkpoint, if there is one.
            clips: With selected joints, the skeleton of the clips with all their joints, if the options name it.

        Raises:
            ValueError: The checkpoint to resume was trained on another skeleton.
            RunFolderError: The file cannot be written.
        """
        resumes = resume and self.checkpoint.exists()
        for name, current in ((LAYOUT, layout), (CLIPS_LAYOUT, clips)):
            path = self.path / name
            if current is not None and resumes and path.exists():
                self._check_layout(layouts.load(path), current)
            if current is not None:
                self.replace(name, json.dumps(current.to_dict()) + "\n")
            elif self.write and not resumes:
                with self.writing():
                    path.unlink(missing_ok=True)

    def _check_layout(self, saved: SkeletonLayout, current: SkeletonLayout) -> None:
        names = [field.name for field in dataclasses.fields(current)]
        changed = ", ".join(name for name in names if getattr(saved, name) != getattr(current, name))
        if changed:
            raise ValueError(
                f"train.resume: {self.checkpoint} was trained on clips of {saved.name!r}, but this run has "
                f"{current.name!r}, with another {changed}; choose another train.folder, or train.resume=false"
            )

    def log(self, history: Sequence[Mapping[str, float]]) -> None:
        """Rewrite log.jsonl with the history, so that after a resume it has no lines of lost epochs."""
        self.replace("log.jsonl", "".join(json.dumps(row) + "\n" for row in history))

    def replace(self, name: str, text: str) -> None:
        """Write one of the folder's small files atomically.

        Raises:
            RunFolderError: The file cannot be written.
        """
        if self.write:
            with self.writing(), whole_file(self.path / name) as place:
                place.write_text(text, encoding="utf-8")

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Turn a disk error into a :class:`RunFolderError`."""
        try:
            yield
        except InUseError as error:
            raise RunFolderError(str(error)) from error
        except (OSError, RuntimeError) as error:
            # torch.save's own error hides the disk error.
            cause = error if isinstance(error, OSError) else error.__context__
            if not isinstance(cause, OSError):
                raise
            if self.path.is_file():
                raise RunFolderError(
                    f"train.folder: expected a folder, got the file {self.path}; choose another"
                ) from error
            kept = "there is no checkpoint yet"
            with contextlib.suppress(OSError):
                kept = f"the last good checkpoint is {self.checkpoint}" if self.checkpoint.exists() else kept
            raise RunFolderError(
                f"train.folder: cannot write to {self.path}: {cause.strerror or cause}; {kept}. Free some space or "
                "make the folder writable, and run the same command again"
            ) from error


def kept_layout(folder: Path, *, joints: bool) -> SkeletonLayout | None:
    """The skeleton of a run's clips with all their joints, if its folder has it.

    Args:
        folder: Folder of the run.
        joints: Whether the run uses only selected joints.
    """
    path = folder / (CLIPS_LAYOUT if joints else LAYOUT)
    return layouts.load(path) if path.is_file() else None
