"""What `official_train.py` puts in the place of what only NTU RGB+D, a GPU or the authors' environment has."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from functools import partialmethod
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch
from torch import Tensor, nn

from skelblocks import streams
from skelblocks.layouts import SkeletonLayout


class DropPath(nn.Module):
    """Leave a sample's residual branch out with a probability: that of timm, where timm is not installed."""

    def __init__(self, drop_prob: float = 0.0) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.drop_prob:
            return x
        kept = 1 - self.drop_prob
        return x * x.new_empty((len(x), *[1] * (x.ndim - 1))).bernoulli_(kept) / kept


def import_class(name: str) -> Any:
    """A class by its full name."""
    module, _, which = name.rpartition(".")
    return getattr(importlib.import_module(module), which)


def stand_in(device: torch.device) -> None:
    """What their environment has and this one need not have."""
    torchlight = types.ModuleType("torchlight")
    torchlight.__dict__.update(import_class=import_class, str2bool=bool, DictAction=MagicMock())
    sys.modules["torchlight"] = torchlight
    vars(torchlight)["torchlight"] = sys.modules["torchlight.torchlight"] = torchlight  # HiCLR's copy is nested
    names = ("tensorboardX", "cv2", "timm", "timm.models", "timm.models.vision_transformer", "timm.models.layers")
    for name in names:
        if name.split(".")[0] in sys.modules or importlib.util.find_spec(name.split(".")[0]) is None:
            sys.modules.setdefault(name, MagicMock(DropPath=DropPath))
    if device.type == "cpu":
        torch.Tensor.cuda = lambda self, *_, **__: self  # type: ignore[method-assign, assignment]


def fit_to(layout: SkeletonLayout, *, persons: int, frames: int, method: str) -> None:
    """Put a set's skeleton in the place of NTU RGB+D's, in the modules that name its joints."""
    parents = layout.parents
    inward = [(joint, parents[joint]) for joint in range(layout.num_joints) if joint != layout.center]
    loops = [(joint, joint) for joint in range(layout.num_joints)]
    tools = importlib.import_module("feeder.tools")
    if hasattr(tools, "transform_order"):
        tools.transform_order["ntu"] = list(layout.swap)
    bodies = [list(group.joints) for group in layout.bodies]
    if method in ("skeattnclr", "skelemixclr"):
        graph = importlib.import_module("net.utils.ntu_rgb_d")
        outward = [(b, a) for a, b in inward]
        vars(graph).update(num_node=layout.num_joints, self_link=loops, inward=inward, outward=outward)
        network = "net.SkeAttnCLR" if method == "skeattnclr" else "net.skeletonclr_multi_swapv2"
        importlib.import_module(network).body_parts = bodies  # type: ignore[attr-defined]
        return

    def get_edge(self: Any, _: str) -> None:
        self.num_node, self.edge, self.center = layout.num_joints, loops + list(inward), layout.center

    importlib.import_module("net.utils.graph").Graph.get_edge = get_edge
    if method == "msmclr":
        network = importlib.import_module("net.st_gcn")
        network.body_group = [np.array(joints) for joints in bodies]  # type: ignore[attr-defined]
        network.part_group = [np.array(group.joints) for group in layout.parts]  # type: ignore[attr-defined]
        sizes = {50: frames, 2: persons}  # which its noise on joints goes through
        tools.range = lambda n: range(sizes.get(n, n))  # type: ignore[attr-defined]


def fit_model(model: Any, *, layout: SkeletonLayout) -> None:
    """What a model holds that counts NTU RGB+D's joints or GPUs."""
    for module in model.modules():
        if getattr(module, "num_point", None) == 25:
            module.num_point = layout.num_joints
    kind = type(model)
    kind._dequeue_and_enqueue = enqueue
    if hasattr(model, "swap_params"):  # SkeleMixCLR's queue is also given labels, which are None
        kind._dequeue_and_enqueue = lambda self, keys, _: enqueue(self, keys)
    for stream in ("motion", "bone"):
        if hasattr(kind, f"_dequeue_and_enqueue_{stream}"):
            setattr(kind, f"_dequeue_and_enqueue_{stream}", partialmethod(enqueue_of_stream, stream))
    if hasattr(model, "Bone"):
        parents = layout.parents
        model.Bone = [(joint + 1, parents[joint] + 1) for joint in range(layout.num_joints)]
    if hasattr(model, "predictor_s"):  # called so where they are made, and otherwise where they are used
        model.predictor_p, model.predictor_c = model.predictor_s, model.predictor_ns
    if hasattr(model, "view_gen"):
        kind.view_gen = lambda _, clips, stream: streams.convert(clips, stream, layout=layout)


@torch.no_grad()
def enqueue(model: Any, *keys: Tensor) -> None:
    """Their step of the queue on one device, which needs no number of it."""
    for suffix, key in zip(("",) if len(keys) == 1 else ("_z", "_s", "_ns"), keys, strict=True):
        start = int(getattr(model, f"queue_ptr{suffix}"))
        getattr(model, f"queue{suffix}")[:, start : start + len(key)] = key.T


@torch.no_grad()
def enqueue_of_stream(model: Any, stream: str, keys: Tensor) -> None:
    """The same for one of CrosSCLR's later streams."""
    start = int(getattr(model, f"queue_ptr_{stream}"))
    getattr(model, f"queue_{stream}")[:, start : start + len(keys)] = keys.T
