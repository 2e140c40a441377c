"""``skelblocks evaluate``: what a trained encoder is worth, by the protocols of the papers.

    skelblocks evaluate linear runs/demo
    skelblocks evaluate fuse runs/joint runs/bone runs/motion
    skelblocks evaluate report runs/msmclr runs/aimclr --out runs/report
    skelblocks evaluate cost --method msmclr

A run is a folder that ``skelblocks train`` has written, or a pretrained encoder. Several runs of one method and stream
are seeds. Everything that a command measures is in OUT/COMMAND.json, its table in OUT/COMMAND.md. ``linear`` and
``finetune`` keep their classifier, with its encoder, in OUT/COMMAND_model.
"""

from __future__ import annotations

import argparse
from typing import Any

PROTOCOLS = {
    "frozen": "knn and linear",
    "knn": "nearest neighbors on frozen features",
    "linear": "a linear classifier on frozen features",
    "semi": "the whole model on a share of the labels",
    "finetune": "the whole model on all labels",
    "fuse": "the classifiers of several streams together",
    "tsne": "a picture of the features",
    "report": "all of these, untrained encoders, and pictures",
    "cost": "parameters and operations of a method",
}


def add(commands: Any) -> None:
    """Add the command to those of a parser."""
    listed = "\n".join(f"  {name:10}{about}" for name, about in PROTOCOLS.items())
    parser: argparse.ArgumentParser = commands.add_parser(
        "evaluate",
        help="evaluate trained encoders by the protocols of the papers",
        description="Evaluate trained encoders by the protocols of the papers.",
        epilog=f"protocols:\n{listed}\n\n`skelblocks evaluate linear --help` lists the options of a protocol.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("protocol", choices=list(PROTOCOLS), metavar="PROTOCOL", help="what is measured, see below")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="folders of runs, and options")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> None:
    """Do what the arguments say."""
    from skelblocks.cli.evaluate_runs import evaluate

    evaluate(given.protocol, given.arguments)
