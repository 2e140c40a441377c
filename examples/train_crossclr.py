"""CrosSCLR, assembled from blocks: each stream learns alone first, then from the others' neighbors (CVPR 2021).

    python train_crossclr.py --config synthetic_small --config crossclr_small
    python train_crossclr.py --config small --data.path clips.npz --streams [joint,motion]

Copy this file and edit it: ``skelblocks copy crossclr .``
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from skelblocks.augment import recipes
from skelblocks.contrast import MomentumContrast
from skelblocks.distributed import gather_keys
from skelblocks.encoders import initialize_official
from skelblocks.layouts import SkeletonLayout
from skelblocks.losses import cross_view_mining, info_nce
from skelblocks.streams import Stream
from skelblocks.training import MethodOptions, Output, Page, Views, backbone_of, build_contrast, stage_start


@dataclass(kw_only=True)
class Options(MethodOptions):
    """All options. The defaults come from the released configuration, which trains three streams."""

    streams: list[Stream] = field(default_factory=lambda: ["joint", "motion", "bone"])  # trained together, two or more
    crossed_from: int | Literal["half", "never"] = "half"  # epochs until streams select neighbors; 150 of 300
    top_k: int = 1  # neighbors that one stream selects for another
    context: bool = True  # add columns with the products of two streams' similarities
    mining_reduction: Literal["mean", "sum"] = "mean"  # over a clip's positives
    heads: Literal["own", "official"] = "own"  # official: later streams add a layer before the first stream's head
    moving_keys: Literal["all", "official"] = "all"  # official: in the second stage, update only motion's key encoder

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.streams) < 2 or len(set(self.streams)) < len(self.streams):
            raise ValueError(
                f"streams: expected two different streams or more, got {self.streams}; pass --streams [joint,motion], "
                "or train one stream with skeletonclr"
            )

    def trained_streams(self) -> tuple[Stream, ...]:
        """The streams that train together."""
        return tuple(self.streams)


class CrosSCLR(nn.Module):
    """SkeletonCLR on each stream. From ``crossed_from`` on, the others' neighbors are positives too.

    The streams' losses are summed in both stages.

    Axes: n clips, c coordinates, t frames, v joints, m persons.
    """

    def __init__(
        self,
        streams: Mapping[Stream, MomentumContrast],
        *,
        crossed_from: int | None = 150,
        top_k: int = 1,
        context: bool = True,
        mining_reduction: Literal["mean", "sum"] = "mean",
        standing: Sequence[Stream] = (),
    ) -> None:
        super().__init__()
        self.streams = nn.ModuleDict({str(stream): contrast for stream, contrast in streams.items()})
        self.crossed_from = crossed_from
        self.top_k, self.context, self.mining_reduction = top_k, context, mining_reduction
        self.standing = tuple(standing)  # streams without key updates in the second stage

    def forward(self, *views: Tensor, ids: Tensor, epoch: int = 0) -> Output:
        """The loss of a query and a key ``(n, c, t, v, m)`` per stream, in their order, of the clips ``ids``."""
        contrasts = list(self.contrasts().values())
        pairs = [each(views[2 * i], views[2 * i + 1], ids=ids) for i, each in enumerate(contrasts)]
        logits, keys = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        crossed = self.crossed_from is not None and epoch >= self.crossed_from
        if crossed:
            loss = cross_view_mining(
                logits,
                temperature=contrasts[0].temperature,
                top_k=self.top_k,
                context=self.context,
                reduction_over_positives=self.mining_reduction,
            )
        else:
            loss = torch.stack([info_nce(each) for each in logits]).sum()
        return Output(loss, [crossed, *keys])

    def update(self, output: Output, *, step: int, total_steps: int) -> None:
        """Update the key branch and the queue after the optimizer's step."""
        crossed, *keys = output.keys
        for (stream, contrast), own in zip(self.contrasts().items(), keys, strict=True):
            if crossed and stream in self.standing:
                contrast.queue.enqueue(gather_keys(own.embeddings), ids=gather_keys(own.ids))
            else:
                contrast.update(own, step=step, total_steps=total_steps)

    def encoders(self) -> dict[str, nn.Module]:
        """The encoders that a run saves, by stream."""
        return {stream: backbone_of(contrast) for stream, contrast in self.contrasts().items()}

    def contrasts(self) -> dict[str, MomentumContrast]:
        """Query branch, key branch and queue of each stream."""
        return dict(self.streams.items())  # type: ignore[arg-type]


def build(options: Options, *, layout: SkeletonLayout, persons: int, coordinates: int = 3) -> CrosSCLR:
    """Build the method from the options."""
    clips: dict[str, Any] = {"layout": layout, "persons": persons, "coordinates": coordinates}
    built = {stream: build_contrast(options, **clips) for stream in options.streams}
    if options.heads == "official":
        first, *later = built.values()
        for contrast in later:
            share_head(first, contrast, initialize=options.encoder.initialization == "official")
    return CrosSCLR(
        built,
        crossed_from=stage_start(options.crossed_from, epochs=options.train.epochs),
        top_k=options.top_k,
        context=options.context,
        mining_reduction=options.mining_reduction,
        standing=() if options.moving_keys == "all" else [stream for stream in options.streams if stream != "motion"],
    )


def share_head(first: MomentumContrast, later: MomentumContrast, *, initialize: bool) -> None:
    """Replace a later stream's head by its own layer and the first stream's whole head.

    The released code does so by mistake: it means to wrap the last layer, but wraps a whole head. So the shared head of
    the keys is updated once per stream in each step.
    """
    branch: Any = later.query_branch
    key_branch: Any = later.key_branch.encoder
    channels = backbone_of(later).out_channels
    layer = nn.Linear(channels, channels)
    if initialize:
        initialize_official(layer)
    heads: list[Any] = [list(each.children())[2] for each in (first.query_branch, first.key_branch.encoder)]
    branch[2] = nn.Sequential(layer, nn.ReLU(), heads[0])
    key_branch[2] = nn.Sequential(copy.deepcopy(layer).requires_grad_(False), nn.ReLU(), heads[1])


def make_views(options: Options, *, layout: SkeletonLayout) -> Views:
    """Query and key of each stream, computed from the same two draws of crop and shear."""
    weak = recipes.weak(shear_amplitude=options.contrast.shear_amplitude)
    return Views([weak, weak], layout=layout, stream=options.trained_streams())


page = Page(name="crossclr", options=Options, build=build, make_views=make_views)

if __name__ == "__main__":
    page.main()
