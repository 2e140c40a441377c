"""AimCLR, assembled from blocks: contrastive learning from extremely augmented skeletons (AAAI 2022).

    python examples/train_aimclr.py --config examples/configs/synthetic_small.yaml
    python examples/train_aimclr.py --data clips.npz --layout utd-mhad --stream bone --epochs 100 --nnm-epoch 50

Copy this file and edit it; the parts that the methods share are in method.py, a whole run is in training.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from command_line import main
from datasets import Sets
from method import (
    Keys,
    MethodOptions,
    MomentumContrast,
    Output,
    Views,
    check_joints,
    make_contrast,
    stage_start,
)
from torch import Tensor, nn
from training import train_method

from skelblocks.attention import EADM
from skelblocks.augment import recipes
from skelblocks.layouts import SkeletonLayout
from skelblocks.losses import cross_view_mining, d3m_loss, info_nce, nearest_neighbor_mining
from skelblocks.streams import STREAMS


@dataclass(kw_only=True)
class Options(MethodOptions):
    """Everything that the command line and the YAML files set; the defaults are those of section 4.2."""

    extreme: Literal["paper", "official"] = "paper"  # which list of extreme augmentations
    drop: Literal["paper", "official", "none"] = "paper"  # EADM: Algorithm 1, the released code's, or no such branch
    keep_margin: float = 0.7  # the paper is silent; the released model's
    alpha: float = 1.0  # weight of InfoNCE, or of mining
    beta: float = 1.0  # weight of D3M
    nnm_epoch: int | Literal["half", "never"] = "half"  # epochs before nearest neighbours are positives; 150 of 300
    topk: int = 1  # neighbours that each branch names
    nnm_reduction: Literal["mean", "sum"] = "mean"  # over a clip's positives: the released code's, or eq. 9's
    cross_stream: bool = False  # joint, bone and motion together; from nnm_epoch on each mines for the others
    context: bool = True  # with cross_stream: the streams' common similarities are further columns, as in CrosSCLR


class Branches(NamedTuple):
    """Logits ``(n, 1 + k)`` of a step, before any loss."""

    ordinary: Tensor
    extreme: list[Tensor]  # with and without EADM
    keys: Keys


class AimCLR(nn.Module):
    """An ordinary query, an extreme one with and without EADM, a key, a queue (section 3).

    At first ``alpha * L_Info + beta * L_D``, from ``nnm_epoch`` on ``alpha * L_N + beta * L_D`` (section 3.5).

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
    ) -> None:
        super().__init__()
        self.contrast = contrast
        self.drop = drop
        self.alpha, self.beta = alpha, beta
        self.nnm_epoch, self.top_k, self.nnm_reduction = nnm_epoch, top_k, nnm_reduction

    def branches(self, query: Tensor, extreme: Tensor, key: Tensor, *, ids: Tensor) -> Branches:
        """Logits of three views ``(n, c, t, v, m)`` of the clips ``ids``, against the bank as it is."""
        encoder, pool, head = self.contrast.query_branch
        keys = self.contrast.keys(key, ids)
        ordinary = self.contrast.logits(head(pool(encoder(query))), keys)
        feature_map = encoder(extreme)
        maps = [feature_map] if self.drop is None else [feature_map, self.drop(feature_map)]
        return Branches(ordinary, [self.contrast.logits(head(pool(each)), keys) for each in maps], keys)

    def forward(self, query: Tensor, extreme: Tensor, key: Tensor, *, ids: Tensor, epoch: int = 0) -> Output:
        """The loss of three views."""
        ordinary, strong, keys = self.branches(query, extreme, key, ids=ids)
        if self.nnm_epoch is not None and epoch >= self.nnm_epoch:
            contrast = nearest_neighbor_mining(
                ordinary, strong, top_k=self.top_k, reduction_over_positives=self.nnm_reduction
            )
        else:
            contrast = info_nce(ordinary)
        divergence = d3m_loss(strong, ordinary)
        figures = {"contrast": contrast.detach(), "divergence": divergence.detach()}
        return Output(self.alpha * contrast + self.beta * divergence, [keys], figures)

    def update(self, output: Output, **progress: int) -> None:
        """After the optimiser's step."""
        (keys,) = output.keys
        self.contrast.update(keys, **progress)


