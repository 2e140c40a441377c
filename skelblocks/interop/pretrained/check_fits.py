"""Check that a data set of clips fits a pretrained encoder."""

from __future__ import annotations

import warnings

import numpy as np
from torch import nn

from skelblocks._utils.escape import escape
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.clip_dataset import ClipDataset
from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.data.arrays.check_unit import check_unit
from skelblocks.interop.pretrained.pretrained import Pretrained
from skelblocks.layouts import SkeletonLayout, available

_LOOKED_AT = 64  # clips of a prepared set


@explain_arguments
def check_fits(dataset: ClipDataset, pretrained: Pretrained) -> None:
    """Reject clips with another skeleton or preprocessing than the encoder's training clips.

    Args:
        dataset: A prepared set, or arrays with their preprocessing.
        pretrained: The encoder.

    Raises:
        ValueError: The skeletons or the settings differ; the message lists what does. Or the encoder expects meters,
            and the clips are in another unit.

    Example:
        >>> import numpy as np
        >>> from skelblocks.data import ArrayDataset
        >>> from skelblocks.encoders import STGCN
        >>> clips = ArrayDataset(np.random.default_rng(0).standard_normal((2, 3, 60, 20, 1)), layout="nw-ucla")
        >>> encoder = STGCN("nw-ucla", base_channels=4, out_channels=16)
        >>> check_fits(clips, Pretrained(encoder=encoder, preprocessing=Preprocessing(frames=64)))
        Traceback (most recent call last):
        ...
        ValueError: clips: expected the encoder's preprocessing, got frames=50, not 64; prepare the clips again with
        these settings
    """
    check_same_skeleton(dataset.layout, pretrained.layout)
    check_same_coordinates(dataset, pretrained.encoder)
    if pretrained.preprocessing is None or dataset.preprocessing is None:
        whose = "the encoder's folder" if pretrained.preprocessing is None else "the data set"
        warnings.warn(f"{whose} does not say how its clips were preprocessed; not compared", UserWarning, stacklevel=3)
        return
    check_same_preprocessing(dataset.preprocessing, pretrained.preprocessing, layout=pretrained.layout)
    check_prepared_unit(dataset, pretrained.preprocessing)


def check_same_preprocessing(found: Preprocessing, expected: Preprocessing, *, layout: SkeletonLayout) -> None:
    """Reject clips with another preprocessing than an encoder expects.

    Raises:
        ValueError: The settings differ; the message lists what does.
    """
    differing = found.differences(expected, layout=layout)
    if differing:
        raise ValueError(
            f"clips: expected the encoder's preprocessing, got {'; '.join(differing)}; prepare the clips again with "
            "these settings"
        )


def check_prepared_unit(dataset: ClipDataset, expected: Preprocessing) -> None:
    """Reject prepared clips in another unit than an encoder expects, by some of them.

    Raises:
        ValueError: The torsos of the clips have implausible lengths.
    """
    if expected.unit is None or expected.scale is not None:
        return
    places = np.unique(np.linspace(0, len(dataset) - 1, min(len(dataset), _LOOKED_AT)).astype(int))
    check_unit(dataset.batch(places).numpy(), layout=dataset.layout, preprocessing=expected)


def check_same_coordinates(dataset: ClipDataset, encoder: nn.Module) -> None:
    """Refuse clips in a picture for an encoder of clips in space, and the reverse.

    Raises:
        ValueError: the number of coordinates differs.
    """
    expected, found = getattr(encoder, "in_channels", None), dataset[0].clip.shape[0]
    if expected is not None and found != expected:
        way = "adds a depth of zero" if expected > found else "omits the third"
        flat = "; an encoder for flat clips, by skelblocks distill, is better" if expected > found else ""
        raise ValueError(
            f"clips: expected {expected} coordinates as for the encoder, got {found}; Preprocessing(coordinates="
            f"{expected}) {way}, on a command line --coordinates {expected} or --data.coordinates {expected}{flat}"
        )


def check_same_skeleton(found: SkeletonLayout, expected: SkeletonLayout) -> None:
    """Reject clips of another skeleton. Parts and bodies may differ, because an encoder does not use them.

    Raises:
        ValueError: Joints, bones or center differ.
    """
    same = {
        "joints": found.joints == expected.joints,
        "bones": set(map(frozenset, found.edges)) == set(map(frozenset, expected.edges)),
        "a center": found.center == expected.center,
    }
    for name, equal in same.items():
        if not equal:
            raise ValueError(
                f"clips: expected the skeleton of the encoder, {escape(expected.name)!r}, got {escape(found.name)!r}, "
                f"which has {name} of its own; {_remedy(expected)}"
            )


def _remedy(expected: SkeletonLayout) -> str:
    known = expected.name if expected.name in available() else "LAYOUT.json"
    return f"prepare the clips with Preprocessing(to=...), on a command line --to {escape(known)}"
