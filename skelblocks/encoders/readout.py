"""Readouts: ways other than the plain mean to turn a feature map into one vector per clip.

Axes: n samples, m persons, c channels, t frames, v joints, g groups of a readout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, get_args

import torch
from einops import rearrange, reduce
from torch import Tensor, nn

from skelblocks import layouts
from skelblocks._utils.checks import check_axes, check_choice, check_floating
from skelblocks.encoders.grid_readout import STATISTICS, THIRDS, grid_of_map, thirds
from skelblocks.encoders.pool import count_seen, pool
from skelblocks.encoders.present_persons import Absent, check_absent, present_in_map
from skelblocks.layouts import SkeletonLayout

Readout = Literal["mean", "body", "part", "thirds", "mean_std", "positive", "blocks", "blocks_std", "grid"]
READOUTS: tuple[Readout, ...] = get_args(Readout)
"""The names of the readouts."""
OF_BLOCKS: Mapping[str, Readout] = MappingProxyType({"blocks": "mean", "blocks_std": "mean_std", "grid": "grid"})
"""The readouts of several maps, and the readout that each applies to one map."""
LAST_BLOCKS: Mapping[str, int | None] = MappingProxyType({"blocks": 3, "blocks_std": 3, "grid": None})
"""How many of an encoder's last blocks such a readout describes; None stands for all."""


def readout(
    feature_map: Tensor | Sequence[Tensor],
    kind: Readout = "mean",
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout | None = None,
    person_mask: Tensor | None = None,
    seen: Tensor | None = None,
    absent: Absent = "compute",
) -> Tensor:
    """Turn a feature map into one vector per clip.

    Every readout describes each person and then averages over persons, as :func:`pool` does.

    Args:
        feature_map: ``(n, m, c, t, v)``, from an encoder. For ``"blocks"``, ``"blocks_std"`` and ``"grid"`` several
            maps, whose c, t and v may differ.
        kind: Which readout.

            - ``"mean"``: the mean over frames and joints, ``g = 1``. This is :func:`pool`, the default of the papers.
            - ``"body"``: the mean over frames and over the joints of each body of the layout, ``g = 5`` for
              ``"ntu-rgb+d"``.
            - ``"part"``: the same over each part, ``g = 10`` for ``"ntu-rgb+d"``.
            - ``"thirds"``: the mean over joints and over each third of the frames, ``g = 3``. It keeps the order of
              events, which the mean loses.
            - ``"mean_std"``: the mean and the standard deviation over frames and joints, ``g = 2``.
            - ``"positive"``: the share of positive values over frames and joints, ``g = 1``, as in MiniRocket. It has
              no gradient.
            - ``"blocks"``: the mean over frames and joints of each of several maps, one after the other. With
              ``encoder.block_maps(x)[-3:]`` these are the last three blocks of an ``STGCN``, as in
              :class:`~skelblocks.encoders.ReadoutEncoder`. Earlier blocks know less about the classes that an encoder
              was trained on, and more about the motion itself.
            - ``"blocks_std"``: the mean and the standard deviation of each of several maps. It suits a
              linear classifier with many labels.
            - ``"grid"``: the mean and the standard deviation in each part and each third of the frames, of all blocks;
              each of the two has unit length in every map. ``g = 60`` for ``"ntu-rgb+d"``. It
              is by far the widest readout. It suits encoders that were trained on a few hundred clips, see
              :func:`~skelblocks.encoders.grid_readout.grid_of_map`.
        layout: The skeleton of the map's joints; needed for ``"body"``, ``"part"`` and ``"grid"``.
        person_mask: Boolean ``(n, m)``, true where a person is present, as for :func:`pool`.
        seen: Boolean ``(n, t_clip, v, m)``, true where a joint of the clip is seen, as for :func:`pool`. A group
            without any seen joint, such as a hidden arm, keeps its plain mean.
        absent: With ``"skip"``, persons whose map is all zero do not contribute, as for :func:`pool`.

    Returns:
        ``(n, g * c)``: all channels of the first group, then all channels of the second group, and so on. The vectors
        of several maps are concatenated in the order of the maps.

    Raises:
        TypeError: ``feature_map`` is not a floating-point tensor, the mask is not boolean, or a readout of several maps
            gets a single map.
        ValueError: other axes, an unknown ``kind``, a missing layout, or a map whose joints differ from the layout.

    Example:
        >>> feature_map = torch.randn(4, 2, 256, 13, 25)
        >>> readout(feature_map, "body", layout="ntu-rgb+d").shape, readout(feature_map, "thirds").shape
        (torch.Size([4, 1280]), torch.Size([4, 768]))
    """
    check_choice(kind, READOUTS, name="kind")
    check_absent(absent)
    return _described(feature_map, kind, _group_matrix(kind, layout), person_mask, seen, absent)


