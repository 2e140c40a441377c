"""``skelblocks explore``: a page with an animated map of clips, arranged by an encoder's features."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any, get_args

from skelblocks._utils.checks import check_integer
from skelblocks._utils.escape import escape
from skelblocks._utils.optional import require
from skelblocks.cli.explored import Explored, chosen_places, explored_features, explored_pair, explored_run
from skelblocks.cli.open_clips import add_clip_options
from skelblocks.pages.explore_page import explore_page
from skelblocks.pages.write_page import check_page_path, write_page
from skelblocks.viz.plane_points import Method

_MOST, _NEIGHBORS = 5000, 5


def add(commands: Any) -> None:
    """Register the command with the main parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "explore",
        help="write a page that shows what an encoder has learned: a map of animated clips",
        description="Write one HTML file that opens with a double click and needs no network. It shows a map of the "
        "clips, their animated nearest neighbors, a confusion matrix, and the accuracies of the encoder, of an "
        "untrained encoder and of raw coordinates.",
    )
    parser.add_argument(
        "encoder",
        type=Path,
        help="a run such as runs/demo, a pretrained folder, a released file, or the embeddings.npz of skelblocks embed",
    )
    add_clip_options(parser, without="default for a run: its test clips")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .html page to write")
    parser.add_argument(
        "--map",
        dest="maps",
        choices=get_args(Method),
        action="append",
        help="how features become a map; repeatable (default: tsne and pca)",
    )
    parser.add_argument(
        "--color", help="what colors the points at first: class, subject, view, cluster, ... (default: class)"
    )
    parser.add_argument(
        "--neighbors", type=int, default=_NEIGHBORS, help=f"neighbors to show for each clip (default: {_NEIGHBORS})"
    )
    parser.add_argument("--sample", type=int, metavar="N", help="show N randomly drawn clips instead of all")
    parser.add_argument(
        "--no-baselines", action="store_true", help="leave out the untrained encoder and raw coordinates"
    )
    parser.add_argument("--title", help="title of the page")
    parser.add_argument(
        "--seed", type=int, default=0, help="random seed of the maps, the clusters and the sample (default: 0)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    check_integer(args.batch_size, name="batch-size")
    check_integer(args.neighbors, name="neighbors")
    check_integer(args.seed, name="seed", least=0)
    if args.seed >= 2**32:
        raise ValueError(f"seed: expected an integer below 2**32, got {args.seed}")
    if args.sample is not None:
        check_integer(args.sample, name="sample", least=3)
    maps = list(dict.fromkeys(args.maps or ("tsne", "pca")))
    out = check_page_path(args.out, name="out", overwrite=args.overwrite)
    for module in ("jinja2", "sklearn"):  # fail before the work, which may take minutes
        require(module, extra="pages")
    if "umap" in maps:
        require("umap", extra="umap")
    explored = _open(args)
    html = explore_page(
        explored.dataset,
        explored.features,
        maps=maps,
        color=args.color,
        neighbors=args.neighbors,
        seed=args.seed,
        scores=explored.scores,
        title=args.title or f"Clips as {explored.encoder} sees them",
        facts=[("encoder", explored.encoder), ("set", explored.clips)],
    )
    write_page(out, html)
    print(f"{escape(out)}: {len(explored.dataset)} clips, {len(html) / 1e6:.1f} MB")


def _open(args: argparse.Namespace) -> Explored:
    if args.encoder.suffix.lower() == ".npz" and args.encoder.is_file():
        return explored_features(args, most=_MOST)
    if args.clips is not None:
        return explored_pair(args, most=_MOST)
    return _sampled_run(explored_run(args), args)


def _sampled_run(explored: Explored, args: argparse.Namespace) -> Explored:
    """Keep the evaluation of all the run's clips, and show only a sample of them."""
    places = chosen_places(len(explored.dataset), args, most=_MOST)
    if places is None:
        return explored
    scores = explored.scores
    if scores is not None and scores.predicted is not None:
        scores = scores._replace(predicted=scores.predicted[places])
    return dataclasses.replace(
        explored, dataset=explored.dataset.subset(places), features=explored.features[places], scores=scores
    )
