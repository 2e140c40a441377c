"""Choose the clips to evaluate an encoder on: the set that it was trained on, or another set with its joints."""

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
    """The options of the run's data, or of another set, with the encoder's preprocessing.

    Args:
        trained: The encoder.
        options: Options that replace the run's.

    Raises:
        ValueError: The encoder does not record which clips it was trained on, and the options name none; the clips have
            no split; or the preprocessing is unknown.
    """
    run_data = trained.restored(DataOptions, "data")
    if run_data.joints is not None:
        run_data.joints = list(trained.layout.joints)  # the joints that the option selected
    if trained.preprocessing is not None:  # the encoder's folder takes precedence, and may come without a run
        own = trained.preprocessing
        run_data.y, run_data.missing, run_data.coordinates, run_data.nan = own.y, own.missing, own.coordinates, own.nan
        run_data.to = own.to if isinstance(own.to, str) else None
    names = ("path", "layout", "y", "to", "missing", "coordinates", "nan", "split", "train_ids")
    replaced = {name: getattr(options, name) for name in names}
    replaced = {name: value for name, value in replaced.items() if value is not None}
    if _knows_its_data(trained) and same_data(replaced.get("path", run_data.path), run_data.path):
        if replaced.get("split", split_of(run_data)) != split_of(run_data):
            replaced.setdefault("train_ids", [])  # the run's ids belong to another split: subjects are not views
        chosen = dataclasses.replace(run_data, **replaced)
    elif "path" not in replaced:
        raise ValueError(
            f"data.path: {str(trained.folder)!r} does not record which clips its encoder was trained on; add "
            "--data.path and --data.split"
        )
    else:
        there = {each.name for each in dataclasses.fields(run_data)}
        kept = {each.name for each in dataclasses.fields(Preprocessing)} & there
        chosen = DataOptions(**{**{name: getattr(run_data, name) for name in kept}, **replaced})
    chosen = dataclasses.replace(chosen, split=split_of(chosen))
    if chosen.split == "none":
        raise ValueError(
            "data.split: expected a split, got 'none', which would test a classifier on its own training clips; pass "
            "--data.split cross-subject, cross-view, fold or is_train, which needs an array subject, view, fold or "
            "is_train. For a classifier that learns from all clips, also pass --evaluate.fit all"
        )
    return chosen


def evaluated_sets(
    trained: TrainedEncoder, chosen: DataOptions, *, layout: str | None, tell: bool
) -> tuple[Sets, DataOptions]:
    """Load the clips for an evaluation, with the encoder's joints and preprocessing.

    Args:
        trained: The encoder.
        chosen: Options from :func:`chosen_data`.
        layout: The user's choice of the clips' skeleton.
        tell: Whether to print a note if the clips do not name their joints.

    Returns:
        The clips, and ``chosen`` with the encoder's joints if the clips have others.

    Raises:
        ValueError: No clip of a part has a label; the clips lack some of the encoder's joints; or a prepared set has
            another preprocessing, and the message names the differences.
    """
    sets = _load(chosen, trained.preprocessing, layout=_clips_layout(trained, layout, chosen.path, tell=tell))
    if sets.layout != trained.layout:
        chosen = dataclasses.replace(chosen, joints=list(trained.layout.joints))
    sets = match_joints(sets, trained.layout, data=chosen.path)
    return _labeled(sets, data=chosen.path), chosen


def _labeled(sets: Sets, *, data: str) -> Sets:
    """Keep the clips that have labels. Windows of long recordings often have none."""
    masks = [part.labels.numpy() >= 0 for part in sets]
    if not any(mask.any() for mask in masks):
        raise ValueError(
            f"data.path: expected labels, which an evaluation needs, but {data!r} has none; add labels to the set"
        )
    for name, mask in zip(("training", "test"), masks, strict=True):
        if not mask.any():
            raise ValueError(
                f"data.path: expected labels in both parts, got none for the {name} clips of {data!r}; label some of "
                "them, or choose another --data.split"
            )
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
    """Whether pretraining used only the training clips of this split; None if the run does not record it."""
    if not _knows_its_data(trained):
        return None
    run_data = trained.restored(DataOptions, "data")
    if not same_data(chosen.path, run_data.path):
        return True
    return (split_of(chosen), chosen.train_ids) == (split_of(run_data), run_data.train_ids)


def same_data(path: str, run_path: str) -> bool:
    """Whether a path is the run's data, or has the same name after the run's data was moved.

    Example:
        >>> same_data("synthetic", "synthetic"), same_data("other/clips.npz", "no such folder/clips.npz")
        (True, True)
    """
    if Path(path).resolve() == Path(run_path).resolve():
        return True
    return run_path != "synthetic" and not Path(run_path).exists() and Path(path).name == Path(run_path).name


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
            "runs: the encoder's folder does not record to how many frames clips are resampled; save it with "
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
    any_persons = dataclasses.replace(expected, persons=None)
    differing = prepared.preprocessing.differences(any_persons, layout=prepared.layout)
    if differing:
        raise ValueError(
            f"data.path: expected clips with the encoder's preprocessing, got {'; '.join(differing)} in {path!r}; "
            "prepare the set again, as by 'skelblocks prepare poses --for ENCODER --overwrite'"
        )
    check_prepared_unit(prepared, expected)


def _knows_its_data(trained: TrainedEncoder) -> bool:
    return "path" in trained.options.get("data", {})


def _clips_layout(trained: TrainedEncoder, layout: str | None, path: str, *, tell: bool) -> SkeletonLayout | None:
    """The run's skeleton, if the clips have it or name none; None if they or the user name another."""
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
            f"{escape(path)} does not name its joints; assuming the run's layout {escape(mine.name)}. Pass "
            "--data.layout if the joints differ."
        )
    if names == trained.layout.joints:
        return trained.layout
    return mine if names in (None, mine.joints) else None