class CrossStreamAimCLR(nn.Module):
    """AimCLR of several streams at once, which from ``nnm_epoch`` on find each other's neighbours.

    The rows marked with a section sign in AimCLR's tables: "using cross-stream knowledge mining strategy proposed in
    3s-CrosSCLR", of which neither the paper nor the released code shows more. Here CrosSCLR's mining takes the place of
    the mining within a stream, on the ordinary queries, and everything else stays. Losses of the streams are summed.
    """

    def __init__(self, streams: Mapping[str, AimCLR], *, context: bool = True) -> None:
        super().__init__()
        self.streams = nn.ModuleDict(streams)
        self.context = context

    def forward(self, *views: Tensor, ids: Tensor, epoch: int = 0) -> Output:
        """The loss of three views a stream, in the order of the streams."""
        first, *_ = methods = self.methods()
        branches = [each.branches(*views[3 * i : 3 * i + 3], ids=ids) for i, each in enumerate(methods)]
        if first.nnm_epoch is not None and epoch >= first.nnm_epoch:
            contrast = cross_view_mining(
                [each.ordinary for each in branches],
                temperature=first.contrast.temperature,
                top_k=first.top_k,
                context=self.context,
                reduction_over_positives=first.nnm_reduction,
            )
        else:
            contrast = sum((info_nce(each.ordinary) for each in branches), ids.new_zeros((), dtype=views[0].dtype))
        divergence = sum((d3m_loss(each.extreme, each.ordinary) for each in branches), contrast.new_zeros(()))
        figures = {"contrast": contrast.detach(), "divergence": divergence.detach()}
        return Output(first.alpha * contrast + first.beta * divergence, [each.keys for each in branches], figures)

    def update(self, output: Output, **progress: int) -> None:
        """After the optimiser's step."""
        for method, keys in zip(self.methods(), output.keys, strict=True):
            method.contrast.update(keys, **progress)

    def methods(self) -> list[AimCLR]:
        return list(self.streams.values())  # type: ignore[arg-type]


def build(
    options: Options, *, layout: SkeletonLayout, persons: int, coordinates: int = 3
) -> AimCLR | CrossStreamAimCLR:
    """The blocks, put together as the options say."""
    clips: dict[str, Any] = {"layout": layout, "persons": persons, "coordinates": coordinates}
    if options.cross_stream:
        return CrossStreamAimCLR(
            {stream: _build_stream(options, **clips) for stream in STREAMS},
            context=options.context,
        )
    return _build_stream(options, **clips)


def _build_stream(options: Options, *, layout: SkeletonLayout, persons: int, coordinates: int) -> AimCLR:
    if options.drop != "none":
        check_joints(options, needed_by="EADM")
    return AimCLR(
        make_contrast(options, layout=layout, persons=persons, coordinates=coordinates),
        drop=None if options.drop == "none" else EADM(options.keep_margin, variant=options.drop),
        alpha=options.alpha,
        beta=options.beta,
        nnm_epoch=stage_start(options.nnm_epoch, epochs=options.epochs),
        top_k=options.topk,
        nnm_reduction=options.nnm_reduction,
    )


def make_views(options: Options, *, layout: SkeletonLayout) -> Views:
    """Ordinary query, extreme query, ordinary key."""
    extreme = recipes.aimclr_extreme if options.extreme == "paper" else recipes.aimclr_extreme_official
    normal = recipes.weak(shear_amplitude=options.shear_amplitude)
    return Views(
        [normal, extreme(layout, shear_amplitude=options.shear_amplitude), normal],
        layout=layout,
        stream=STREAMS if options.cross_stream else options.stream,
    )


def train(options: Options, *, sets: Sets | None = None) -> dict[str, float]:
    """Pretrain, evaluate, draw; the figures of the last epoch."""
    return train_method(
        "aimclr_cross_stream" if options.cross_stream else "aimclr",
        options,
        build=build,
        make_views=make_views,
        encoders=_encoders if options.cross_stream else None,
        sets=sets,
    )


def _encoders(method: CrossStreamAimCLR) -> dict[str, nn.Module]:
    return {stream: each.contrast.query_branch[0] for stream, each in zip(STREAMS, method.methods(), strict=True)}


if __name__ == "__main__":
    main(train, Options)
