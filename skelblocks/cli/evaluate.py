"""``skelblocks evaluate``: evaluate trained encoders with the protocols of the papers.

    skelblocks evaluate linear runs/demo
    skelblocks evaluate fuse runs/joint runs/bone runs/motion
    skelblocks evaluate report runs/msmclr runs/aimclr --out runs/report
    skelblocks evaluate cost --method msmclr

A run is a folder that ``skelblocks train`` has written, or a pretrained encoder. Several runs with the same method and
stream count as seeds. A command writes all its measurements to OUT/COMMAND.json and a table to OUT/COMMAND.md.
``linear`` and ``finetune`` also save the classifier, together with its encoder, in OUT/COMMAND_model.
"""

from __future__ import annotations

import argparse
from typing import Any

PROTOCOLS = {
    "frozen": "both knn and linear",
    "knn": "nearest-neighbor classification on frozen features",
    "linear": "a linear classifier on frozen features",
    "semi": "fine-tuning of the whole model on a fraction of the labels",
    "finetune": "fine-tuning of the whole model on all labels",
    "fuse": "the summed scores of several streams' classifiers",
    "tsne": "a two-dimensional map of the features",
    "report": "all protocols, compared with untrained encoders, with pictures",
    "cost": "number of parameters and operations of a method",
}


def add(commands: Any) -> None:
    """Register the command with the main parser."""
    listed = "\n".join(f"  {name:10}{about}" for name, about in PROTOCOLS.items())
    parser: argparse.ArgumentParser = commands.add_parser(
        "evaluate",
        help="evaluate trained encoders with the protocols of the papers",
        description="Evaluate trained encoders with the protocols of the papers.",
        epilog=f"protocols:\n{listed}\n\n`skelblocks evaluate linear --help` lists the options of that protocol.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("protocol", choices=list(PROTOCOLS), metavar="PROTOCOL", help="what to measure, see below")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="folders of runs, then options")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from skelblocks.cli.evaluate_runs import evaluate

    evaluate(args.protocol, args.arguments)
