"""``skelblocks distill``: an encoder for any skeleton from released weights."""

from __future__ import annotations

import argparse
from typing import Any

from skelblocks.training.distill_options import add_distill_options


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "distill",
        help="make an encoder for your skeleton out of released weights",
        description="Make an encoder for your skeleton, in a picture or in space, out of released weights. It learns "
        "to give their features, from motion without labels.",
    )
    add_distill_options(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> None:
    """Run the command."""
    from skelblocks.training.pages import load_script

    script: Any = load_script("distill")
    script.run(given)
