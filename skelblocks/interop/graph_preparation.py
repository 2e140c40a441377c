"""The preparation of clips as a graph of tensors, for programs that take recorded clips.

Axes: n clips, c coordinates, t recorded frames, f frames of the encoder, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelblocks import layouts
from skelblocks._utils.checks import check_axes, check_choice
from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.data.steps.normalize_scale import bones_to_measure
from skelblocks.interop.graph_steps import (
    acceleration_clips,
    center_clips,
    last_frames,
    motion_clips,
    resample_clips,
    scale_clips,
    turn_clips,
)
from skelblocks.layouts import SkeletonLayout
from skelblocks.layouts.remap import joint_sources
from skelblocks.streams import STREAMS, Stream


class GraphPreparation(nn.Module):
    """The same preparation as :meth:`~skelblocks.interop.Pretrained.prepare` in torch: it can be exported and
    differentiated.

    Every step is a product with a matrix, a sum, or a choice between two values. Resampling is a product with a matrix
    ``(f, t)`` for each clip, which is computed from the clip's length. No step gathers by a list of indices, which some
    runtimes get wrong.

    Args:
        preprocessing: Preprocessing of the encoder; ``y`` must not be ``"auto"``.
        layout: Skeleton of the recorded clips.
        channels: Coordinates per joint in the recorded clips.
        target: Skeleton of the encoder. Default: ``preprocessing.to``, or ``layout``.
        stream: The stream that the encoder takes.

    Shape:
        Clips ``(n, c, t, v, m)``, zero at the end of time and where a person is absent, to ``(n, c', f, v', m')``.

    Raises:
        ValueError: Settings that do not fit the skeleton or the channels, ``y="auto"``, or an unknown stream.

    Example:
        >>> prepare = GraphPreparation(Preprocessing(frames=50, persons=2), layout="ntu-rgb+d")
        >>> prepare(torch.randn(4, 3, 90, 25, 1)).shape
        torch.Size([4, 3, 50, 25, 2])
    """

    joints: Tensor | None
    signs: Tensor | None
    bones: Tensor | None
    parents: Tensor | None

    def __init__(
        self,
        preprocessing: Preprocessing,
        *,
        layout: str | Mapping[str, Any] | SkeletonLayout,
        channels: int = 3,
        target: str | Mapping[str, Any] | SkeletonLayout | None = None,
        stream: Stream = "joint",
    ) -> None:
        super().__init__()
        self.layout = layouts.get(layout)
        self.target = preprocessing.layout_of(self.layout) if target is None else layouts.get(target)
        check_choice(stream, STREAMS, name="stream")
        if preprocessing.y == "auto":
            raise ValueError(
                "preprocessing: expected y='up' or 'down', got 'auto', which needs a set of clips to decide; set one "
                "of them"
            )
        preprocessing.validate(layout=self.layout, channels=channels)
        self.preprocessing, self.channels, self.stream = preprocessing, channels, stream
        remapped = self.target != self.layout
        self._keep("joints", _remapping(self.layout, self.target, preprocessing) if remapped else None)
        after = preprocessing.channels_of(channels)
        signs = torch.tensor([-1.0 if i == 1 else 1.0 for i in range(after)])[:, None, None, None]
        self._keep("signs", signs if preprocessing.y == "down" else None)
        scale = preprocessing.scale
        self._keep("bones", None if scale is None else _differences(bones_to_measure(self.target, scale), self.target))
        parents = [(joint, parent) for joint, parent in enumerate(self.target.parents)]
        self._keep("parents", _differences(parents, self.target) if stream in ("bone", "bone_motion") else None)

    def _keep(self, name: str, value: Tensor | None) -> None:
        self.register_buffer(name, value, persistent=False)

    def forward(self, clips: Tensor) -> Tensor:
        """Prepared clips ``(n, c', f, v', m')``."""
        check_axes(clips, "n c t v m", name="clips", c=self.channels, v=self.layout.num_joints)
        settings = self.preprocessing
        x = clips
        if settings.frames is not None:
            last = last_frames(x)
        if self.joints is not None:
            x = self.joints.to(x) @ x
        after = settings.channels_of(self.channels)
        if after > self.channels:
            x = torch.cat([x, torch.zeros_like(x[:, :1])], dim=1)
        elif after < self.channels:
            x = x[:, :after]
        if self.signs is not None:
            x = x * self.signs.to(x)
        if self.bones is not None:
            x = scale_clips(x, self.bones.to(x), mean=settings.scale == "bones")
        joint = settings.center_joint(self.target)
        if joint is not None:
            x = center_clips(x, joint=joint, per=settings.per, origin=settings.origin)
        if settings.frames is not None:
            x = resample_clips(x, settings.frames, last=last)
        if settings.align is not None:
            left, right = (self.target.index(f"shoulder_{side}") for side in ("left", "right"))
            x = turn_clips(x, left=left, right=right, mode=settings.align)
        if settings.persons is not None and settings.persons > x.shape[-1]:
            x = F.pad(x, (0, settings.persons - x.shape[-1]))
        if self.stream in ("motion", "bone_motion"):
            x = motion_clips(x)
        elif self.stream == "acceleration":
            x = acceleration_clips(x)
        return x if self.parents is None else self.parents.to(x) @ x

    def extra_repr(self) -> str:
        """The arguments in ``repr``."""
        return f"{self.preprocessing!r}, layout={self.layout.name!r}, stream={self.stream!r}"


def _remapping(source: SkeletonLayout, target: SkeletonLayout, preprocessing: Preprocessing) -> Tensor:
    """``(v', v)``: how each joint of the target is made of the source's."""
    rows, _ = joint_sources(source, target, missing=preprocessing.missing)
    matrix = torch.zeros(target.num_joints, source.num_joints)
    for place, row in enumerate(rows):
        for joint, weight in row.items():
            matrix[place, joint] = weight
    return matrix


def _differences(pairs: list[tuple[int, int]], layout: SkeletonLayout) -> Tensor:
    """``(pairs, v)``, which subtracts the second joint of each pair from the first."""
    matrix = torch.zeros(len(pairs), layout.num_joints)
    for row, (first, second) in enumerate(pairs):
        matrix[row, first] += 1
        matrix[row, second] -= 1
    return matrix
