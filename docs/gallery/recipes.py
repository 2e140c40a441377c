"""The picture of the page on recipes: what each of them makes of a clip."""

from __future__ import annotations

from common import LAYOUT, clips, write
from matplotlib.figure import Figure

from skelblocks import recipes, viz

clip = clips()[0]  # (C, T, V, M): one arm is raised
clip = clip - clip[:, :1, :1]  # spine base of the first frame at the origin, about which shear, rotation and gain act


def recipes_strips() -> Figure:
    transforms = {
        "weak": recipes.weak(),
        "aimclr_extreme": recipes.aimclr_extreme(LAYOUT),
        "aimclr_extreme_official": recipes.aimclr_extreme_official(LAYOUT),
        "msmclr_strong": recipes.msmclr_strong(LAYOUT),
        "msmclr_strong_official": recipes.msmclr_strong_official(LAYOUT),
    }
    return viz.augmentation_strips(clip, transforms, layout=LAYOUT, frames=5, seed=272)


if __name__ == "__main__":
    write(recipes_strips)
