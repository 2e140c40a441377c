"""How the released codes name and shape what our blocks hold: tables, no weights.

Axes: d embedding, k bank rows, o and i outputs and inputs of a layer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

SOURCES = (
    "SkeletonCLR", "AimCLR", "CrosSCLR", "MsMCLR", "HiCLR", "SkeleMixCLR", "SkeAttnCLR", "PSTL", "encoder",
)  # fmt: skip
BARE = ("PSTL", "encoder")  # an encoder's names without a prefix
STREAM_SUFFIX = {"joint": "", "motion": "_motion", "bone": "_bone"}  # of CrosSCLR; the others have one stream

PREDICTORS = ("predictor", "predictor_s", "predictor_ns")
SIDE_QUEUES = {"salient": "_s", "non_salient": "_ns"}
# SkeAttnCLR's forward passes and evaluation configurations use names that its constructor does not.
ALIASES = {
    "predictor_p.": "predictor_s.",
    "predictor_c.": "predictor_ns.",
    "queue_p": "queue_s",
    "queue_c": "queue_ns",
    "queue_ptr_p": "queue_ptr_s",
    "queue_ptr_c": "queue_ptr_ns",
}


class UnusedGroup(NamedTuple):
    """Tensors of the query and the key encoder that the released code itself never uses: all of them, or none."""

    names: tuple[str, ...]
    reason: str
    evaluated: bool  # unused in linear evaluations too


_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
UNUSED = {
    "MsMCLR": (
        UnusedGroup(
            (
                *(f"dropout.fcn.0.{kind}" for kind in ("weight", "bias")),
                *(f"dropout.fcn.1.{kind}" for kind in _NORM),
                *(f"dropout.conv_{axis}.{kind}" for axis in "tv" for kind in ("weight", "bias")),
            ),
            "a module that the released network builds and never calls",
            evaluated=True,
        ),
    ),
    "SkeAttnCLR": (
        UnusedGroup(
            (
                "neck.proj_obj.mlp.0.weight",
                *(f"neck.proj_obj.mlp.1.{kind}" for kind in _NORM),
                "neck.proj_obj.mlp.3.weight",
            ),
            "a projector that the released neck builds and never calls",
            evaluated=True,
        ),
        UnusedGroup(
            ("backbone.fc.weight", "backbone.fc.bias"),
            "the backbone's classifier, which pre-training does not train",
            evaluated=False,
        ),
    ),
}

_BLOCK = {
    "graph.conv.": "gcn.conv.",
    "graph_norm.": "tcn.0.",
    "temporal.": "tcn.2.",
    "temporal_norm.": "tcn.3.",
    "residual.": "residual.",
}
_MHSAM = {"norm.": "norm0.", "qkv.": "Attn.qkv.", "proj.": "Attn.proj."}
_NESTED = {"0": "0", "2": "2.0", "4": "2.2"}  # CrosSCLR puts the joint stream's whole head into the other streams'


class OfficialKey(NamedTuple):
    """Where a tensor of ours is in an official file, and in which form.

    Args:
        name: Its name there.
        form: ``"same"``; ``"conv1d"``, ``(o, i, 1)`` for our ``(o, i)``; ``"transposed"``, ``(d, k)`` for ``(k, d)``;
            ``"one"``, ``(1,)`` for a number without axes.
    """

    name: str
    form: str = "same"


def official_name(name: str) -> str:
    """A name as the method's own class has it: without ``module.`` wherever it stands, and without aliases.

    Example:
        >>> official_name("encoder_q.module.A"), official_name("queue_ptr_p")
        ('encoder_q.A', 'queue_ptr_s')
    """
    name = "".join(name.split("module."))
    for alias, meant in ALIASES.items():
        if name == alias or (alias.endswith(".") and name.startswith(alias)):
            return meant + name[len(alias) :]
    return name


def encoder_keys(names: Iterable[str], *, prefix: str, dotted: bool = True) -> dict[str, OfficialKey]:
    """ST-GCN's tensors.

    Args:
        names: Those of ``STGCN.state_dict()``.
        prefix: What the official names begin with, ``"encoder_q."``.
        dotted: False for HiCLR, which counts the edge importances from 1 and without a dot.

    Example:
        >>> encoder_keys(["blocks.4.graph.edge_importance"], prefix="encoder_k.", dotted=False)
        {'blocks.4.graph.edge_importance': OfficialKey(name='encoder_k.edge_importance5', form='same')}
    """
    keys = {}
    for name in names:
        block = re.fullmatch(r"blocks\.(\d+)\.(.+)", name)
        if name == "adjacency":
            theirs = "A"
        elif block is None:
            theirs = name.replace("data_norm.", "data_bn.")
        elif block[2] == "graph.edge_importance":
            theirs = f"edge_importance.{block[1]}" if dotted else f"edge_importance{int(block[1]) + 1}"
        else:
            start = next(ours for ours in _BLOCK if block[2].startswith(ours))
            theirs = f"st_gcn_networks.{block[1]}.{_BLOCK[start]}{block[2][len(start) :]}"
        keys[name] = OfficialKey(prefix + theirs)
    return keys


def head_keys(
    names: Iterable[str], *, prefix: str, conv1d: bool = False, nested: bool = False
) -> dict[str, OfficialKey]:
    """A projection head's tensors.

    Args:
        names: Those of ``ProjectionHead.state_dict()``.
        prefix: What the official names begin with, with the dot: ``"encoder_q.fc."``, ``"predictor.mlp."``.
        conv1d: SkeAttnCLR's, 1 x 1 convolutions without a bias.
        nested: CrosSCLR's motion and bone, the joint stream's whole head inside of theirs.

    Example:
        >>> head_keys(["layers.2.weight"], prefix="encoder_q_motion.fc.", nested=True)
        {'layers.2.weight': OfficialKey(name='encoder_q_motion.fc.2.0.weight', form='same')}
    """
    names = list(names)
    single = {name.split(".")[1] for name in names} == {"0"}
    keys = {}
    for name in names:
        _, index, kind = name.split(".")
        if conv1d and index != "1" and kind == "bias":
            continue
        where = "" if single else f"{_NESTED[index] if nested else index}."
        keys[name] = OfficialKey(f"{prefix}{where}{kind}", "conv1d" if conv1d and index != "1" else "same")
    return keys


def mhsam_keys(names: Iterable[str], *, prefix: str) -> dict[str, OfficialKey]:
    """The tensors of SkeAttnCLR's attention, part of its "neck".

    Example:
        >>> mhsam_keys(["qkv.weight"], prefix="encoder_q.neck.")
        {'qkv.weight': OfficialKey(name='encoder_q.neck.Attn.qkv.weight', form='same')}
    """
    starts = {name: next(ours for ours in _MHSAM if name.startswith(ours)) for name in names}
    return {name: OfficialKey(f"{prefix}{_MHSAM[start]}{name[len(start) :]}") for name, start in starts.items()}


def queue_keys(suffix: str) -> dict[str, OfficialKey]:
    """A queue's tensors; the ids are ours alone.

    Example:
        >>> queue_keys("_motion")["pointer"]
        OfficialKey(name='queue_ptr_motion', form='one')
    """
    return {"bank": OfficialKey(f"queue{suffix}", "transposed"), "pointer": OfficialKey(f"queue_ptr{suffix}", "one")}
