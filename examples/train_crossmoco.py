"""CrossMoCo, assembled from blocks: two encoders, each compared with the keys of the other (TMM 25, 2023).

    python train_crossmoco.py --config synthetic_small --streams [joint]
    python train_crossmoco.py --config small --config crossmoco_small --data.path clips.npz

There is no released code, and the paper omits many details. docs/methods/crossmoco.md lists the choices made here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from skelblocks import streams
from skelblocks.augment import Compose, SpatioTemporalOcclusion, recipes
from skelblocks.contrast import Keys, MomentumEncoder, MomentumQueue, scheduled_momentum, unit_rows
from skelblocks.distributed import gather_keys
from skelblocks.encoders import Pool, ProjectionHead, SideBySide, initialize_official
from skelblocks.layouts import SkeletonLayout
from skelblocks.losses import cross_momentum_contrast
from skelblocks.streams import Stream
from skelblocks.training import (
    ContrastOptions,
    EvaluateOptions,
    MethodOptions,
    Output,
    Page,
    Sets,
    StreamSum,
    TrainOptions,
    build_backbone,
    first_clip,
    in_picture,
    queue_size,
    stage_start,
)
from skelblocks.viz import draw_skeleton


@dataclass(kw_only=True)
class Options(MethodOptions):
    """All options. Defaults come from section IV-B, then from 3s-CrosSCLR. ST-MLP's head has a norm (fig. 3)."""

    train: TrainOptions = field(default_factory=lambda: TrainOptions(learning_rate=1e-5))
    contrast: ContrastOptions = field(default_factory=lambda: ContrastOptions(head_norm=True, queue_size=16384))
    evaluate: EvaluateOptions = field(default_factory=lambda: EvaluateOptions(probe_rate=0.1))
    streams: list[Stream] = field(default_factory=lambda: ["joint", "motion", "bone"])  # trained together (eq. 10)
    stream_weights: list[float] | None = None  # a, b, c of eq. 10, in (0, 1]; default: 1, the paper has none
    share_backbone: bool = True  # one ST-GCN for both heads, or one each; not in the paper
    base_layers: int = 0  # hidden layers between ST-GCN and q, not in the paper; 1: as in 3s-CrosSCLR
    mlp_layers: int = 1  # hidden layers of ST-MLP, table IV
    crossed_from: int | Literal["half", "never"] = "half"  # "we cross-train our model 150 epochs" of 300
    banks: Literal[1, 2, 3] = 2  # number of banks, table III
    denominator: Literal["neg", "pos+neg"] | None = None  # default: depends on `combine`; neg in eq. 5
    combine: Literal["ratio", "sum_ce"] = "ratio"  # eq. 5, or two cross-entropies
    positive_weights: tuple[float, float] = (0.5, 0.5)  # alpha, beta; not in the paper
    negative_weights: tuple[float, float] = (0.5, 0.5)  # lambda, phi; not in the paper
    augmentation: Literal["occlusion", "weak", "both"] = "occlusion"  # paper: occlusion "instead of" shear and crop
    joint_ratio: float = 0.6  # share of joints to hide
    frame_ratio: float = 0.5  # share of frames to hide
    ratio_counts: Literal["joints", "units"] = "joints"  # what the joint ratio counts
    per_frame: bool = False  # other joints in each frame
    temporal: Literal["zero_frames", "gate"] = "zero_frames"  # chosen frames are zero, or only they have hidden joints

    def trained_streams(self) -> tuple[Stream, ...]:
        """The streams that train together."""
        return tuple(self.streams)


class TwoHeads(nn.Module):
    """ST-GCN and ST-MLP: clips ``(n, c, t, v, m)`` to two embeddings ``(n, d)``, q and r, or k and l."""

    def __init__(self, encoder: nn.Module, *, mlp_encoder: nn.Module | None, base_head: nn.Module, mlp_head: nn.Module):
        super().__init__()
        self.encoder, self.mlp_encoder = encoder, mlp_encoder
        self.pool = Pool(absent=getattr(encoder, "absent", "compute"))
        self.base_head, self.mlp_head = base_head, mlp_head

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The embeddings of both heads."""
        feature = self.pool(self.encoder(x))
        other = feature if self.mlp_encoder is None else self.pool(self.mlp_encoder(x))
        return self.base_head(feature), self.mlp_head(other)


class CrossMoCo(nn.Module):
    """Two encoders for one stream, their momentum copies, and a bank of keys for each (section III-B, algorithm 1)."""

    def __init__(self, query: TwoHeads, *, queues: nn.ModuleList, options: Options, stream: Stream = "joint") -> None:
        super().__init__()
        self.query = query
        self.stream = stream
        self.key = MomentumEncoder(query, momentum=options.contrast.key_momentum)
        self.queues = queues
        self.options = options
        self.crossed_from = stage_start(options.crossed_from, epochs=options.train.epochs)

    def forward(self, query: Tensor, key: Tensor, *, ids: Tensor, epoch: int = 0) -> Output:
        """The loss of two views ``(n, c, t, v, m)`` of the clips ``ids``, against the current banks."""
        chosen = self.options
        q, r = self.query(query)
        k, ell = self.key(key)
        banks = joined([queue.bank for queue in self.queues], dim=0)
        exclude = None
        if chosen.contrast.exclude_own_keys:
            exclude, _ = joined([queue.own_rows(ids) for queue in self.queues], dim=1)  # type: ignore[operator]
        loss = cross_momentum_contrast(
            *(q, r, k, ell, *banks),
            temperature=chosen.contrast.temperature,
            positive_weights=chosen.positive_weights,
            negative_weights=chosen.negative_weights,
            combine=chosen.combine,
            denominator=chosen.denominator,
            crossed=self.crossed_from is not None and epoch >= self.crossed_from,
            exclude=exclude,
        )
        return Output(loss, [Keys(k, ids), Keys(ell, ids)])

    @torch.no_grad()
    def update(self, output: Output, *, step: int, total_steps: int) -> None:
        """After the optimizer's step, update the key encoders, then enqueue k and l of all processes."""
        schedule = self.options.contrast.key_momentum_schedule
        momentum = scheduled_momentum(step, total_steps, base=self.key.momentum, schedule=schedule)
        self.key.update(self.query, momentum=momentum)
        base, mlp = (gather_keys(keys.embeddings) for keys in output.keys)
        ids = gather_keys(output.keys[0].ids)
        keys = [base, mlp, unit_rows(base) + unit_rows(mlp)]
        if len(self.queues) == 1:
            keys, ids = [torch.cat((base, mlp))], torch.cat((ids, ids))
        for queue, embeddings in zip(self.queues, keys, strict=False):
            queue.enqueue(embeddings, ids=ids)  # type: ignore[operator]

    def encoders(self) -> dict[str, nn.Module]:
        """The encoder that a run saves: the shared encoder, or both side by side."""
        one, other = self.query.encoder, self.query.mlp_encoder
        return {self.stream: one if other is None else SideBySide(one, other)}


