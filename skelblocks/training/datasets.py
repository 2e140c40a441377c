"""Load a training and a test set from the data options."""

from __future__ import annotations

import dataclasses
import inspect
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from skelblocks import layouts
from skelblocks.clips import ClipDataset, Preprocessing
from skelblocks.data import ArrayDataset, PreparedSet, synthetic_motion
from skelblocks.data.arrays.array_checks import Part
from skelblocks.layouts import SkeletonLayout
from skelblocks.layouts.layout_file import is_file_name
from skelblocks.training.dataset_split import (
    check_recordings_apart,
    groups,
    prepared_split,
    split_of,
    training_mask,
)
from skelblocks.training.option_checks import check_count
from skelblocks.training.options import DataOptions


class Sets(NamedTuple):
    """The training and the test part of a set of clips, or the whole set twice if it is not split."""

    train: ClipDataset
    test: ClipDataset

    @property
    def layout(self) -> SkeletonLayout:
        """The skeleton of both parts."""
        return self.train.layout

    @property
    def persons(self) -> int:
        """Persons of each clip, including absent ones."""
        return self.train.shape[-1]

    @property
    def coordinates(self) -> int:
        """Coordinates of a joint: 3, or 2 in a picture."""
        return self.train.shape[0]

    @property
    def labeled(self) -> bool:
        """Whether every clip of both parts has a label."""
        return all(bool((part.labels >= 0).all()) for part in self)


def load_sets(
    options: DataOptions, *, layout: SkeletonLayout | None = None, preprocessing: Preprocessing | None = None
) -> Sets:
    """Read or synthesize clips, preprocess them, select joints, and split them.

    Args:
        options: Where the clips are and how to process them.
        layout: Skeleton of the clips with all their joints, instead of ``options.layout``.
        preprocessing: Preprocessing of clips that are not in a prepared set, instead of ``options.preprocessing``.

    Returns:
        The two parts.

    Raises:
        FileNotFoundError: The clips or the layout file do not exist.
        ValueError: Clips, layout, split and joints do not fit together, or the clips hold nothing to learn from; the
            message names the option.

    Example:
        >>> options = DataOptions(layout="sbu", frames=16, synthetic={"classes": 2, "subjects": 4, "frames": 16})
        >>> sets = load_sets(options)
        >>> len(sets.train), len(sets.test), sets.layout.name, sets.persons
        (12, 12, 'sbu', 1)
    """
    if Path(options.path).is_dir():
        sets = _load_prepared(options, layout)
    else:
        sets = _load_arrays(options, layout, preprocessing)
    check_recordings_apart(*sets, data=options.path)
    _check_useful(sets, data=options.path)
    return sets


def joint_names(data: str) -> tuple[str, ...] | None:
    """The joint names that a set of clips records, or None."""
    if Path(data).is_dir():
        return PreparedSet(data).layout.joints
    if not zipfile.is_zipfile(data):
        return ()
    with np.load(data) as file:
        return tuple(map(str, file["joint_names"])) if "joint_names" in file else None


def match_joints(sets: Sets, layout: SkeletonLayout, *, data: str = "the data") -> Sets:
    """Restrict clips to the joints of another layout. Bones then follow the edges of this layout.

    Args:
        sets: The clips.
        layout: The layout whose joints to keep, in its order.
        data: Name of the clips in an error.

    Raises:
        ValueError: The clips lack some of the joints, or belong to a prepared set with other joints.
    """
    there = sets.layout
    missing = [joint for joint in layout.joints if joint not in there.joints]
    if missing:
        shared = layouts.shared_joints(layout, there)
        remedy = f"train with --data.joints [{','.join(shared)}]" if shared else "they share no joint by name"
        known = layout.name if layout.name in layouts.available() else "LAYOUT.json"
        remedy += f", or convert the clips to this skeleton with --data.to {known}"
        raise ValueError(
            f"data.joints: expected the encoder's joints {', '.join(layout.joints)}, but {data} ({there.name}) has no "
            f"{', '.join(missing)}; {remedy}"
        )
    if there == layout:
        return sets
    chosen = [getattr(part, "select_joints", None) for part in sets]
    if None not in chosen:
        return Sets(*(select(layout) for select in chosen if select))
    if there.joints != layout.joints:
        raise ValueError(_PREPARED.format(data, there.name))
    return sets


_PREPARED = (
    "data.joints: expected none with the prepared set {!r}, which has all joints of {!r}; leave it out, or use an .npz "
    "file"
)


def _load_arrays(options: DataOptions, layout: SkeletonLayout | None, preprocessing: Preprocessing | None) -> Sets:
    if layout is None and options.layout is not None:
        layout = layouts.get_or_load(options.layout)
    whole = _read(options, layout, preprocessing or options.preprocessing)
    if options.align == "auto" and preprocessing is None and _can_turn(whole):
        whole = _read(options, layout, dataclasses.replace(options.preprocessing, align="official"))
    if options.joints is not None:
        whole = whole.select_joints(_joints(whole.layout, options.joints))
    if options.split == "none":
        return Sets(whole, whole)
    train = training_mask(whole, options)
    test = ~train
    if split_of(options) == "cross-view" and "duplicate_of_other_view" in whole.arrays:
        # NW-UCLA's third view holds copies of clips of the other two, which train.
        test &= ~whole.arrays["duplicate_of_other_view"].astype(bool)
    return Sets(whole.subset(train), whole.subset(test))


