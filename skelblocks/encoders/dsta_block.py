"""One block of DSTA: attention between joints, then attention between frames.

Axes: b rows (samples x persons), c channels, t frames, v joints, s subsets (attention maps side by side).
"""

from __future__ import annotations

from functools import partial
from typing import Literal, get_args

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from skelblocks._utils.checks import (
    check_axes,
    check_choice,
    check_filled,
    check_floating,
    check_integer,
    check_probability,
    check_weights_dtype,
)
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.encoders.drop_add_relu import drop_add_relu
from skelblocks.encoders.positional_encoding import positional_encoding
from skelblocks.encoders.skip_frames import skip_frames

Over = Literal["joints", "frames"]
# One position's score against another, and the sum over positions; u and q are sources.
_EQUATIONS: dict[Over, tuple[str, str]] = {
    "joints": ("bsctu,bsctv->bsuv", "bctu,bsuv->bsctv"),
    "frames": ("bscqv,bsctv->bsqt", "bcqv,bsqt->bsctv"),
}
_SLOPE = 0.1  # of the leaky ReLU, in the released code


@explain_arguments
def decoupled_attention(
    x: Tensor, query: Tensor, key: Tensor, *, alpha: Tensor, table: Tensor | None = None, over: Over = "joints"
) -> Tensor:
    r"""Mix the joints of a clip, or its frames, by one attention map per clip and subset.

    .. math:: A_{suv} = \alpha_s \tanh\Big(\frac{1}{c't} \sum_{c',\,t} q_{sc'tu} \, k_{sc'tv}\Big) + G_{suv}, \qquad
        y_{sctv} = \sum_u x_{ctu} A_{suv}

    This is attention over joints; for attention over frames, swap frames and joints. All frames (or joints) of a clip
    share one map, which is why the attention is called decoupled. The weights do not sum to one and may be negative.

    Args:
        x: Features ``(b, c, t, v)``.
        query: ``(b, s, c', t, v)``, the source positions.
        key: ``(b, s, c', t, v)``, the target positions.
        alpha: ``(s,)``, the weight of the map computed from the clip.
        table: ``(s, v, v)``, or ``(s, t, t)`` over frames: a learned map for all clips, the paper's global
            regularization.
        over: ``"joints"`` or ``"frames"``.

    Returns:
        ``(b, s * c, t, v)``, with all channels of the first subset first.

    Raises:
        ValueError: a shape does not fit the others, or an unknown ``over``.

    Example:
        >>> x, same = torch.randn(2, 3, 5, 4), torch.zeros(2, 1, 8, 5, 4)
        >>> y = decoupled_attention(x, same, same, alpha=torch.ones(1), table=torch.eye(4)[None])
        >>> y.equal(x)
        True
    """
    check_choice(over, get_args(Over), name="over")
    check_axes(x, "b c t v", name="x")
    check_floating(x, name="x")
    check_filled(x, "b c t v", name="x", filled="t v")
    b, _, t, v = x.shape
    check_axes(query, "b s c' t v", name="query", b=b, t=t, v=v)
    check_filled(query, "b s c' t v", name="query", filled="s c'")
    _, s, inner, _, _ = query.shape
    check_axes(key, "b s c' t v", name="key", b=b, s=s, t=t, v=v, **{"c'": inner})
    check_axes(alpha, "s", name="alpha", s=s)
    axis, summed, length = ("v", t, v) if over == "joints" else ("t", v, t)
    scores, mix = _EQUATIONS[over]
    # Divide both factors before summing, so that the sum is a mean: the sum of many products overflows in float16.
    root = (inner * summed) ** -0.5
    attention = torch.tanh(torch.einsum(scores, query * root, key * root)) * alpha[:, None, None]
    if table is not None:
        check_axes(table, f"s {axis} {axis}", name="table", s=s, **{axis: length})
        attention = attention + table
    return rearrange(torch.einsum(mix, x, attention.to(x.dtype)), "b s c t v -> b (s c) t v")


