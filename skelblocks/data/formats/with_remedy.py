"""Complete the errors of a reader by what to do about a file that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from typing_extensions import ParamSpec

from skelblocks.clips.raw_clip import ClipFormatError

P = ParamSpec("P")
R = TypeVar("R")
OTHER_FORMAT = "or name another format with format= (--format)"
EXTRACT = "extract the file from the data set's archive again"


def with_remedy(remedy: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a reader: errors of its files end with ``remedy``, unless they already say how to mend the file.

    Args:
        remedy: What the user can do about a file that has not the expected format.

    Example:
        >>> @with_remedy("export it again")
        ... def read(path):
        ...     raise ClipFormatError(path, "expected numbers, got a word", line=3)
        >>> read("walk.bvh")
        Traceback (most recent call last):
        ...
        skelblocks.clips.raw_clip.ClipFormatError: walk.bvh, line 3: expected numbers, got a word; export it again
    """

    def decorate(read: Callable[P, R]) -> Callable[P, R]:
        @wraps(read)
        def complete(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return read(*args, **kwargs)
            except ClipFormatError as error:
                if "; " in error.reason:
                    raise
                raise ClipFormatError(error.path, f"{error.reason}; {remedy}", line=error.line) from error.__cause__

        return complete

    return decorate
