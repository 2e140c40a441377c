"""Where the windows of a recording start and stop."""

from __future__ import annotations

from typing import Literal, get_args

from skelblocks._utils.checks import check_choice, check_integer
from skelblocks._utils.explain_arguments import explain_arguments

Short = Literal["whole", "pad", "drop"]
SHORT: tuple[Short, ...] = get_args(Short)


@explain_arguments
def window_bounds(
    frames: int, *, length: int | None, stride: int | None = None, short: Short = "whole"
) -> list[tuple[int, int]]:
    """Cut a recording into windows that cover all of it.

    Windows start every ``stride`` frames. If the last of them does not reach the end, one more window ends with the
    recording, and overlaps the one before it by more than the others do.

    Args:
        frames: Frames of the recording.
        length: Frames of a window. None makes one window of the whole recording.
        stride: Frames from one start to the next. Default: half of the length.
        short: A recording that is shorter than a window: ``"whole"`` keeps it as one window of its own length,
            ``"pad"`` makes one window of ``length`` frames, which ends after the recording does (the last pose is held
            there), ``"drop"`` makes none.

    Returns:
        Pairs ``(start, stop)``; empty for a recording without frames.

    Raises:
        TypeError: A number is not an integer.
        ValueError: A number out of range, or an unknown choice.

    Example:
        >>> window_bounds(150, length=64, stride=32)
        [(0, 64), (32, 96), (64, 128), (86, 150)]
        >>> window_bounds(40, length=64), window_bounds(40, length=64, short="pad"), window_bounds(40, length=None)
        ([(0, 40)], [(0, 64)], [(0, 40)])
    """
    check_integer(frames, name="frames", least=0)
    check_choice(short, SHORT, name="short")
    if length is not None:
        check_integer(length, name="length")
    if stride is not None:
        check_integer(stride, name="stride")
    if not frames:
        return []
    if length is None:
        return [(0, frames)]
    if frames < length:
        return {"whole": [(0, frames)], "pad": [(0, length)], "drop": []}[short]
    step = max(1, length // 2) if stride is None else stride
    starts = list(range(0, frames - length + 1, step))
    if starts[-1] + length < frames:
        starts.append(frames - length)
    return [(start, start + length) for start in starts]
