"""ST-GCN, the encoder of SkeletonCLR, CrosSCLR, AimCLR, MsMCLR, HiCLR and, with another graph, SkeAttnCLR.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from skelblocks import layouts
from skelblocks._utils.checks import check_axes, check_integer, check_probability, values_visible
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.encoders._clips import check_clips
from skelblocks.encoders.present_persons import Absent, check_absent
from skelblocks.encoders.rows_to_compute import rows_to_compute
from skelblocks.encoders.run_again import run_again_in_backward
from skelblocks.encoders.st_gcn_block import STGCNBlock
from skelblocks.layouts.adjacency import Strategy

_STRIDED = (4, 7)  # the blocks that halve the frames and double the channels


@explain_arguments
class STGCN(nn.Module):
    """Spatial-temporal graph convolutional network: ten blocks over the skeleton's bones and time.

    Batch normalization for each joint and coordinate comes first. The zeros of absent persons count in its statistics,
    as in all released code, unless ``absent="skip"``. Persons are encoded separately. With ``h = base_channels`` the
    blocks have ``h, h, h, h, 2h, 2h, 2h, 4h, 4h, out_channels`` channels; the fifth and the eighth halve the frames.

    Args:
        layout: The skeleton: a name, a dict or a layout.
        in_channels: Coordinates of a joint.
        base_channels: Channels of the first block. 16 in the released configs of MsMCLR, AimCLR and CrosSCLR, which
            gives 821,380 parameters for the 25 joints of NTU RGB+D; 64 in SkeAttnCLR (table 12), which gives
            3,083,412.
        out_channels: Channels of the feature map; 256 in all these methods.
        dropout: Dropout of every block except the first, in training; 0.5 in the released configs.
        strategy: How bones are partitioned, see ``layouts.adjacency``. MsMCLR, AimCLR and CrosSCLR use ``"spatial"``.
            SkeAttnCLR and SkeleMixCLR use ``"agcn"``, although their code calls it "spatial".
        max_hop: Largest distance of a neighbor, in bones.
        dilation: Take only every ``dilation``-th hop.
        edge_importance: Whether each block learns a factor for every entry of the adjacency.
        absent: What happens to absent persons, whose coordinates are all zero. ``"compute"``, as in all released code:
            they are encoded like the others, and count in the batch statistics in training. ``"skip"``: only present
            persons are encoded and count in the batch statistics, and the map of an absent person is zero. This saves
            two rows of five on NTU RGB+D. Then pass ``absent="skip"`` to ``Pool`` and to the attention blocks too. On a
            GPU, each call waits for the number of present persons.
        checkpoint: Whether backward runs each block again, so that training stores only the blocks' inputs. The result
            is the same. A saved encoder does not record this setting.

    Shape:
        ``(n, in_channels, t, v, m)`` to the feature map ``(n, m, out_channels, t', v)``; ``t'`` is ``t / 4``, rounded
        up: 13 for 50 frames, 16 for 64. Any number of frames and persons. The map's strides are channels-last. With
        ``keep_joints``, the map has only these joints: ``(n, m, out_channels, t', v')``.

    Raises:
        ValueError: clips whose channels, joints or axes differ from the encoder's, or clips without frames; in
            training, a batch so small that a normalization would see one number per channel; or ``keep_joints`` that
            the layout does not have.
        TypeError: clips that are not floating-point, joints to keep that are not int64, or a size that is not an
            integer.

    Example:
        >>> encoder = STGCN("ntu-rgb+d", base_channels=4, out_channels=16)
        >>> encoder(torch.randn(2, 3, 50, 25, 2)).shape
        torch.Size([2, 2, 16, 13, 25])
    """

    adjacency: Tensor

    def __init__(
        self,
        layout: str | Mapping[str, Any] | layouts.SkeletonLayout,
        *,
        in_channels: int = 3,
        base_channels: int = 16,
        out_channels: int = 256,
        dropout: float = 0.5,
        strategy: Strategy = "spatial",
        max_hop: int = 1,
        dilation: int = 1,
        edge_importance: bool = True,
        absent: Absent = "compute",
        checkpoint: bool = False,
    ) -> None:
        super().__init__()
        check_absent(absent)
        if not isinstance(checkpoint, bool):
            raise TypeError(f"checkpoint: expected a boolean, got {checkpoint!r}")
        for name, value in (
            ("in_channels", in_channels),
            ("base_channels", base_channels),
            ("out_channels", out_channels),
        ):
            check_integer(value, name=name)
        check_probability(dropout, name="dropout")
        self.layout = layouts.get(layout)
        self.in_channels = in_channels
        self.base_channels = base_channels
        self.out_channels = out_channels
        self.dropout = dropout
        self.strategy = strategy
        self.max_hop = max_hop
        self.dilation = dilation
        self.edge_importance = edge_importance
        self.absent: Absent = absent
        self.checkpoint = checkpoint
        joints = self.layout.num_joints
        adjacency = layouts.adjacency(self.layout, strategy=strategy, max_hop=max_hop, dilation=dilation)
        self.register_buffer("adjacency", adjacency)  # in the state dict: the weights depend on their graph
        self.data_norm = nn.BatchNorm1d(joints * in_channels)
        widths = self._widths
        self.blocks = nn.ModuleList(
            STGCNBlock(
                widths[i],
                out_channels=widths[i + 1],
                subsets=adjacency.shape[0],
                joints=joints,
                stride=2 if i in _STRIDED else 1,
                dropout=dropout if i else 0.0,
                residual=i > 0,
                edge_importance=edge_importance,
            )
            for i in range(10)
        )

    def forward(self, x: Tensor, *, keep_joints: Tensor | None = None, person_mask: Tensor | None = None) -> Tensor:
        """The feature map of each clip.

        Args:
            x: Clips ``(n, in_channels, t, v, m)``.
            keep_joints: Use only these joints: ``(v',)`` int64 for the whole batch, or ``(n, v')`` with one set per
                sample, for instance from :class:`~skelblocks.augment.CentralSpatialMask`. The map has the same order.
                As in PSTL's released code, the clip is normalized with all its joints. Then the other joints and their
                bones are removed, and the weights of the remaining bones are not scaled up. Default: all joints.
            person_mask: Boolean ``(n, m)``, true where a person is present; only with ``absent="skip"``. The
                coordinates of other persons are ignored. Default: persons with any coordinate other than zero.

        On the CPU, joints that are out of range or repeated raise ``ValueError``. On other devices, and in a compiled
        graph, the values are not checked, because reading them would wait for the device.

        Clips with another order of axes, such as ``(n, m, t, v, c)``, are recognized by their sizes. If the numbers of
        persons and coordinates are equal, the sizes are the same and nothing is raised.
        """
        return self._maps(x, keep_joints, person_mask)[-1]

    def block_maps(self, x: Tensor, *, person_mask: Tensor | None = None) -> tuple[Tensor, ...]:
        """The feature maps after every block. The last one is the output of ``forward``.

        Earlier blocks see less of the clip and have fewer channels. The last three have the same frames.

        Args:
            x: Clips ``(n, in_channels, t, v, m)``.
            person_mask: As for ``forward``.

        Returns:
            Ten maps ``(n, m, c, t', v)``.

        Raises:
            ValueError: see ``forward``.
            TypeError: see ``forward``.

        Example:
            >>> encoder = STGCN("ntu-rgb+d", base_channels=4, out_channels=16)
            >>> [tuple(each.shape) for each in encoder.block_maps(torch.randn(2, 3, 50, 25, 1))[-3:]]
            [(2, 1, 16, 13, 25), (2, 1, 16, 13, 25), (2, 1, 16, 13, 25)]
        """
        return self._maps(x, None, person_mask, every=True)

    def _maps(
        self, x: Tensor, keep_joints: Tensor | None, person_mask: Tensor | None, *, every: bool = False
    ) -> tuple[Tensor, ...]:
        """The map after every block, or only after the last."""
        check_clips(x, in_channels=self.in_channels, joints=self.layout.num_joints, weight=self.data_norm.weight)
        n, _, t, v, m = x.shape
        if keep_joints is not None:
            _check_keep_joints(keep_joints, n, v)
        rows = rows_to_compute(
            x, encoder=self, absent=self.absent, person_mask=person_mask, same_joints=keep_joints is None
        )
        joints = v if keep_joints is None else keep_joints.shape[-1]
        self._check_numbers(x, joints, rows.number)
        if rows.number == 0:  # batch normalization rejects an empty batch in training
            shapes = self._map_shapes(t, joints)
            return tuple(x.new_zeros(n, m, *shape) for shape in (shapes if every else shapes[-1:]))
        if keep_joints is not None and keep_joints.ndim == 2:
            keep_joints = rows.take(keep_joints.repeat_interleave(m, dim=0))
        h = self._normalized(rows.take(rearrange(x, "n c t v m -> (n m) c t v")), keep_joints)
        maps = []
        for i, block in enumerate(self.blocks):
            inputs = (h, self.adjacency, keep_joints)
            h = run_again_in_backward(block, *inputs) if self.checkpoint else block(*inputs)
            if every or i == len(self.blocks) - 1:
                maps.append(rearrange(rows.put_back(h), "(n m) c t v -> n m c t v", n=n, m=m))
        return tuple(maps)

    def _map_shapes(self, frames: int, joints: int) -> list[tuple[int, int, int]]:
        """Channels, frames and joints of the map after every block."""
        shapes = []
        for i, channels in enumerate(self._widths[1:]):
            frames = -(-frames // (2 if i in _STRIDED else 1))
            shapes.append((channels, frames, joints))
        return shapes

    @property
    def _widths(self) -> tuple[int, ...]:
        """Channels of the clip, then of the map after every block."""
        h = self.base_channels
        return (self.in_channels, h, h, h, h, 2 * h, 2 * h, 2 * h, 4 * h, 4 * h, self.out_channels)

    def _normalized(self, rows: Tensor, keep_joints: Tensor | None) -> Tensor:
        """Normalized coordinates ``(b, c, t, v)`` of the joints to keep, with channels-last strides."""
        _, c, t, v = rows.shape
        h: Tensor = self.data_norm(rearrange(rows, "b c t v -> b (v c) t"))
        h = rearrange(h, "b (v c) t -> b v c t", v=v, c=c)
        if keep_joints is not None:
            if keep_joints.ndim == 1:
                h = h.index_select(1, keep_joints)
            else:
                h = h.gather(1, keep_joints[:, :, None, None].expand(-1, -1, c, t))
        # Channels-last strides by permutes: einops does not control strides, and vmap rejects memory_format.
        return h.permute(0, 3, 1, 2).contiguous().permute(0, 3, 1, 2)

    def _check_numbers(self, x: Tensor, joints: int, rows: int) -> None:
        """Raise if a normalization would get one number per channel, before any running statistics are updated."""
        t = x.shape[2]
        t_map = -(-t // 2 ** len(_STRIDED))
        if not self.training or 1 not in (rows * t, rows * t_map * joints):
            return
        if any(norm.training for norm in self.modules() if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)):
            frames = "the clip has one frame" if rows * t == 1 else "its map has one frame and joint"
            raise ValueError(
                f"x: expected more than one number per channel, got shape {tuple(x.shape)}: one person, and {frames}; "
                "in training, batch normalization divides by a channel's spread: use a larger batch (drop_last=True "
                "for a left-over sample), longer clips, or .eval()"
            )

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        skips = ", absent='skip'" if self.absent == "skip" else ""
        return f"layout={self.layout.name!r}, in_channels={self.in_channels}, out_channels={self.out_channels}{skips}"


def _got_and_remedy(keep_joints: object) -> str:
    if not isinstance(keep_joints, Tensor):
        return f"{type(keep_joints).__name__}; pass torch.tensor(keep_joints)"
    if keep_joints.dtype != torch.bool:
        return f"{keep_joints.dtype}; convert it with keep_joints.long()"
    if keep_joints.ndim == 2:
        return (
            "torch.bool; if all samples keep the same number of joints, convert the mask (n, v) with "
            "mask.nonzero()[:, 1].view(len(mask), -1)"
        )
    return "torch.bool; convert the mask (v,) with mask.nonzero()[:, 0]"


def _check_keep_joints(keep_joints: Tensor, n: int, v: int) -> None:
    if not isinstance(keep_joints, Tensor) or keep_joints.dtype != torch.int64:
        raise TypeError(f"keep_joints: expected a torch.int64 tensor of joints, got {_got_and_remedy(keep_joints)}")
    if keep_joints.ndim == 1:
        check_axes(keep_joints, "v'", name="keep_joints")
    else:
        check_axes(keep_joints, "n v'", name="keep_joints", n=n)
    if not 1 <= keep_joints.shape[-1] <= v:
        raise ValueError(
            f"keep_joints: expected 1 to {v} different joints, got {keep_joints.shape[-1]} in shape "
            f"{tuple(keep_joints.shape)}; keep at least one joint, and each joint once"
        )
    if not values_visible(keep_joints):
        return
    ordered = keep_joints.sort(dim=-1).values
    if bool((ordered[..., 0] < 0).any() | (ordered[..., -1] >= v).any() | (ordered.diff(dim=-1) == 0).any()):
        raise ValueError(
            f"keep_joints: expected different joints in 0..{v - 1}, got {keep_joints.tolist()}; list each joint once"
        )
