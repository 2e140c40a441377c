"""SkeletonCLR, assembled from blocks: MoCo v2 on one stream of skeletons (CrosSCLR, CVPR 2021, section 3.1).

    python train_skeletonclr.py --config synthetic_small
    python train_skeletonclr.py --config small --data.path clips.npz --data.stream motion

It is the baseline of AimCLR, MsMCLR and SkeAttnCLR. Copy this file and edit it: ``skelblocks copy skeletonclr .``
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from skelblocks.augment import recipes
from skelblocks.contrast import MomentumContrast
from skelblocks.layouts import SkeletonLayout
from skelblocks.losses import info_nce
from skelblocks.streams import Stream
from skelblocks.training import MethodOptions, Output, Page, Views, backbone_of, build_contrast


@dataclass(kw_only=True)
class Options(MethodOptions):
    """All options. The defaults come from AimCLR's section 4.2."""


class SkeletonCLR(nn.Module):
    """Recognize a clip's own key among the keys in the queue: InfoNCE (AimCLR, eq. 1).

    Axes: n clips, c coordinates, t frames, v joints, m persons.
    """

    def __init__(self, contrast: MomentumContrast, *, stream: Stream = "joint") -> None:
        super().__init__()
        self.contrast = contrast
        self.stream = stream

    def forward(self, query: Tensor, key: Tensor, *, ids: Tensor, epoch: int = 0) -> Output:
        """The loss of two views ``(n, c, t, v, m)`` of the clips ``ids``, against the current bank."""
        logits, keys = self.contrast(query, key, ids=ids)
        return Output(info_nce(logits), [keys])

    def update(self, output: Output, *, step: int, total_steps: int) -> None:
        """Update the key branch and the queue after the optimizer's step."""
        self.contrast.update(*output.keys, step=step, total_steps=total_steps)

    def encoders(self) -> dict[str, nn.Module]:
        """The encoders that a run saves."""
        return {self.stream: backbone_of(self.contrast)}


def build(options: Options, *, layout: SkeletonLayout, persons: int, coordinates: int = 3) -> SkeletonCLR:
    """Build the method from the options."""
    contrast = build_contrast(options, layout=layout, persons=persons, coordinates=coordinates)
    return SkeletonCLR(contrast, stream=options.data.stream)


def make_views(options: Options, *, layout: SkeletonLayout) -> Views:
    """Query and key: two draws of crop and shear."""
    weak = recipes.weak(shear_amplitude=options.contrast.shear_amplitude)
    return Views([weak, weak], layout=layout, stream=options.data.stream)


page = Page(name="skeletonclr", options=Options, build=build, make_views=make_views)

if __name__ == "__main__":
    page.main()
