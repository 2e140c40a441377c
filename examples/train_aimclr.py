"""AimCLR, assembled from blocks: contrastive learning from extremely augmented skeletons (AAAI 2022).

    python train_aimclr.py --config synthetic_small
    python train_aimclr.py --config small --data.path clips.npz --data.stream bone --nnm-epoch 50

Copy this file and edit it: ``skelblocks copy aimclr .``
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn

from skelblocks.attention import EADM
from skelblocks.augment import recipes
from skelblocks.contrast import Keys, MomentumContrast
from skelblocks.layouts import SkeletonLayout
from skelblocks.losses import cross_view_mining, d3m_loss, info_nce, nearest_neighbor_mining
from skelblocks.streams import Stream
from skelblocks.training import (
    MethodOptions,
    Output,
    Page,
    Views,
    backbone_of,
    build_contrast,
    require_joints,
    stage_start,
)


@dataclass(kw_only=True)
class Options(MethodOptions):
    """All options. The defaults come from section 4.2."""

    extreme: Literal["paper", "official"] = "paper"  # list of extreme augmentations
    drop: Literal["paper", "official", "none"] = "paper"  # EADM: algorithm 1, the released code, or no such branch
    keep_margin: float = 0.7  # attention margin of EADM; from the released model, the paper has none
    alpha: float = 1.0  # weight of InfoNCE, or of mining
    beta: float = 1.0  # weight of D3M
    nnm_epoch: int | Literal["half", "never"] = "half"  # epochs until neighbors are positives; 150 of 300
    top_k: int = 1  # neighbors that each branch selects
    nnm_reduction: Literal["mean", "sum"] = "mean"  # over a clip's positives: released code, or eq. 9
    cross_stream: bool = False  # joint, bone and motion together; from nnm_epoch on, each mines for the others
    context: bool = True  # with cross_stream: add the products of two streams' similarities, as in CrosSCLR

    def trained_streams(self) -> tuple[Stream, ...]:
        """The streams that train together."""
        return ("joint", "bone", "motion") if self.cross_stream else super().trained_streams()


class Branches(NamedTuple):
    """Logits ``(n, 1 + k)`` of a step."""

    weak: Tensor
    extreme: list[Tensor]  # with and without EADM
    keys: Keys


class AimCLR(nn.Module):
    """A weak query, an extreme query with and without EADM, a key, a queue (section 3).

    The loss is ``alpha * L_Info + beta * L_D``, and from ``nnm_epoch`` on ``alpha * L_N + beta * L_D`` (section 3.5).

    Axes: n clips, c coordinates, t frames, v joints, m persons.
    """

    def __init__(
        self,
        contrast: MomentumContrast,
        *,
        drop: nn.Module | None,
        alpha: float = 1.0,
        beta: float = 1.0,
        nnm_epoch: int | None = 150,
        top_k: int = 1,
        nnm_reduction: Literal["mean", "sum"] = "mean",
        stream: Stream = "joint",
    ) -> None:
        super().__init__()
        self.contrast = contrast
        self.drop = drop
        self.alpha, self.beta = alpha, beta
        self.nnm_epoch, self.top_k, self.nnm_reduction = nnm_epoch, top_k, nnm_reduction
        self.stream = stream

    def branches(self, query: Tensor, extreme: Tensor, key: Tensor, *, ids: Tensor) -> Branches:
        """Logits of three views ``(n, c, t, v, m)`` of the clips ``ids``, against the current bank."""
        encoder, pool, head = self.contrast.query_branch.children()
        weak, keys = self.contrast(query, key, ids=ids)
        feature_map = encoder(extreme)
        maps = [feature_map] if self.drop is None else [feature_map, self.drop(feature_map)]
        return Branches(weak, [self.contrast.logits(head(pool(each)), keys) for each in maps], keys)

    def forward(self, query: Tensor, extreme: Tensor, key: Tensor, *, ids: Tensor, epoch: int = 0) -> Output:
        """The loss of three views."""
        weak, strong, keys = self.branches(query, extreme, key, ids=ids)
        if self.nnm_epoch is not None and epoch >= self.nnm_epoch:
            reduction = self.nnm_reduction
            contrast = nearest_neighbor_mining(weak, strong, top_k=self.top_k, reduction_over_positives=reduction)
        else:
            contrast = info_nce(weak)
        divergence = d3m_loss(strong, weak)
        metrics = {"contrast": contrast.detach(), "divergence": divergence.detach()}
        return Output(self.alpha * contrast + self.beta * divergence, [keys], metrics)

    def update(self, output: Output, *, step: int, total_steps: int) -> None:
        """Update the key branch and the queue after the optimizer's step."""
        self.contrast.update(*output.keys, step=step, total_steps=total_steps)

    def encoders(self) -> dict[str, nn.Module]:
        """The encoders that a run saves."""
        return {self.stream: backbone_of(self.contrast)}


