"""ISC, assembled from blocks: clips as sequences and as graphs, each compared with the other's keys (ACM MM 2021).

    python train_isc.py --config synthetic_small --config isc_small
    python train_isc.py --config small --config isc_small --data.path clips.npz

Copy this file and edit it: ``skelblocks copy isc .``
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from skelblocks import streams
from skelblocks.augment import RandomJointMask, RandomShear, RandomTemporalCrop
from skelblocks.contrast import MomentumContrast
from skelblocks.layouts import SkeletonLayout
from skelblocks.losses import info_nce
from skelblocks.streams import Stream
from skelblocks.training import (
    ContrastOptions,
    DataOptions,
    EncoderOptions,
    MethodOptions,
    Output,
    Page,
    TrainOptions,
    backbone_of,
    build_contrast,
)


def _train() -> TrainOptions:
    return TrainOptions(epochs=451, milestones=[351], learning_rate=0.01, batch_size=64)


def _encoder() -> EncoderOptions:
    return EncoderOptions(base_channels=64, graph="agcn", dropout=0.0, initialization="torch")


@dataclass(kw_only=True)
class Options(MethodOptions):
    """All options. The defaults come from the released code. ``encoder`` sets the graph encoder."""

    data: DataOptions = field(default_factory=lambda: DataOptions(frames=64))
    train: TrainOptions = field(default_factory=_train)
    encoder: EncoderOptions = field(default_factory=_encoder)
    contrast: ContrastOptions = field(default_factory=lambda: ContrastOptions(queue_size=16384, shear_amplitude=1.0))
    sequence_channels: int = 2048  # channels of the BiGRU, half for each direction
    joint_ratio: float = 15 / 25  # share of joints to mask in views that are not sheared
    keep: Literal["graph", "sequence"] = "graph"  # the encoder that a run saves


class ISC(nn.Module):
    """Inter-skeleton contrast: the query of each representation is compared with the keys of the other.

    The loss is ``L_Info(q_sequence, k_graph) + L_Info(q_graph, k_sequence)``.

    Axes: n clips, c coordinates, t frames, v joints, m persons.
    """

    def __init__(
        self,
        sequence: MomentumContrast,
        *,
        graph: MomentumContrast,
        keep: Literal["graph", "sequence"] = "graph",
        stream: Stream = "joint",
    ) -> None:
        super().__init__()
        self.sequence, self.graph = sequence, graph
        self.keep, self.stream = keep, stream

    def forward(self, query: Tensor, key: Tensor, *, ids: Tensor, epoch: int = 0) -> Output:
        """The loss of two views ``(n, c, t, v, m)`` of the clips ``ids``, against both current banks."""
        sequence_keys, graph_keys = self.sequence.keys(key, ids), self.graph.keys(key, ids)
        of_sequence = info_nce(self.graph.logits(self.sequence.query_branch(query), graph_keys))
        of_graph = info_nce(self.sequence.logits(self.graph.query_branch(query), sequence_keys))
        metrics = {"sequence": of_sequence.detach(), "graph": of_graph.detach()}
        return Output(of_sequence + of_graph, [sequence_keys, graph_keys], metrics)

    def update(self, output: Output, *, step: int, total_steps: int) -> None:
        """Update the key branches and the queues after the optimizer's step."""
        for contrast, keys in zip((self.sequence, self.graph), output.keys, strict=True):
            contrast.update(keys, step=step, total_steps=total_steps)

    def encoders(self) -> dict[str, nn.Module]:
        """The encoder that a run saves."""
        return {self.stream: backbone_of(self.graph if self.keep == "graph" else self.sequence)}


def build(options: Options, *, layout: SkeletonLayout, persons: int, coordinates: int = 3) -> ISC:
    """Build the method from the options."""
    if options.encoder.kind == "bigru":
        raise ValueError(
            "encoder.kind: expected 'stgcn' or 'dsta' for the graph, got 'bigru'; the other branch is already a BiGRU"
        )
    clips: dict[str, Any] = {"layout": layout, "persons": persons, "coordinates": coordinates}
    encoder = dataclasses.replace(options.encoder, kind="bigru", out_channels=options.sequence_channels)
    return ISC(
        build_contrast(dataclasses.replace(options, encoder=encoder), **clips),
        graph=build_contrast(options, **clips),
        keep=options.keep,
        stream=options.data.stream,
    )


class Views:
    """Query and key: each clip is cropped, then half of the clips are sheared and the others are masked."""

    def __init__(self, options: Options, *, layout: SkeletonLayout) -> None:
        self.crop, self.shear = RandomTemporalCrop(), RandomShear(options.contrast.shear_amplitude)
        ratio = options.joint_ratio
        self.mask = RandomJointMask((ratio, ratio), frame_ratio=(1.0, 1.0))
        self.layout, self.stream = layout, options.data.stream

    def __call__(self, clips: Tensor, generator: torch.Generator) -> list[Tensor]:
        """Both views of the clips."""
        return [streams.convert(self.view(clips, generator), self.stream, layout=self.layout) for _ in range(2)]

    def view(self, clips: Tensor, generator: torch.Generator) -> Tensor:
        """One view of the joints."""
        cropped = self.crop(clips, generator=generator)
        chosen = torch.rand(len(clips), 1, 1, 1, 1, device=clips.device, generator=generator) < 0.5
        sheared, masked = (op(cropped, generator=generator) for op in (self.shear, self.mask))
        return torch.where(chosen, sheared, masked)


page = Page(name="isc", options=Options, build=build, make_views=Views)

if __name__ == "__main__":
    page.main()
