"""The parts of ``skelblocks inspect`` that read every clip of a set: near copies, and the page about the set."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.escape import escape
from skelblocks._utils.optional import require
from skelblocks.clips import RawClip
from skelblocks.data import PreparedSet
from skelblocks.data.split_mask import boolean_mask
from skelblocks.layouts import SkeletonLayout
from skelblocks.pages.set_facts import SetFacts, set_facts
from skelblocks.pages.set_page import copies_text, set_page
from skelblocks.pages.write_page import check_page_path, write_page
from skelblocks.training.options import Split

_SEARCHED = 10_000  # largest number of clips that is searched for near copies without --copies
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "cross-subject": ("subject",),
    "cross-view": ("view", "camera"),
    "fold": ("fold",),
}
_SPLITS = tuple(each for each in get_args(Split) if each != "none")


class InspectedSource(NamedTuple):
    """The clips of the inspected file or set.

    Attributes:
        clips: All clips.
        class_names: Names of the classes, if known.
        train: The split that the set records: a mask, or the names of the training clips.
    """

    clips: Sequence[RawClip]
    class_names: Sequence[str] = ()
    train: NDArray[Any] | Collection[str] | None = None


class LookedAt(NamedTuple):
    """What reading all clips found, or why they were not read.

    Attributes:
        line: Line for the printed list of facts.
        facts: Facts about the set.
        train: Mask of the training clips.
    """

    line: dict[str, object]
    facts: SetFacts | None = None
    train: NDArray[np.bool_] | None = None


def add_page_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the page and for the search for near copies."""
    parser.add_argument("--html", type=Path, metavar="OUT.html", help="write an HTML page about the set")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing page")
    parser.add_argument(
        "--copies",
        action="store_true",
        help=f"search for near copies in sets of any size (default: only in up to {_SEARCHED:,} clips)",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        default=0.02,
        help="largest distance of near copies, relative to their size (default: 0.02)",
    )
    parser.add_argument("--split", choices=_SPLITS, help="which clips train (default: the split that the set records)")
    parser.add_argument(
        "--train-ids",
        type=int,
        nargs="+",
        metavar="ID",
        help="training subjects, views or folds (default: the odd subjects, or all views or folds but the last)",
    )


def check_page_options(args: argparse.Namespace) -> None:
    """Reject impossible options before the work begins."""
    if args.html is not None:
        require("jinja2", extra="pages")
        check_page_path(args.html, name="html", overwrite=args.overwrite)
        require("jinja2", extra="pages")  # fail before the clips are read
    if not 0 <= args.threshold < 1:
        raise ValueError(f"threshold: expected a number from 0 to below 1, got {args.threshold}")
    if args.train_ids is not None and args.split not in _GROUPS:
        raise ValueError(f"train-ids: expected a --split of {', '.join(_GROUPS)}, got {args.split}; add one")


def look_at_all(source: InspectedSource, args: argparse.Namespace) -> LookedAt:
    """Read all clips, unless the set is large and no option needs them.

    Args:
        source: The clips.
        args: The options of the command.
    """
    if len(source.clips) > _SEARCHED and not args.copies and args.html is None:
        return LookedAt({"near copies": f"not searched in {len(source.clips)} clips; add --copies to search"})
    try:
        facts = set_facts(source.clips, threshold=args.threshold)
    except ValueError as error:
        if args.html is not None or args.copies:
            raise
        return LookedAt({"near copies": f"not searched: {error}"})
    train = _training_clips(source, facts, args)
    return LookedAt({"near copies": copies_text(facts, train)}, facts, train)


def training_names(folder: Path) -> frozenset[str] | None:
    """The names of the training clips of a prepared set; None if its protocol has no training part."""
    try:
        return frozenset(PreparedSet(folder, part="train").names)
    except ValueError:
        return None


def write_set_page(
    args: argparse.Namespace,
    source: InspectedSource,
    looked: LookedAt,
    *,
    layout: SkeletonLayout | None,
    facts: Mapping[str, object],
) -> None:
    """Write the page.

    Args:
        args: The options of the command.
        source: The clips.
        looked: What :func:`look_at_all` found in them.
        layout: Skeleton of the clips.
        facts: The printed facts about the file.
    """
    html = set_page(
        source.clips,
        title=f"The set {args.path.name}",
        layout=layout,
        class_names=source.class_names,
        train=looked.train,
        facts=looked.facts,
        details={"file": args.path, **{name: facts[name] for name in ("kind", "protocol") if name in facts}},
        threshold=args.threshold,
    )
    write_page(args.html, html, overwrite=args.overwrite)


def _training_clips(source: InspectedSource, facts: SetFacts, args: argparse.Namespace) -> NDArray[np.bool_] | None:
    """Mask of the training clips, by ``--split`` or by the set itself; None if neither says."""
    if args.split in _GROUPS:
        return _by_groups(facts, args)
    own = source.train
    if own is None or len(own) == 0:
        if args.split is not None:
            raise ValueError(
                f"split: expected an array 'is_train', but {escape(args.path)!r} has none; choose another split"
            )
        return None
    if isinstance(own, np.ndarray):
        return boolean_mask(own, name="is_train", n=len(source.clips))[facts.places]
    return np.array([name in own for name in facts.names])


def _by_groups(facts: SetFacts, args: argparse.Namespace) -> NDArray[np.bool_]:
    name = next((each for each in _GROUPS[args.split] if each in facts.groups), None)
    if name is None:
        known = ", ".join(map(escape, facts.groups)) or "none"
        raise ValueError(
            f"split: expected groups {' or '.join(_GROUPS[args.split])} for {args.split}, got {known}; choose "
            "another split"
        )
    values = facts.groups[name]
    there = np.unique(values)
    if values.dtype.kind not in "iu":
        raise ValueError(f"split: expected numbers in {name!r}, got {escape(there[0])!r}; number the groups")
    if args.train_ids is not None:
        train = np.array(args.train_ids)
    else:
        train = there[there % 2 == 1] if args.split == "cross-subject" else there[:-1]
    mask = np.isin(values, train)
    if mask.all() or not mask.any() or not np.isin(train, there).all():
        raise ValueError(
            f"train-ids: expected some of the {name}s {', '.join(map(str, there[:20]))}, not all, got "
            f"{' '.join(map(str, train)) or 'none'}; choose others"
        )
    return mask
