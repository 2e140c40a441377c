"""The commands of ``skelblocks``. ``python -m skelblocks`` runs the same commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import skelblocks
from skelblocks._utils.keep_freed_memory import keep_freed_memory
from skelblocks.cli import (
    classify,
    copy,
    distill,
    embed,
    evaluate,
    explore,
    export,
    import_official,
    inspect,
    prepare,
    train,
)
from skelblocks.cli.errors import Parser, report, warnings_in_lines

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: The words after ``skelblocks`` on the command line. Default: the arguments of this process.

    Returns:
        The exit code: 0 on success; 1 after an error, which is printed on one line (``--debug`` adds the
        traceback); 130 after an interrupt. ``argparse`` itself exits with 2.

    Example:
        >>> main(["inspect", "no-such-file"])
        1
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words  # anywhere on the line: another parser reads a method's options
    parser = Parser(
        prog="skelblocks", description="Prepare skeleton data, pretrain encoders without labels, and use them."
    )
    parser.add_argument("--version", action="version", version=f"skelblocks {skelblocks.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (
        prepare,
        inspect,
        train,
        distill,
        copy,
        evaluate,
        embed,
        explore,
        classify,
        export,
        import_official,
    ):
        command.add(commands)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error; works with every command")
    args = parser.parse_args([word for word in words if word != "--debug"])
    keep_freed_memory()
    try:
        with warnings_in_lines():
            args.run(args)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except Exception as error:  # no command ends in a traceback
        return report(error, debug=debug)
    return 0
