"""What the methods of `examples/` share: options, encoders, the momentum contrast and views.

Each method is a page on top of it: they differ in their views and in their loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from accuracies import EvaluationOptions
from datasets import DataOptions
from engine import TrainingOptions
from torch import Tensor, nn

from skelblocks import streams
from skelblocks.contrast import MomentumEncoder, MomentumQueue, contrastive_logits, cosine_momentum
from skelblocks.distributed import gather_keys
from skelblocks.encoders import DSTA, STGCN, BiGRU, Pool, ProjectionHead, initialize_official
from skelblocks.layouts import SkeletonLayout
from skelblocks.streams import Stream

# Channels in, out and inside, and stride of each block: table 14 of SkeAttnCLR, which ends with 256 channels.
DSTA_LAYERS = ((64, 64, 16, 1), (64, 128, 32, 2), (128, 128, 32, 1), (128, 256, 64, 2), (256, 256, 64, 1))


@dataclass(kw_only=True)
class MethodOptions(TrainingOptions, DataOptions, EvaluationOptions):
    """What the command line and the YAML files set for every method; each method adds its own."""

    encoder: Literal["stgcn", "dsta", "bigru"] = "stgcn"  # the backbone
    base_channels: int = 16  # of ST-GCN
    out_channels: int | None = None  # default: 256, of BiGRU 2048
    graph: Literal["spatial", "spatial_bfs", "agcn"] = "spatial"  # ST-GCN's adjacency
    embedding: int = 128  # numbers of an embedding
    head_norm: bool = False  # a batch normalisation in the head
    head_bias: bool = True  # of the head's linear layers
    dropout: float = 0.5  # BiGRU has none
    initialization: Literal["official", "torch"] = "official"  # the papers are silent; the released code: N(0, 0.02)
    queue_size: int = 32768  # keys that serve as negatives
    temperature: float = 0.07  # of the similarities
    key_momentum: float = 0.999  # what the key encoder keeps of itself in a step
    key_momentum_schedule: Literal["constant", "cosine"] = "constant"  # cosine: to 1 over the whole run
    shear_amplitude: float = 0.5  # of every view that is sheared; released configurations, SkeAttnCLR's table 10
    exclude_own_keys: bool = False  # leave a clip's own older keys out of its negatives and neighbours


class Keys(NamedTuple):
    """A step's keys."""

    embeddings: Tensor  # (n, d)
    ids: Tensor  # (n,), their clips
    exclude: Tensor | None  # (n, k), the rows of the bank that are older keys of the same clips


class Output(NamedTuple):
    """What a step needs after the forward; several :class:`Keys` where several streams train together."""

    loss: Tensor
    keys: Sequence[Any]
    figures: Mapping[str, Tensor]


def follow(key: MomentumEncoder, query: nn.Module, *, schedule: str, step: int, total_steps: int) -> None:
    """Move a key branch towards its query branch, with its own momentum or along a cosine from there to 1."""
    cosine = schedule == "cosine"
    momentum = cosine_momentum(step, total_steps, base=key.momentum) if cosine else None
    key.update(query, momentum=momentum)


class MomentumContrast(nn.Module):
    """A query branch, its slowly following copy, and the queue of the copy's keys: the frame of all the methods.

    Args:
        query_branch: Clips ``(n, c, t, v, m)`` to embeddings ``(n, d)``.
        queue: Of d features.
        temperature: Of the logits.
        key_momentum: Of the copy, or its first value.
        key_momentum_schedule: ``"constant"``, or ``"cosine"`` to 1.
        exclude_own_keys: Whether a clip's own older keys are left out of its logits.
    """

    def __init__(
        self,
        query_branch: nn.Sequential,
        *,
        queue: MomentumQueue,
        temperature: float = 0.07,
        key_momentum: float = 0.999,
        key_momentum_schedule: str = "constant",
        exclude_own_keys: bool = False,
    ) -> None:
        super().__init__()
        self.query_branch = query_branch
        self.key_branch = MomentumEncoder(query_branch, momentum=key_momentum)
        self.queue = queue
        self.temperature = temperature
        self.key_momentum_schedule = key_momentum_schedule
        self.exclude_own_keys = exclude_own_keys

    @property
    def channels(self) -> int:
        """Of the encoder's feature map."""
        return self.query_branch[0].out_channels  # type: ignore[return-value]

    def keys(self, view: Tensor, ids: Tensor) -> Keys:
        """Embed a view ``(n, c, t, v, m)`` of the clips ``ids`` by the key branch, without gradient."""
        return self.as_keys(self.key_branch(view), ids)

    def as_keys(self, embeddings: Tensor, ids: Tensor) -> Keys:
        """Keys of the clips ``ids``, for one who runs the key branch part by part."""
        return Keys(embeddings, ids, self.queue.own_rows(ids) if self.exclude_own_keys else None)

    def logits(self, embedding: Tensor, keys: Keys) -> Tensor:
        """Similarities ``(n, 1 + k)`` with the clip's own key and with the bank as it is."""
        bank = self.queue.bank
        return contrastive_logits(embedding, keys.embeddings, bank, temperature=self.temperature, exclude=keys.exclude)

    @torch.no_grad()
    def update(self, keys: Keys, *, step: int, total_steps: int) -> None:
        """After the optimiser's step: move the key branch, then let the keys of all processes into the queue."""
        schedule = self.key_momentum_schedule
        follow(self.key_branch, self.query_branch, schedule=schedule, step=step, total_steps=total_steps)
        self.queue.enqueue(gather_keys(keys.embeddings), ids=gather_keys(keys.ids))


