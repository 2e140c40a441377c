"""What every reader of raw files gives, and the one error that it raises.

Axes: c coordinates, t frames, v joints, b persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skelblocks.layouts import SkeletonLayout


class RawClip(NamedTuple):
    """One clip as its file has it: nothing centered, resampled, chosen or smoothed.

    Attributes:
        name: Unique in its set, such as ``"S001C002P003R002A013"``.
        x: Coordinates ``(c, t, v, b)`` float32, in the file's unit, zero where a person or a joint is not seen.
        seen: Boolean, true where the file has the person in that frame, ``(t, b)``, or where it has the joint,
            ``(t, v, b)``. See :attr:`seen_persons` and :attr:`seen_joints`.
        label: Class number from 0, -1 where it is not known.
        origin: What the name or the file tells of where the clip comes from, as integers counted as the owner counts:
            ``subject``, ``camera`` or ``view``, ``setup``, ``replication``, ``action``.
        order: ``(t, b)`` integers: the person's place, from 0, among those that the file lists for the frame, -1 where
            it is not seen. None where a frame lists them in the order of ``x``.
        scores: ``(t, v, b)`` float32, the estimator's confidence in each joint, zero where it is not seen. None where
            the file has none.
        layout: The skeleton's name, such as ``"body-25"``, or a layout of your own. None where the file does not tell.
        fps: Frames a second. None where the file does not tell.
        tracked: Whether a place of ``x`` is one person throughout. False where the file gives no ids, so that a place
            is only a rank in the frame's list.
    """

    name: str
    x: NDArray[np.float32]
    seen: NDArray[np.bool_]
    label: int
    origin: Mapping[str, int]
    order: NDArray[np.int64] | None = None
    scores: NDArray[np.float32] | None = None
    layout: str | SkeletonLayout | None = None
    fps: float | None = None
    tracked: bool = True

    @property
    def seen_joints(self) -> NDArray[np.bool_]:
        """``(t, v, b)``: which joints are seen; all of a person where ``seen`` tells of persons alone."""
        if self.seen.ndim == 3:
            return self.seen
        return np.broadcast_to(self.seen[:, None], (self.x.shape[1], *self.x.shape[2:]))

    @property
    def seen_persons(self) -> NDArray[np.bool_]:
        """``(t, b)``: which persons are seen, with at least one joint."""
        return self.seen if self.seen.ndim == 2 else np.any(self.seen, axis=1, keepdims=True)[:, 0]


class ClipFormatError(ValueError):
    """A file is not what its reader expects; the message says which file, where in it, and why.

    Attributes:
        path: The file.
        line: Line of a text file, counted from 1; None where it has no lines.
        reason: What was expected and what came.
    """

    def __init__(self, path: str | Path, reason: str, *, line: int | None = None) -> None:
        self.path, self.reason, self.line = Path(path), reason, line
        super().__init__(f"{path}{'' if line is None else f', line {line}'}: {reason}")

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by the arguments: errors come back from worker processes."""
        return _rebuild, (self.path, self.reason, self.line)


def _rebuild(path: Path, reason: str, line: int | None) -> ClipFormatError:
    return ClipFormatError(path, reason, line=line)