def _described(
    feature_map: Tensor | Sequence[Tensor],
    kind: Readout,
    matrix: Tensor | None,
    person_mask: Tensor | None,
    seen: Tensor | None,
    absent: Absent,
) -> Tensor:
    if kind not in OF_BLOCKS:
        if isinstance(feature_map, Sequence):
            raise TypeError(
                f"feature_map: the readout {kind!r} expected one map, got {type(feature_map).__name__}; pass encoder(x)"
            )
        return _described_map(feature_map, kind, matrix, person_mask, seen, absent)
    if not isinstance(feature_map, Sequence) or not feature_map:
        last = "" if LAST_BLOCKS[kind] is None else f"[-{LAST_BLOCKS[kind]}:]"
        raise TypeError(
            f"feature_map: the readout {kind!r} expected several maps, got {type(feature_map).__name__}; pass "
            f"encoder.block_maps(x){last} of an STGCN, or call ReadoutEncoder(encoder, {kind!r})(x)"
        )
    if absent == "skip" and person_mask is None:
        check_axes(feature_map[-1], "n m c t v", name="feature_map")
        person_mask = present_in_map(feature_map[-1])  # the same persons for all blocks
    described = (_described_map(x, OF_BLOCKS[kind], matrix, person_mask, seen, absent) for x in feature_map)
    return torch.cat(list(described), dim=1)


def _described_map(
    feature_map: Tensor,
    kind: Readout,
    matrix: Tensor | None,
    person_mask: Tensor | None,
    seen: Tensor | None,
    absent: Absent,
) -> Tensor:
    check_axes(feature_map, "n m c t v", name="feature_map")
    check_floating(feature_map, name="feature_map")
    if absent == "skip" and person_mask is None:
        person_mask = present_in_map(feature_map)
    if kind == "grid":
        assert matrix is not None
        if feature_map.shape[-1] == 1:  # a map without joints, such as BiGRU's, has one part
            matrix = feature_map.new_ones(1, 1)
        _check_joints(feature_map, matrix)
        return grid_of_map(feature_map, matrix, person_mask, seen=seen)
    if seen is None or kind == "mean":
        return pool(_groups(feature_map, kind, matrix), person_mask, seen=seen)
    counted, there = count_seen(feature_map, seen)
    groups = _groups_of_seen(feature_map, kind, matrix, counted)
    return pool(groups, there if person_mask is None else there & person_mask)


def _groups_of_seen(x: Tensor, kind: Readout, matrix: Tensor | None, counted: Tensor) -> Tensor:
    """The groups over the positions ``(n, m, 1, t, v)`` that count. A group without any keeps its plain readout."""
    weights = counted.to(x.dtype)
    if kind == "mean_std":
        number = weights.sum(dim=(3, 4), keepdim=True)
        mean = (x * weights).sum(dim=(3, 4), keepdim=True) / number
        variance = ((x - mean).square() * weights).sum(dim=(3, 4), keepdim=True) / number
        positive = variance > 0  # the square root has no gradient at zero, the value for absent persons
        std = variance.where(positive, 1).sqrt().where(positive, 0)
        return rearrange([mean, std], "g n m c a b -> n m (g c) a b")
    share = _groups(weights, kind, matrix)  # the share of positions that count in each group
    if kind == "positive":
        return _groups(((x > 0) & counted).to(x.dtype), kind, None) / share
    plain = _groups(x, kind, matrix)
    share = share.repeat_interleave(x.shape[2], dim=2)
    return torch.where(share > 0, _groups(x * weights, kind, matrix) / share.where(share > 0, 1), plain)


