"""ActCLR, assembled from blocks: strong augmentation only in regions without motion (CVPR 2023).

    python train_actclr.py --config synthetic_small --config actclr_small
    python train_actclr.py --config small --data.path clips.npz --train.start runs/aimclr

It refines a pretrained encoder: the released code starts from AimCLR's weights. Copy this file and edit it:
``skelblocks copy actclr .``
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from skelblocks import streams
from skelblocks.attention import actionlet_mask, actionlet_pool
from skelblocks.augment import (
    Compose,
    RandomBoneLengths,
    RandomGaussianNoise,
    RandomSkeletonMix,
    actionlet_mix,
    recipes,
)
from skelblocks.contrast import MomentumContrast, unit_rows
from skelblocks.layouts import SkeletonLayout
from skelblocks.losses import info_nce, similarity_distillation_loss
from skelblocks.streams import Stream
from skelblocks.training import (
    ContrastOptions,
    MethodOptions,
    Output,
    Page,
    Sets,
    backbone_of,
    build_contrast,
    feature_maps,
    require_joints,
    stage_start,
)
from skelblocks.viz import attention_map


@dataclass(kw_only=True)
class Options(MethodOptions):
    """All options. The defaults come from the released code, except for ``gain`` and ``mixing``."""

    contrast: ContrastOptions = field(default_factory=lambda: ContrastOptions(queue_size=65536))
    distill_from: int | Literal["half"] = 0  # epochs of plain InfoNCE first; 0 to start from weights
    actionlet: Literal["gradient", "none"] = "gradient"  # none: strong views everywhere, plain keys
    smooth: Literal["joint", "part", "body"] = "body"  # group of joints that the actionlet contains as a whole
    gain: float | None = None  # factor of the mask before clipping; released: 1e8; default: divide by the maximum
    top_k: int = 8192  # nearest rows of the queue to the key, over which the distributions run
    student_temperature: float = 0.1  # temperature of the queries' distributions over these rows
    teacher_temperature: float = 0.04  # temperature of the key's distribution
    square_student: bool = True  # square the query's similarities
    max_similarity: float | None = 0.95  # ignore rows that are more similar to the key than this
    share_temperature: float = 0.1  # temperature of the actionlet, for the shares of two clips in a mixture
    mixing: Literal["clip", "batch", "official"] = "clip"  # draw per clip, per batch, or per batch with absent persons

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.contrast.exclude_own_keys:
            raise ValueError("contrast.exclude_own_keys: expected false, got true; lower max_similarity instead")


class ActCLR(nn.Module):
    """Three queries that learn the key's distribution over the queue.

    The queries are a normal view inside the actionlet with a strong view outside; a view with another clip's bone
    lengths, mixed with other clips outside its actionlet; and a mixture of two clips, whose keys are mixed by shares.

    Axes: n clips, c coordinates, t frames, v joints, m persons; b frames of a feature map.
    """

    def __init__(
        self, contrast: MomentumContrast, *, layout: SkeletonLayout, options: Options, stream: Stream = "joint"
    ) -> None:
        super().__init__()
        self.contrast = contrast
        self.layout, self.options, self.stream = layout, options, stream
        self.distill_from = stage_start(options.distill_from, epochs=options.train.epochs) or 0

    def forward(
        self,
        normal: Tensor,
        strong: Tensor,
        weak: Tensor,
        restyled: Tensor,
        restyled_mixed: Tensor,
        mixed: Tensor,
        partner: Tensor,
        own: Tensor,
        other: Tensor,
        key: Tensor,
        *,
        ids: Tensor,
        epoch: int = 0,
    ) -> Output:
        """The loss of seven views ``(n, c, t, v, m)``; of ``mixed``: ``partner (n,)``, ``own``, ``other (n, b, v)``."""
        contrast, branch = self.contrast, self.contrast.query_branch
        if epoch < self.distill_from:
            logits, keys = contrast(weak, key, ids=ids)
            zero = logits.new_zeros(())
            return Output(info_nce(logits), [keys], {"actionlet": zero, "style": zero, "mixture": zero})
        encoder, pool, head = branch.children()
        key_encoder, key_pool, key_head = contrast.key_branch.encoder.children()
        with torch.no_grad():
            anchor = contrast.key_branch(key.mean(dim=0, keepdim=True))  # all motions of the batch, averaged
            key_map = key_encoder(key)
            embedding = key_head(key_pool(key_map))
            if self.options.actionlet == "gradient":
                mask = self.mask(key_map, anchor, nn.Sequential(key_pool, key_head))
                local = actionlet_pool(key_map, mask, absent=self.options.encoder.absent)
                embedding = (embedding + key_head(local)) / 2
            keys = contrast.as_keys(unit_rows(embedding), ids)
            normal_mask = self.mask(encoder(normal), anchor, nn.Sequential(pool, head))
            weak_mask = self.mask(encoder(weak), anchor, nn.Sequential(pool, head))
            share, other_share = self.shares(weak_mask, partner, own, other)
            mixed_keys = share * keys.embeddings + other_share * keys.embeddings[partner]

        losses = {
            "actionlet": self.distill(branch(actionlet_mix(normal, strong, normal_mask)), keys.embeddings),
            "style": self.distill(branch(actionlet_mix(restyled, restyled_mixed, weak_mask)), keys.embeddings),
            "mixture": self.distill(branch(mixed), mixed_keys),
        }
        total = losses["actionlet"] + losses["style"] + losses["mixture"]
        return Output(total, [keys], {name: loss.detach() for name, loss in losses.items()})

    def mask(self, feature_map: Tensor, anchor: Tensor, embed: nn.Module) -> Tensor:
        """The actionlet ``(n, m, 1, b, v)``."""
        if self.options.actionlet == "none":
            return torch.zeros_like(feature_map[:, :, :1])
        options = self.options
        return actionlet_mask(feature_map, anchor, embed, layout=self.layout, smooth=options.smooth, gain=options.gain)

    def shares(self, mask: Tensor, partner: Tensor, own: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """The shares of a clip's own action and of its partner's action in a mixture, ``(n, 1)`` each, with sum 1."""
        weight = (mask[:, :, 0] / self.options.share_temperature).exp()
        # The released code adds 1e-5 once to one sum, and to each term of the other.
        shown = (weight * own[:, None]).sum(dim=(2, 3)) / (weight.sum(dim=(2, 3)) + 1e-5)
        partners = weight[partner]
        taken = (partners * other[:, None]).sum(dim=(2, 3)) / (partners + 1e-5).sum(dim=(2, 3))
        shown, taken = shown.mean(dim=1, keepdim=True), taken.mean(dim=1, keepdim=True)
        return shown / (shown + taken), taken / (shown + taken)

    def distill(self, query: Tensor, key: Tensor) -> Tensor:
        """The divergence between the key's and the query's distributions over the queue."""
        bank, options = self.contrast.queue.bank, self.options
        return similarity_distillation_loss(
            *(query, key, bank, bank),
            top_k=min(options.top_k, len(bank)),
            student_temperature=options.student_temperature,
            teacher_temperature=options.teacher_temperature,
            square_student=options.square_student,
            max_similarity=options.max_similarity,
        )

    def update(self, output: Output, *, step: int, total_steps: int) -> None:
        """Update the key branch and the queue after the optimizer's step."""
        self.contrast.update(*output.keys, step=step, total_steps=total_steps)

    def encoders(self) -> dict[str, nn.Module]:
        """The encoders that a run saves."""
        return {self.stream: backbone_of(self.contrast)}


