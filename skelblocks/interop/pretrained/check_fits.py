"""Whether a data set of clips is what a pretrained encoder was trained on."""

from __future__ import annotations

import warnings

from skelblocks._utils.escape import escape
from skelblocks.clips.clip_dataset import ClipDataset
from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.interop.pretrained.pretrained import Pretrained
from skelblocks.layouts import SkeletonLayout


def check_fits(dataset: ClipDataset, pretrained: Pretrained) -> None:
    """Refuse clips of another skeleton, or preprocessed in another way, than an encoder was trained on.

    Args:
        dataset: A prepared set, or arrays with their preprocessing.
        pretrained: The encoder.

    Raises:
        ValueError: the skeletons or the settings differ; the message lists what does.

    Example:
        >>> import numpy as np
        >>> from skelblocks.data import ArrayDataset
        >>> from skelblocks.encoders import STGCN
        >>> clips = ArrayDataset(np.random.default_rng(0).standard_normal((2, 3, 60, 20, 1)), layout="nw-ucla")
        >>> encoder = STGCN("nw-ucla", base_channels=4, out_channels=16)
        >>> check_fits(clips, Pretrained(encoder=encoder, preprocessing=Preprocessing(frames=64)))
        Traceback (most recent call last):
        ...
        ValueError: clips: expected them preprocessed as for the encoder, got frames=50, not 64; prepare them again
        that way
    """
    check_same_skeleton(dataset.layout, pretrained.layout)
    if pretrained.preprocessing is None or dataset.preprocessing is None:
        whose = "the encoder's folder" if pretrained.preprocessing is None else "the data set"
        warnings.warn(f"{whose} does not say how its clips were preprocessed; not compared", UserWarning, stacklevel=2)
        return
    check_same_preprocessing(dataset.preprocessing, pretrained.preprocessing, layout=pretrained.layout)


def check_same_preprocessing(found: Preprocessing, expected: Preprocessing, *, layout: SkeletonLayout) -> None:
    """Refuse clips that were preprocessed in another way than an encoder expects.

    Raises:
        ValueError: the settings differ; the message lists what does.
    """
    differing = found.differences(expected, layout=layout)
    if differing:
        raise ValueError(
            f"clips: expected them preprocessed as for the encoder, got {'; '.join(differing)}; prepare them again "
            "that way"
        )


def check_same_skeleton(found: SkeletonLayout, expected: SkeletonLayout) -> None:
    """Refuse clips of another skeleton; parts and bodies may be others, for an encoder does not know them.

    Raises:
        ValueError: joints, bones or center differ.
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
                f"which has {name} of its own"
            )