def joined(of_queues: list[Any], *, dim: int) -> tuple[Tensor, Tensor]:
    """The negatives of r and of q. One bank serves both, and a third bank is added to both (table III)."""
    base, mlp, *third = of_queues if len(of_queues) > 1 else of_queues * 2
    return torch.cat([base, *third], dim=dim), torch.cat([mlp, *third], dim=dim)


def build(options: Options, *, layout: SkeletonLayout, persons: int, coordinates: int = 3) -> StreamSum:
    """Build the method from the options, with ``L = a L_joint + b L_motion + c L_bone`` (eqs. 9, 10).

    Algorithm 1 has one f, one h and two queues for three streams. As in 3s-CrosSCLR, each stream has its own here.
    """
    if options.banks == 1 and 2 * options.train.batch_size > queue_size(options):
        raise ValueError(f"contrast.queue_size: expected two rows per clip of a batch, got {queue_size(options)}")
    clips: dict[str, Any] = {"layout": layout, "persons": persons, "coordinates": coordinates}
    built = {stream: _build_stream(options, stream=stream, **clips) for stream in options.streams}
    return StreamSum(built, weights=options.stream_weights)


def _build_stream(options: Options, *, stream: Stream, **clips: Any) -> CrossMoCo:
    encoder, features = build_backbone(options, **clips), options.contrast.embedding
    head = partial(ProjectionHead, encoder.out_channels, batch_norm=options.contrast.head_norm)
    head = partial(head, hidden_features=encoder.out_channels, out_features=features)
    query = TwoHeads(
        encoder,
        mlp_encoder=None if options.share_backbone else build_backbone(options, **clips),
        base_head=head(hidden_layers=options.base_layers),
        mlp_head=head(hidden_layers=options.mlp_layers),
    )
    if options.encoder.initialization == "official":
        initialize_official(query)
    queues = nn.ModuleList(MomentumQueue(features, size=queue_size(options)) for _ in range(options.banks))
    return CrossMoCo(query, queues=queues, options=options, stream=stream)


class Views:
    """Two views per stream, each with its own occlusion after the conversion to bones or motion (section III-B)."""

    def __init__(self, options: Options, *, layout: SkeletonLayout) -> None:
        weak, nothing = recipes.weak(shear_amplitude=options.contrast.shear_amplitude), Compose([])
        self.weak = weak if options.augmentation != "occlusion" else nothing
        self.occlusion = make_occlusion(options, layout=layout) if options.augmentation != "weak" else nothing
        self.layout, self.streams = layout, options.streams

    def __call__(self, clips: Tensor, generator: torch.Generator) -> list[Tensor]:
        views = []
        for stream in (stream for stream in self.streams for _ in range(2)):
            view = streams.convert(self.weak(clips, generator=generator), stream, layout=self.layout)
            views.append(self.occlusion(view, generator=generator))
        return views


def make_occlusion(options: Options, *, layout: SkeletonLayout) -> SpatioTemporalOcclusion:
    """Build the occlusion from the options."""
    return SpatioTemporalOcclusion(
        layout,
        joint_ratio=options.joint_ratio,
        frame_ratio=options.frame_ratio,
        ratio_counts=options.ratio_counts,
        per_frame=options.per_frame,
        temporal=options.temporal,
    )


def pictures(_: StreamSum, sets: Sets, options: Options) -> dict[str, Any]:
    """The occlusion of a test clip, in five frames as in figure 4; empty if occlusion is not used."""
    if options.augmentation == "weak":
        return {}
    clip, generator = first_clip(sets)[0], torch.Generator().manual_seed(options.train.seed)
    occlusion = make_occlusion(options, layout=sets.layout)
    hidden = occlusion(torch.ones_like(clip)[None], generator=generator)[0, 0, ..., 0] == 0
    drawn = draw_skeleton(clip, layout=sets.layout, frames=5, hidden=hidden, flip_vertical=in_picture(clip))
    return {"occlusion": drawn}


page = Page(name="crossmoco", options=Options, build=build, make_views=Views, pictures=pictures)

if __name__ == "__main__":
    page.main()