def _read(options: DataOptions, layout: SkeletonLayout | None, preprocessing: Preprocessing) -> ArrayDataset:
    if options.path == "synthetic":
        layout = layout or layouts.get("ntu-rgb+d")
        return _make_synthetic(options.synthetic, layout=layout, preprocessing=preprocessing)
    try:
        return ArrayDataset.from_file(options.path, layout=layout, preprocessing=preprocessing)
    except TypeError as error:  # an array with another dtype
        raise ValueError(f"data.path: {options.path!r}: {error}") from error


def _can_turn(whole: ArrayDataset) -> bool:
    """Whether the clips were recorded in space, with shoulders that can be turned to the camera."""
    settings = whole.preprocessing
    if settings is None or settings.coordinates is not None or whole.shape[0] != 3:
        return False
    try:
        dataclasses.replace(settings, align="official").validate(layout=settings.source or whole.layout, channels=3)
    except ValueError:
        return False
    return True


def _make_synthetic(
    arguments: Mapping[str, int | float], *, layout: SkeletonLayout, preprocessing: Preprocessing
) -> ArrayDataset:
    known = {
        name: parameter.annotation
        for name, parameter in inspect.signature(synthetic_motion).parameters.items()
        if name not in ("layout", "device", "dtype")
    }
    unknown = sorted(arguments.keys() - known.keys())
    if unknown:
        raise ValueError(f"data.synthetic: expected some of {', '.join(known)}, got {', '.join(unknown)}")
    for name, value in arguments.items():
        if known[name] == "int":
            check_count(value, name=f"data.synthetic.{name}", least=0)  # type: ignore[arg-type]
    clips = synthetic_motion(layout, **arguments)  # type: ignore[arg-type]
    return ArrayDataset(
        clips.x.numpy(),
        layout=layout,
        labels=clips.labels.numpy(),
        class_names=clips.class_names,
        subjects=clips.subjects.numpy(),
        views=clips.views.numpy(),
        preprocessing=preprocessing,
    )


def _joints(layout: SkeletonLayout, chosen: list[str] | str) -> Sequence[str]:
    if not isinstance(chosen, str):
        return chosen
    shared = layouts.shared_joints(layout, layouts.get_or_load(chosen))
    if not shared:
        raise ValueError(
            f"data.joints: expected a layout that shares joint names with {layout.name!r}, got {chosen!r}; list the "
            "joints by name"
        )
    return shared


def _load_prepared(options: DataOptions, layout: SkeletonLayout | None) -> Sets:
    if options.joints is not None:
        raise ValueError(_PREPARED.format(options.path, PreparedSet(options.path).layout.name))
    parts: tuple[Part | None, ...] = (None, None) if options.split == "none" else ("train", "test")
    train, test = (PreparedSet(options.path, part=part) for part in parts)
    split = split_of(options)
    there, asked = _settings(train, options, layout)
    if split not in ("none", "is_train"):  # these two depend on the parts alone
        there["split"], asked["split"] = prepared_split(train, default=split), split
    for name, value in asked.items():
        if value != there[name]:
            raise ValueError(
                f"data.{name}: the set in {options.path!r} was prepared with {there[name]!r}, not {value!r}; pass "
                "that value, or prepare the set again"
            )
    if split in ("cross-subject", "cross-view") and options.train_ids:
        ids = groups(train, split), groups(test, split)
        trains, tests = (set() if each is None else set(each.tolist()) for each in ids)
        if trains - {*options.train_ids} or tests & {*options.train_ids}:
            raise ValueError(
                f"data.train_ids: the set in {options.path!r} was prepared with training ids {sorted(trains)}, not "
                f"{options.train_ids}; leave the option out, or prepare the set again"
            )
    return Sets(train, test)


def _settings(
    prepared: PreparedSet, options: DataOptions, layout: SkeletonLayout | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The set's settings, and the settings that the options request: the frames and all that are not defaults."""
    own, default = prepared.preprocessing, DataOptions()
    recorded = layouts.get(own.source or prepared.layout)
    there = {"frames": prepared.shape[1], "layout": recorded.name}
    asked: dict[str, Any] = {"frames": options.frames}
    if options.layout is not None:
        file = is_file_name(options.layout)
        same = (layout or layouts.load(options.layout)) in (recorded, prepared.layout) if file else False
        same = same or options.layout == prepared.layout.name
        asked["layout"] = there["layout"] if same else options.layout
    for name in ("center", "per", "origin", "align", "persons", "scale", "y", "coordinates", "nan"):
        if getattr(options, name) not in (getattr(default, name), "auto"):
            there[name], asked[name] = getattr(own, name), getattr(options, name)
    if options.to is not None:
        target = layouts.get_or_load(options.to)
        there["to"] = prepared.layout.name
        asked["to"] = there["to"] if target.joints == prepared.layout.joints else target.name
    if "center" in asked:  # a joint's name and "layout" may mean the same joint
        joints = [each.center_joint(prepared.layout) for each in (own, options.preprocessing)]
        asked["center"] = there["center"] if joints[0] == joints[1] else asked["center"]
    return there, asked


def _check_useful(sets: Sets, *, data: str) -> None:
    """Reject parts without a visible person, and training clips that are all equal."""
    for name, part in zip(("training", "test"), sets, strict=True):
        if not any(part[i].clip.any() for i in range(len(part))):
            raise ValueError(
                f"data.path: all {len(part)} {name} clips of {data!r} are zero after preprocessing, as if they showed "
                "no person; check the file with `skelblocks inspect`, and check data.center"
            )
    first = sets.train[0].clip
    if len(sets.train) > 1 and all(sets.train[i].clip.equal(first) for i in range(1, len(sets.train))):
        raise ValueError(
            f"data.path: expected different training clips, but all {len(sets.train)} clips of {data!r} are equal; "
            "check the file with `skelblocks inspect`"
        )
