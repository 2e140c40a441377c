"""Recognize the method whose released code wrote a checkpoint, by its tensors' names and shapes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from skelblocks.interop.official.checkpoint_error import CheckpointError
from skelblocks.interop.official.load_report import shorten
from skelblocks.interop.official.official_keys import linear_form
from skelblocks.interop.official.official_sources import BARE, SOURCES, Source
from skelblocks.interop.official.recognize_foreign import seems_to_be

_FINGERPRINTS: tuple[tuple[Source, str], ...] = (  # the first that occurs decides
    ("SkeAttnCLR", r"encoder_[qk]\.(backbone|neck)\.|predictor|queue(_ptr)?_(z|s|ns)$"),
    ("CrosSCLR", r"(encoder_[qk]|queue|queue_ptr)_(motion|bone)"),
    ("MsMCLR", r"encoder_[qk]\.(m2a|dropout)\."),
    ("HiCLR", r"mask_param|encoder_[qk]\.edge_importance\d"),
    ("DoGCLR", r"mean_pose$"),
    ("SkeleMixCLR", r"encoder_[qk]\.fc\.[13]\."),
    ("SkeletonCLR", r"encoder_[qk]\.|queue"),
    ("encoder", r"A$|(data_bn|st_gcn_networks|edge_importance)\."),
)
_PRETRAINING = r"encoder_k|queue|predictor|mask_param|encoder_q\w*\.fc\.\d"
_HEADS = r"encoder_[qk]\.fc\.(\d\.)?weight$"


def recognize_source(state: Mapping[str, Tensor], *, name: str = "checkpoint") -> Source:
    """The method whose released code writes tensors of these names and shapes.

    Where methods write the same ones, it is the first: ``"SkeletonCLR"`` stands for AimCLR and CrosNNCLR too, in files
    of linear evaluations for SkeleMixCLR as well; ``"ActCLR"``, the same names with convolutions for heads and
    classifiers, stands for DoGCLR and for AimCLR as ActCLR's repository trains it; ``"encoder"``, names without
    ``encoder_q.``, stands for PSTL.

    Args:
        state: The tensors by name, without the wrappers' prefixes.
        name: What the message calls the file.

    Raises:
        CheckpointError: No method's names are among them. The message says which kind of file it seems to be.

    Example:
        >>> import torch
        >>> recognize_source({"encoder_q.m2a.conv_up.bias": torch.zeros(1)})
        'MsMCLR'
    """
    for source, pattern in _FINGERPRINTS:
        if any(re.match(pattern, each) for each in state):
            return "ActCLR" if source == "SkeletonCLR" and _has_convolutions(state) else source
    kind = seems_to_be(state)
    advice = f"it seems to be {kind}" if kind else "if the weights belong to a class of yours, load them into that"
    raise CheckpointError(
        f"{name}: expected an ST-GCN's names as one of {', '.join(SOURCES)} writes them, got "
        f"{shorten(state, most=4)}; {advice}"
    )


def _has_convolutions(state: Mapping[str, Tensor]) -> bool:
    heads = [value for each, value in state.items() if re.match(_HEADS, each)]
    return any(linear_form(value) == "conv2d" for value in heads)


def same_names(source: Source, *, pretraining: bool) -> tuple[Source, ...]:
    """The other methods whose files look the same as files of ``source``, which :func:`recognize_source` returns.

    Example:
        >>> same_names("SkeletonCLR", pretraining=False)
        ('AimCLR', 'CrosNNCLR', 'SkeleMixCLR')
    """
    if source == "SkeletonCLR":
        return ("AimCLR", "CrosNNCLR", "ActCLR") if pretraining else ("AimCLR", "CrosNNCLR", "SkeleMixCLR")
    if source == "ActCLR":
        return ("AimCLR", "DoGCLR")
    return ("PSTL",) if source == "encoder" else ()


def is_pretraining(names: Iterable[str], *, source: Source) -> bool:
    """Whether a file is of pre-training, with key encoder and bank, and not of a linear evaluation.

    Example:
        >>> is_pretraining(["encoder_q.A", "encoder_q.fc.weight"], source="AimCLR")
        False
    """
    return source not in BARE and any(re.match(_PRETRAINING, name) for name in names)
