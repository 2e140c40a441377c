"""SkeleMixCLR, assembled from blocks: for some frames, some limbs of a clip come from another clip (2022).

    python train_skelemixclr.py --config synthetic_small --config skelemixclr_small
    python train_skelemixclr.py --config small --data.path clips.npz --data.stream bone

Copy this file and edit it: ``skelblocks copy skelemixclr .``
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from skelblocks import streams
from skelblocks.augment import recipes
from skelblocks.contrast import MomentumContrast
from skelblocks.encoders import region_pool
from skelblocks.layouts import SkeletonLayout
from skelblocks.losses import info_nce, region_contrast
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
    require_joints,
)


@dataclass(kw_only=True)
class Options(MethodOptions):
    """All options. The defaults come from the released configuration (SkeleMixCLR+)."""

    data: DataOptions = field(default_factory=lambda: DataOptions(frames=64))
    train: TrainOptions = field(default_factory=lambda: TrainOptions(milestones=[]))
    encoder: EncoderOptions = field(default_factory=lambda: EncoderOptions(graph="agcn"))
    contrast: ContrastOptions = field(default_factory=lambda: ContrastOptions(temperature=0.2, head_norm=True))
    mixes: int = 3  # mixed clips per query; 1 or 2 are faster
    mixes_reduction: Literal["sum", "mean"] = "sum"  # reduction of the mixes' losses; mean: the first released version
    swap: Literal["clip", "batch", "official"] = "clip"  # draw per clip, per batch, or per batch with absent persons
    detach_negative: bool = True  # the other side of a mixed clip is a constant

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mixes < 1:
            raise ValueError(f"mixes: expected an integer >= 1, got {self.mixes}; without mixes, train skeletonclr")


class SkeleMixCLR(nn.Module):
    """Contrast whole clips, and both sides of mixed clips: the pasted region and the rest.

    The loss is ``L_Info`` plus the sum of ``L_region``. The positive of the pasted region is the key of its source, and
    the positive of the rest is the key of its own clip. Each side is one more negative for the other.

    Axes: n clips, c coordinates, t frames, v joints, m persons.
    """

    def __init__(
        self,
        contrast: MomentumContrast,
        *,
        mixes_reduction: Literal["sum", "mean"] = "sum",
        detach_negative: bool = True,
        stream: Stream = "joint",
    ) -> None:
        super().__init__()
        self.contrast = contrast
        self.mixes_reduction = mixes_reduction
        self.detach_negative = detach_negative
        self.stream = stream

    def forward(self, query: Tensor, key: Tensor, *mixed: Tensor, ids: Tensor, epoch: int = 0) -> Output:
        """The loss of two views ``(n, c, t, v, m)`` of the clips ``ids``, and of mixes of the query.

        Each mix is three tensors: the clips, their partners ``(n,)``, and the regions ``(n, t', v)``, in the frames of
        the encoder's map.
        """
        encoder, pool, head = self.contrast.query_branch.children()
        absent: Any = pool.absent
        logits, keys = self.contrast(query, key, ids=ids)
        whole, regions = info_nce(logits), []
        for clips, partner, mask in zip(mixed[::3], mixed[1::3], mixed[2::3], strict=True):
            inside, outside = (head(feature) for feature in region_pool(encoder(clips), mask, absent=absent))
            loss = region_contrast(
                inside,
                outside,
                keys.embeddings,
                partner,
                self.contrast.queue.bank,
                temperature=self.contrast.temperature,
                detach_negative=self.detach_negative,
                exclude=keys.exclude,
            )
            regions.append(loss)
        stacked = torch.stack(regions)
        region = stacked.sum() if self.mixes_reduction == "sum" else stacked.mean()
        return Output(whole + region, [keys], {"contrast": whole.detach(), "region": region.detach()})

    def update(self, output: Output, *, step: int, total_steps: int) -> None:
        """Update the key branch and the queue after the optimizer's step."""
        self.contrast.update(*output.keys, step=step, total_steps=total_steps)

    def encoders(self) -> dict[str, nn.Module]:
        """The encoders that a run saves."""
        return {self.stream: backbone_of(self.contrast)}


def build(options: Options, *, layout: SkeletonLayout, persons: int, coordinates: int = 3) -> SkeleMixCLR:
    """Build the method from the options."""
    require_joints(options, needed_by="the region pooling")
    return SkeleMixCLR(
        build_contrast(options, layout=layout, persons=persons, coordinates=coordinates),
        mixes_reduction=options.mixes_reduction,
        detach_negative=options.detach_negative,
        stream=options.data.stream,
    )


class Views:
    """Query, key, and mixes of the query. As in the released code, bones or motion are computed before mixing."""

    def __init__(self, options: Options, *, layout: SkeletonLayout) -> None:
        self.augment = recipes.weak(shear_amplitude=options.contrast.shear_amplitude)
        self.mix = recipes.skelemix_swap(
            layout, same_on_batch=options.swap != "clip", on_absent_persons=options.swap == "official"
        )
        self.mixes = options.mixes
        self.layout, self.stream = layout, options.data.stream

    def __call__(self, clips: Tensor, generator: torch.Generator) -> list[Tensor]:
        """The views of the clips. A mix has clips, partners and a mask."""
        query, key = (
            streams.convert(self.augment(clips, generator=generator), self.stream, layout=self.layout) for _ in range(2)
        )
        mixed = [self.mix(query, generator=generator) for _ in range(self.mixes)]
        return [query, key, *(tensor for each in mixed for tensor in each)]


page = Page(name="skelemixclr", options=Options, build=build, make_views=Views)

if __name__ == "__main__":
    page.main()
