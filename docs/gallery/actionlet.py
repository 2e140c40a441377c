"""The pictures of docs/blocks/actionlet.md, skeleton-mix.md and bone-lengths.md."""

from __future__ import annotations

import torch
from common import LAYOUT, clips, write
from matplotlib.figure import Figure

from skelblocks import STGCN, Pool, layouts, viz
from skelblocks.attention import actionlet_mask
from skelblocks.augment import RandomSkeletonMix, bone_lengths

batch = clips()
batch = batch - batch[:, :, :, 20:21]  # the spine joint of the shoulders is the origin of every frame
torch.manual_seed(0)
encoder = STGCN(LAYOUT, base_channels=16, out_channels=64, dropout=0.0).eval()


def actionlet_masks() -> Figure:
    with torch.no_grad():
        feature_map = encoder(batch)
        anchor = Pool()(encoder(batch.mean(dim=0, keepdim=True)))
    figure = Figure(figsize=(8.8, 4.6), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    settings = {
        "each joint": {"smooth": "joint", "gain": None},
        "limbs": {"smooth": "body", "gain": None},
        "limbs, released gain": {"smooth": "body", "gain": 1e8},
    }
    for panel, (name, options) in zip(panels, settings.items(), strict=True):
        mask = actionlet_mask(feature_map, anchor, Pool(), layout=LAYOUT, **options)[0, 0, 0]
        image = panel.imshow(mask.T, cmap="magma_r", vmin=0, vmax=1, aspect="auto")
        panel.set_title(name, fontsize=11)
        panel.set_xlabel("frame of the map")
    panels[0].set_yticks(range(25), [name.replace("_", " ") for name in layouts.get(LAYOUT).joints], fontsize=8)
    figure.colorbar(image, ax=panels, label="weight in the actionlet")
    return figure


def skeleton_mix_strips() -> Figure:
    pair = batch[[0, 6]]  # an arm that is raised to the front, both arms to the side
    rows = {"clip": pair[0], "its partner": pair[1]}
    for name, chances in {"cut": (1.0, 0.0), "resize": (0.0, 1.0), "blend": (0.0, 0.0)}.items():
        mixing = RandomSkeletonMix(LAYOUT, cut=chances[0], resize=chances[1])
        rows[name] = mixing(pair, generator=torch.Generator().manual_seed(1)).clips[0]
    return viz.clip_strip(rows, layout=LAYOUT, frames=5)


def bone_lengths_strips() -> Figure:
    clip, other = batch[0], batch[6].clone()
    other *= torch.tensor([1.5, 0.8, 1.0]).view(3, 1, 1, 1)  # broad and small
    restyled = bone_lengths(torch.stack([clip, other]), torch.tensor([1, 0]), layout=LAYOUT)[0]
    return viz.clip_strip({"clip": clip, "its partner": other, "with its bones": restyled}, layout=LAYOUT, frames=5)


if __name__ == "__main__":
    write(actionlet_masks, skeleton_mix_strips, bone_lengths_strips)
