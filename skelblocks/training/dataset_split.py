"""Split a set into training and test clips."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.escape import escape
from skelblocks.clips import ClipDataset
from skelblocks.data import ArrayDataset, PreparedSet, cross_subject, cross_view
from skelblocks.data.split_mask import boolean_mask
from skelblocks.training.options import DataOptions, Split

# The arrays that a split can use; the first one present is used.
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "cross-subject": ("subject",),
    "cross-view": ("view", "camera"),
    "fold": ("fold",),
}
_PROTOCOLS: Mapping[str, Split] = {"xsub": "cross-subject", "xview": "cross-view", "xset": "is_train"}


def split_of(options: DataOptions) -> Split:
    """The split that the options name, or the default: cross-subject, or for a prepared set its protocol.

    Example:
        >>> split_of(DataOptions()), split_of(DataOptions(split="none"))
        ('cross-subject', 'none')
    """
    if options.split is not None or not Path(options.path).is_dir():
        return options.split or "cross-subject"
    return prepared_split(PreparedSet(options.path), default="is_train")


def prepared_split(prepared: PreparedSet, *, default: Split) -> Split:
    """The split of a prepared set's protocol, or ``default`` if it has none."""
    return _PROTOCOLS.get(prepared.manifest["protocol"], default)


def groups(part: ClipDataset, split: str | None) -> NDArray[Any] | None:
    """The subject of each clip, its camera for a cross-view split, or its fold; None if the set does not record it.

    Args:
        part: The clips.
        split: ``"cross-view"`` and ``"fold"`` give cameras and folds. Any other value gives subjects, or recordings if
            the set does not record subjects.
    """
    name = group_name(part, split)
    return None if name is None else part.groups(name)


def group_name(part: ClipDataset, split: str | None) -> str | None:
    """The name of the values that :func:`groups` gives, such as ``"subject"``; None if the set does not record them."""
    names = _GROUPS.get(split or "", ("subject", "recording"))
    return next((name for name in names if name in part.group_names), None)


def check_recordings_apart(train: ClipDataset, test: ClipDataset, *, data: str) -> None:
    """Raise ``ValueError`` if clips of one recording are in both parts, unless both parts are the whole set.

    Windows of one recording overlap or show the same action of the same person. An accuracy on such clips says nothing
    about other recordings.

    Args:
        train: The training clips.
        test: The test clips.
        data: Name of the set in the message.
    """
    if any("recording" not in part.group_names for part in (train, test)) or train.names == test.names:
        return
    trained, tested = (set(part.groups("recording").tolist()) for part in (train, test))
    shared = sorted(number for number in trained & tested if not isinstance(number, int) or number >= 0)
    if shared:
        names = getattr(train, "origin_names", {}).get("recording", ())
        first = names[shared[0]] if isinstance(shared[0], int) and shared[0] < len(names) else shared[0]
        raise ValueError(
            f"data.path: {len(shared)} recordings of {data!r} have clips in both the training and the test part, such "
            f"as {escape(first)!r}; split by recording or by subject"
        )


def training_mask(whole: ArrayDataset, options: DataOptions) -> NDArray[np.bool_]:
    """Mask ``(n,)`` of the training clips of a set that is not split yet.

    Raises:
        ValueError: The set lacks the array that the split needs, the array holds invalid values, or the training part
            would have no clip or every clip.
    """
    split = split_of(options)
    if split == "is_train":
        if "train" not in whole.arrays:
            others = [name for name in _GROUPS if groups(whole, name) is not None]
            choice = f"choose {' or '.join(others)}, or" if others else "choose"
            raise ValueError(
                f"data.split: expected an array 'is_train', but {options.path!r} has none; {choice} none, to train on "
                "all clips"
            )
        return _split_mask(whole.arrays["train"], data=options.path)
    name, values = _GROUPS[split][0], groups(whole, split)
    if values is None:
        others = [other for other in _GROUPS if groups(whole, other) is not None]
        others += ["is_train"] if "train" in whole.arrays else []
        raise ValueError(
            f"data.split: expected an array {name!r}, but {options.path!r} has none; choose another split: "
            f"{' or '.join([*others, 'none'])}"
        )
    there = np.unique(values).tolist()
    if values.dtype.kind not in "iufb" and (split == "cross-subject" or options.train_ids):
        raise ValueError(
            f"data.split: expected integers in the array {name!r} of {options.path!r}, got {there[:3]}; number them "
            "with numpy.unique(names, return_inverse=True)[1]"
        )
    odd = split == "cross-subject"
    train = options.train_ids or ([i for i in there if i % 2] if odd else there[:-1])
    if not options.train_ids and len(train) in (0, len(there)):
        raise ValueError(
            f"data.train_ids: by default {'the odd ones' if odd else 'all but the last'} train, but {options.path!r} "
            f"has {name} {there}; choose who trains, as in --data.train_ids [{there[0]}]. To pretrain on all clips, "
            "pass --data.split none to skelblocks train"
        )
    return (cross_subject if odd else cross_view)(values, train)


def _split_mask(values: NDArray[Any], *, data: str) -> NDArray[np.bool_]:
    """``is_train`` as booleans; both values must occur."""
    try:
        mask = boolean_mask(values, name="is_train")
    except (TypeError, ValueError) as error:
        raise ValueError(f"data.split: {data!r}: {error}; true marks training clips") from None
    if mask.all() or not mask.any():
        which = "all clips" if mask.any() else "no clip"
        raise ValueError(
            f"data.split: 'is_train' in {data!r} marks {which}; mark some clips, or train on all with --data.split none"
        )
    return mask
