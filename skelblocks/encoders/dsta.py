"""DSTA, the transformer among SkeAttnCLR's encoders.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from skelblocks import layouts
from skelblocks._utils.checks import check_integer, check_probability
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.encoders._clips import check_clips
from skelblocks.encoders.dsta_block import DSTABlock
from skelblocks.encoders.present_persons import Absent, check_absent
from skelblocks.encoders.rows_to_compute import rows_to_compute

# SkeAttnCLR's blocks: a row has the channels of the input, the output and a query, and the stride.
TABLE_14 = ((64, 64, 16, 1), (64, 128, 32, 2), (128, 128, 32, 1), (128, 256, 64, 2), (256, 256, 64, 1))


@explain_arguments
class DSTA(nn.Module):
    """Decoupled spatial-temporal attention network, which needs no graph.

    A 1 x 1 convolution, batch normalization and leaky ReLU come first. Then each :class:`DSTABlock` attends between all
    joints and between all frames. Persons are encoded separately. The zeros of absent persons count in the batch
    statistics, as in all released code, unless ``absent="skip"``. The weights are initialized as in the released code:
    normal, with variance 2 / fan_out.

    Queries and keys contain an encoding of joints and frames, so an encoder works for one number of frames only.

    Before training, the normalizations have no statistics in evaluation mode. Features then grow from block to block,
    beyond the range of float16.

    Args:
        layout: The skeleton: a name, a dict or a layout. Only its number of joints matters.
        frames: t; 64 in SkeAttnCLR (table 14).
        in_channels: Coordinates of a joint.
        layers: One row ``(in, out, inner, stride)`` per block: the channels of the input, the output and a query, and
            the stride in time. The default is the list of table 14.
        num_subsets: Parallel attention maps; 3 in the released code. The "number of heads" in table 14, 8, belongs to
            the released soft mask, see ``MHSAM``.
        dropout: 0.5 in table 14, which does not say where. The released network applies it to the last shortcut of each
            block, in training (its default is 0; HiCLR pre-trains with 0.5).
        absent: ``"compute"``, or ``"skip"`` to encode present persons only; see :class:`STGCN`.

    Shape:
        ``(n, in_channels, frames, v, m)`` to the feature map ``(n, m, out_channels, t', v)``; with the default layers
        ``t'`` is ``t / 4``, rounded up: 16 for 64 frames, 13 for 50.

    Raises:
        ValueError: clips whose channels, frames, joints or axes differ from the encoder's; layers that do not fit each
            other.
        TypeError: clips that are not floating-point, or a size that is not an integer.

    Example:
        >>> import torch
        >>> encoder = DSTA("ntu-rgb+d", frames=16, layers=[(8, 8, 4, 1), (8, 16, 4, 2)])
        >>> encoder(torch.randn(2, 3, 16, 25, 2)).shape
        torch.Size([2, 2, 16, 8, 25])
    """

    def __init__(
        self,
        layout: str | Mapping[str, Any] | layouts.SkeletonLayout,
        *,
        frames: int,
        in_channels: int = 3,
        layers: Sequence[Sequence[int]] = TABLE_14,
        num_subsets: int = 3,
        dropout: float = 0.5,
        absent: Absent = "compute",
    ) -> None:
        super().__init__()
        check_absent(absent)
        for name, value in (("frames", frames), ("in_channels", in_channels), ("num_subsets", num_subsets)):
            check_integer(value, name=name)
        check_probability(dropout, name="dropout")
        rows = _check_layers(layers)
        self.layout = layouts.get(layout)
        self.frames = frames
        self.in_channels = in_channels
        self.out_channels = rows[-1][1]
        self.layers = rows
        self.num_subsets = num_subsets
        self.dropout = dropout
        self.absent: Absent = absent
        self.input = nn.Sequential(nn.Conv2d(in_channels, rows[0][0], kernel_size=1), nn.BatchNorm2d(rows[0][0]))
        self.blocks = nn.ModuleList()
        for channels, out_channels, inner_channels, stride in rows:
            block = DSTABlock(
                channels,
                out_channels=out_channels,
                inner_channels=inner_channels,
                joints=self.layout.num_joints,
                frames=frames,
                num_subsets=num_subsets,
                stride=stride,
                dropout=dropout,
            )
            self.blocks.append(block)
            frames = -(-frames // stride)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, x: Tensor, *, person_mask: Tensor | None = None) -> Tensor:
        """The feature map of each clip.

        Args:
            x: Clips ``(n, in_channels, frames, v, m)``.
            person_mask: Boolean ``(n, m)``, true where a person is present; only with ``absent="skip"``. Default:
                persons with any coordinate other than zero.
        """
        check_clips(
            x, in_channels=self.in_channels, joints=self.layout.num_joints, weight=next(self.input.parameters())
        )
        n, _, t, _, m = x.shape
        if t != self.frames:
            raise ValueError(
                f"x: expected (n, c, t={self.frames}, v, m), got shape {tuple(x.shape)}; axis 't' is {t}: this encoder "
                f"is made for {self.frames} frames; resample the clips, or construct it with frames={t}"
            )
        rows = rows_to_compute(x, encoder=self, absent=self.absent, person_mask=person_mask)
        if rows.number == 0:  # batch normalization rejects an empty batch in training
            for *_, stride in self.layers:
                t = -(-t // stride)
            return x.new_zeros(n, m, self.out_channels, t, self.layout.num_joints)
        h: Tensor = F.leaky_relu(self.input(rows.take(rearrange(x, "n c t v m -> (n m) c t v"))), 0.1)
        for block in self.blocks:
            h = block(h)
        return rearrange(rows.put_back(h), "(n m) c t v -> n m c t v", n=n, m=m)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return (
            f"layout={self.layout.name!r}, frames={self.frames}, in_channels={self.in_channels}, "
            f"out_channels={self.out_channels}" + (", absent='skip'" if self.absent == "skip" else "")
        )


def _check_layers(layers: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    rows = tuple(tuple(row) for row in layers)
    if not rows or any(len(row) != 4 for row in rows):
        raise ValueError(f"layers: expected a row (in, out, inner, stride) of integers >= 1 per block, got {layers!r}")
    for i, row in enumerate(rows):
        for name, value in zip(("in", "out", "inner", "stride"), row, strict=True):
            check_integer(value, name=f"layers[{i}], {name}")
    for i in range(1, len(rows)):
        if rows[i][0] != rows[i - 1][1]:
            raise ValueError(
                f"layers: expected row {i} to begin with {rows[i - 1][1]}, the output channels of row {i - 1}, "
                f"got {rows[i][0]}"
            )
    return rows
