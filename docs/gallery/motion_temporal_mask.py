"""The picture of docs/blocks/motion-temporal-mask.md."""

from __future__ import annotations

import torch
from common import clips, write
from matplotlib.figure import Figure

from skelblocks import viz
from skelblocks.augment import MotionTemporalMask, frame_motion


def motion_temporal_mask_frames() -> Figure:
    clip = clips()[15:16]  # a person squats
    masking = MotionTemporalMask()
    motion = frame_motion(clip)[0]
    fast = motion.argsort(stable=True)[-round(masking.moving_ratio * len(motion)) :]
    kept = masking(clip)  # shorter; a frame of it is found again among the clip's
    stays = (kept[0][:, :, None] == clip[0][:, None]).all(dim=3).all(dim=3).all(dim=0).any(dim=0)
    groups = {
        "left out: the fastest": fast,
        "left out: drawn among the others": (~stays).index_fill(0, fast, False).nonzero().flatten(),
        "kept": stays.nonzero().flatten(),
    }
    figure = viz.curves({"motion": (torch.arange(len(motion)), motion)}, xlabel="frame", ylabel="mean squared motion")
    axes = figure.axes[0]
    axes.lines[0].set(color="#999999", linewidth=1)
    for (name, frames), color in zip(groups.items(), ("#d55e00", "#cc79a7", "#0072b2"), strict=True):
        axes.plot(frames, motion[frames], "o", color=color, label=f"{name} ({len(frames)})", markersize=6)
    axes.legend(axes.lines[1:], [line.get_label() for line in axes.lines[1:]], frameon=False, fontsize=9)
    return figure


if __name__ == "__main__":
    write(motion_temporal_mask_frames)
