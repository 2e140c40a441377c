"""Tables of the tensors that the released code saves but never uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from skelblocks.interop.official.official_sources import Source


class UnusedGroup(NamedTuple):
    """Tensors of the query and the key encoder that the released code itself never uses: all of them, or none."""

    names: tuple[str, ...]
    reason: str
    evaluated: bool  # unused in linear evaluations too


_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
UNUSED: Mapping[Source, tuple[UnusedGroup, ...]] = {
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
# Outside of the encoders, in any kind of file.
UNUSED_BUFFERS: Mapping[Source, Mapping[str, str]] = {
    "DoGCLR": {"mean_pose": "a buffer that the released network registers and never reads"},
}
