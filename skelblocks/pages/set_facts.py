"""Facts about a set of clips: groups, lengths, unseen joints, and near copies.

Axes: n samples, c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.escape import escape
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips import ClipDataset, RawClip
from skelblocks.clips.raw_clip import ClipFormatError
from skelblocks.data import NearCopies, clip_lengths, near_copies, resample
from skelblocks.pages.clip_sequences import DatasetClips

_COMPARED = 16  # frames in which near copies are searched
_FIRST = ("subject", "view", "camera")  # the groups that most readers look for


@dataclass(frozen=True, kw_only=True)
class SetFacts:
    """Facts about a set of clips. The arrays have one entry for each of the n clips that can be read.

    Attributes:
        places: Indices of the clips in the set.
        names: Names of the clips.
        labels: ``(n,)``, -1 where there is none.
        groups: Values ``(n,)`` such as ``"subject"`` or ``"view"``, by name.
        lengths: Frames to the last one in which a person is seen; 0 if none is.
        persons: How many persons are seen in each clip.
        unseen: The share of the frames of present persons in which a joint is not seen, ``(v,)``.
        limits: The lowest and the highest coordinate.
        not_finite: How many clips have NaN or infinite coordinates.
        damaged: A line for each clip that cannot be read.
        copies: Pairs of clips that are near copies, by their places in these arrays.
    """

    places: NDArray[np.int64]
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    groups: dict[str, NDArray[Any]]
    lengths: NDArray[np.int64]
    persons: NDArray[np.int64]
    unseen: NDArray[np.float64]
    limits: tuple[float, float]
    not_finite: int
    damaged: tuple[str, ...]
    copies: NearCopies


@explain_arguments
def set_facts(clips: ClipDataset | Sequence[RawClip], *, threshold: float = 0.02) -> SetFacts:
    """Read every clip of a set once, and collect facts about the set.

    A joint is unseen where the set says so, and where a coordinate is NaN. In recorded clips without a mask it is also
    unseen where all its coordinates are zero; a joint that is zero in every frame of the set is the origin, and seen.

    Args:
        clips: A data set, or raw clips such as a reader of :mod:`skelblocks.data` gives.
        threshold: For :func:`~skelblocks.data.near_copies`.

    Returns:
        What the set holds.

    Raises:
        ValueError: No clip can be read, clips of several skeletons, or a ``threshold`` outside its range.

    Example:
        >>> from skelblocks.data import ArrayDataset, synthetic_motion
        >>> motion = synthetic_motion(classes=3, subjects=2, views=2, frames=20)
        >>> dataset = ArrayDataset(motion.x.numpy(), layout="ntu-rgb+d", views=motion.views.numpy())
        >>> facts = set_facts(dataset)
        >>> len(facts.names), facts.groups["view"].tolist()[:4], len(facts.copies.first)
        (12, [0, 1, 0, 1], 0)
    """
    sequence = clips if isinstance(clips, Sequence) else DatasetClips(clips)
    found = _Collected()
    for place in range(len(sequence)):
        try:
            found.add(place, sequence[place])
        except ClipFormatError as error:  # noqa: PERF203  (one bad clip, not the loop, is given up)
            found.damaged.append(escape(error.reason))
    if not found.names:
        why = f": {found.damaged[0]}" if found.damaged else "; it is empty"
        raise ValueError(f"clips: expected at least one clip that can be read, got none{why}")
    return found.facts(threshold)


class _Collected:
    """The facts of the clips that were read."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.places: list[int] = []
        self.labels: list[int] = []
        self.origins: list[dict[str, Any]] = []
        self.lengths: list[int] = []
        self.persons: list[int] = []
        self.shapes: list[NDArray[np.float32]] = []
        self.damaged: list[str] = []
        self.unseen: NDArray[np.float64] | float = 0.0
        self.zero: NDArray[np.float64] | float = 0.0
        self.present = 0
        self.not_finite = 0
        self.limits = (np.inf, -np.inf)

    def add(self, place: int, clip: RawClip) -> None:
        x, seen, finite = finite_clip(clip)
        if self.shapes and self.shapes[0].shape[2] != x.shape[2]:
            raise ValueError(
                f"clips: expected one skeleton, got {self.shapes[0].shape[2]} joints in {escape(self.names[0])!r} and "
                f"{x.shape[2]} in {escape(clip.name)!r}; inspect them separately"
            )
        self.places.append(place)
        self.names.append(clip.name)
        self.labels.append(clip.label)
        self.origins.append(dict(clip.origin))
        self.not_finite += not finite
        there = (seen & (x != 0).any(axis=0)).any(axis=1)  # (t, m)
        self.lengths.append(int(clip_lengths(x[None])[0]) if x.any() else 0)
        self.persons.append(int(there.any(axis=0).sum()))
        if clip.seen.ndim == 2:  # the source tells of persons alone
            at_zero = (x == 0).all(axis=0)  # (t, v, m)
            self.zero = self.zero + (at_zero & seen & there[:, None]).sum(axis=(0, 2))
        self.unseen = self.unseen + (~seen & there[:, None]).sum(axis=(0, 2))
        self.present += int(there.sum())
        if x.size:
            self.limits = (min(self.limits[0], float(x.min())), max(self.limits[1], float(x.max())))
        self.shapes.append(resample(x[None], _COMPARED, length=clip_lengths(x[None]))[0].astype(np.float32))

    def facts(self, threshold: float) -> SetFacts:
        names = sorted(dict.fromkeys(name for origin in self.origins for name in origin), key=_rank)
        present = max(self.present, 1)
        zero = np.asarray(self.zero, dtype=np.float64)
        zero = np.where(zero == self.present, 0.0, zero)  # the origin
        return SetFacts(
            places=np.array(self.places, dtype=np.int64),
            names=tuple(self.names),
            labels=np.array(self.labels, dtype=np.int64),
            groups={name: np.array([origin.get(name, -1) for origin in self.origins]) for name in names},
            lengths=np.array(self.lengths, dtype=np.int64),
            persons=np.array(self.persons, dtype=np.int64),
            unseen=(np.asarray(self.unseen, dtype=np.float64) + zero) / present,
            limits=self.limits,
            not_finite=self.not_finite,
            damaged=tuple(self.damaged),
            copies=near_copies(self._stacked(), threshold=threshold),
        )

    def _stacked(self) -> NDArray[np.float32]:
        """All clips ``(n, c, t, v, m)``, with room for the most persons and coordinates of any clip."""
        c, m = (max(shape.shape[axis] for shape in self.shapes) for axis in (0, 3))
        frames, joints = self.shapes[0].shape[1:3]
        stacked = np.zeros((len(self.shapes), c, frames, joints, m), dtype=np.float32)
        for row, shape in zip(stacked, self.shapes, strict=True):
            row[: shape.shape[0], :, :, : shape.shape[3]] = shape
        return stacked


def _rank(name: str) -> int:
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)


def finite_clip(clip: RawClip) -> tuple[NDArray[np.float64], NDArray[np.bool_], bool]:
    """A clip's coordinates, zero where they are not finite, its mask ``(t, v, m)``, and whether all are finite."""
    x = np.asarray(clip.x, dtype=np.float64)
    finite = np.isfinite(x).all(axis=0)  # (t, v, m)
    return np.where(finite, x, 0.0), clip.seen_joints & finite, bool(finite.all())
