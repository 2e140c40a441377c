"""Build the blocks that most methods share from the options."""

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
    """Build the encoder, which maps clips ``(n, c, t, v, m)`` to feature maps ``(n, m, out_channels, t', v')``.

    Args:
        options: The group ``encoder`` and ``data.frames`` are used.
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
        checkpoint=chosen.checkpoint,
    )


def build_contrast(
    options: MethodOptions, *, layout: SkeletonLayout, persons: int, coordinates: int = 3
) -> MomentumContrast:
    """Build encoder, pooling and head, their momentum copy, and a queue.

    Args:
        options: The groups ``encoder`` and ``contrast``, and ``data.frames`` are used.
        layout: The skeleton.
        persons: Persons of a clip.
        coordinates: Coordinates of a joint.

    Returns:
        The contrastive frame of a method; its ``query_branch`` is ``nn.Sequential(encoder, Pool(), head)``.

    Raises:
        ValueError: The sizes do not fit, or the queue's size is still ``"auto"``.

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
        hidden_features=channels // 2 if options.encoder.kind == "bigru" else channels,  # the released settings
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
    """The encoder in the query branch of :func:`build_contrast`.

    Args:
        contrast: The result of :func:`build_contrast`.

    Raises:
        TypeError: The branch begins with another module.
    """
    encoder = next(contrast.query_branch.children(), contrast.query_branch)
    if not isinstance(encoder, STGCN | DSTA | BiGRU):
        raise TypeError(
            f"contrast: expected an STGCN, DSTA or BiGRU at the start of query_branch, got {type(encoder).__name__}; "
            "return your own encoder from encoders()"
        )
    return encoder


def queue_size(options: MethodOptions) -> int:
    """The number of keys. Raises ``ValueError`` if it is still ``"auto"``, which a run replaces by a number."""
    if options.contrast.queue_size == "auto":
        raise ValueError(
            "contrast.queue_size: expected a number of keys, got 'auto'; first call "
            "skelblocks.training.settle(options, clips=...)"
        )
    return options.contrast.queue_size


def require_joints(options: MethodOptions, *, needed_by: str) -> None:
    """Raise ``ValueError`` if a block needs joints, but the encoder's feature map has none.

    Args:
        options: The group ``encoder`` is used.
        needed_by: Name of the block, for the message.
    """
    if options.encoder.kind == "bigru":
        raise ValueError(
            f"encoder.kind: expected a feature map with joints for {needed_by}, but BiGRU's has none; choose stgcn or "
            "dsta, "
            "or leave the block out"
        )


def stage_start(chosen: Stage, *, epochs: int) -> int | None:
    """The number of epochs before the second stage of training; None if there is no second stage.

    Example:
        >>> stage_start("half", epochs=300), stage_start("never", epochs=300), stage_start(20, epochs=300)
        (150, None, 20)
    """
    return {"half": epochs // 2, "never": None}[chosen] if isinstance(chosen, str) else chosen
