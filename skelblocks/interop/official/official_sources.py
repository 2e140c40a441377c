"""The methods whose released checkpoints can be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from skelblocks.streams import Stream

Source = Literal[
    "SkeletonCLR",
    "AimCLR",
    "CrosSCLR",
    "CrosNNCLR",
    "ActCLR",
    "DoGCLR",
    "MsMCLR",
    "HiCLR",
    "SkeleMixCLR",
    "SkeAttnCLR",
    "PSTL",
    "encoder",
]
SOURCES: tuple[Source, ...] = get_args(Source)
BARE: tuple[Source, ...] = ("PSTL", "encoder")  # an encoder's names without a prefix
CONVOLUTIONAL: tuple[Source, ...] = ("ActCLR", "DoGCLR")  # heads and classifiers are convolutions of size one
STREAM_SUFFIX: Mapping[Stream, str] = {
    "joint": "",
    "motion": "_motion",
    "bone": "_bone",
}  # of CrosSCLR; the others have one stream
# Frames of the clips in the released configurations, where that is not 50.
FRAMES: Mapping[Source, int] = {"SkeAttnCLR": 64, "SkeleMixCLR": 64}
