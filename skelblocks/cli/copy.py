"""``skelblocks copy``: copy a method's page or a configuration, to edit it."""

from __future__ import annotations

import argparse


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "copy",
        help="copy a method's page or a configuration, to edit it",
        description="Copy a method's page or a configuration so that you can edit it. `skelblocks train FILE.py` runs "
        "your copy.",
    )
    parser.add_argument(
        "name", nargs="?", help="what to copy, such as msmclr, plain_torch or utd_mhad (default: list all names)"
    )
    parser.add_argument(
        "to",
        nargs="?",
        default=".",
        help="the destination: a folder, or the name of the new file (default: the current folder)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from skelblocks.training.pages import copies, copy_page

    if args.name is None:
        print("\n".join(copies()))
        return
    print(copy_page(args.name, args.to))
