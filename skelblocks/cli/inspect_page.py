"""What ``skelblocks inspect`` finds by reading every clip of a set: near copies, and the page of the set."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.escape import escape
from skelblocks.clips import RawClip
from skelblocks.data import PreparedSet
from skelblocks.data.split_mask import boolean_mask
from skelblocks.layouts import SkeletonLayout
from skelblocks.pages.set_facts import SetFacts, set_facts
from skelblocks.pages.set_page import copies_text, set_page
from skelblocks.pages.write_page import check_page_path, write_page
from skelblocks.training.options import Split

_SEARCHED = 10_000  # clips in which near copies are searched unasked
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "cross-subject": ("subject",),
    "cross-view": ("view", "camera"),
    "fold": ("fold",),
}
_SPLITS = tuple(each for each in get_args(Split) if each != "none")


class InspectedSource(NamedTuple):
    """The clips of what is inspected.

    Attributes:
        clips: All of them.
        class_names: Of the classes, where they are known.
        train: What the set itself says of its split: a mask, or the names of the training clips.
    """

    clips: Sequence[RawClip]
    class_names: Sequence[str] = ()
    train: NDArray[Any] | Collection[str] | None = None


class LookedAt(NamedTuple):
    """What the clips hold; nothing where a large set was not read, and why.

    Attributes:
        line: For the list of facts.
        facts: Of the set.
        train: Which of its clips train.
    """

    line: dict[str, object]
    facts: SetFacts | None = None
    train: NDArray[np.bool_] | None = None


def add_page_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the page, and of the search for near copies."""
    parser.add_argument("--html", type=Path, metavar="OUT.html", help="write a page about the set")
    parser.add_argument("--overwrite", action="store_true", help="replace the page")
    parser.add_argument(
        "--copies",
        action="store_true",
        help=f"search for near copies in any number of clips (without it in up to {_SEARCHED:,})",
    )
    parser.add_argument(
        "--threshold", type=float, default=0.02, help="largest distance of near copies, relative to their size (0.02)"
    )
    parser.add_argument("--split", choices=_SPLITS, help="what decides which clips train (what the set says)")
    parser.add_argument(
        "--train-ids",
        type=int,
        nargs="+",
        metavar="ID",
        help="subjects, views or folds that train (the odd subjects, all views or folds but the last)",
    )


def check_page_options(given: argparse.Namespace) -> None:
    """Refuse, before the work, what cannot be written."""
    if given.html is not None:
        check_page_path(given.html, name="html", overwrite=given.overwrite)
    if not 0 <= given.threshold < 1:
        raise ValueError(f"threshold: expected a number from 0 to below 1, got {given.threshold}")
    if given.train_ids is not None and given.split not in _GROUPS:
        raise ValueError(f"train-ids: expected a --split of {', '.join(_GROUPS)}, got {given.split}; add one")


def look_at_all(source: InspectedSource, given: argparse.Namespace) -> LookedAt:
    """Read all clips, unless they are many and nothing needs them.

    Args:
        source: The clips.
        given: The options of the command.
    """
    if len(source.clips) > _SEARCHED and not given.copies and given.html is None:
        return LookedAt({"near copies": f"not searched in {len(source.clips)} clips; --copies searches"})
    try:
        facts = set_facts(source.clips, threshold=given.threshold)
    except ValueError as error:
        if given.html is not None or given.copies:
            raise
        return LookedAt({"near copies": f"not searched: {error}"})
    train = _training_clips(source, facts, given)
    return LookedAt({"near copies": copies_text(facts, train)}, facts, train)


def training_names(folder: Path) -> frozenset[str] | None:
    """The names of the training clips of a prepared set; None where its protocol has no training part."""
    try:
        return frozenset(PreparedSet(folder, part="train").names)
    except ValueError:
        return None


def write_set_page(
    given: argparse.Namespace,
    source: InspectedSource,
    looked: LookedAt,
    *,
    layout: SkeletonLayout | None,
    facts: Mapping[str, object],
) -> None:
    """Write the page.

    Args:
        given: The options of the command.
        source: The clips.
        looked: What was found in them.
        layout: Their skeleton.
        facts: What the text says of the file.
    """
    html = set_page(
        source.clips,
        title=f"The set {given.path.name}",
        layout=layout,
        class_names=source.class_names,
        train=looked.train,
        facts=looked.facts,
        details={"file": given.path, **{name: facts[name] for name in ("kind", "protocol") if name in facts}},
        threshold=given.threshold,
    )
    write_page(given.html, html, overwrite=given.overwrite)


def _training_clips(source: InspectedSource, facts: SetFacts, given: argparse.Namespace) -> NDArray[np.bool_] | None:
    """Which of the clips train, by ``--split``, or else by what the set says; None where nothing says it."""
    if given.split in _GROUPS:
        return _by_groups(facts, given)
    own = source.train
    if own is None or len(own) == 0:
        if given.split is not None:
            raise ValueError(f"split: {escape(given.path)!r} has no array 'is_train'; choose another split")
        return None
    if isinstance(own, np.ndarray):
        return boolean_mask(own, name="is_train", n=len(source.clips))[facts.places]
    return np.array([name in own for name in facts.names])


def _by_groups(facts: SetFacts, given: argparse.Namespace) -> NDArray[np.bool_]:
    name = next((each for each in _GROUPS[given.split] if each in facts.groups), None)
    if name is None:
        known = ", ".join(map(escape, facts.groups)) or "none"
        raise ValueError(
            f"split: expected groups {' or '.join(_GROUPS[given.split])} for {given.split}, got {known}; choose "
            "another split"
        )
    values = facts.groups[name]
    there = np.unique(values)
    if values.dtype.kind not in "iu":
        raise ValueError(f"split: expected numbers as {name}, got {escape(there[0])!r}; number them")
    if given.train_ids is not None:
        train = np.array(given.train_ids)
    else:
        train = there[there % 2 == 1] if given.split == "cross-subject" else there[:-1]
    mask = np.isin(values, train)
    if mask.all() or not mask.any() or not np.isin(train, there).all():
        raise ValueError(
            f"train-ids: expected some of the {name}s {', '.join(map(str, there[:20]))}, not all, got "
            f"{' '.join(map(str, train)) or 'none'}"
        )
    return mask
