"""Which method's released code wrote a checkpoint, by its tensors' names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from skelblocks.interop.official.checkpoint_error import CheckpointError
from skelblocks.interop.official.load_report import shorten
from skelblocks.interop.official.official_keys import BARE, SOURCES

_FINGERPRINTS = (  # the first that occurs decides
    ("SkeAttnCLR", r"encoder_[qk]\.(backbone|neck)\.|predictor|queue(_ptr)?_(z|s|ns)$"),
    ("CrosSCLR", r"(encoder_[qk]|queue|queue_ptr)_(motion|bone)"),
    ("MsMCLR", r"encoder_[qk]\.(m2a|dropout)\."),
    ("HiCLR", r"mask_param|encoder_[qk]\.edge_importance\d"),
    ("SkeleMixCLR", r"encoder_[qk]\.fc\.[13]\."),
    ("SkeletonCLR", r"encoder_[qk]\.|queue"),
    ("encoder", r"A$|(data_bn|st_gcn_networks|edge_importance)\."),
)
_PRETRAINING = r"encoder_k|queue|predictor|mask_param|encoder_q\w*\.fc\.\d"


def recognize_source(names: Iterable[str]) -> str:
    """The method whose released code writes tensors of these names.

    Where methods write the same names, it is the first: ``"SkeletonCLR"`` stands for AimCLR too, in files of linear
    evaluations for SkeleMixCLR as well, and ``"encoder"``, names without ``encoder_q.``, for PSTL.

    Raises:
        CheckpointError: no method's names are among them.

    Example:
        >>> recognize_source(["encoder_q.A", "encoder_q.m2a.conv_up.bias"])
        'MsMCLR'
    """
    listed = list(names)
    for source, pattern in _FINGERPRINTS:
        if any(re.match(pattern, name) for name in listed):
            return source
    raise CheckpointError(
        f"checkpoint: expected an ST-GCN's names as one of {', '.join(SOURCES)} writes them, got "
        f"{shorten(listed, most=4)}; if they are your own class's, load them there"
    )


def same_names(source: str, *, pretraining: bool) -> tuple[str, ...]:
    """The other methods whose files have the names of ``source``, as :func:`recognize_source` gives it.

    Example:
        >>> same_names("SkeletonCLR", pretraining=False)
        ('AimCLR', 'SkeleMixCLR')
    """
    if source == "SkeletonCLR":
        return ("AimCLR",) if pretraining else ("AimCLR", "SkeleMixCLR")
    return ("PSTL",) if source == "encoder" else ()


def is_pretraining(names: Iterable[str], *, source: str) -> bool:
    """Whether a file is of pre-training, with key encoder and bank, and not of a linear evaluation.

    Example:
        >>> is_pretraining(["encoder_q.A", "encoder_q.fc.weight"], source="AimCLR")
        False
    """
    return source not in BARE and any(re.match(_PRETRAINING, name) for name in names)
