"""The commands of ``skelblocks``, which are those of ``python -m skelblocks`` too."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence

import skelblocks
from skelblocks._utils.escape import escape
from skelblocks.cli import copy, embed, evaluate, export, import_official, inspect, prepare, train
from skelblocks.training.errors import TrainingError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: What follows ``skelblocks`` on the command line. Default: those of this process.

    Returns:
        The exit code: 0; 1 for an error that the user can mend, which is printed on one line, without a traceback; 130
        after an interrupt. ``argparse`` ends with 2 by itself. With ``--debug``, anywhere, the traceback is printed.

    Example:
        >>> main(["inspect", "no-such-file"])
        1
    """
    parser = argparse.ArgumentParser(
        prog="skelblocks", description="Prepare skeleton data, pretrain encoders without labels, and use them."
    )
    parser.add_argument("--version", action="version", version=f"skelblocks {skelblocks.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (prepare, inspect, train, copy, evaluate, embed, export, import_official):
        command.add(commands)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words  # also behind the command, whose own parser does not know it
    given = parser.parse_args([word for word in words if word != "--debug"])
    try:
        given.run(given)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, ImportError, MemoryError, RecursionError, TrainingError) as error:
        if debug:
            traceback.print_exc()
        print(f"error: {_one_line(error)}", file=sys.stderr)
        return 1
    return 0


def _one_line(error: BaseException) -> str:
    """The message without line breaks and terminal escapes, or the kind of an error that has none."""
    message = " ".join(str(error).split("\n")).strip()
    if isinstance(error, MemoryError):
        message = f"not enough memory: {message or 'the input is too large'}; use a smaller one"
    return escape(message or type(error).__name__)