def build(options: Options, *, layout: SkeletonLayout, persons: int, coordinates: int = 3) -> ActCLR:
    """Build the method from the options."""
    require_joints(options, needed_by="the actionlet mask")
    contrast = build_contrast(options, layout=layout, persons=persons, coordinates=coordinates)
    return ActCLR(contrast, layout=layout, options=options, stream=options.data.stream)


class Views:
    """The views. Clips are mixed as joints, before the conversion to bones or motion."""

    def __init__(self, options: Options, *, layout: SkeletonLayout) -> None:
        self.weak = recipes.weak(shear_amplitude=options.contrast.shear_amplitude)
        self.normal = recipes.aimclr_extreme_official(layout, shear_amplitude=options.contrast.shear_amplitude)
        ops = self.normal.transforms
        self.strong = Compose([RandomGaussianNoise(0.05) if isinstance(op, RandomGaussianNoise) else op for op in ops])
        official = options.mixing == "official"
        self.style = RandomBoneLengths(layout, on_absent_persons=official)
        self.mix = RandomSkeletonMix(layout, same_on_batch=options.mixing != "clip", on_absent_persons=official)
        self.layout, self.stream = layout, options.data.stream

    def __call__(self, clips: Tensor, generator: torch.Generator) -> list[Tensor]:
        """Seven views, and the shares of both clips in the mixture."""
        draw: dict[str, Any] = {"generator": generator}
        normal, strong = self.normal(clips, **draw), self.strong(clips, **draw)
        weak, key = self.weak(clips, **draw), self.weak(clips, **draw)
        restyled = self.style(weak, **draw)
        restyled_mixed, mixed = self.mix(restyled, **draw).clips, self.mix(weak, **draw)
        views = [normal, strong, weak, restyled, restyled_mixed, mixed.clips, key]
        *views, key = (streams.convert(view, self.stream, layout=self.layout) for view in views)
        return [*views, mixed.partner, mixed.own, mixed.other, key]


def pictures(method: ActCLR, sets: Sets, options: Options) -> dict[str, Any]:
    """The actionlet of a test clip: the joints and frames that distinguish it from the mean of the test clips."""
    (encoder,) = method.encoders().values()
    count = min(16, len(sets.test))
    maps = feature_maps(encoder, sets, stream=options.data.stream, count=count)
    _, pool, head = method.contrast.query_branch.children()
    with torch.no_grad():
        anchor = head(pool(maps)).mean(dim=0)
        weights = method.mask(maps, anchor, nn.Sequential(pool, head))[0, 0, 0].cpu()
    return {"actionlet": attention_map([weights.T], names=["actionlet"], xlabel="frame of the map", ylabel="joint")}


page = Page(name="actclr", options=Options, build=build, make_views=Views, pictures=pictures)

if __name__ == "__main__":
    page.main()
