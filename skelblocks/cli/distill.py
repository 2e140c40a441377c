"""``skelblocks distill``: train an encoder for any skeleton from released weights."""

from __future__ import annotations

import argparse
from typing import Any

from skelblocks.training.distill_options import add_distill_options


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "distill",
        help="train an encoder for your skeleton from released weights",
        description="Train an encoder for your own skeleton, in 2-D or 3-D, from released weights. The new encoder "
        "learns to reproduce the features of the released one on unlabeled motion.",
    )
    add_distill_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from skelblocks.training.pages import load_script

    script: Any = load_script("distill")
    script.run(args)
