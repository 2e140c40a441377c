"""MsMCLR, assembled from blocks: multi-scale motion contrastive learning (Multimedia Systems 30(5), 2024).

    python examples/train_msmclr.py --config examples/configs/synthetic_small.yaml
    python examples/train_msmclr.py --data clips.npz --layout utd-mhad --stream bone --epochs 100

Copy this file and edit it; the parts that the methods share are in method.py, a whole run is in training.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from command_line import main
from datasets import Sets
from matplotlib.figure import Figure
from method import (
    MethodOptions,
    MomentumContrast,
    Output,
    Views,
    check_joints,
    make_contrast,
    stage_start,
)
from run_pictures import feature_maps
from torch import Tensor, nn
from training import train_method

from skelblocks.attention import MsMAttention
from skelblocks.augment import recipes
from skelblocks.encoders import initialize_official
from skelblocks.layouts import SkeletonLayout
from skelblocks.losses import d3m_loss, info_nce, nearest_neighbor_mining
from skelblocks.viz import attention_map


@dataclass(kw_only=True)
class Options(MethodOptions):
    """Everything that the command line and the YAML files set; the defaults are those of section 4.2."""

    strong: Literal["paper", "official", "aimclr", "normal"] = "paper"  # which augmentations; table 6: AimCLR's, none
    attention: Literal["both", "frame", "node", "none"] = "both"  # MsM attention's motion; none: table 4's first row
    scales: list[Literal["joint", "part", "body"]] | None = (
        None  # default: all; [joint]: "w/o Ms", table 4's second row
    )
    segment: int | None = None  # 8: attention across the batch, as the released code
    loss: Literal["d3m", "info_nce"] = "d3m"  # of the strong branches; info_nce: table 7, "only L_NCE"
    nnm_epoch: int | Literal["half", "never"] = "never"  # epochs before neighbours are positives; 150 in released code
    topk: int = 1  # neighbours that each branch names


class MsMCLR(nn.Module):
    """Two query branches with shared weights, a key branch, a queue: L = L_Info + L_Ms (section 3, eqs. 3-10).

    Axes: n clips, c coordinates, t frames, v joints, m persons.
    """

    def __init__(
        self,
        contrast: MomentumContrast,
        *,
        attention: nn.Module | None,
        loss: str = "d3m",
        nnm_epoch: int | None = None,
        top_k: int = 1,
    ) -> None:
        super().__init__()
        self.contrast = contrast
        self.attention = attention
        self.loss = loss
        self.nnm_epoch, self.top_k = nnm_epoch, top_k

    def forward(self, query: Tensor, strong: Tensor, key: Tensor, *, ids: Tensor, epoch: int = 0) -> Output:
        """The loss of three views ``(n, c, t, v, m)`` of the clips ``ids``, against the bank as it is."""
        encoder, pool, head = self.contrast.query_branch
        keys = self.contrast.keys(key, ids)
        ordinary = self.contrast.logits(head(pool(encoder(query))), keys)
        strong_map = encoder(strong)
        scales = [strong_map] if self.attention is None else self.attention(strong_map)
        branches = [self.contrast.logits(head(pool(each)), keys) for each in scales]
        if self.nnm_epoch is not None and epoch >= self.nnm_epoch:
            contrast = nearest_neighbor_mining(ordinary, branches, top_k=self.top_k)
        else:
            contrast = info_nce(ordinary)
        if self.loss == "d3m":
            motion = d3m_loss(branches, ordinary)
        else:
            motion = torch.stack([info_nce(each) for each in branches]).mean()
        figures = {"contrast": contrast.detach(), "multi_scale_motion": motion.detach()}
        return Output(contrast + motion, [keys], figures)

    def update(self, output: Output, **progress: int) -> None:
        """After the optimiser's step."""
        (keys,) = output.keys
        self.contrast.update(keys, **progress)


def build(options: Options, *, layout: SkeletonLayout, persons: int, coordinates: int = 3) -> MsMCLR:
    """The blocks, put together as the options say."""
    contrast = make_contrast(options, layout=layout, persons=persons, coordinates=coordinates)
    attention = None
    if options.attention != "none":
        check_joints(options, needed_by="MsM attention")
        attention = MsMAttention(
            contrast.channels,
            layout=layout,
            motion=options.attention,
            scales=tuple(options.scales or ("joint", "part", "body")),
            segment=options.segment,
        )
        if options.initialization == "official":
            initialize_official(attention)
    return MsMCLR(
        contrast,
        attention=attention,
        loss=options.loss,
        nnm_epoch=stage_start(options.nnm_epoch, epochs=options.epochs),
        top_k=options.topk,
    )


def make_views(options: Options, *, layout: SkeletonLayout) -> Views:
    """Ordinary query, strong query, ordinary key."""
    normal = strong = recipes.weak(shear_amplitude=options.shear_amplitude)
    if options.strong != "normal":
        made = {
            "paper": recipes.msmclr_strong,
            "official": recipes.msmclr_strong_official,
            "aimclr": recipes.aimclr_extreme,
        }
        strong = made[options.strong](layout, shear_amplitude=options.shear_amplitude)
    return Views([normal, strong, normal], layout=layout, stream=options.stream)


def pictures(method: MsMCLR, sets: Sets, options: Options) -> dict[str, Figure]:
    """Which frames of a test clip attend to which, at each scale."""
    if not isinstance(method.attention, MsMAttention):
        return {}
    encoder = method.contrast.query_branch[0]
    maps = feature_maps(encoder, sets, stream=options.stream, count=method.attention.segment or 1)
    with torch.no_grad():
        _, weights = method.attention(maps, return_attention=True)
    first = [scale.flatten(0, -3)[0].cpu() for scale in weights]
    return {"attention": attention_map(first, names=method.attention.scales)}


def train(options: Options, *, sets: Sets | None = None) -> dict[str, float]:
    """Pretrain, evaluate, draw; the figures of the last epoch."""
    return train_method("msmclr", options, build=build, make_views=make_views, pictures=pictures, sets=sets)


if __name__ == "__main__":
    main(train, Options)