def _groups(x: Tensor, kind: Readout, matrix: Tensor | None) -> Tensor:
    """The groups of every person, as a map ``(n, m, g * c, 1, 1)`` that can be pooled."""
    if kind == "mean":
        return x
    if kind == "thirds":
        over_joints = reduce(x, "n m c t v -> n m c t", "mean")
        return rearrange(over_joints @ thirds(x.shape[3]).to(over_joints), "n m c g -> n m (g c) 1 1")
    if kind == "mean_std":
        std, mean = torch.std_mean(x, dim=(3, 4), correction=0)
        return rearrange([mean, std], "g n m c -> n m (g c) 1 1")
    if kind == "positive":
        return reduce((x > 0).to(x.dtype), "n m c t v -> n m c 1 1", "mean")
    assert matrix is not None
    _check_joints(x, matrix)
    over_frames = reduce(x, "n m c t v -> n m c v", "mean")
    return rearrange(over_frames @ matrix.to(over_frames), "n m c g -> n m (g c) 1 1")


def _check_joints(x: Tensor, matrix: Tensor) -> None:
    if len(matrix) != x.shape[-1]:
        raise ValueError(
            f"feature_map: expected the {len(matrix)} joints of the layout on the last axis, got {x.shape[-1]}; pass "
            "the layout of the encoder that made the map"
        )


def _group_matrix(kind: Readout, layout: str | Mapping[str, Any] | SkeletonLayout | None) -> Tensor | None:
    """A matrix ``(v, g)`` that averages the joints of each group, or None for a readout without groups of joints."""
    if kind not in ("body", "part", "grid"):
        return None
    if layout is None:
        raise ValueError(
            f"layout: the readout {kind!r} expected the skeleton of the feature map, got None; pass layout='ntu-rgb+d' "
            "or the encoder's .layout"
        )
    return layouts.pooling_matrix(layout, scale="part" if kind == "grid" else kind)


class ReadoutPool(nn.Module):
    """Module form of :func:`readout`, for use between an encoder and a head in place of :class:`Pool`.

    Args:
        kind: Which readout.
        layout: The skeleton, for ``"body"``, ``"part"`` and ``"grid"``.
        absent: ``"skip"`` after an encoder that skips absent persons.

    Shape:
        ``feature_map`` ``(n, m, c, t, v)`` and, optionally, ``person_mask`` ``(n, m)`` and ``seen``
        ``(n, t_clip, v, m)`` to ``(n, groups * c)``. For several maps, c is the sum of their channels.

    Example:
        >>> ReadoutPool("part", layout="ntu-rgb+d")(torch.ones(2, 1, 8, 13, 25)).shape
        torch.Size([2, 80])
    """

    matrix: Tensor | None

    def __init__(
        self,
        kind: Readout = "mean",
        *,
        layout: str | Mapping[str, Any] | SkeletonLayout | None = None,
        absent: Absent = "compute",
    ) -> None:
        super().__init__()
        check_choice(kind, READOUTS, name="kind")
        check_absent(absent)
        self.kind: Readout = kind
        self.absent: Absent = absent
        self.layout = None if layout is None else layouts.get(layout)
        # The layout determines it, so it is not saved with the weights.
        self.register_buffer("matrix", _group_matrix(kind, self.layout), persistent=False)

    @property
    def groups(self) -> int:
        """The number of groups: the readout has this many features per channel of the map or maps."""
        if self.matrix is not None:
            return self.matrix.shape[1] * (STATISTICS * THIRDS if self.kind == "grid" else 1)
        return {"thirds": 3, "mean_std": 2, "blocks_std": 2}.get(self.kind, 1)

    def forward(
        self,
        feature_map: Tensor | Sequence[Tensor],
        person_mask: Tensor | None = None,
        *,
        seen: Tensor | None = None,
    ) -> Tensor:
        """Features ``(n, groups * c)``."""
        return _described(feature_map, self.kind, self.matrix, person_mask, seen, self.absent)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return repr(self.kind) + (", absent='skip'" if self.absent == "skip" else "")
