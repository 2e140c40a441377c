"""``skelblocks train``: a method, or a page of your own."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "train",
        help="pretrain an encoder without labels",
        description="Pretrain an encoder without labels. `skelblocks train msmclr --help` lists the method's options.",
    )
    parser.add_argument(
        "page",
        help="msmclr, aimclr, skeletonclr, skeattnclr, crossmoco, actclr, pstl, crossclr, skelemixclr, hiclr, or a "
        "Python file",
    )
    parser.add_argument("options", nargs=argparse.REMAINDER, help="such as --config small --data.path clips.npz")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> None:
    """Run the command."""
    from skelblocks.training.command_line import USER_ERRORS, place_of, run_page
    from skelblocks.training.pages import load_page

    page: Any = load_page(given.page)
    try:
        run_page(page, given.options, prog=f"skelblocks train {given.page}")
    except USER_ERRORS as error:
        place = place_of(error)
        if not place:
            raise
        raise ValueError(f"{error}{place}") from error
