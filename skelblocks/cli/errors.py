"""How a command reports an error: on one line, without characters that control a terminal."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from skelblocks._utils.escape import escape
from skelblocks.training.errors import TrainingError

_USERS = (ValueError, TypeError, OSError, ImportError, TrainingError)  # errors that a user can fix


class Parser(argparse.ArgumentParser):
    """A parser that escapes control characters in its errors."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit with code 2."""
        super().error(escape(message))


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
    if isinstance(error, _USERS):
        return message or type(error).__name__
    return (
        f"{type(error).__name__}: {message}; this looks like an error in skelblocks: please report it with the output "
        "of --debug"
    )


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
