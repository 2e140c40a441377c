"""Which clips an encoder is evaluated on: those of its training, or another set that has its joints."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

from skelblocks import layouts
from skelblocks._utils.escape import escape
from skelblocks.clips import Preprocessing
from skelblocks.data import PreparedSet
from skelblocks.interop.pretrained.check_fits import check_prepared_unit
from skelblocks.layouts import SkeletonLayout
from skelblocks.protocols.options import EvaluatedDataOptions
from skelblocks.protocols.trained_encoder import TrainedEncoder
from skelblocks.training.dataset_split import split_of
from skelblocks.training.datasets import Sets, joint_names, load_sets, match_joints
from skelblocks.training.monitor import tell as print_line
from skelblocks.training.options import DataOptions


def chosen_data(trained: TrainedEncoder, options: EvaluatedDataOptions) -> DataOptions:
    """The run's data or others, preprocessed as the encoder's.

    Args:
        trained: The encoder.
        options: What replaces the run's.

    Raises:
        ValueError: The encoder does not say which clips it was trained on, and no others are given; no split; or
            nothing says how clips are preprocessed.
    """
    theirs = trained.restored(DataOptions, "data")
    if theirs.joints is not None:
        theirs.joints = list(trained.layout.joints)  # what the option came to
    if trained.preprocessing is not None:  # what the encoder's folder says counts, also where no run is known
        own = trained.preprocessing
        theirs.y, theirs.missing, theirs.coordinates, theirs.nan = own.y, own.missing, own.coordinates, own.nan
        theirs.to = own.to if isinstance(own.to, str) else None
    names = ("path", "layout", "y", "to", "missing", "coordinates", "nan", "split", "train_ids")
    given = {name: getattr(options, name) for name in names}
    given = {name: value for name, value in given.items() if value is not None}
    if _knows_its_data(trained) and same_data(given.get("path", theirs.path), theirs.path):
        if given.get("split", split_of(theirs)) != split_of(theirs):
            given.setdefault("train_ids", [])  # theirs are of another kind: subjects are no views
        chosen = dataclasses.replace(theirs, **given)
    elif "path" not in given:
        raise ValueError(
            f"data.path: {str(trained.folder)!r} does not say which clips its encoder was trained on; give --data.path "
            "and --data.split"
        )
    else:
        there = {each.name for each in dataclasses.fields(theirs)}
        kept = {each.name for each in dataclasses.fields(Preprocessing)} & there
        chosen = DataOptions(**{**{name: getattr(theirs, name) for name in kept}, **given})
    chosen = dataclasses.replace(chosen, split=split_of(chosen))
    if chosen.split == "none":
        raise ValueError(
            "data.split: expected a split, got 'none', with which a classifier is tested on the clips that it was "
            "trained on; give --data.split"
        )
    return chosen


def evaluated_sets(
    trained: TrainedEncoder, chosen: DataOptions, *, layout: str | None, tell: bool
) -> tuple[Sets, DataOptions]:
    """Load the clips that an encoder is evaluated on, with the encoder's joints and preprocessing.

    Args:
        trained: The encoder.
        chosen: From :func:`chosen_data`.
        layout: What the user says of the clips' skeleton.
        tell: Whether to say where the clips do not name their joints.

    Returns:
        The clips, and ``chosen`` with the encoder's joints where the clips have others.

    Raises:
        ValueError: No clip of a part has a label, or the clips lack some of the encoder's joints, or are a prepared set
            with another preprocessing, whose differences the message names.
    """
    sets = _load(chosen, trained.preprocessing, layout=_clips_layout(trained, layout, chosen.path, tell=tell))
    if sets.layout != trained.layout:
        chosen = dataclasses.replace(chosen, joints=list(trained.layout.joints))
    sets = match_joints(sets, trained.layout, data=chosen.path)
    return _labeled(sets, data=chosen.path), chosen


def _labeled(sets: Sets, *, data: str) -> Sets:
    """The clips that have labels; windows of long recordings often have none."""
    masks = [part.labels.numpy() >= 0 for part in sets]
    if not any(mask.any() for mask in masks):
        raise ValueError(f"data.path: {data!r} has no labels, and nothing can be evaluated without them")
    for name, mask in zip(("training", "test"), masks, strict=True):
        if not mask.any():
            raise ValueError(f"data.path: expected labels in both parts, got none for the {name} clips of {data!r}")
    if all(mask.all() for mask in masks):
        return sets
    left_out, whole = sum(int((~mask).sum()) for mask in masks), sum(len(mask) for mask in masks)
    warnings.warn(
        f"data.path: {left_out} of {whole} clips of {data!r} have no label; they are left out",
        UserWarning,
        stacklevel=3,
    )
    return Sets(*(part.subset(mask) for part, mask in zip(sets, masks, strict=True)))


def pretrained_apart(trained: TrainedEncoder, chosen: DataOptions) -> bool | None:
    """Whether the training kept to this split of these clips; None where the run does not say."""
    if not _knows_its_data(trained):
        return None
    theirs = trained.restored(DataOptions, "data")
    if not same_data(chosen.path, theirs.path):
        return True
    return (split_of(chosen), chosen.train_ids) == (split_of(theirs), theirs.train_ids)


def same_data(path: str, theirs: str) -> bool:
    """Whether a path is the run's, or has its name where the run's clips are gone: they were moved.

    Example:
        >>> same_data("synthetic", "synthetic"), same_data("other/clips.npz", "no such folder/clips.npz")
        (True, True)
    """
    if Path(path).resolve() == Path(theirs).resolve():
        return True
    return theirs != "synthetic" and not Path(theirs).exists() and Path(path).name == Path(theirs).name


def _load(chosen: DataOptions, expected: Preprocessing | None, *, layout: SkeletonLayout | None) -> Sets:
    """The clips, preprocessed as the encoder expects, with room for at least as many persons."""
    if expected is None:
        return load_sets(chosen, layout=layout)
    if Path(chosen.path).is_dir():
        _check_prepared(chosen.path, expected)
        own = DataOptions(path=chosen.path, layout=chosen.layout, split=chosen.split, train_ids=chosen.train_ids)
        return load_sets(dataclasses.replace(own, frames=PreparedSet(chosen.path).shape[1]), layout=layout)
    if expected.frames is None:
        raise ValueError(
            "runs: the encoder's folder does not say to how many frames clips are resampled; save it with "
            "preprocessing=Preprocessing(frames=...)"
        )
    settings = dataclasses.replace(
        expected,
        persons=None,
        y=chosen.y,
        to=expected.to if chosen.to is None else layouts.get_or_load(chosen.to),
        missing=chosen.missing,
        coordinates=chosen.coordinates,
        nan=chosen.nan,
    )
    sets = load_sets(chosen, layout=layout, preprocessing=settings)
    if expected.persons is None or sets.persons >= expected.persons:
        return sets
    return load_sets(chosen, layout=layout, preprocessing=dataclasses.replace(settings, persons=expected.persons))


def _check_prepared(path: str, expected: Preprocessing) -> None:
    prepared = PreparedSet(path)
    anybody = dataclasses.replace(expected, persons=None)
    differing = prepared.preprocessing.differences(anybody, layout=prepared.layout)
    if differing:
        raise ValueError(
            f"data.path: expected clips preprocessed as for the encoder, got in {path!r} {'; '.join(differing)}; "
            "prepare the set again that way"
        )
    check_prepared_unit(prepared, expected)


def _knows_its_data(trained: TrainedEncoder) -> bool:
    return "path" in trained.options.get("data", {})


def _clips_layout(trained: TrainedEncoder, layout: str | None, path: str, *, tell: bool) -> SkeletonLayout | None:
    """The run's, where the clips have it or do not say; None where they or the user say another."""
    mine = trained.clips_layout
    if layout is not None and layout == trained.layout.name:
        return trained.layout
    if mine is None or layout not in (None, mine.name):
        return None
    own = _knows_its_data(trained) and same_data(path, trained.restored(DataOptions, "data").path)
    if own or layout is not None:
        return mine
    names = joint_names(path)
    if names is None and tell:
        print_line(
            f"{escape(path)} does not name its joints; this assumes the run's, those of {escape(mine.name)}. If the "
            "clips have others, pass --data.layout."
        )
    if names == trained.layout.joints:
        return trained.layout
    return mine if names in (None, mine.joints) else None
