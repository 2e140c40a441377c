"""Tables of the names and shapes that the released code gives to the tensors of our blocks.

Axes: d embedding, k bank rows, o and i outputs and inputs of a layer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from torch import Tensor

# DataParallel and DistributedDataParallel; torch.compile; FullyShardedDataParallel; activation checkpointing.
WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
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

_BLOCK = {
    "graph.conv.": "gcn.conv.",
    "graph_norm.": "tcn.0.",
    "temporal.": "tcn.2.",
    "temporal_norm.": "tcn.3.",
    "residual.": "residual.",
}
_MHSAM = {"norm.": "norm0.", "qkv.": "Attn.qkv.", "proj.": "Attn.proj."}
_NESTED = {"0": "0", "2": "2.0", "4": "2.2"}  # CrosSCLR puts the joint stream's whole head into the other streams'

Form = Literal["same", "conv1d", "conv2d", "transposed", "one"]
LINEAR_FORMS: tuple[Form, ...] = ("same", "conv1d", "conv2d")  # how a linear layer's weight may be written, by axes


class OfficialKey(NamedTuple):
    """The place of one of our tensors in an official file, and the form that it has there.

    Args:
        name: Its name in the file.
        form: ``"same"``; ``"conv1d"``, ``(o, i, 1)`` for our ``(o, i)``; ``"conv2d"``, ``(o, i, 1, 1)`` for the same;
            ``"transposed"``, ``(d, k)`` for ``(k, d)``; ``"one"``, ``(1,)`` for a number without axes.
    """

    name: str
    form: Form = "same"


def linear_form(value: Tensor) -> Form | None:
    """The form of a linear layer's weight in a file; None if it is neither a matrix nor a convolution of size one.

    Example:
        >>> import torch
        >>> linear_form(torch.zeros(60, 256, 1, 1)), linear_form(torch.zeros(60, 256, 3, 3))
        ('conv2d', None)
    """
    if not 2 <= value.ndim <= 4 or any(size != 1 for size in value.shape[2:]):
        return None
    return LINEAR_FORMS[value.ndim - 2]


def official_name(name: str) -> str:
    """A name as the method's own class writes it: without the wrappers' prefixes, wherever they stand, or aliases.

    Example:
        >>> official_name("encoder_q._orig_mod.module.A"), official_name("queue_ptr_p")
        ('encoder_q.A', 'queue_ptr_s')
    """
    parts = name.split(".")
    name = ".".join([part for part in parts[:-1] if part not in WRAPPERS] + parts[-1:])
    for alias, meant in ALIASES.items():
        if name == alias or (alias.endswith(".") and name.startswith(alias)):
            return meant + name[len(alias) :]
    return name


def encoder_keys(names: Iterable[str], *, prefix: str, dotted: bool = True) -> dict[str, OfficialKey]:
    """ST-GCN's tensors.

    Args:
        names: The names in ``STGCN.state_dict()``.
        prefix: Prefix of the official names, such as ``"encoder_q."``.
        dotted: False for HiCLR, which counts the edge importances from 1 and without a dot.

    Example:
        >>> encoder_keys(["blocks.4.graph.edge_importance"], prefix="encoder_k.", dotted=False)
        {'blocks.4.graph.edge_importance': OfficialKey(name='encoder_k.edge_importance5', form='same')}
    """
    keys = {}
    for name in names:
        block = re.fullmatch(r"blocks\.(\d+)\.(.+)", name)
        if name == "adjacency":
            official = "A"
        elif block is None:
            official = name.replace("data_norm.", "data_bn.")
        elif block[2] == "graph.edge_importance":
            official = f"edge_importance.{block[1]}" if dotted else f"edge_importance{int(block[1]) + 1}"
        else:
            start = next(ours for ours in _BLOCK if block[2].startswith(ours))
            official = f"st_gcn_networks.{block[1]}.{_BLOCK[start]}{block[2][len(start) :]}"
        keys[name] = OfficialKey(prefix + official)
    return keys


def head_keys(
    names: Iterable[str], *, prefix: str, form: Form = "same", bias: bool = True, nested: bool = False
) -> dict[str, OfficialKey]:
    """A projection head's tensors.

    Args:
        names: The names in ``ProjectionHead.state_dict()``.
        prefix: Prefix of the official names with the dot, such as ``"encoder_q.fc."`` or ``"predictor.mlp."``.
        form: Form of the linear layers' weights.
        bias: False leaves out the linear layers' biases, which SkeAttnCLR's heads do not have.
        nested: CrosSCLR's motion and bone, the joint stream's whole head inside of theirs.

    Example:
        >>> head_keys(["layers.2.weight"], prefix="encoder_q_motion.fc.", nested=True)
        {'layers.2.weight': OfficialKey(name='encoder_q_motion.fc.2.0.weight', form='same')}
    """
    names = list(names)
    single = {name.split(".")[1] for name in names} == {"0"}
    norms = {name.split(".")[1] for name in names if name.endswith(".running_mean")}
    keys = {}
    for name in names:
        _, index, kind = name.split(".")
        if not bias and index not in norms and kind == "bias":
            continue
        where = "" if single else f"{_NESTED[index] if nested else index}."
        is_matrix = index not in norms and kind == "weight"
        keys[name] = OfficialKey(f"{prefix}{where}{kind}", form if is_matrix else "same")
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
