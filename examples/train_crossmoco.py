"""CrossMoCo, assembled from blocks: two encoders whose queries meet each other's keys (TMM 25, 2023).

    python examples/train_crossmoco.py --config examples/configs/synthetic_small.yaml --streams [joint]
    python examples/train_crossmoco.py --data clips.npz --layout nw-ucla --epochs 100

There is no released code, and the paper leaves much open: docs/methods/crossmoco.md says what, and what is done here.

Copy this file and edit it; the parts that the methods share are in method.py, a whole run is in training.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from command_line import main
from datasets import Sets
from matplotlib.figure import Figure
from method import MethodOptions, Output, follow, make_encoder, stage_start
from run_pictures import first_clip, in_picture
from torch import Tensor, nn
from training import train_method

from skelblocks import streams
from skelblocks.augment import Compose, SpatioTemporalOcclusion, recipes
from skelblocks.contrast import MomentumEncoder, MomentumQueue, unit_rows
from skelblocks.distributed import gather_keys
from skelblocks.encoders import Pool, ProjectionHead, initialize_official
from skelblocks.layouts import SkeletonLayout
from skelblocks.losses import cross_momentum_contrast
from skelblocks.streams import Stream
from skelblocks.viz import draw_skeleton


@dataclass(kw_only=True)
class Options(MethodOptions):
    """Everything that the command line and the YAML files set; defaults: section IV-B, then 3s-CrosSCLR's."""

    learning_rate: float = 1e-5
    probe_rate: float = 0.1
    head_norm: bool = True  # in ST-MLP's head, fig. 3
    queue_size: int = 16384
    streams: list[Stream] = field(default_factory=lambda: ["joint", "motion", "bone"])  # trained together (eq. 10)
    stream_weights: list[float] | None = None  # a, b, c of eq. 10, in this order; in (0, 1], not given; default: 1
    share_backbone: bool = True  # one ST-GCN under both heads, or one each; not said
    base_layers: int = 0  # hidden layers between ST-GCN and q, which the paper does not mention; 1: 3s-CrosSCLR's head
    mlp_layers: int = 1  # of ST-MLP, table IV
    crossed_from: int | Literal["half", "never"] = "half"  # "we cross-train our model 150 epochs" of 300
    banks: Literal[1, 2, 3] = 2  # table III
    denominator: Literal["neg", "pos+neg"] | None = None  # default: the usual one of `combine`; eq. 5's is neg
    combine: Literal["ratio", "sum_ce"] = "ratio"  # eq. 5, or two cross-entropies
    positive_weights: tuple[float, float] = (0.5, 0.5)  # alpha, beta; not given
    negative_weights: tuple[float, float] = (0.5, 0.5)  # lambda, phi; not given
    augmentation: Literal["occlusion", "normal", "both"] = "occlusion"  # "instead of" shear and crop
    spatial_rate: float = 0.6  # share of the joints that is hidden
    temporal_rate: float = 0.5  # share of the frames that is hidden
    rate_counts: Literal["joints", "units"] = "joints"  # what the spatial rate counts
    per_frame: bool = False  # other joints in each frame
    temporal: Literal["zero_frames", "gate"] = "zero_frames"  # hidden frames are zero, or only there joints are hidden


class TwoHeads(nn.Module):
    """ST-GCN and ST-MLP: clips ``(n, c, t, v, m)`` to two embeddings ``(n, d)``."""

    def __init__(self, encoder: nn.Module, *, mlp_encoder: nn.Module | None, base_head: nn.Module, mlp_head: nn.Module):
        super().__init__()
        self.encoder, self.mlp_encoder = encoder, mlp_encoder
        self.pool = Pool()
        self.base_head, self.mlp_head = base_head, mlp_head

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """q and r, or k and l."""
        feature = self.pool(self.encoder(x))
        other = feature if self.mlp_encoder is None else self.pool(self.mlp_encoder(x))
        return self.base_head(feature), self.mlp_head(other)

    def evaluated(self) -> nn.Module:
        """What is frozen and evaluated: the one encoder, or both side by side."""
        return self.encoder if self.mlp_encoder is None else SideBySide(self.encoder, self.mlp_encoder)


class SideBySide(nn.Module):
    """The feature maps of two encoders as one, of twice the channels."""

    def __init__(self, *encoders: nn.Module) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)

    def forward(self, x: Tensor) -> Tensor:
        """``(n, m, c + c, t, v)``."""
        return torch.cat([encoder(x) for encoder in self.encoders], dim=2)


class CrossedKeys(NamedTuple):
    """A step's keys of one stream: k, l and their clips."""

    base: Tensor
    mlp: Tensor
    ids: Tensor


