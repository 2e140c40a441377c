"""Split a set so that all clips of a recording, or of a subject, are in the same part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.checks import check_choice
from skelblocks._utils.escape import escape
from skelblocks.data.prepared.prepare import Part

SplitBy = Literal["recording", "subject"]
SPLITS: tuple[SplitBy, ...] = get_args(SplitBy)


def recording_split(by: SplitBy, test: Sequence[str], *, origin_names: Mapping[str, Sequence[str]]) -> Part:
    """Make a function that says which clips train, for :func:`~skelblocks.data.prepare`.

    Args:
        by: ``"recording"`` or ``"subject"``.
        test: Names to test on; ``*`` and ``?`` stand for any letters. All others train. A clip of an unknown subject is
            in neither part.
        origin_names: Names by number.

    Returns:
        A function of the names and origins of all clips, which gives 1 for training, 0 for test and -1 for neither.

    Raises:
        ValueError: An unknown choice, no subjects, a name that matches nothing, or nothing left for one of the parts.

    Example:
        >>> part = recording_split("recording", ["day2*"], origin_names={"recording": ("day1/a", "day1/b", "day2/a")})
        >>> part(["x", "y", "z"], {"recording": np.array([0, 2, 1])}).tolist()
        [1, 0, 1]
    """
    check_choice(by, SPLITS, name="split")
    names = origin_names.get(by)
    if names is None:
        raise ValueError(f"split: the labels tell no {by}; add a column {by!r} to them, or split by recording")
    if not test:
        raise ValueError(f"test: expected names of each {by} to test on, got none; there are {_shown(names)}")
    tested = set()
    for pattern in test:
        found = [number for number, name in enumerate(names) if fnmatchcase(name, pattern)]
        if not found:
            raise ValueError(f"test: no {by} is called {escape(pattern)!r}; there are {_shown(names)}")
        tested.update(found)
    if len(tested) == len(names):
        raise ValueError(f"test: expected some {by} that is left to train on, got all {len(names)} to test on")
    return partial(_parts, by, frozenset(tested))


def _parts(
    by: SplitBy, tested: frozenset[int], names: Sequence[str], origin: Mapping[str, NDArray[Any]]
) -> NDArray[np.int8]:
    group = np.asarray(origin[by])
    parts = np.where(np.isin(group, list(tested)), 0, 1).astype(np.int8)
    parts[group < 0] = -1
    return parts


def _shown(names: Sequence[str]) -> str:
    shown = ", ".join(escape(name, longest=40) for name in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
