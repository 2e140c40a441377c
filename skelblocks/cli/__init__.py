"""The commands of ``python -m skelblocks``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from skelblocks.cli import embed, export, import_official, inspect, prepare

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: What follows ``python -m skelblocks``. Default: those of this process.

    Returns:
        The exit code: 0; 1 where something was wrong with files or arguments, which is said in one line, without a
        traceback; 130 after an interrupt. ``argparse`` ends with 2 by itself.

    Example:
        >>> main(["inspect", "no-such-file"])
        1
    """
    parser = argparse.ArgumentParser(
        prog="python -m skelblocks", description="Prepare and inspect skeleton data; use pretrained encoders."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (prepare, inspect, embed, export, import_official):
        command.add(commands)
    given = parser.parse_args(arguments)
    try:
        given.run(given)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