@explain_arguments
class DSTABlock(nn.Module):
    r"""One block of DSTA: spatial attention and feed-forward, then temporal attention and feed-forward, with shortcuts.

    .. math:: h = \sigma(r_1(x) + W_o(\operatorname{Attention}(x))), \qquad y = \sigma(r_2(x) + W_f(h))

    with :math:`\sigma` the leaky ReLU of slope 0.1, :math:`W` a 1 x 1 convolution with batch normalization, and
    :func:`decoupled_attention` over joints; then the same again over frames. Queries and keys are a 1 x 1 convolution
    of the features plus their :func:`~skelblocks.encoders.positional_encoding`; the values are the features themselves.
    As in the released code, the second shortcut :math:`r_2` starts at the input too, not at :math:`h`. Shortcuts are
    identities; if the block changes channels or frames, they are 1 x 1 convolutions with batch normalization.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        inner_channels: Channels of a query in one subset.
        joints: v.
        frames: t.
        num_subsets: s; 3 in the released code.
        stride: Keep every ``stride``-th frame, in the last feed-forward.
        dropout: Probability of dropping a value of the last shortcut in training.

    Shape:
        ``(b, in_channels, t, v)`` to ``(b, out_channels, ceil(t / stride), v)``.

    Raises:
        TypeError: a size that is not an integer, or features whose dtype differs from the weights.
        ValueError: another shape, or a size below 1.

    Example:
        >>> block = DSTABlock(8, out_channels=16, inner_channels=4, joints=25, frames=12, stride=2)
        >>> block(torch.randn(2, 8, 12, 25)).shape
        torch.Size([2, 16, 6, 25])
    """

    def __init__(
        self,
        in_channels: int,
        *,
        out_channels: int,
        inner_channels: int,
        joints: int,
        frames: int,
        num_subsets: int = 3,
        stride: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        for name, value in (
            ("in_channels", in_channels),
            ("out_channels", out_channels),
            ("inner_channels", inner_channels),
            ("joints", joints),
            ("frames", frames),
            ("num_subsets", num_subsets),
            ("stride", stride),
        ):
            check_integer(value, name=name)
        check_probability(dropout, name="dropout")
        self.in_channels = in_channels
        self.joints = joints
        self.frames = frames
        half = partial(
            _Half,
            out_channels=out_channels,
            inner_channels=inner_channels,
            num_subsets=num_subsets,
            project=in_channels != out_channels or stride != 1,
        )
        self.spatial = half(in_channels, over="joints", length=joints, table=True)
        self.temporal = half(out_channels, over="frames", length=frames, table=False, stride=stride, dropout=dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Attend between joints, then between frames."""
        check_axes(x, "b c t v", name="x", c=self.in_channels, t=self.frames, v=self.joints)
        check_weights_dtype(x, self.spatial.query_key.weight, name="x")
        y: Tensor = self.temporal(self.spatial(x))
        return y


class _Half(nn.Module):
    """Attention over joints or over frames, feed-forward, and their shortcuts."""

    encoding: Tensor

    def __init__(
        self,
        in_channels: int,
        *,
        out_channels: int,
        inner_channels: int,
        num_subsets: int,
        project: bool,
        over: Over,
        length: int,
        table: bool,
        stride: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.over = over
        self.num_subsets = num_subsets
        self.stride = stride
        encoding = positional_encoding(in_channels, length)
        # In the state dict: released checkpoints contain this table, computed with float32 rounding at every step.
        self.register_buffer("encoding", encoding[:, None, :] if over == "joints" else encoding[:, :, None])
        self.query_key = nn.Conv2d(in_channels, 2 * num_subsets * inner_channels, kernel_size=1)
        self.alpha = nn.Parameter(torch.ones(num_subsets))
        # Initialized to the mean over joints.
        self.table = nn.Parameter(torch.full((num_subsets, length, length), 1 / length)) if table else None
        self.out = _convolution(in_channels * num_subsets, out_channels)
        self.feed_forward = _convolution(out_channels, out_channels)
        self.attention_shortcut = _convolution(in_channels, out_channels) if project else nn.Identity()
        self.shortcut = _convolution(in_channels, out_channels) if project else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        query_key = self.query_key(x + self.encoding)
        query, key = rearrange(query_key, "b (qk s c) t v -> qk b s c t v", qk=2, s=self.num_subsets)
        h = decoupled_attention(x, query, key, alpha=self.alpha, table=self.table, over=self.over)
        h = F.leaky_relu(self.attention_shortcut(x) + self.out(h), _SLOPE)
        x, h = skip_frames(x, self.stride), skip_frames(h, self.stride)
        p, training = self.dropout.p, self.dropout.training
        return drop_add_relu(self.shortcut(x), self.feed_forward(h), p=p, training=training, slope=_SLOPE)


def _convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, kernel_size=1), nn.BatchNorm2d(out_channels))
