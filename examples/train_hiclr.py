"""HiCLR, assembled from blocks: increasingly augmented views, each of which teaches the next (AAAI 2023).

    python train_hiclr.py --config synthetic_small
    python train_hiclr.py --config small --data.path clips.npz --data.stream motion

Copy this file and edit it: ``skelblocks copy hiclr .``
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from skelblocks import streams
from skelblocks.augment import LearnableJointMask, LearnableJointMaskParams, recipes
from skelblocks.contrast import MomentumContrast
from skelblocks.layouts import SkeletonLayout
from skelblocks.losses import hierarchical_d3m_loss, info_nce, nearest_neighbor_mining
from skelblocks.streams import Stream
from skelblocks.training import MethodOptions, Output, Page, backbone_of, build_contrast, stage_start


@dataclass(kw_only=True)
class Options(MethodOptions):
    """All options. The defaults come from the released configuration for ST-GCN."""

    normal: Literal["official", "aimclr"] = "official"  # augmentations of the middle level
    mask_ratio: float = 0.1  # share of joints that the strongest level hides in each frame
    mask: Literal["clip", "official"] = "clip"  # draw per clip, or per batch with absent persons
    nnm_epoch: int | Literal["half", "never"] = "half"  # epochs until neighbors are positives; 150 of 300
    top_k: int = 1  # neighbors that each level selects
    nnm_reduction: Literal["mean", "sum"] = "mean"  # over a clip's positives


class HiCLR(nn.Module):
    """Three levels of augmentation against one key: basic, normal, and normal with hidden joints.

    The loss is ``L_Info + L_H``, later ``L_N + L_H``. The basic level is contrasted with the key. In the chain of the
    levels' distributions over key and bank, each level learns from the next weaker level.

    Axes: n clips, c coordinates, t frames, v joints, m persons.
    """

    def __init__(
        self,
        contrast: MomentumContrast,
        *,
        joint_mask: LearnableJointMask,
        nnm_epoch: int | None = 150,
        top_k: int = 1,
        nnm_reduction: Literal["mean", "sum"] = "mean",
        stream: Stream = "joint",
    ) -> None:
        super().__init__()
        self.contrast = contrast
        self.joint_mask = joint_mask
        self.nnm_epoch, self.top_k, self.nnm_reduction = nnm_epoch, top_k, nnm_reduction
        self.stream = stream

    def forward(
        self, basic: Tensor, key: Tensor, normal: Tensor, masked: Tensor, hidden: Tensor, *, ids: Tensor, epoch: int = 0
    ) -> Output:
        """The loss of four views ``(n, c, t, v, m)`` of the clips ``ids``; ``hidden`` marks joints of ``masked``."""
        first, keys = self.contrast(basic, key, ids=ids)
        masked = self.joint_mask.transform(masked, LearnableJointMaskParams(hidden))
        stronger = [self.contrast.logits(self.contrast.query_branch(view), keys) for view in (normal, masked)]
        if self.nnm_epoch is not None and epoch >= self.nnm_epoch:
            reduction = self.nnm_reduction
            contrast = nearest_neighbor_mining(first, stronger, top_k=self.top_k, reduction_over_positives=reduction)
        else:
            contrast = info_nce(first)
        hierarchy = hierarchical_d3m_loss([first, *stronger])
        metrics = {"contrast": contrast.detach(), "hierarchy": hierarchy.detach()}
        return Output(contrast + hierarchy, [keys], metrics)

    def update(self, output: Output, *, step: int, total_steps: int) -> None:
        """Update the key branch and the queue after the optimizer's step."""
        self.contrast.update(*output.keys, step=step, total_steps=total_steps)

    def encoders(self) -> dict[str, nn.Module]:
        """The encoders that a run saves."""
        return {self.stream: backbone_of(self.contrast)}


def build(options: Options, *, layout: SkeletonLayout, persons: int, coordinates: int = 3) -> HiCLR:
    """Build the method from the options."""
    return HiCLR(
        build_contrast(options, layout=layout, persons=persons, coordinates=coordinates),
        joint_mask=make_mask(options),
        nnm_epoch=stage_start(options.nnm_epoch, epochs=options.train.epochs),
        top_k=options.top_k,
        nnm_reduction=options.nnm_reduction,
        stream=options.data.stream,
    )


def make_mask(options: Options) -> LearnableJointMask:
    """Build the mask from the options."""
    official = options.mask == "official"
    return LearnableJointMask(options.mask_ratio, same_on_batch=official, on_absent_persons=official)


class Views:
    """Basic query and key, two draws of the normal augmentation, and the hidden joints of the last view.

    The mask is drawn here and applied by the method, which trains the fill value.
    """

    def __init__(self, options: Options, *, layout: SkeletonLayout) -> None:
        amplitude = options.contrast.shear_amplitude
        lists = {"official": recipes.aimclr_extreme_official, "aimclr": recipes.aimclr_extreme}
        basic = recipes.weak(shear_amplitude=amplitude)
        normal = lists[options.normal](layout, shear_amplitude=amplitude)
        self.transforms = [basic, basic, normal, normal]
        self.mask = make_mask(options)
        self.layout, self.stream = layout, options.data.stream

    def __call__(self, clips: Tensor, generator: torch.Generator) -> list[Tensor]:
        """The four views of the clips, and the mask ``(n, t, v)``."""
        views = [
            streams.convert(transform(clips, generator=generator), self.stream, layout=self.layout)
            for transform in self.transforms
        ]
        hidden = self.mask.sample(clips.shape, device=clips.device, generator=generator).mask
        return [*views, hidden]


page = Page(name="hiclr", options=Options, build=build, make_views=Views)

if __name__ == "__main__":
    page.main()
