"""From `--data` and its companions to a training and a test set."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skelblocks import layouts
from skelblocks.data import ArrayDataset, PreparedSet, Preprocessing, cross_subject, cross_view, synthetic_motion
from skelblocks.layouts import SkeletonLayout
from skelblocks.layouts.layout_file import is_file_name

Split = Literal["cross-subject", "cross-view", "fold", "is_train", "none"]


@dataclass(kw_only=True)
class DataOptions:
    """Which clips, of which skeleton, and who is in the test set."""

    # "synthetic"; an .npz file with x (N, C, T, V, M), y, and subject, view, fold or is_train for the split; or the
    # folder of a prepared set (python -m skelblocks prepare), which has its layout, frames, centre and split itself.
    data: str = "synthetic"  # an .npz file, a prepared set's folder, or the synthetic set
    layout: str | None = None  # a name or a .json file; default: as the file's joint names say; synthetic: ntu-rgb+d
    frames: int = 50  # every clip is resampled to it; 50 in the released configurations of MsMCLR and AimCLR
    center: str | None = "layout"  # joint that becomes the origin of every frame; "layout": the layout's centre
    align: Literal["frame", "clip", "official"] | None = None  # turn the shoulders to the camera
    # Default: cross-subject, and of a prepared set what its protocol is.
    split: Literal["cross-subject", "cross-view", "fold", "is_train", "none"] | None = None  # who tests
    train_ids: list[int] = field(default_factory=list)  # default: the odd subjects, all views or folds but the last
    joints: list[str] | str | None = None  # keep only these, after centring; or those shared with a layout (name, file)
    synthetic: dict[str, int | float] = field(default_factory=dict)  # arguments of skelblocks.data.synthetic_motion


class Sets(NamedTuple):
    """Two parts of one set of clips, or the whole twice where it is not split."""

    train: ArrayDataset | PreparedSet
    test: ArrayDataset | PreparedSet

    @property
    def layout(self) -> SkeletonLayout:
        """The skeleton of both."""
        return self.train.layout

    @property
    def persons(self) -> int:
        """Of each clip, absent ones included."""
        return int(self.train[0].clip.shape[-1])

    @property
    def coordinates(self) -> int:
        """Of a joint: 3, or 2 in a picture."""
        return int(self.train[0].clip.shape[0])

    @property
    def labelled(self) -> bool:
        """Whether there is anything to evaluate."""
        return all(bool((part.labels >= 0).all()) for part in self)


def load_sets(options: DataOptions, *, layout: SkeletonLayout | None = None) -> Sets:
    """Read or make the clips, centred and resampled, with the joints that are asked for, and split them.

    Args:
        options: See there.
        layout: Of the clips, with all their joints, for one who has it in place of ``options.layout``.

    Raises:
        FileNotFoundError: there are no such clips, or no such file of a layout.
        ValueError: clips, layout, split and joints do not go together; the message says which.
    """
    if Path(options.data).is_dir():
        return _load_prepared(options, layout)
    if layout is None and options.layout is not None:
        layout = layouts.get_or_load(options.layout)
    given = Preprocessing(frames=options.frames, center=options.center, align=options.align)
    if options.data == "synthetic":
        layout = layout or layouts.get("ntu-rgb+d")
        clips = synthetic_motion(layout, **options.synthetic)  # type: ignore[arg-type]
        whole = ArrayDataset(
            clips.x.numpy(),
            layout=layout,
            labels=clips.labels.numpy(),
            preprocessing=given,
            class_names=clips.class_names,
            subjects=clips.subjects.numpy(),
            views=clips.views.numpy(),
        )
    else:
        try:
            whole = ArrayDataset.from_file(options.data, layout=layout, preprocessing=given)
        except TypeError as wrong:  # an array of another kind of number, for the user to mend
            raise ValueError(f"data: {options.data!r}: {wrong}") from wrong
    if options.joints is not None:
        whole = whole.select_joints(_joints(whole.layout, options.joints))
    if options.split == "none":
        return Sets(whole, whole)
    train = _train_mask(whole, options)
    test = ~train
    if split_of(options) == "cross-view" and "duplicate_of_other_view" in whole.arrays:
        # NW-UCLA's third view holds copies of clips from the other two; they test nothing.
        test &= ~whole.arrays["duplicate_of_other_view"].astype(bool)
    return Sets(whole.subset(train), whole.subset(test))


def joint_names(data: str) -> tuple[str, ...] | None:
    """The names of joints in an .npz file, None where it has none; of other sets, which know their layout, nothing."""
    if not zipfile.is_zipfile(data):
        return ()
    with np.load(data) as file:
        return tuple(map(str, file["joint_names"])) if "joint_names" in file else None


def match_joints(sets: Sets, layout: SkeletonLayout, *, data: str = "the data") -> Sets:
    """The same clips with the joints of a layout, which they have from then on: bones are taken along its edges.

    Raises:
        ValueError: the clips lack some of the joints; or they are of a prepared set with other joints or another order.
    """
    there = sets.layout
    missing = [joint for joint in layout.joints if joint not in there.joints]
    if missing:
        shared = layouts.shared_joints(layout, there)
        remedy = f"train with --joints [{','.join(shared)}]" if shared else "they share no joint by name"
        raise ValueError(
            f"joints: the encoder takes {', '.join(layout.joints)}; of these, {data} ({there.name}) has no "
            f"{', '.join(missing)}; {remedy}"
        )
    if isinstance(sets.train, ArrayDataset) and isinstance(sets.test, ArrayDataset):
        return sets if there == layout else Sets(sets.train.select_joints(layout), sets.test.select_joints(layout))
    if there.joints != layout.joints:
        raise ValueError(_PREPARED.format(data, there.name))
    return sets


_PREPARED = (
    "joints: the prepared set in {!r} has all joints of {!r}, in its order; choose joints of an .npz file instead"
)


def _joints(layout: SkeletonLayout, chosen: list[str] | str) -> Sequence[str]:
    if not isinstance(chosen, str):
        return chosen
    shared = layouts.shared_joints(layout, layouts.get_or_load(chosen))
    if not shared:
        raise ValueError(f"joints: the layouts {layout.name!r} and {chosen!r} share no joint by name")
    return shared


def groups(part: ArrayDataset | PreparedSet, split: str | None) -> NDArray[Any] | None:
    """Who is in each clip, cross-view: which camera took it, fold: its fold, where the set says so."""
    names = {"cross-view": ("view", "camera"), "fold": ("fold",)}.get(split or "", ("subject",))
    if isinstance(part, PreparedSet):
        return next((np.asarray(part.origin[name]) for name in names if name in part.origin), None)
    return {"view": part.views, "subject": part.subjects, "fold": part.arrays.get("fold")}[names[0]]


_SPLITS: dict[str, Split] = {"xsub": "cross-subject", "xview": "cross-view", "xset": "is_train"}


def split_of(options: DataOptions) -> Split:
    """The split that is asked for, or else the default: of a prepared set, what its protocol is."""
    if options.split is not None or not Path(options.data).is_dir():
        return options.split or "cross-subject"
    return _SPLITS.get(PreparedSet(options.data).manifest["protocol"], "is_train")


def _load_prepared(options: DataOptions, layout: SkeletonLayout | None) -> Sets:
    if options.joints is not None:
        raise ValueError(_PREPARED.format(options.data, PreparedSet(options.data).layout.name))
    parts: tuple[Literal["train", "test"] | None, ...] = (None, None) if options.split == "none" else ("train", "test")
    train, test = (PreparedSet(options.data, part=part) for part in parts)
    settings, split = train.preprocessing, split_of(options)
    there = {"frames": train.shape[1], "layout": train.layout.name, "align": settings.align}
    asked = {"frames": options.frames, "layout": options.layout, "align": options.align}
    if options.layout is not None and is_file_name(options.layout):
        same = (layout or layouts.load(options.layout)) == train.layout
        asked["layout"] = train.layout.name if same else options.layout
    if options.center != "layout":
        there["center"], asked["center"] = settings.center or "no centre", options.center or "no centre"
    if split not in ("none", "is_train"):  # which go by the parts alone
        there["split"], asked["split"] = _SPLITS.get(train.manifest["protocol"], split), split
    for name, value in asked.items():
        if value not in (None, there[name]):
            raise ValueError(
                f"{name}: the set in {options.data!r} was prepared with {there[name]!r}, not {value!r}; ask for that "
                "or prepare the set anew"
            )
    if split in ("cross-subject", "cross-view") and options.train_ids:
        who = groups(train, split), groups(test, split)
        trains, tests = (set() if ids is None else set(ids.tolist()) for ids in who)
        if trains - {*options.train_ids} or tests & {*options.train_ids}:
            raise ValueError(
                f"train_ids: the set in {options.data!r} was prepared to train on {sorted(trains)}, not "
                f"{options.train_ids}; leave the option out, or prepare the set anew"
            )
    return Sets(train, test)


def _train_mask(whole: ArrayDataset, options: DataOptions) -> NDArray[np.bool_]:
    split = split_of(options)
    if split == "is_train":
        if "train" not in whole.arrays:
            raise ValueError(f"split: {options.data!r} has no array 'is_train'; choose cross-subject or cross-view")
        return whole.arrays["train"].astype(bool)
    groups = {
        "cross-subject": ("subject", whole.subjects),
        "cross-view": ("view", whole.views),
        "fold": ("fold", whole.arrays.get("fold")),
    }
    name, values = groups[split]
    if values is None:
        raise ValueError(f"split: {options.data!r} has no array {name!r}; choose another split")
    there = np.unique(values).tolist()
    if values.dtype.kind not in "iufb" and (split == "cross-subject" or options.train_ids):
        raise ValueError(
            f"split: expected integers as {name!r} in {options.data!r}, got {there[:3]}; "
            "numpy.unique(names, return_inverse=True)[1] numbers them"
        )
    odd = split == "cross-subject"
    train = options.train_ids or ([i for i in there if i % 2] if odd else there[:-1])
    if not options.train_ids and len(train) in (0, len(there)):
        raise ValueError(
            f"train_ids: by default {'the odd ones' if odd else 'all but the last'} train, but {options.data!r} has "
            f"{name} {there}; say who trains, as in --train_ids [{there[0]}], or let all train with --split none"
        )
    return (cross_subject if odd else cross_view)(values, train)
