"""How a command reports an error: on one line, without characters that control a terminal."""

from __future__ import annotations

import argparse
import errno
import os
import re
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from skelblocks._utils.did_you_mean import did_you_mean
from skelblocks._utils.escape import escape
from skelblocks.training.errors import TrainingError

_CHOICE = re.compile(r"invalid choice: '(.*?)' \(choose from (.*)\)")
_ELSEWHERE = "choose a place that you may write to"
_REMEDIES = {
    errno.ENOENT: "check the name, and make the folder that it is in first",
    errno.EACCES: _ELSEWHERE,
    errno.EPERM: _ELSEWHERE,
    errno.EROFS: _ELSEWHERE,
    errno.ENOSPC: "free some space, or choose another disk",
    errno.EDQUOT: "free some space, or choose another disk",
    errno.EISDIR: "name a file, not a folder",
    errno.ENOTDIR: "name a folder, not a file",
    errno.EEXIST: "choose another name",
    errno.ENAMETOOLONG: "choose a shorter name",
}
_USERS = (ValueError, TypeError, OSError, ImportError, TrainingError)  # errors that a user can fix


class Parser(argparse.ArgumentParser):
    """A parser that escapes control characters in its errors."""

    def error(self, message: str) -> NoReturn:
        """Print the message, with a choice that may be meant, and exit with code 2."""
        wrong = _CHOICE.search(message)
        near = "" if wrong is None else did_you_mean(wrong[1], _names(wrong[2]))
        super().error(f"{escape(message)}{near}; `{escape(self.prog)} --help` explains the arguments")


def _names(listed: str) -> list[str]:
    return [each.strip(" '") for each in listed.split(",")]


def report(error: Exception, *, debug: bool) -> int:
    """Print an error, with its traceback if ``debug``, and return the exit code."""
    if debug:
        traceback.print_exception(error)
    if isinstance(error, BrokenPipeError):  # the program that reads the output has closed the pipe
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    print(f"error: {line_of(error)}", file=sys.stderr)
    return 1


def line_of(error: Exception) -> str:
    r"""The error message on one line.

    Example:
        >>> line_of(ValueError("frames: expected an integer >= 1,\n got 0"))
        'frames: expected an integer >= 1, got 0'
        >>> line_of(KeyError("x"))
        "KeyError: 'x'; this looks like an error in skelblocks: please report it with the output of --debug"
    """
    message = " ".join(escape(line.strip()) for line in str(error).splitlines()).strip()
    if isinstance(error, MemoryError):
        return f"not enough memory{': ' if message else ''}{message}"
    if isinstance(error, RecursionError):
        return "a file or an option is nested too deeply"
    if isinstance(error, OSError) and error.errno is not None and message.startswith("[Errno"):
        return _system_line(error)
    if isinstance(error, _USERS):
        return message or type(error).__name__
    return (
        f"{type(error).__name__}: {message}; this looks like an error in skelblocks: please report it with the output "
        "of --debug"
    )


def _system_line(error: OSError) -> str:
    """What the operating system has refused, and what to do about it."""
    what = (error.strerror or type(error).__name__).lower()
    place = f"{escape(os.fspath(error.filename))!r}: " if isinstance(error.filename, (str, os.PathLike)) else ""
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{place}{what}{'' if remedy is None else f'; {remedy}'}"


@contextmanager
def warnings_in_lines() -> Iterator[None]:
    """Print each warning on one line, without its source location."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def print_line(message: Warning | str, category: type[Warning], *rest: object) -> None:
            if issubclass(category, UserWarning):
                print(f"warning: {escape(message)}", file=sys.stderr)
            else:
                show(message, category, *rest)  # type: ignore[arg-type]

        warnings.showwarning = print_line  # type: ignore[assignment]
        yield
