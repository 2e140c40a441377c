"""The picture of docs/blocks/streams.md."""

from __future__ import annotations

from common import LAYOUT, clips, write
from matplotlib.figure import Figure

from skelblocks import layouts, streams


def streams_vectors() -> Figure:
    clip = clips()[6:7]  # both arms are raised to the side
    motion = streams.motion(clip)[0, :2, :, :, 0]
    frame = int(motion.square().sum(dim=(0, 2)).argmax())
    joint, motion = clip[0, :2, frame, :, 0], motion[:, frame]
    bone, bone_motion, acceleration = (
        streams.convert(clip, stream, layout=LAYOUT)[0, :2, frame, :, 0]
        for stream in ("bone", "bone_motion", "acceleration")
    )
    figure = Figure(figsize=(9, 2.9), layout="constrained")
    panels = figure.subplots(1, 5, sharex=True, sharey=True)
    for panel, faint in zip(panels, (False, True, False, False, False), strict=True):
        for edge in layouts.get(LAYOUT).edges:
            panel.plot(*joint[:, list(edge)], color="#f0f0f0" if faint else "#d0d0d0", linewidth=2, zorder=1)
        panel.set(aspect="equal", xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
    arrows = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.012, "headwidth": 5, "zorder": 2}
    panels[0].plot(*joint, "o", color="#0072b2", markersize=4)
    panels[1].quiver(*(joint - bone), *bone, color="#009e73", **arrows)
    panels[2].quiver(*joint, *motion, color="#d55e00", **arrows)
    panels[3].quiver(*joint, *bone_motion, color="#cc79a7", **arrows)
    panels[4].quiver(*joint, *acceleration, color="#e69f00", **arrows)
    titles = ("joint", "bone:\nparent to joint", "motion:\nto the next frame", "bone motion", "acceleration")
    for panel, title in zip(panels, titles, strict=True):
        panel.set_title(title, fontsize=10)
    return figure


if __name__ == "__main__":
    write(streams_vectors)