class CrossMoCo(nn.Module):
    """Two encoders, their momentum copies and a bank of keys for each (section III-B, algorithm 1); one stream.

    Axes: n clips, c coordinates, t frames, v joints, m persons.
    """

    def __init__(
        self,
        query: TwoHeads,
        *,
        queues: nn.ModuleList,
        temperature: float = 0.07,
        key_momentum: float = 0.999,
        key_momentum_schedule: str = "constant",
        combine: Literal["ratio", "sum_ce"] = "ratio",
        denominator: Literal["neg", "pos+neg"] | None = None,
        positive_weights: tuple[float, float] = (0.5, 0.5),
        negative_weights: tuple[float, float] = (0.5, 0.5),
        crossed_from: int | None = 150,
        exclude_own_keys: bool = False,
    ) -> None:
        super().__init__()
        self.query = query
        self.key = MomentumEncoder(query, momentum=key_momentum)
        self.queues = queues
        self.temperature = temperature
        self.key_momentum_schedule = key_momentum_schedule
        self.combine, self.denominator = combine, denominator
        self.positive_weights, self.negative_weights = positive_weights, negative_weights
        self.crossed_from = crossed_from
        self.exclude_own_keys = exclude_own_keys

    def forward(self, query: Tensor, key: Tensor, *, ids: Tensor, epoch: int = 0) -> Output:
        """The loss of two views ``(n, c, t, v, m)`` of the clips ``ids``, against the banks as they are."""
        q, r = self.query(query)
        base_key, mlp_key = self.key(key)
        keys = CrossedKeys(base_key, mlp_key, ids)
        base_bank, mlp_bank = self._banks([queue.bank for queue in self._queues()])
        exclude = None
        if self.exclude_own_keys:
            exclude, _ = self._banks([queue.own_rows(ids) for queue in self._queues()], dim=1)
        loss = cross_momentum_contrast(
            q,
            r,
            keys.base,
            keys.mlp,
            base_bank,
            mlp_bank,
            temperature=self.temperature,
            positive_weights=self.positive_weights,
            negative_weights=self.negative_weights,
            combine=self.combine,
            denominator=self.denominator,
            crossed=self.crossed_from is not None and epoch >= self.crossed_from,
            exclude=exclude,
        )
        return Output(loss, [keys], {})

    @torch.no_grad()
    def update(self, keys: CrossedKeys, **progress: int) -> None:
        """After the optimiser's step: move the key encoders, then let k and l of all processes into their banks."""
        follow(self.key, self.query, schedule=self.key_momentum_schedule, **progress)
        base, mlp, ids = (gather_keys(each) for each in keys)
        queues = self._queues()
        if len(queues) == 1:
            queues[0].enqueue(torch.cat((base, mlp)), ids=torch.cat((ids, ids)))
            return
        for queue, embeddings in zip(queues, (base, mlp, unit_rows(base) + unit_rows(mlp)), strict=False):
            queue.enqueue(embeddings, ids=ids)

    def _queues(self) -> list[MomentumQueue]:
        return list(self.queues)  # type: ignore[arg-type]

    def _banks(self, of_queues: list[Tensor], *, dim: int = 0) -> tuple[Tensor, Tensor]:
        """What stands against r and against q; one bank serves both, a third joins both (table III)."""
        base, mlp, *third = of_queues if len(of_queues) > 1 else of_queues * 2
        return torch.cat([base, *third], dim=dim), torch.cat([mlp, *third], dim=dim)


class CrossMoCoStreams(nn.Module):
    """One :class:`CrossMoCo` a stream, trained together: ``L = a L_joint + b L_motion + c L_bone`` (eqs. 9, 10).

    Algorithm 1 names one f, one h and two queues for three streams; encoders and banks of each are 3s-CrosSCLR's way.
    """

    def __init__(self, methods: Mapping[str, CrossMoCo], *, weights: list[float]) -> None:
        super().__init__()
        self.methods = nn.ModuleDict(methods)
        self.weights = weights

    def forward(self, *views: Tensor, ids: Tensor, epoch: int = 0) -> Output:
        """The loss of two views a stream."""
        outputs = {
            stream: method(*views[2 * i : 2 * i + 2], ids=ids, epoch=epoch)
            for i, (stream, method) in enumerate(self.methods.items())
        }
        losses = torch.stack([output.loss for output in outputs.values()])
        figures = {stream: output.loss.detach() for stream, output in outputs.items()}
        keys = [output.keys[0] for output in outputs.values()]
        return Output((losses * losses.new_tensor(self.weights)).sum(), keys, figures)

    def update(self, output: Output, **progress: int) -> None:
        """After the optimiser's step."""
        for method, keys in zip(self.methods.values(), output.keys, strict=True):
            method.update(keys, **progress)  # type: ignore[operator]

    def encoders(self) -> dict[str, nn.Module]:
        """What is evaluated, by stream."""
        return {stream: method.query.evaluated() for stream, method in self.methods.items()}  # type: ignore[union-attr,operator]


