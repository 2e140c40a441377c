"""MsMCLR, assembled from blocks: multi-scale motion contrastive learning (Multimedia Systems 30(5), 2024).

    python train_msmclr.py --config synthetic_small
    python train_msmclr.py --config small --data.path clips.npz --data.stream bone

Copy this file and edit it: ``skelblocks copy msmclr .``
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from skelblocks.attention import MsMAttention
from skelblocks.augment import recipes
from skelblocks.contrast import MomentumContrast
from skelblocks.encoders import initialize_official
from skelblocks.layouts import SkeletonLayout
from skelblocks.losses import d3m_loss, info_nce, nearest_neighbor_mining
from skelblocks.streams import Stream
from skelblocks.training import (
    MethodOptions,
    Output,
    Page,
    Sets,
    Views,
    backbone_of,
    build_contrast,
    feature_maps,
    require_joints,
    stage_start,
)
from skelblocks.viz import attention_map


@dataclass(kw_only=True)
class Options(MethodOptions):
    """All options. The defaults come from section 4.2."""

    strong: Literal["paper", "official", "aimclr", "weak", "picture"] = "paper"  # augmentations; table 6: aimclr, weak
    attention: Literal["both", "frame", "node", "none"] = "both"  # motion of MsM attention; none: table 4, first row
    scales: list[Literal["joint", "part", "body"]] | None = (
        None  # default: joint, part, body; [joint]: "w/o Ms", table 4, second row
    )
    segment: int | None = None  # 8: attention across the batch, as in the released code
    loss: Literal["d3m", "info_nce"] = "d3m"  # loss of the strong branches; info_nce: table 7, "only L_NCE"
    nnm_epoch: int | Literal["half", "never"] = "never"  # epochs until neighbors are positives; 150 in released code
    top_k: int = 1  # neighbors that each branch selects


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
        stream: Stream = "joint",
    ) -> None:
        super().__init__()
        self.contrast = contrast
        self.attention = attention
        self.loss = loss
        self.nnm_epoch, self.top_k = nnm_epoch, top_k
        self.stream = stream

    def forward(self, query: Tensor, strong: Tensor, key: Tensor, *, ids: Tensor, epoch: int = 0) -> Output:
        """The loss of three views ``(n, c, t, v, m)`` of the clips ``ids``, against the current bank."""
        encoder, pool, head = self.contrast.query_branch.children()
        keys = self.contrast.keys(key, ids)
        weak_map, strong_map = encoder(query), encoder(strong)
        scales = [strong_map] if self.attention is None else self.attention(strong_map)
        embeddings = torch.stack([head(pool(each)) for each in (weak_map, *scales)])
        weak, *branches = self.contrast.logits(embeddings, keys)  # one call, which reads the bank once
        if self.nnm_epoch is not None and epoch >= self.nnm_epoch:
            contrast = nearest_neighbor_mining(weak, branches, top_k=self.top_k)
        else:
            contrast = info_nce(weak)
        if self.loss == "d3m":
            motion = d3m_loss(branches, weak)
        else:
            motion = torch.stack([info_nce(each) for each in branches]).mean()
        metrics = {"contrast": contrast.detach(), "multi_scale_motion": motion.detach()}
        return Output(contrast + motion, [keys], metrics)

    def update(self, output: Output, *, step: int, total_steps: int) -> None:
        """Update the key branch and the queue after the optimizer's step."""
        self.contrast.update(*output.keys, step=step, total_steps=total_steps)

    def encoders(self) -> dict[str, nn.Module]:
        """The encoders that a run saves."""
        return {self.stream: backbone_of(self.contrast)}


def build(options: Options, *, layout: SkeletonLayout, persons: int, coordinates: int = 3) -> MsMCLR:
    """Build the method from the options."""
    contrast = build_contrast(options, layout=layout, persons=persons, coordinates=coordinates)
    attention = None
    if options.attention != "none":
        require_joints(options, needed_by="MsM attention")
        attention = MsMAttention(
            backbone_of(contrast).out_channels,
            layout=layout,
            motion=options.attention,
            scales=tuple(options.scales or ("joint", "part", "body")),
            segment=options.segment,
            absent=options.encoder.absent,
        )
        if options.encoder.initialization == "official":
            initialize_official(attention)
    return MsMCLR(
        contrast,
        attention=attention,
        loss=options.loss,
        nnm_epoch=stage_start(options.nnm_epoch, epochs=options.train.epochs),
        top_k=options.top_k,
        stream=options.data.stream,
    )


def make_views(options: Options, *, layout: SkeletonLayout) -> Views:
    """Weak query, strong query, weak key."""
    amplitude = options.contrast.shear_amplitude
    weak = strong = recipes.weak(shear_amplitude=amplitude)
    if options.strong == "picture":  # 2-D keypoints: both views rotate and scale in the plane
        weak, strong = recipes.picture_weak(), recipes.picture_strong(layout, shear_amplitude=amplitude)
    elif options.strong != "weak":
        recipe = {
            "paper": recipes.msmclr_strong,
            "official": recipes.msmclr_strong_official,
            "aimclr": recipes.aimclr_extreme,
        }
        strong = recipe[options.strong](layout, shear_amplitude=amplitude)
    return Views([weak, strong, weak], layout=layout, stream=options.data.stream)


def pictures(method: MsMCLR, sets: Sets, options: Options) -> dict[str, Any]:
    """The attention between the frames of a test clip, at each scale."""
    if not isinstance(method.attention, MsMAttention):
        return {}
    (encoder,) = method.encoders().values()
    maps = feature_maps(encoder, sets, stream=options.data.stream, count=method.attention.segment or 1)
    with torch.no_grad():
        _, weights = method.attention(maps, return_attention=True)
    first = [scale.flatten(0, -3)[0].cpu() for scale in weights]
    if method.attention.boundary == "zero_pad" and len(first[0]) > 1:  # the last frame, whose motion is padded, draws
        first = [matrix[:-1, :-1] for matrix in first]  # weight from all others and would be all that one sees
    return {"attention": attention_map(first, names=method.attention.scales)}


page = Page(name="msmclr", options=Options, build=build, make_views=make_views, pictures=pictures)

if __name__ == "__main__":
    page.main()
