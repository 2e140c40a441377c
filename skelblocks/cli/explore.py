"""``skelblocks explore``: a page on which the clips of a set lie where an encoder puts them, and move."""

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
    """Add the command to a parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "explore",
        help="a page to look at what an encoder has learned: clips in motion on a map",
        description="Write one HTML file, which opens by a double click and loads nothing: a map of the clips, their "
        "nearest neighbors in motion, a confusion matrix, and accuracies to compare with an untrained encoder and raw "
        "coordinates.",
    )
    parser.add_argument(
        "encoder",
        type=Path,
        help="a run such as runs/demo, a folder that save_pretrained wrote, a released file, or the embeddings.npz "
        "of skelblocks embed",
    )
    add_clip_options(parser, without="of a run: its test clips")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the page to write, .html")
    parser.add_argument(
        "--map",
        dest="maps",
        choices=get_args(Method),
        action="append",
        help="way to the plane; may be given several times (tsne and pca)",
    )
    parser.add_argument("--color", help="what colors the points at first: class, subject, view, cluster, ... (class)")
    parser.add_argument("--neighbors", type=int, default=_NEIGHBORS, help=f"shown for each clip ({_NEIGHBORS})")
    parser.add_argument("--sample", type=int, metavar="N", help="show N clips, drawn at random, in place of all")
    parser.add_argument("--no-baselines", action="store_true", help="leave out untrained encoders and raw coordinates")
    parser.add_argument("--title", help="of the page")
    parser.add_argument("--seed", type=int, default=0, help="of the maps, the clusters and the sample (0)")
    parser.add_argument("--overwrite", action="store_true", help="replace the file")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> None:
    """Do what the arguments say."""
    check_integer(given.batch_size, name="batch-size")
    check_integer(given.neighbors, name="neighbors")
    check_integer(given.seed, name="seed", least=0)
    if given.seed >= 2**32:
        raise ValueError(f"seed: expected an integer below 2**32, got {given.seed}")
    if given.sample is not None:
        check_integer(given.sample, name="sample", least=3)
    maps = list(dict.fromkeys(given.maps or ("tsne", "pca")))
    out = check_page_path(given.out, name="out", overwrite=given.overwrite)
    for module in ("jinja2", "sklearn"):  # before the work, which may take minutes
        require(module, extra="pages")
    if "umap" in maps:
        require("umap", extra="umap")
    explored = _open(given)
    html = explore_page(
        explored.dataset,
        explored.features,
        maps=maps,
        color=given.color,
        neighbors=given.neighbors,
        seed=given.seed,
        scores=explored.scores,
        title=given.title or f"Clips as {explored.encoder} sees them",
        facts=[("encoder", explored.encoder), ("set", explored.clips)],
    )
    write_page(out, html)
    print(f"{escape(out)}: {len(explored.dataset)} clips, {len(html) / 1e6:.1f} MB")


def _open(given: argparse.Namespace) -> Explored:
    if given.encoder.suffix.lower() == ".npz" and given.encoder.is_file():
        return explored_features(given, most=_MOST)
    if given.clips is not None:
        return explored_pair(given, most=_MOST)
    return _sampled_run(explored_run(given), given)


def _sampled_run(explored: Explored, given: argparse.Namespace) -> Explored:
    """A run is evaluated on all its clips; only what is shown is a sample."""
    places = chosen_places(len(explored.dataset), given, most=_MOST)
    if places is None:
        return explored
    scores = explored.scores
    if scores is not None and scores.predicted is not None:
        scores = scores._replace(predicted=scores.predicted[places])
    return dataclasses.replace(
        explored, dataset=explored.dataset.subset(places), features=explored.features[places], scores=scores
    )
