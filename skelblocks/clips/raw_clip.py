"""What every reader of an owner's files gives, and the one error that it raises.

Axes: c coordinates, t frames, v joints, b bodies.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class RawClip(NamedTuple):
    """One clip as its owner's file has it: nothing centered, resampled, chosen or smoothed.

    Attributes:
        name: Unique in its set, such as ``"S001C002P003R002A013"``.
        x: Coordinates ``(c, t, v, b)`` float32, in the file's unit, zero where a body is not seen.
        seen: ``(t, b)`` boolean, true where the file has the body in that frame.
        label: Class number from 0, -1 where it is not known.
        origin: What the name or the file tells of where the clip comes from, as integers counted as the owner counts:
            ``subject``, ``camera`` or ``view``, ``setup``, ``replication``, ``action``.
        order: ``(t, b)`` integers: the body's place, from 0, among those that the file lists for the frame, -1 where it
            is not seen. None where a frame lists them in the order of ``x``.
    """

    name: str
    x: NDArray[np.float32]
    seen: NDArray[np.bool_]
    label: int
    origin: Mapping[str, int]
    order: NDArray[np.int64] | None = None


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
