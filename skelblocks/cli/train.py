"""``skelblocks train``: train with a method of the library, or with a page of your own."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "train",
        help="pretrain an encoder without labels",
        description="Pretrain an encoder without labels. `skelblocks train msmclr --help` lists the options of that "
        "method.",
    )
    parser.add_argument(
        "page",
        help="msmclr, aimclr, skeletonclr, skeattnclr, crossmoco, actclr, pstl, crossclr, skelemixclr, hiclr, isc, "
        "or a Python file",
    )
    parser.add_argument(
        "options", nargs=argparse.REMAINDER, help="options of the method, such as --config small --data.path clips.npz"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from skelblocks.training.command_line import USER_ERRORS, place_of, run_page
    from skelblocks.training.pages import load_page

    page: Any = load_page(args.page)
    try:
        run_page(page, args.options, prog=f"skelblocks train {args.page}")
    except USER_ERRORS as error:
        place = place_of(error)
        if not place:
            raise
        raise ValueError(f"{error}{place}") from error
