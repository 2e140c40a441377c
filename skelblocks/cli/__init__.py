"""The commands of ``skelblocks``, which are those of ``python -m skelblocks`` too."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import skelblocks
from skelblocks.cli import copy, embed, evaluate, export, import_official, inspect, prepare, train
from skelblocks.training.errors import TrainingError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: What follows ``skelblocks`` on the command line. Default: those of this process.

    Returns:
        The exit code: 0; 1 where something was wrong with files or arguments, which is said in one line, without a
        traceback; 130 after an interrupt. ``argparse`` ends with 2 by itself.

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
    given = parser.parse_args(arguments)
    try:
        given.run(given)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, ImportError, TrainingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
