"""Decide once for a whole set in which direction the second coordinate of its raw clips grows.

Axes: c coordinates, t frames, v joints, b tracks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.data.prepared.clip_preparation import ClipPreparation
from skelblocks.data.prepared.prepare_shard import Source
from skelblocks.data.steps.vertical import counts_down, torso_height

_LOOKED_AT = 256  # sources, spread over the set


def decide_y(preparation: ClipPreparation, sources: Sequence[Source]) -> ClipPreparation:
    """Decide ``y="auto"`` of a preparation. Other preparations are returned unchanged.

    Args:
        preparation: For all clips.
        sources: Where the clips come from. Sources that cannot be read are skipped.

    Example:
        >>> from skelblocks.clips import Preprocessing
        >>> x = np.zeros((2, 5, 20, 1), dtype=np.float32)
        >>> x[1, :, 2] = -0.5  # the shoulder center of NW-UCLA; its hip center is at zero
        >>> clip = RawClip("a", x, np.ones((5, 1), dtype=bool), 0, {})
        >>> preparation = ClipPreparation("nw-ucla", channels=2, preprocessing=Preprocessing(y="auto"))
        >>> decide_y(preparation, [("a", lambda: clip)]).preprocessing.y
        'down'
    """
    if preparation.preprocessing.y != "auto":
        return preparation
    heights: list[float] = []
    places = np.unique(np.linspace(0, len(sources) - 1, min(len(sources), _LOOKED_AT)).astype(int))
    for place in places.tolist():
        heights += _heights(sources[place], preparation)
    settings = replace(preparation.preprocessing, y="down" if counts_down(np.array(heights)) else "up")
    return preparation.with_preprocessing(settings)


def _heights(source: Source, preparation: ClipPreparation) -> list[float]:
    """The heights of the torso in the clips of a source, without those that cannot be read."""
    _, load = source
    try:
        loaded = load()
        clips = [loaded] if isinstance(loaded, RawClip) else list(loaded)
    except (ClipFormatError, OSError):
        return []
    shape = (preparation.channels, preparation.layout.num_joints)
    right = [clip for clip in clips if clip.x.ndim == 4 and clip.x.shape[0::2] == shape]
    layout = preparation.layout
    return [float(torso_height(clip.x[None], layout=layout, seen=clip.seen_joints[None])[0]) for clip in right]
