"""Layout views: a clip as another skeleton format would record it, mapped back to its own skeleton.

Axes: n samples, c channels, t frames, v joints, m persons, k layouts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import torch
from einops import rearrange
from torch import Tensor
from typing_extensions import Unpack

from skelblocks._utils.checks import check_axes, check_choice
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips, check_index, clip_sizes, uncast_bmm
from skelblocks.augment.base import DrawOptions, RandomTransform
from skelblocks.layouts import SkeletonLayout, get
from skelblocks.layouts.remap import joint_sources

Lost = Literal["fill", "zero"]
_AnyLayout = str | Mapping[str, Any] | SkeletonLayout


class LayoutViewsParams(NamedTuple):
    """The index of each sample's layout in the list, ``(n,)``, int64."""

    choice: Tensor


@explain_arguments
def layout_round_trip(layout: _AnyLayout, through: _AnyLayout, *, lost: Lost = "fill") -> Tensor:
    r"""The matrix that maps a skeleton's joints to another skeleton and back.

    .. math:: x'_v = \sum_w W_{vw} x_w, \qquad W = B A

    A computes the joints of the other skeleton, and B computes the first skeleton from them, both with
    :func:`skelblocks.layouts.remap`.

    Args:
        layout: The skeleton of the clips; a name, a dict or a layout.
        through: The other skeleton.
        lost: What to do with joints that the other skeleton does not have. ``"fill"`` computes them from others, or
            uses the position of the nearest joint; ``"zero"`` sets them to zero.

    Returns:
        W ``(v, v)``, float32. It is the identity if both skeletons are the same.

    Raises:
        ValueError: an unknown layout or choice, or skeletons that have no joint in common.

    Example:
        >>> w = layout_round_trip("ntu-rgb+d", "coco-17")
        >>> joints = get("ntu-rgb+d")
        >>> w[joints.index("spine_base")].nonzero().flatten().tolist()  # from both hips
        [12, 16]
        >>> hand, wrist = joints.index("hand_left"), joints.index("wrist_left")
        >>> bool(w[wrist, wrist] == 1), layout_round_trip("ntu-rgb+d", "coco-17", lost="zero")[hand].any().item()
        (True, False)
    """
    layout, through = get(layout), get(through)
    check_choice(lost, get_args(Lost), name="lost")
    v = layout.num_joints
    if layout == through:
        return torch.eye(v)
    try:
        there, _ = joint_sources(layout, through, missing="nearest")
        back, computed = joint_sources(through, layout, missing="nearest")
    except ValueError as error:
        raise ValueError(
            f"through: expected a format with joints of {layout.name!r}, got {through.name!r}: {error}; name other "
            "formats"
        ) from error
    matrix = _matrix(back, through.num_joints) @ _matrix(there, v)
    if lost == "zero":
        matrix[torch.tensor(computed)] = 0
    return matrix.float()


@explain_arguments
def layout_views(x: Tensor, weights: Tensor) -> Tensor:
    """Replace each joint by a weighted sum of joints.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        weights: One matrix per clip, ``(n, v, v)``, for instance from :func:`layout_round_trip`.

    Returns:
        The clips, same shape and dtype. An absent person stays zero.

    Raises:
        TypeError: ``x`` is not floating-point.
        ValueError: ``x`` is not ``(n, c, t, v, m)``, or ``weights`` is not ``(n, v, v)``.

    Example:
        >>> x = torch.randn(2, 3, 50, 25, 2)
        >>> weights = layout_round_trip("ntu-rgb+d", "h36m-17").expand(2, 25, 25)
        >>> layout_views(x, weights).shape
        torch.Size([2, 3, 50, 25, 2])
    """
    check_clips(x)
    n, c, t, v, m = x.shape
    check_axes(weights, "n w v", name="weights", n=n, w=v, v=v)
    joints = uncast_bmm(weights.to(x.dtype), rearrange(x, "n c t v m -> n v (c t m)"))
    return rearrange(joints, "n v (c t m) -> n c t v m", c=c, t=t, m=m)


@explain_arguments
class LayoutViews(RandomTransform[LayoutViewsParams]):
    """Show each clip as a random skeleton format would record it.

    Two such views of a clip show the same action but differ in the joints that were measured. The idea comes from
    MS-CLR (arXiv 2508.14889), which records each video in several pose formats and gives its ST-GCN a graph for each.
    Here the formats are computed from the clip's joints and mapped back to the clip's own skeleton, so any encoder can
    use them and no video is needed.

    Args:
        layout: The skeleton of the clips; a name, a dict or a layout.
        through: The formats to draw from, with equal probability. If the clips' own layout is among them, it leaves
            the clip unchanged. The default is this package's choice.
        lost: What to do with joints that the format does not have. ``"fill"`` computes them from others, ``"zero"``
            sets them to zero. The default is this package's choice.

    Shape:
        ``(n, c, t, v, m)`` to the same.

    Raises:
        TypeError: ``through`` is a name in place of a list.
        ValueError: an unknown layout or choice, an empty list, or a format that has no joint in common with the
            clips' skeleton.

    Example:
        >>> formats = LayoutViews("ntu-rgb+d")
        >>> clips = torch.randn(4, 3, 50, 25, 2)
        >>> formats(clips, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([4, 3, 50, 25, 2])
    """

    matrices: Tensor

    def __init__(
        self,
        layout: _AnyLayout,
        *,
        through: Sequence[_AnyLayout] = ("ntu-rgb+d", "coco-17", "h36m-17"),
        lost: Lost = "fill",
    ) -> None:
        super().__init__()
        if isinstance(through, str | Mapping | SkeletonLayout):
            raise TypeError(f"through: expected a list of layouts, got one {type(through).__name__}; pass [layout]")
        if not through:
            raise ValueError("through: expected at least one layout, got an empty list; name the formats to draw from")
        self.layout = get(layout)
        self.through = tuple(map(get, through))
        self.lost: Lost = lost
        matrices = torch.stack([layout_round_trip(self.layout, each, lost=lost) for each in self.through])
        self.register_buffer("matrices", matrices, persistent=False)

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> LayoutViewsParams:
        """Draw for clips of this shape."""
        n, *_ = clip_sizes(shape)
        return LayoutViewsParams(torch.randint(len(self.through), (n,), **where))

    def transform(self, x: Tensor, params: LayoutViewsParams) -> Tensor:
        """Show the clips as these formats."""
        check_clips(x, v=self.layout.num_joints)
        check_axes(params.choice, "n", name="params.choice", n=x.shape[0])
        check_index(params.choice, name="params.choice")
        return layout_views(x, self.matrices.to(x.device)[params.choice])

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"{self.layout.name!r}, through={[each.name for each in self.through]}, lost={self.lost!r}"


def _matrix(rows: Sequence[Mapping[int, float]], columns: int) -> Tensor:
    matrix = torch.zeros(len(rows), columns, dtype=torch.float64)
    for row, weights in enumerate(rows):
        for column, weight in weights.items():
            matrix[row, column] = weight
    return matrix
