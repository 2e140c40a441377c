"""Options for making the clips of a set from a recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from skelblocks._utils.checks import check_choice, check_integer, check_positive
from skelblocks.data.recordings.window_bounds import SHORT, Short
from skelblocks.data.steps.track_persons import RANKS, Rank

People = Literal["split", "together"]
PEOPLE: tuple[People, ...] = get_args(People)


@dataclass(frozen=True, kw_only=True)
class RecordingOptions:
    """Options for making clips from a recording.

    Args:
        people: ``"split"``: each person is a clip of its own. ``"together"``: a clip has all persons of its frames.
        persons: Most persons to keep in a clip; with ``"split"``, most clips from a window.
        by: Which persons to keep: the largest, ``"size"``, or the most moving, ``"motion"``.
        window: Frames of a clip; None for whole recordings, or for the pieces that have labels.
        stride: Frames from one clip to the next. Default: half a window.
        short: How to treat a recording shorter than a window, see :func:`~skelblocks.data.window_bounds`.
        fps: Resample every recording to this rate before it is cut; None keeps its own.
        gate: For :func:`~skelblocks.data.follow_persons`.
        max_gap: For :func:`~skelblocks.data.follow_persons`.
        least_frames: For :func:`~skelblocks.data.drop_ghosts`.
        least_size: For :func:`~skelblocks.data.drop_ghosts`.
        least_score: For :func:`~skelblocks.data.drop_ghosts`.

    Raises:
        TypeError: A number is not an integer.
        ValueError: A number out of range, or an unknown choice.

    Example:
        >>> RecordingOptions(people="together", window=None).persons
        2
    """

    people: People = "split"
    persons: int = 2
    by: Rank = "size"
    window: int | None = 64
    stride: int | None = None
    short: Short = "whole"
    fps: float | None = None
    gate: float | None = None
    max_gap: int = 30
    least_frames: int = 8
    least_size: float = 0.3
    least_score: float = 0.4

    def __post_init__(self) -> None:
        check_choice(self.people, PEOPLE, name="people")
        check_choice(self.by, RANKS, name="by")
        check_choice(self.short, SHORT, name="short")
        check_integer(self.persons, name="persons")
        for name in ("window", "stride"):
            if getattr(self, name) is not None:
                check_integer(getattr(self, name), name=name)
        if self.fps is not None:
            check_positive(self.fps, name="fps")