def build(options: Options, *, layout: SkeletonLayout, persons: int, coordinates: int = 3) -> CrossMoCoStreams:
    """The blocks, put together as the options say."""
    names, weights = options.streams, options.stream_weights or [1.0] * len(options.streams)
    if len(set(names)) != len(names) or options.stream not in names:
        raise ValueError(
            f"streams: expected different ones, {options.stream!r} among them, which is evaluated; got {names}"
        )
    if len(weights) != len(names) or min(weights) <= 0:
        raise ValueError(f"stream_weights: expected a number above 0 for each of {names}, got {weights}")
    if options.banks == 1 and 2 * options.batch_size > options.queue_size:
        raise ValueError(
            f"queue_size: one bank takes two keys a clip, {2 * options.batch_size} a batch, has {options.queue_size}"
        )
    clips: dict[str, Any] = {"layout": layout, "persons": persons, "coordinates": coordinates}
    return CrossMoCoStreams({stream: _build_stream(options, **clips) for stream in names}, weights=weights)


def _build_stream(options: Options, **clips: Any) -> CrossMoCo:
    encoder = make_encoder(options, **clips)
    channels, features = encoder.out_channels, options.embedding

    def head(layers: int) -> ProjectionHead:
        return ProjectionHead(
            channels,
            hidden_features=channels,
            out_features=features,
            hidden_layers=layers,
            batch_norm=options.head_norm,
        )

    query = TwoHeads(
        encoder,
        mlp_encoder=None if options.share_backbone else make_encoder(options, **clips),
        base_head=head(options.base_layers),
        mlp_head=head(options.mlp_layers),
    )
    if options.initialization == "official":
        initialize_official(query)
    return CrossMoCo(
        query,
        queues=nn.ModuleList(MomentumQueue(features, size=options.queue_size) for _ in range(options.banks)),
        temperature=options.temperature,
        key_momentum=options.key_momentum,
        key_momentum_schedule=options.key_momentum_schedule,
        combine=options.combine,
        denominator=options.denominator,
        positive_weights=options.positive_weights,
        negative_weights=options.negative_weights,
        crossed_from=stage_start(options.crossed_from, epochs=options.epochs),
        exclude_own_keys=options.exclude_own_keys,
    )


class Views:
    """Two views a stream, each hidden in its own way after bones or motion were taken (section III-B)."""

    def __init__(self, options: Options, *, layout: SkeletonLayout) -> None:
        self.occlusion = make_occlusion(options, layout=layout)
        plain = recipes.weak(shear_amplitude=options.shear_amplitude)
        self.plain = plain if options.augmentation != "occlusion" else Compose([])
        self.occludes = options.augmentation != "normal"
        self.layout, self.streams = layout, options.streams

    def __call__(self, clips: Tensor, generator: torch.Generator) -> list[Tensor]:
        views = []
        for stream in self.streams:
            for _ in range(2):
                view = streams.convert(self.plain(clips, generator=generator), stream, layout=self.layout)
                views.append(self.occlusion(view, generator=generator) if self.occludes else view)
        return views


make_views = Views  # a function in the other scripts


def make_occlusion(options: Options, *, layout: SkeletonLayout) -> SpatioTemporalOcclusion:
    """The block, as the options say."""
    return SpatioTemporalOcclusion(
        layout,
        joint_ratio=options.spatial_rate,
        frame_ratio=options.temporal_rate,
        ratio_counts=options.rate_counts,
        per_frame=options.per_frame,
        temporal=options.temporal,
    )


def pictures(_: CrossMoCoStreams, sets: Sets, options: Options) -> dict[str, Figure]:
    """What the occlusion hides of a test clip, in five frames as in figure 4; nothing where it is not used."""
    if options.augmentation == "normal":
        return {}
    clip, generator = first_clip(sets)[0], torch.Generator().manual_seed(options.seed)
    occlusion = make_occlusion(options, layout=sets.layout)
    hidden = occlusion(torch.ones_like(clip)[None], generator=generator)[0, 0, ..., 0] == 0
    drawn = draw_skeleton(clip, layout=sets.layout, frames=5, hidden=hidden, flip_vertical=in_picture(clip))
    return {"occlusion": drawn}


def train(options: Options, *, sets: Sets | None = None) -> dict[str, float]:
    """Pretrain, evaluate, draw; the figures of the last epoch."""
    return train_method(
        "crossmoco",
        options,
        build=build,
        make_views=make_views,
        encoders=CrossMoCoStreams.encoders,
        pictures=pictures,
        sets=sets,
    )


if __name__ == "__main__":
    main(train, Options)
