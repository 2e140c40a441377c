"""The lines of a text file with their numbers, and the numbers in them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

from skelblocks._utils.escape import escape
from skelblocks.clips.raw_clip import ClipFormatError

_LARGEST = 1e30


class NumberedLines:
    r"""The lines of a file one after another; errors name the line that was read last.

    Args:
        path: The file, for errors.
        lines: Its lines.

    Attributes:
        number: The number of the line that was read last, from 1.

    Example:
        >>> lines = NumberedLines(Path("a.amc"), [b"1\n", b"root 0 0\n"])
        >>> [(lines.number, line) for line in lines]
        [(1, '1'), (2, 'root 0 0')]
    """

    def __init__(self, path: Path, lines: Iterable[bytes]) -> None:
        self.path, self.number = path, 0
        self._lines = iter(lines)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        """The next line in UTF-8, or in Latin-1 where it is no UTF-8, without blanks around it."""
        line = next(self._lines)
        self.number += 1
        try:
            return line.decode("utf-8-sig" if self.number == 1 else "utf-8").strip()
        except UnicodeDecodeError:
            return line.decode("latin-1").strip()

    def fail(self, reason: str) -> NoReturn:
        """Raise :class:`~skelblocks.data.ClipFormatError` for this line."""
        raise ClipFormatError(self.path, reason, line=self.number or None)

    def numbers(self, words: list[str], count: int, what: str) -> list[float]:
        """The finite numbers that the words are, or an error if these are not ``count``."""
        if len(words) != count:
            self.fail(f"{what}: expected {count} numbers, got {len(words)}")
        try:  # all at once, since a recording has millions of numbers
            found = list(map(float, words))
        except ValueError:
            found = [math.nan]
        # The sum is NaN where one of them is, which min and max may pass over.
        inside = not found or (max(found) <= _LARGEST and min(found) >= -_LARGEST and not math.isnan(sum(found)))
        if not inside or "_" in "".join(words):
            wrong = next((word for word in words if finite_number(word) is None), "")
            self.fail(f"{what}: expected finite numbers, got {shown(wrong)}")
        return found


def finite_number(word: str) -> float | None:
    """The number that a word is; None if it is none that is finite and at most 1e30.

    Example:
        >>> finite_number("2.5"), finite_number("nan"), finite_number("1_0")
        (2.5, None, None)
    """
    try:
        number = float(word)
    except ValueError:
        return None
    return number if "_" not in word and abs(number) <= _LARGEST else None


def shown(text: str | None) -> str:
    """A short form for errors; None is the end of the file.

    Example:
        >>> shown("MOTION"), shown(None)
        ("'MOTION'", 'the end of the file')
    """
    return "the end of the file" if text is None else repr(escape(text, longest=40))
