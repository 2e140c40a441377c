"""The blocks that most methods share, put together as the options say."""

from __future__ import annotations

from typing import Literal

from torch import nn

from skelblocks.contrast import MomentumContrast, MomentumQueue
from skelblocks.encoders import DSTA, STGCN, BiGRU, Pool, ProjectionHead, build_encoder, initialize_official
from skelblocks.layouts import SkeletonLayout
from skelblocks.training.options import MethodOptions

Stage = int | Literal["half", "never"]


def build_backbone(
    options: MethodOptions, *, layout: SkeletonLayout, persons: int, coordinates: int = 3
) -> STGCN | DSTA | BiGRU:
    """The encoder: clips ``(n, c, t, v, m)`` to feature maps ``(n, m, out_channels, t', v')``.

    Args:
        options: The group ``encoder``, and ``data.frames``.
        layout: The skeleton.
        persons: Persons of a clip.
        coordinates: Coordinates of a joint.

    Example:
        >>> from skelblocks import layouts
        >>> build_backbone(MethodOptions(), layout=layouts.get("sbu"), persons=2).out_channels
        256
    """
    chosen = options.encoder
    return build_encoder(
        chosen.kind,
        layout=layout,
        in_channels=coordinates,
        persons=persons,
        frames=options.data.frames,
        base_channels=chosen.base_channels,
        out_channels=chosen.out_channels,
        dropout=chosen.dropout,
        graph=chosen.graph,
        absent=chosen.absent,
    )


def build_contrast(
    options: MethodOptions, *, layout: SkeletonLayout, persons: int, coordinates: int = 3
) -> MomentumContrast:
    """Encoder, pooling and head, their momentum copy and a queue.

    Args:
        options: The groups ``encoder`` and ``contrast``, and ``data.frames``.
        layout: The skeleton.
        persons: Persons of a clip.
        coordinates: Coordinates of a joint.

    Returns:
        The frame of a method; ``query_branch`` is ``nn.Sequential(encoder, Pool(), head)``.

    Raises:
        ValueError: sizes that do not fit, and a queue whose size nobody has settled yet.

    Example:
        >>> from skelblocks import layouts
        >>> contrast = build_contrast(MethodOptions(), layout=layouts.get("ntu-rgb+d"), persons=2)
        >>> sum(p.numel() for p in contrast.parameters())  # 1.84 M in MsMCLR's table 9
        1840136
    """
    chosen = options.contrast
    encoder = build_backbone(options, layout=layout, persons=persons, coordinates=coordinates)
    channels = encoder.out_channels
    head = ProjectionHead(
        channels,
        hidden_features=channels // 2 if options.encoder.kind == "bigru" else channels,  # both as released
        out_features=chosen.embedding,
        batch_norm=chosen.head_norm,
        bias=chosen.head_bias,
    )
    branch = nn.Sequential(encoder, Pool(absent=options.encoder.absent), head)
    if options.encoder.initialization == "official":
        initialize_official(branch)
    return MomentumContrast(
        branch,
        queue=MomentumQueue(chosen.embedding, size=queue_size(options)),
        temperature=chosen.temperature,
        momentum=chosen.key_momentum,
        momentum_schedule=chosen.key_momentum_schedule,
        exclude_own_keys=chosen.exclude_own_keys,
    )


def backbone_of(contrast: MomentumContrast) -> STGCN | DSTA | BiGRU:
    """The encoder in the query branch that :func:`build_contrast` has built.

    Args:
        contrast: From :func:`build_contrast`.

    Raises:
        TypeError: the branch begins with something else.
    """
    encoder = next(contrast.query_branch.children(), contrast.query_branch)
    if not isinstance(encoder, STGCN | DSTA | BiGRU):
        raise TypeError(
            f"contrast: expected an STGCN, DSTA or BiGRU at the start of query_branch, got {type(encoder).__name__}; "
            "return your own encoder from encoders()"
        )
    return encoder


def queue_size(options: MethodOptions) -> int:
    """The number of keys; ``ValueError`` while it is ``"auto"``, which a run settles once it knows its clips."""
    if options.contrast.queue_size == "auto":
        raise ValueError(
            "contrast.queue_size: expected a number of keys here, got 'auto'; call "
            "skelblocks.training.settle(options, clips=...) first"
        )
    return options.contrast.queue_size


def require_joints(options: MethodOptions, *, needed_by: str) -> None:
    """Raise ``ValueError`` for an encoder whose feature map has no joints, where a block works on joints.

    Args:
        options: The group ``encoder``.
        needed_by: Name of the block.
    """
    if options.encoder.kind == "bigru":
        raise ValueError(
            f"encoder.kind: BiGRU's feature map has no joints, which {needed_by} works on; choose stgcn or dsta, "
            "or leave that block out"
        )


def stage_start(chosen: Stage, *, epochs: int) -> int | None:
    """How many epochs come before the second stage of a training; None if there is none.

    Example:
        >>> stage_start("half", epochs=300), stage_start("never", epochs=300), stage_start(20, epochs=300)
        (150, None, 20)
    """
    return {"half": epochs // 2, "never": None}[chosen] if isinstance(chosen, str) else chosen