class CrossStreamAimCLR(nn.Module):
    """AimCLR on several streams, which from ``nnm_epoch`` on select each other's neighbors.

    These are the rows with a section sign in AimCLR's tables: "using cross-stream knowledge mining strategy proposed in
    3s-CrosSCLR". Paper and released code give no details. Here CrosSCLR's mining on the weak queries replaces the
    mining within a stream, and everything else stays the same. The losses of the streams are summed.
    """

    def __init__(self, streams: Mapping[Stream, AimCLR], *, context: bool = True) -> None:
        super().__init__()
        self.streams = nn.ModuleDict({str(stream): method for stream, method in streams.items()})
        self.context = context

    def forward(self, *views: Tensor, ids: Tensor, epoch: int = 0) -> Output:
        """The loss of three views of each stream, in the order of the streams."""
        first, *_ = methods = self.methods()
        branches = [each.branches(*views[3 * i : 3 * i + 3], ids=ids) for i, each in enumerate(methods)]
        if first.nnm_epoch is not None and epoch >= first.nnm_epoch:
            contrast = cross_view_mining(
                [each.weak for each in branches],
                temperature=first.contrast.temperature,
                top_k=first.top_k,
                context=self.context,
                reduction_over_positives=first.nnm_reduction,
            )
        else:
            contrast = sum((info_nce(each.weak) for each in branches), ids.new_zeros((), dtype=views[0].dtype))
        divergence = sum((d3m_loss(each.extreme, each.weak) for each in branches), contrast.new_zeros(()))
        metrics = {"contrast": contrast.detach(), "divergence": divergence.detach()}
        return Output(first.alpha * contrast + first.beta * divergence, [each.keys for each in branches], metrics)

    def update(self, output: Output, *, step: int, total_steps: int) -> None:
        """Update the key branch and the queue after the optimizer's step."""
        for method, keys in zip(self.methods(), output.keys, strict=True):
            method.contrast.update(keys, step=step, total_steps=total_steps)

    def encoders(self) -> dict[str, nn.Module]:
        """The encoders that a run saves, by stream."""
        return {stream: encoder for each in self.methods() for stream, encoder in each.encoders().items()}

    def methods(self) -> list[AimCLR]:
        """The method of each stream."""
        return list(self.streams.values())  # type: ignore[arg-type]


def build(
    options: Options, *, layout: SkeletonLayout, persons: int, coordinates: int = 3
) -> AimCLR | CrossStreamAimCLR:
    """Build the method from the options."""
    clips: dict[str, Any] = {"layout": layout, "persons": persons, "coordinates": coordinates}
    built = {stream: _build_stream(options, stream=stream, **clips) for stream in options.trained_streams()}
    return CrossStreamAimCLR(built, context=options.context) if options.cross_stream else built[options.data.stream]


def _build_stream(options: Options, *, stream: Stream, **clips: Any) -> AimCLR:
    drop = None
    if options.drop != "none":
        require_joints(options, needed_by="EADM")
        drop = EADM(options.keep_margin, variant=options.drop, absent=options.encoder.absent)
    return AimCLR(
        build_contrast(options, **clips),
        drop=drop,
        alpha=options.alpha,
        beta=options.beta,
        nnm_epoch=stage_start(options.nnm_epoch, epochs=options.train.epochs),
        top_k=options.top_k,
        nnm_reduction=options.nnm_reduction,
        stream=stream,
    )


def make_views(options: Options, *, layout: SkeletonLayout) -> Views:
    """Weak query, extreme query, weak key."""
    amplitude = options.contrast.shear_amplitude
    extreme = recipes.aimclr_extreme if options.extreme == "paper" else recipes.aimclr_extreme_official
    weak = recipes.weak(shear_amplitude=amplitude)
    transforms = [weak, extreme(layout, shear_amplitude=amplitude), weak]
    return Views(transforms, layout=layout, stream=options.trained_streams())


page = Page(name="aimclr", options=Options, build=build, make_views=make_views)

if __name__ == "__main__":
    page.main()
