"""The picture of docs/blocks/learnable-joint-mask.md."""

from __future__ import annotations

import torch
from common import LAYOUT, clips, write
from matplotlib.figure import Figure

from skelblocks import viz
from skelblocks.augment import LearnableJointMask


def learnable_joint_mask_map() -> Figure:
    clip = clips()[6]
    masking = LearnableJointMask()
    params = masking.sample((1, *clip.shape), generator=torch.Generator().manual_seed(0))
    return viz.occlusion_map(params.mask[0], clip, layout=LAYOUT, frames=4)


if __name__ == "__main__":
    write(learnable_joint_mask_map)
