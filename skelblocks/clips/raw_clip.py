"""The result of every reader of raw files, and the error that a reader raises.

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
    """One clip as stored in its file: not centered, resampled or smoothed, and with all persons.

    Attributes:
        name: A name that is unique in its set, such as ``"S001C002P003R002A013"``.
        x: Coordinates ``(c, t, v, b)`` float32, in the file's unit, zero where a person or a joint is not seen.
        seen: Boolean, true if the file has the person in a frame, ``(t, b)``, or if it has the joint, ``(t, v, b)``.
            See :attr:`seen_persons` and :attr:`seen_joints`.
        label: Class number from 0, or -1 if it is not known.
        origin: Where the clip comes from, according to its name or file, as integers in the data set's own numbering:
            ``subject``, ``camera`` or ``view``, ``setup``, ``replication``, ``action``.
        order: ``(t, b)`` integers: the person's position in the file's list for the frame, from 0, or -1 if the person
            is not seen. None if all frames list persons in the order of ``x``.
        scores: ``(t, v, b)`` float32, the estimator's confidence in each joint, zero if the joint is not seen. None if
            the file has no scores.
        layout: The skeleton's name, such as ``"body-25"``, or a layout of your own. None if the file does not say.
        fps: Frames per second. None if the file does not say.
        tracked: Whether an index of ``x`` is the same person in all frames. False if the file has no ids; then the
            index is only the position in the frame's list.
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
        """``(t, v, b)``: the joints that are seen. If ``seen`` has no joints, all joints of a seen person count."""
        if self.seen.ndim == 3:
            return self.seen
        return np.broadcast_to(self.seen[:, None], (self.x.shape[1], *self.x.shape[2:]))

    @property
    def seen_persons(self) -> NDArray[np.bool_]:
        """``(t, b)``: the persons with at least one seen joint."""
        return self.seen if self.seen.ndim == 2 else np.any(self.seen, axis=1, keepdims=True)[:, 0]


class ClipFormatError(ValueError):
    """A file does not have the expected format. The message names the file, the place in it, and the reason.

    Attributes:
        path: The file.
        line: Line of a text file, counted from 1, or None if the file has no lines.
        reason: What was expected, and what was found.
    """

    def __init__(self, path: str | Path, reason: str, *, line: int | None = None) -> None:
        self.path, self.reason, self.line = Path(path), reason, line
        super().__init__(f"{path}{'' if line is None else f', line {line}'}: {reason}")

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by the arguments, because worker processes return errors."""
        return _rebuild, (self.path, self.reason, self.line)


def _rebuild(path: Path, reason: str, line: int | None) -> ClipFormatError:
    return ClipFormatError(path, reason, line=line)
