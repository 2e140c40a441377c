"""The page about a set: facts, and its near copies side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips import ClipDataset, RawClip
from skelblocks.data import clip_lengths, resample
from skelblocks.layouts import SkeletonLayout
from skelblocks.pages.clip_sequences import DatasetClips, is_upside_down
from skelblocks.pages.pack_motion import pack_motion
from skelblocks.pages.packed import Packed, pack_json
from skelblocks.pages.render_page import render_page
from skelblocks.pages.set_charts import set_charts
from skelblocks.pages.set_facts import SetFacts, finite_clip, set_facts

_PLAYED, _LISTED, _SAMPLED, _FRAMES, _PERSONS, _DAMAGED = 200, 1000, 60, 64, 2, 20


@explain_arguments
def set_page(
    clips: ClipDataset | Sequence[RawClip],
    *,
    title: str,
    layout: SkeletonLayout | None = None,
    class_names: Sequence[str] = (),
    train: NDArray[np.bool_] | None = None,
    facts: SetFacts | None = None,
    details: Mapping[str, object] | None = None,
    threshold: float = 0.02,
) -> str:
    """Write the page of a set: counts, lengths, unseen joints, and near copies that play side by side.

    Args:
        clips: A data set, or raw clips such as a reader of :mod:`skelblocks.data` gives.
        title: Title of the page.
        layout: The skeleton. Default: the data set's. Without one nothing plays.
        class_names: Default: the data set's.
        train: Mask of the training clips, ``(n,)``; the others test. Default: the page does not split the clips.
        facts: What :func:`set_facts` found, if it has read these clips already; ``train`` has one entry for each of
            its clips then.
        details: Other facts, which open the page.
        threshold: For :func:`~skelblocks.data.near_copies`.

    Returns:
        The HTML, for :func:`write_page`.

    Raises:
        ImportError: Jinja2 is missing.
        ValueError: No clip can be read, or ``train`` has another length.

    Example:
        >>> from skelblocks.data import ArrayDataset, synthetic_motion
        >>> motion = synthetic_motion(classes=2, subjects=2, views=1, frames=12)
        >>> dataset = ArrayDataset(motion.x.numpy(), layout="ntu-rgb+d", labels=motion.labels.numpy())
        >>> "A clip of each class" in set_page(dataset, title="Synthetic motion")
        True
    """
    if isinstance(clips, Sequence):
        sequence = clips
    else:
        sequence, layout, class_names = DatasetClips(clips), layout or clips.layout, class_names or clips.class_names
    group_names = sequence.group_names if isinstance(sequence, DatasetClips) else {}
    facts = facts or set_facts(sequence, threshold=threshold)
    if train is not None and train.shape != (len(facts.names),):
        raise ValueError(f"train: expected a boolean for each of {len(facts.names)} clips, got shape {train.shape}")
    pairs = _pairs(facts, train, group_names)
    samples = _samples(facts, class_names)
    data = _motion(sequence, facts, pairs, samples, layout)
    played = [pair for pair in pairs if pair["clips"]]
    shown = {"pairs": played, "samples": samples} if data else {"pairs": [], "samples": []}
    return render_page(
        "set.html",
        title=title,
        scripts=("player.js", "set.js"),
        styles=("charts.css", "set.css"),
        data={**data, "shown": pack_json(shown)},
        values={
            "facts": {**(details or {}), **_facts(facts, layout, train)},
            "damaged": facts.damaged[:_DAMAGED],
            "copies_text": copies_text(facts, train),
            "threshold": threshold,
            "pairs": pairs,
            "count": len(facts.copies.first),
            "samples": samples if data else [],
            "has_motion": bool(data),
            "charts": set_charts(facts, layout=layout, class_names=class_names, train=train, group_names=group_names),
        },
    )


def copies_text(facts: SetFacts, train: NDArray[np.bool_] | None = None) -> str:
    """Describe the number of near copies, and which groups they connect, in one sentence.

    Args:
        facts: Facts about the set.
        train: Mask of the training clips.
    """
    first, second, _ = facts.copies
    if not len(first):
        return "No two clips are near copies of each other."
    pairs = f"{len(first)} pair{'s' if len(first) > 1 else ''}"
    if train is not None:
        return f"{pairs}, {int((train[first] != train[second]).sum())} across training and test."
    apart = {name: int((values[first] != values[second]).sum()) for name, values in facts.groups.items()}
    named = [f"{apart[name]} of another {name}" for name in ("subject", "view", "camera", "recording") if name in apart]
    return f"{pairs}{': ' if named else ''}{', '.join(named)}."


def _facts(facts: SetFacts, layout: SkeletonLayout | None, train: NDArray[np.bool_] | None) -> dict[str, object]:
    n, lengths = len(facts.names), facts.lengths
    found: dict[str, object] = {"clips": n}
    if train is not None:
        found["split"] = f"{int(train.sum())} train, {n - int(train.sum())} test"
    found["classes"] = len(np.unique(facts.labels[facts.labels >= 0])) or "none"
    joints = len(facts.unseen)
    found["skeleton"] = f"{joints} joints, not known" if layout is None else f"{layout.name}, {joints} joints"
    found["frames"] = f"{lengths.min()} to {lengths.max()}, median {np.median(lengths):g}"
    persons, counts = np.unique(facts.persons, return_counts=True)
    found["persons"] = ", ".join(f"{i} in {count} clips" for i, count in zip(persons, counts, strict=True))
    found["coordinates"] = f"{facts.limits[0]:.4g} to {facts.limits[1]:.4g}"
    found["NaN or infinite"] = f"in {facts.not_finite} clips"
    found["unreadable clips"] = len(facts.damaged)
    return found


def _pairs(
    facts: SetFacts, train: NDArray[np.bool_] | None, group_names: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """The pairs that are listed, those across training and test first."""
    first, second, distance = facts.copies
    order = np.arange(len(first)) if train is None else np.argsort(train[first] == train[second], kind="stable")
    pairs = []
    for k in order[:_LISTED].tolist():
        i, j = int(first[k]), int(second[k])
        differs = [
            f"{name} {_named(values[i], group_names.get(name, ()))}, {_named(values[j], group_names.get(name, ()))}"
            for name, values in facts.groups.items()
            if values[i] != values[j]
        ]
        if facts.labels[i] != facts.labels[j]:
            differs.insert(0, f"label {facts.labels[i]}, {facts.labels[j]}")
        if train is not None and train[i] != train[j]:
            differs.insert(0, "train, test" if train[i] else "test, train")
        names = [facts.names[i], facts.names[j]]
        pairs.append(
            {"of": [i, j], "names": names, "clips": [], "distance": f"{distance[k]:.4f}", "differs": "; ".join(differs)}
        )
    return pairs


def _named(value: Any, names: Sequence[str]) -> object:
    """The name of a number, if there is one."""
    numbered = isinstance(value, (int, np.integer)) and 0 <= value < len(names)
    return names[int(value)] if numbered else value


def _samples(facts: SetFacts, class_names: Sequence[str]) -> list[dict[str, Any]]:
    samples = []
    for label in np.unique(facts.labels)[:_SAMPLED].tolist():
        there = np.flatnonzero((facts.labels == label) & (facts.lengths > 0))
        if len(there):
            place = int(there[len(there) // 2])
            named = f"{label} {class_names[label]}" if 0 <= label < len(class_names) else str(label)
            samples.append({"of": place, "label": "no label" if label < 0 else named, "name": facts.names[place]})
    return samples


def _motion(
    sequence: Sequence[RawClip],
    facts: SetFacts,
    pairs: list[dict[str, Any]],
    samples: list[dict[str, Any]],
    layout: SkeletonLayout | None,
) -> dict[str, Packed]:
    """The clips that the page plays; their places among these are written into ``pairs`` and ``samples``."""
    played = pairs[:_PLAYED]
    wanted = dict.fromkeys([i for pair in played for i in pair["of"]] + [sample["of"] for sample in samples])
    if not wanted or layout is None or layout.num_joints != len(facts.unseen):
        return {}
    place = {i: k for k, i in enumerate(wanted)}
    for pair in played:
        pair["clips"] = [place[i] for i in pair["of"]]
    for sample in samples:
        sample["clip"] = place[sample["of"]]
    shown = [_shown(sequence[int(facts.places[i])]) for i in wanted]
    turned = -1 if is_upside_down(sequence, layout) else 1
    c, t, m = (max(x.shape[axis] for x, _ in shown) for axis in (0, 1, 3))
    clips = torch.zeros(len(shown), c, t, layout.num_joints, m)
    masks = torch.zeros(len(shown), t, layout.num_joints, m, dtype=torch.bool)
    for row, mask, (x, seen) in zip(clips, masks, shown, strict=True):
        row[: x.shape[0], : x.shape[1], :, : x.shape[3]] = torch.from_numpy(x)
        row[1] *= turned
        mask[: x.shape[1], :, : x.shape[3]] = torch.from_numpy(seen)
    return pack_motion(clips, layout=layout, seen=masks, frames=_FRAMES)


def _shown(clip: RawClip) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """At most 64 frames of the persons who are seen longest."""
    x, seen, _ = finite_clip(clip)
    longest = np.argsort(-(x != 0).any(axis=(0, 2)).sum(axis=0), kind="stable")[:_PERSONS]
    x, seen = x[..., np.sort(longest)], seen[..., np.sort(longest)]
    length = int(clip_lengths(x[None])[0])
    frames = min(length, _FRAMES)
    small = resample(x[None], frames, length=length)[0].astype(np.float32)
    nearest = ((np.arange(frames) + 0.5) * (length / frames)).astype(np.int64)
    return small, seen[nearest]
