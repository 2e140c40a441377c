"""Masks of the training clips of a set, for ``dataset.subset(mask)`` and ``dataset.subset(~mask)``."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skelblocks._utils.checks import check_choice
from skelblocks._utils.escape import escape
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks._utils.missing import refuse_missing
from skelblocks.clips.raw_clip import ClipFormatError
from skelblocks.data.formats.read_ntu_skeleton import parse_ntu_name
from skelblocks.data.formats.read_pku_mmd import PkuMmdSplit
from skelblocks.data.known_groups import known_groups
from skelblocks.data.split_mask import boolean_mask as boolean_mask

_NTU60 = {"setup": 17, "camera": 3, "subject": 40, "replication": 2, "action": 60}
_NTU120 = {"setup": 32, "camera": 3, "subject": 106, "replication": 2, "action": 120}
_NTU60_SUBJECTS = (1, 2, 4, 5, 8, 9, *range(13, 20), 25, 27, 28, 31, 34, 35, 38)
_NTU120_SUBJECTS = (
    *(*_NTU60_SUBJECTS, 45, 46, 47, 49, 50, *range(52, 60), 70, 74, 78, *range(80, 87), 89, *range(91, 96)),
    *(97, 98, 100, 103),
)
# What decides, what of it is trained on, and the largest number of everything that the set counts from 1.
_PROTOCOLS: Mapping[Protocol, tuple[str, tuple[int, ...], Mapping[str, int]]] = {
    "ntu60-xsub": ("subject", _NTU60_SUBJECTS, _NTU60),
    "ntu60-xview": ("camera", (2, 3), _NTU60),
    "ntu120-xsub": ("subject", _NTU120_SUBJECTS, _NTU120),
    "ntu120-xset": ("setup", tuple(range(2, 33, 2)), _NTU120),
    "nw-ucla-xview": ("view", (1, 2), {"view": 3, "subject": 10, "action": 12}),
}
Protocol = Literal["ntu60-xsub", "ntu60-xview", "ntu120-xsub", "ntu120-xset", "nw-ucla-xview"]
Rest = Literal["refuse", "test"]
_MOST_HEADING = 20  # lines
_PART = re.compile("[SCPRA][0-9]{3}")


@explain_arguments
def cross_subject(subjects: ArrayLike, train: Collection[int], *, allow_missing: bool = False) -> NDArray[np.bool_]:
    """Mask of the clips of the training subjects.

    Args:
        subjects: The subject of each clip, ``(n,)``.
        train: The subjects to train on; the others are the test part. For UTD-MHAD the odd ones.
        allow_missing: Whether some of ``train`` may have no clip, as in a part of a set.

    Returns:
        Boolean ``(n,)``.

    Raises:
        ValueError: Wrong axes, a subject that is missing or negative, a training subject without a clip, or a
            part that comes out empty.

    Example:
        >>> cross_subject([1, 2, 3, 3], train=(1, 3))
        array([ True, False,  True,  True])
    """
    return _held_out(subjects, train, allow_missing, name="subjects")


@explain_arguments
def cross_view(views: ArrayLike, train: Collection[int], *, allow_missing: bool = False) -> NDArray[np.bool_]:
    """Mask of the clips of the training cameras. NTU RGB+D trains on 2 and 3, NW-UCLA on 1 and 2.

    Args:
        views: The camera of each clip, ``(n,)``.
        train: The cameras to train on; the others are the test part.
        allow_missing: Whether some of ``train`` may have no clip, as in a part of a set.

    Returns:
        Boolean ``(n,)``.

    Raises:
        ValueError: Wrong axes, a camera that is missing or negative, a training camera without a clip, or a
            part that comes out empty.

    Example:
        >>> cross_view([1, 2, 3], train=(2, 3))
        array([False,  True,  True])
    """
    return _held_out(views, train, allow_missing, name="views")


@explain_arguments
def protocol_split(
    protocol: Protocol, origin: Mapping[str, ArrayLike], *, allow_missing: bool = False
) -> NDArray[np.bool_]:
    """Mask of the training clips of a published protocol; the others are its test part.

    ``"ntu60-xsub"`` and ``"ntu120-xsub"`` go by the 20 and 53 subjects of their papers, ``"ntu60-xview"`` by cameras 2
    and 3, ``"ntu120-xset"`` by the setups of even number (SkeAttnCLR's released script by cameras), ``"nw-ucla-xview"``
    by views 1 and 2. PKU-MMD publishes lists of videos instead, see :func:`pku_mmd_split`.

    Args:
        protocol: Its name.
        origin: Where the clips come from, arrays ``(n,)`` by name, counted as in the original data set: what
            :class:`~skelblocks.data.RawClip` has as its origin. The one that the protocol goes by must be there.
        allow_missing: Whether subjects, cameras or setups to train on may have no clip, as in a part of a set.

    Returns:
        Boolean ``(n,)``.

    Raises:
        TypeError: An origin that is not of integers.
        ValueError: An unknown protocol, an origin without what it goes by, a number that the set does not have (clips
            of another set), or what :func:`cross_subject` refuses.

    Example:
        >>> protocol_split("ntu120-xset", {"setup": [1, 2, 32, 17]}, allow_missing=True)
        array([False,  True,  True, False])
    """
    check_choice(protocol, _PROTOCOLS, name="protocol")
    by, train, largest = _PROTOCOLS[protocol]
    if by not in origin:
        raise ValueError(f"origin: {protocol!r} goes by {by!r}, got {sorted(origin)}")
    for name in sorted(set(largest) & set(origin)):
        refuse_missing(origin[name], name=f"origin[{name!r}]")
        values: NDArray[Any] = np.asarray(origin[name])
        if values.shape != np.shape(origin[by]):
            raise ValueError(f"origin: expected one {name} per clip, shape {np.shape(origin[by])}, got {values.shape}")
        if not np.issubdtype(values.dtype, np.integer):
            raise TypeError(f"origin: expected integers for {name}, got {values.dtype}")
        wrong = values[(values < 1) | (values > largest[name])]
        if wrong.size:
            raise ValueError(
                f"origin: expected {name} in 1..{largest[name]} for {protocol!r}, got {wrong.flat[0]}: of another set?"
            )
    return _held_out(origin[by], train, allow_missing, name=by)


@explain_arguments
def pku_mmd_split(names: Sequence[str], split: PkuMmdSplit, *, rest: Rest = "refuse") -> NDArray[np.bool_]:
    """Mask of the clips of PKU-MMD's training videos, for parts I and II, cross-subject and cross-view.

    Args:
        names: Names of the clips, ``"0002-L_17_0"``, or of whole videos, ``"0002-L"``.
        split: The two lists, see :func:`~skelblocks.data.read_pku_mmd_split`. Videos without a clip are accepted.
        rest: A clip whose video is in neither list: ``"refuse"``, or ``"test"``, as the released scripts do, which read
            the training list alone.

    Returns:
        Boolean ``(n,)``.

    Raises:
        ValueError: A video in neither list or in both, a part that comes out empty, or an unknown choice.

    Example:
        >>> pku_mmd_split(["0002-L_17_0", "0003-L_2_4"], PkuMmdSplit(training=("0003-L",), validation=("0002-L",)))
        array([False,  True])
    """
    check_choice(rest, get_args(Rest), name="rest")
    check_disjoint(split.training, split.validation, name="split")
    refuse_missing(names, name="names")
    videos = [name.partition("_")[0] for name in names]
    training, listed = set(split.training), {*split.training, *split.validation}
    unknown = sorted(set(videos) - listed)
    if unknown and rest == "refuse":
        raise ValueError(f"names: {len(unknown)} videos, such as {unknown[0]!r}, are in neither list; rest='test'?")
    mask = np.array([video in training for video in videos], dtype=np.bool_)
    if mask.all() or not mask.any():
        raise ValueError(
            f"split: the {'test' if mask.any() else 'training'} part of {len(videos)} clips is empty; check that the "
            "list is of these videos"
        )
    return mask


@explain_arguments
def leave_one_subject_out(subjects: ArrayLike) -> Iterator[tuple[Any, NDArray[np.bool_]]]:
    """Iterate over the subjects in order. Yield each subject with the mask of all other subjects' clips, to train on.

    Args:
        subjects: The subject of each clip, ``(n,)``: numbers or names.

    Raises:
        ValueError: Wrong axes, a subject that is missing or negative (the message names the clip), or fewer than two
            subjects.

    Example:
        >>> for subject, train in leave_one_subject_out([3, 1, 3]):
        ...     print(subject, train)
        1 [ True False  True]
        3 [False  True False]
    """
    values = known_groups(subjects, name="subjects")
    there = np.unique(values).tolist()
    if len(there) < 2:
        raise ValueError(f"subjects: expected at least two, got {there}; choose another split")
    return ((subject, values != subject) for subject in there)


@explain_arguments
def read_missing_list(path: str | os.PathLike[str]) -> frozenset[str]:
    r"""Read the published list of NTU RGB+D clips without a usable skeleton: 302 names for 60 classes, 535 for 120.

    Args:
        path: A text file, one name per line with or without ``.skeleton``; up to 20 lines of heading may stand above
            them.

    Returns:
        The names, such as ``"S001C002P005R002A008"``.

    Raises:
        FileNotFoundError: The file does not exist.
        ClipFormatError: A line below the heading that is not a name, or no name.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "missing.txt")
        ...     _ = path.write_text("Missing skeletons:\n\nS001C002P005R002A008.skeleton\n")
        ...     sorted(read_missing_list(path))
        ['S001C002P005R002A008']
    """
    path, names, heading = Path(path), set(), 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            text = line.decode("utf-8-sig", "replace").strip().removesuffix(".skeleton")
            try:
                if text:
                    parse_ntu_name(text)
                    names.add(text)
            except ValueError as error:
                heading += 1
                # One word with a part of a name in it is a damaged name, not a heading.
                if names or heading > _MOST_HEADING or (" " not in text and _PART.search(text)):
                    raise ClipFormatError(path, str(error)[:120], line=number) from None
    if not names:
        raise ClipFormatError(path, "expected names such as S001C002P005R002A008, got none; check the file")
    return frozenset(names)


def check_disjoint(training: Iterable[str], testing: Iterable[str], *, name: str) -> None:
    """Raise if a name is in both parts of a split.

    Example:
        >>> check_disjoint(["a", "b"], ["b"], name="split")
        Traceback (most recent call last):
        ...
        ValueError: split: expected parts without common names, got 'b' in both; remove each from one of the lists
    """
    common = sorted(set(training) & set(testing))
    if common:
        shown = ", ".join(repr(escape(each)) for each in common[:3]) + (", ..." if len(common) > 3 else "")
        raise ValueError(
            f"{name}: expected parts without common names, got {shown} in both; remove each from one of the lists"
        )


def _held_out(groups: ArrayLike, train: Collection[int], allow_missing: bool, *, name: str) -> NDArray[np.bool_]:
    values = known_groups(groups, name=name)
    there = np.unique(values).tolist()
    refuse_missing(list(train), name="train")
    missing = sorted(set(train) - set(there))
    if missing and not allow_missing:
        raise ValueError(
            f"train: no clip has {missing}; {name} has {there}; choose some of these; allow_missing=True accepts others"
        )
    mask = np.isin(values, list(train))
    if mask.all() or not mask.any():
        part = "test" if mask.any() else "training"
        raise ValueError(
            f"train: the {part} part is empty; {name} has {there}, train is {sorted(train)}; choose some, but not all"
        )
    return mask
