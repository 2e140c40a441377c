"""SkeletonCLR, assembled from blocks: MoCo v2 on one stream of skeletons (CrosSCLR, CVPR 2021, section 3.1).

    python examples/train_skeletonclr.py --config examples/configs/synthetic_small.yaml
    python examples/train_skeletonclr.py --data clips.npz --layout utd-mhad --stream motion --epochs 100

It is the baseline of AimCLR, MsMCLR and SkeAttnCLR. Copy this file and edit it; the parts that the methods share are in
method.py, a whole run is in training.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from command_line import main
from datasets import Sets
from method import MethodOptions, MomentumContrast, Output, Views, make_contrast
from torch import Tensor, nn
from training import train_method

from skelblocks.augment import recipes
from skelblocks.layouts import SkeletonLayout
from skelblocks.losses import info_nce


@dataclass(kw_only=True)
class Options(MethodOptions):
    """Everything that the command line and the YAML files set; the defaults are those of AimCLR's section 4.2."""


class SkeletonCLR(nn.Module):
    """Tell a clip's own key from those in the queue: InfoNCE (AimCLR, eq. 1).

    Axes: n clips, c coordinates, t frames, v joints, m persons.
    """

    def __init__(self, contrast: MomentumContrast) -> None:
        super().__init__()
        self.contrast = contrast

    def forward(self, query: Tensor, key: Tensor, *, ids: Tensor, epoch: int = 0) -> Output:
        """The loss of two views ``(n, c, t, v, m)`` of the clips ``ids``, against the bank as it is."""
        keys = self.contrast.keys(key, ids)
        loss = info_nce(self.contrast.logits(self.contrast.query_branch(query), keys))
        return Output(loss, [keys], {})

    def update(self, output: Output, **progress: int) -> None:
        """After the optimiser's step."""
        (keys,) = output.keys
        self.contrast.update(keys, **progress)


def build(options: Options, *, layout: SkeletonLayout, persons: int, coordinates: int = 3) -> SkeletonCLR:
    """The blocks, put together as the options say."""
    return SkeletonCLR(make_contrast(options, layout=layout, persons=persons, coordinates=coordinates))


def make_views(options: Options, *, layout: SkeletonLayout) -> Views:
    """Query and key: two draws of crop and shear."""
    normal = recipes.weak(shear_amplitude=options.shear_amplitude)
    return Views([normal, normal], layout=layout, stream=options.stream)


def train(options: Options, *, sets: Sets | None = None) -> dict[str, float]:
    """Pretrain, evaluate, draw; the figures of the last epoch."""
    return train_method("skeletonclr", options, build=build, make_views=make_views, sets=sets)


if __name__ == "__main__":
    main(train, Options)
