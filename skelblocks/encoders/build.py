"""Build an encoder from its kind and a few common settings, such as command-line options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from skelblocks import layouts
from skelblocks._utils.checks import check_choice, check_integer
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.encoders.bigru import BiGRU
from skelblocks.encoders.dsta import DSTA, TABLE_14
from skelblocks.encoders.present_persons import Absent
from skelblocks.encoders.st_gcn import STGCN
from skelblocks.layouts.adjacency import Strategy

EncoderKind = Literal["stgcn", "dsta", "bigru"]
KINDS: tuple[EncoderKind, ...] = get_args(EncoderKind)
_OUT_CHANNELS = {"stgcn": 256, "dsta": 256, "bigru": 2048}
_DIVISORS = {"stgcn": 1, "dsta": 16, "bigru": 2}  # out_channels must be a multiple of these


@explain_arguments
def build_encoder(
    kind: EncoderKind,
    *,
    layout: str | Mapping[str, Any] | layouts.SkeletonLayout,
    in_channels: int = 3,
    persons: int = 2,
    frames: int | None = None,
    base_channels: int = 16,
    out_channels: int | None = None,
    dropout: float = 0.5,
    graph: Strategy = "spatial",
    absent: Absent = "compute",
    checkpoint: bool = False,
) -> STGCN | DSTA | BiGRU:
    """Build one of the encoders. Settings that the encoder does not have are ignored, so one set works for all kinds.

    Args:
        kind: ``"stgcn"``, ``"dsta"`` or ``"bigru"``.
        layout: The skeleton: a name, a dict or a layout.
        in_channels: Coordinates of a joint.
        persons: Persons per clip. Only ``"bigru"`` uses it.
        frames: Frames per clip. Only ``"dsta"`` uses it.
        base_channels: Channels of the first block of ``"stgcn"``.
        out_channels: Channels of the feature map. Default: 256, and 2048 for ``"bigru"``. The widths of ``"dsta"`` in
            SkeAttnCLR's table 14 are scaled in proportion; each direction of ``"bigru"`` has half of it.
        dropout: Dropout of ``"stgcn"`` and ``"dsta"``.
        graph: The adjacency of ``"stgcn"``, see ``strategy`` of :func:`skelblocks.layouts.adjacency`.
        absent: What ``"stgcn"`` and ``"dsta"`` do with absent persons, see :class:`STGCN`.
        checkpoint: Whether ``"stgcn"`` runs its blocks again in backward, see :class:`STGCN`.

    Returns:
        The encoder: clips ``(n, in_channels, t, v, m)`` to feature maps ``(n, m, out_channels, t', v')``.

    Raises:
        ValueError: an unknown kind, ``"dsta"`` without ``frames``, a number of channels that the kind cannot have, or
            a setting that the encoder's constructor rejects.
        TypeError: a size that is not an integer.

    Example:
        >>> encoder = build_encoder("dsta", layout="nw-ucla", frames=48, out_channels=64)
        >>> encoder.frames, encoder.out_channels
        (48, 64)
    """
    check_choice(kind, KINDS, name="kind")
    width = _OUT_CHANNELS[kind] if out_channels is None else out_channels
    check_integer(width, name="out_channels")
    if width % _DIVISORS[kind]:
        raise ValueError(
            f"out_channels: expected a multiple of {_DIVISORS[kind]} for {kind!r}, got {width}; "
            f"take {width + -width % _DIVISORS[kind]}"
        )
    if kind == "bigru":
        return BiGRU(layout, in_channels=in_channels, persons=persons, hidden_features=width // 2)
    if kind == "dsta":
        if frames is None:
            raise ValueError("frames: expected the frames of a clip, which 'dsta' needs, got None; pass frames=")
        widest = TABLE_14[-1][1]
        layers = [(*(channels * width // widest for channels in row), stride) for *row, stride in TABLE_14]
        return DSTA(layout, frames=frames, in_channels=in_channels, layers=layers, dropout=dropout, absent=absent)
    return STGCN(
        layout,
        in_channels=in_channels,
        base_channels=base_channels,
        out_channels=width,
        dropout=dropout,
        strategy=graph,
        absent=absent,
        checkpoint=checkpoint,
    )
