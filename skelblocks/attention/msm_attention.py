"""Multi-scale motion attention (MsM attention) of MsMCLR: motion gates a map at the scales joint, part and body.

Axes: n samples, m persons, c channels, r reduced channels, t frames, v joints (or parts, bodies).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, overload

import torch
from einops import rearrange
from torch import Tensor, nn

from skelblocks import layouts
from skelblocks._utils.autocast_off import autocast_off
from skelblocks._utils.checks import check_axes, check_choice, check_filled, check_integer, check_weights_dtype
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.attention.motion_attention import Normalization, Similarity, check_options, motion_attention
from skelblocks.attention.motion_difference import Boundary, Motion
from skelblocks.encoders.present_persons import Absent, check_absent, present_rows
from skelblocks.layouts.skeleton_layout import Scale

SCALES: tuple[Scale, ...] = get_args(Scale)


@explain_arguments
class MsMAttention(nn.Module):
    r"""Gate a feature map at three scales by the motion between its frames and nodes (MsMCLR, section 3.2).

    The map is averaged over the joints of each part and each body. Then, at each scale, with two shared convolutions,

    .. math:: z = \operatorname{Conv}_{c \to r}(x), \qquad
        y = x + x \odot \sigma\big(\operatorname{Conv}_{r \to c}(a(z) + z)\big)

    with ``a`` from :func:`motion_attention`. MsMCLR uses it in pre-training only, after the query encoder, in the
    strongly augmented branch only. Each scale is pooled and passed through the shared head.

    **Paper and code.** By default the frames of a clip attend to each other, as in the paper. The released code splits
    the batch where it means to split time: eight consecutive rows attend to each other, so the result for a clip
    depends on its neighbors in the batch. ``segment=8`` reproduces this. The variants with a single difference are
    ``motion="frame", segment=8, normalization="token"`` and ``motion="node", segment=8``.

    **Tokens attend mostly to themselves.** Query and key are the same, so a token's similarity to itself is its squared
    length, which grows with ``sqrt(d)`` after scaling. On noise the softmax is the identity. On features of trained
    encoders, a frame gives itself 0.3 to 0.8 of its weight, and 0.7 to 0.98 with ``segment=8``
    (``benchmarks/studies/attention_diagonal.py``, three runs like ``make demo``, 8 frames, so uniform attention is
    0.125). To make frames attend to each other, pass a smaller ``scale`` or ``similarity="cosine"`` (below 0.2 in these
    runs); neither is in the paper. All frames give a large weight to the last frame, because its zero-padded difference
    is large; ``boundary`` changes that.

    Args:
        channels: c of the feature map.
        layout: The skeleton whose parts and bodies are averaged: a name, a dict or a layout.
        reduction: ``r = channels / reduction``; 8 in the released code.
        motion: ``"both"`` (default), ``"frame"`` or ``"node"``; figure 5 of the paper.
        scales: Which of ``"joint"``, ``"part"``, ``"body"`` to return, in this order. ``("joint",)`` is the paper's
            "w/o Ms" (table 4).
        segment: None for attention between frames as in the paper, 8 for the released code.
        normalization: ``"node"`` or ``"token"``.
        boundary: ``"zero_pad"`` (the released code), ``"zero_difference"`` or ``"replicate"``.
        scale: Factor of the similarities. Default: ``1 / sqrt(d)``, or 1 for ``"cosine"``.
        similarity: ``"dot"`` or ``"cosine"``.
        absent: ``"skip"`` after an encoder that skips absent persons: rows of zeros are not computed, and their maps
            and matrices are zero. ``segment`` needs ``"compute"``, because its rows attend to each other.

    Shape:
        ``(..., c, t, v)``, for instance an encoder's ``(n, m, c, t, v)``, to a tuple with one map ``(..., c, t, v')``
        per scale, where ``v'`` is the number of joints, parts or bodies. With ``return_attention=True``, also a tuple
        of the attention matrices: ``(..., t, t)``, or ``(rows / segment, segment, segment)``.

    Raises:
        ValueError: other channels or joints, an unknown option, a number of rows that is not a multiple of
            ``segment``, or ``segment`` with ``absent="skip"``.

    Example:
        >>> attend = MsMAttention(256, layout="ntu-rgb+d")
        >>> joint, part, body = attend(torch.randn(2, 2, 256, 13, 25))
        >>> joint.shape, part.shape[-1], body.shape[-1]
        (torch.Size([2, 2, 256, 13, 25]), 10, 5)
    """

    def __init__(
        self,
        channels: int,
        *,
        layout: str | Mapping[str, Any] | layouts.SkeletonLayout,
        reduction: int = 8,
        motion: Motion = "both",
        scales: Sequence[Scale] = SCALES,
        segment: int | None = None,
        normalization: Normalization = "node",
        boundary: Boundary = "zero_pad",
        scale: float | None = None,
        similarity: Similarity = "dot",
        absent: Absent = "compute",
    ) -> None:
        super().__init__()
        check_absent(absent)
        if absent == "skip" and segment is not None:
            raise ValueError(
                f"segment: expected None with absent='skip', got {segment}: consecutive rows attend to each other, "
                "absent persons among them; pass absent='compute', or segment=None"
            )
        check_integer(channels, name="channels")
        check_integer(reduction, name="reduction")
        if channels % reduction:
            raise ValueError(f"reduction: expected a divisor of channels={channels}, got {reduction}; released: 8")
        check_options(
            motion=motion,
            segment=segment,
            normalization=normalization,
            boundary=boundary,
            scale=scale,
            similarity=similarity,
        )
        if isinstance(scales, str) or not scales or len(set(scales)) != len(scales):
            raise ValueError(f"scales: expected some of {SCALES}, each once, got {scales!r}")
        for name in scales:
            check_choice(name, SCALES, name="scales")
        self.layout = layouts.get(layout)
        self.channels = channels
        self.reduction = reduction
        self.motion = motion
        self.scales = tuple(scales)
        self.segment = segment
        self.normalization = normalization
        self.boundary = boundary
        self.scale = scale
        self.similarity = similarity
        self.absent: Absent = absent
        self.conv_down = nn.Conv2d(channels, channels // reduction, kernel_size=1)
        self.conv_up = nn.Conv2d(channels // reduction, channels, kernel_size=1)
        _set_members(self)
        self.register_load_state_dict_post_hook(_set_members)  # type: ignore[no-untyped-call]

    @overload
    def forward(
        self, feature_map: Tensor, *, return_attention: Literal[False] = False, person_mask: Tensor | None = None
    ) -> tuple[Tensor, ...]: ...
    @overload
    def forward(
        self, feature_map: Tensor, *, return_attention: Literal[True], person_mask: Tensor | None = None
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]: ...
    def forward(
        self, feature_map: Tensor, *, return_attention: bool = False, person_mask: Tensor | None = None
    ) -> tuple[Tensor, ...] | tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """One gated map per scale, and optionally the attention matrices.

        Args:
            feature_map: ``(..., c, t, v)``.
            return_attention: Whether to return the matrices too.
            person_mask: Boolean ``(...)``, true where a person is present; only with ``absent="skip"``. Default: rows
                with any entry other than zero.
        """
        check_axes(feature_map, "... c t v", name="feature_map", c=self.channels, v=self.layout.num_joints)
        check_weights_dtype(feature_map, self.conv_down.weight, name="feature_map")
        check_filled(feature_map, "... c t v", name="feature_map", filled="t")
        # Do not use einops.pack and unpack, which copy the map forward and backward.
        rows, leading = rearrange(feature_map, "... c t v -> (...) c t v"), feature_map.shape[:-3]
        present = present_rows(feature_map, self.absent, person_mask)
        rows = present.take(rows)
        outputs, attentions = [], []
        for name in self.scales:
            x = rows if name == "joint" else self._pool(rows, name)
            y, weights = map(present.put_back, self._attend(x))
            outputs.append(y.reshape(*leading, *y.shape[1:]))
            attentions.append(weights.reshape(*leading, *weights.shape[1:]) if self.segment is None else weights)
        return (tuple(outputs), tuple(attentions)) if return_attention else tuple(outputs)

    def _pool(self, rows: Tensor, scale: Scale) -> Tensor:
        members: Tensor = getattr(self, f"{scale}_members")
        b, _, t, _ = rows.shape
        features = rearrange(rows, "b c t v -> (b t) v c")  # a view for channels-last strides, as from the encoder
        # Sum, then divide by the number of joints: weights such as 1/3 are not exact in any dtype.
        with autocast_off(rows):  # all scales keep the dtype of the map
            sums = torch.bmm(members.mT.to(rows.dtype).expand(b * t, -1, -1), features)
        pooled = sums / members.sum(dim=0).to(sums.dtype)[:, None]
        return rearrange(pooled, "(b t) p c -> b c t p", b=b, t=t)

    def _attend(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.conv_down(x)
        attended, weights = motion_attention(
            z,
            motion=self.motion,
            segment=self.segment,
            normalization=self.normalization,
            boundary=self.boundary,
            scale=self.scale,
            similarity=self.similarity,
        )
        # In this order, the sum has the channels-last strides of z and x. Products of different strides are slow.
        return x + x * self.conv_up(z + attended).sigmoid(), weights

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return (
            f"channels={self.channels}, layout={self.layout.name!r}, motion={self.motion!r}, scales={self.scales}, "
            f"segment={self.segment}" + (", absent='skip'" if self.absent == "skip" else "")
        )


def _set_members(module: MsMAttention, _: object = None) -> None:
    """Set the buffers that say which joints form each group. They are not in the state dict, and are set after loading.

    A joint's weight is the largest power of two that is at most one over the size of its group. Such a weight is exact
    in every dtype, and keeps sums of large features in the range of float16.
    """
    like = module.conv_down.weight
    for name in module.scales:
        if name != "joint":
            means = layouts.pooling_matrix(module.layout, scale=name)
            members = means.log2().floor().exp2()
            module.register_buffer(f"{name}_members", members.to(like), persistent=False)