def make_encoder(
    options: MethodOptions, *, layout: SkeletonLayout, persons: int, coordinates: int = 3
) -> STGCN | DSTA | BiGRU:
    """The encoder, as the options say: a module from clips to feature maps with ``out_channels``."""
    out_channels = options.out_channels or (2048 if options.encoder == "bigru" else 256)
    divisor = {"stgcn": 1, "dsta": 16, "bigru": 2}[options.encoder]
    if out_channels < 1 or out_channels % divisor:
        raise ValueError(f"out_channels: expected a multiple of {divisor} for {options.encoder}, got {out_channels}")
    if options.encoder == "bigru":
        return BiGRU(layout, in_channels=coordinates, persons=persons, hidden_features=out_channels // 2)
    if options.encoder == "dsta":
        layers = [(*(width * out_channels // 256 for width in widths), stride) for *widths, stride in DSTA_LAYERS]
        return DSTA(layout, frames=options.frames, in_channels=coordinates, layers=layers, dropout=options.dropout)
    return STGCN(
        layout,
        in_channels=coordinates,
        base_channels=options.base_channels,
        out_channels=out_channels,
        dropout=options.dropout,
        strategy=options.graph,
    )


def check_joints(options: MethodOptions, *, needed_by: str) -> None:
    """Refuse an encoder whose map has no joints where a block works on them."""
    if options.encoder == "bigru":
        raise ValueError(
            f"encoder: BiGRU's feature map has no joints, which {needed_by} works on; choose stgcn or dsta, "
            "or leave that block out"
        )


def make_contrast(
    options: MethodOptions, *, layout: SkeletonLayout, persons: int, coordinates: int = 3
) -> MomentumContrast:
    """Encoder, pooling and head, their momentum copy and a queue, as the options say."""
    encoder = make_encoder(options, layout=layout, persons=persons, coordinates=coordinates)
    channels = encoder.out_channels
    head = ProjectionHead(
        channels,
        hidden_features=channels // 2 if options.encoder == "bigru" else channels,  # both as released
        out_features=options.embedding,
        batch_norm=options.head_norm,
        bias=options.head_bias,
    )
    branch = nn.Sequential(encoder, Pool(), head)
    if options.initialization == "official":
        initialize_official(branch)
    return MomentumContrast(
        branch,
        queue=MomentumQueue(options.embedding, size=options.queue_size),
        temperature=options.temperature,
        key_momentum=options.key_momentum,
        key_momentum_schedule=options.key_momentum_schedule,
        exclude_own_keys=options.exclude_own_keys,
    )


class Views:
    """Clips to views, one a transform: augmented as joints, then turned into each of the streams.

    Returns all views of the first stream, then all of the next; the streams of a view are those of one augmented clip.
    """

    def __init__(
        self,
        transforms: Sequence[Callable[..., Tensor]],
        *,
        layout: SkeletonLayout,
        stream: Stream | Sequence[Stream],
    ) -> None:
        self.transforms = transforms
        self.layout = layout
        self.streams = [stream] if isinstance(stream, str) else stream

    def __call__(self, clips: Tensor, generator: torch.Generator) -> list[Tensor]:
        augmented = [transform(clips, generator=generator) for transform in self.transforms]
        return [streams.convert(view, stream, layout=self.layout) for stream in self.streams for view in augmented]


def stage_start(chosen: int | str, *, epochs: int) -> int | None:
    """How many epochs come before the second stage of a training; None: there is none."""
    return {"half": epochs // 2, "never": None}[chosen] if isinstance(chosen, str) else chosen
