"""``skelblocks copy``: a page or a configuration to edit."""

from __future__ import annotations

import argparse


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "copy",
        help="copy a method's page or a configuration, to edit it",
        description="Copy a method's page or a configuration, to edit it; `skelblocks train FILE.py` runs your copy.",
    )
    parser.add_argument("name", nargs="?", help="such as msmclr, plain_torch or utd_mhad; default: list them all")
    parser.add_argument("to", nargs="?", default=".", help="a folder, or the new file (default: here)")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> None:
    """Run the command."""
    from skelblocks.training.pages import copies, copy_page

    if given.name is None:
        print("\n".join(copies()))
        return
    print(copy_page(given.name, given.to))
