"""The pictures of docs/blocks/spatio-temporal-occlusion.md."""

from __future__ import annotations

import torch
from common import LAYOUT, clips, write
from matplotlib.figure import Figure

from skelblocks import viz
from skelblocks.augment import SpatioTemporalOcclusion, occlusion_units

READINGS = {
    "default": {},
    "per_frame": {"per_frame": True},
    "temporal='gate'": {"temporal": "gate"},
    "both: figure 4": {"per_frame": True, "temporal": "gate"},
}


def spatio_temporal_occlusion_readings() -> Figure:
    clip = clips()[6]
    hidden = {}
    for name, options in READINGS.items():
        occlude = SpatioTemporalOcclusion(LAYOUT, **options)
        hidden[name] = (
            occlude(torch.ones(1, *clip.shape), generator=torch.Generator().manual_seed(0))[0, 0, :, :, 0] == 0
        )
    rows = dict.fromkeys(hidden, clip)
    return viz.clip_strip(rows, layout=LAYOUT, frames=(9, 11, 12, 13, 14), hidden=hidden)


def spatio_temporal_occlusion_units() -> Figure:
    frame = clips()[6, :, 10:11]
    neighbors, bones = occlusion_units(LAYOUT), occlusion_units(LAYOUT, unit="bone")
    units = (neighbors[5], bones[5], neighbors[0], bones[0])
    hidden = torch.zeros(4, 25, dtype=torch.bool)
    for row, unit in zip(hidden, units, strict=True):
        row[list(unit)] = True
    figure = viz.clip_strip(frame.repeat(1, 4, 1, 1), layout=LAYOUT, frames=4, hidden=hidden)
    names = ("left elbow,\nneighbors", "left elbow,\nbone", "spine base,\nneighbors", "spine base,\nbone")
    for panel, name in zip(figure.axes, names, strict=True):
        panel.set_xlabel(name)
    return figure


if __name__ == "__main__":
    write(spatio_temporal_occlusion_readings, spatio_temporal_occlusion_units)
