"""From a clip as its owner has it to an array for training.

Axes: c coordinates, t frames, v joints, b bodies, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelblocks import layouts
from skelblocks._utils.checks import check_choice, check_integer
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.data.steps.align_view import MODES, align_view
from skelblocks.data.steps.center import BODIES, PER
from skelblocks.data.steps.center import center as center_clip
from skelblocks.data.steps.choose_bodies import BY, choose_bodies
from skelblocks.data.steps.denoise_bodies import denoise_bodies
from skelblocks.data.steps.fill_gaps import HOW, fill_gaps
from skelblocks.data.steps.resample import clip_lengths, resample
from skelblocks.layouts import SkeletonLayout


@dataclass(frozen=True, kw_only=True)
class ClipPreparation:
    """What is done to every clip of a set; call it with a :class:`~skelblocks.data.RawClip`.

    In this order, which is that of :class:`~skelblocks.data.ArrayDataset` and of the released preprocessing: denoise,
    choose bodies, fill gaps, centre, resample up to the last frame in which anybody is seen, align. The released
    preprocessing of NTU RGB+D is ``bodies="first", align="official"``, but for the length of clips with gaps, which it
    counts by the first body's frames.

    Args:
        layout: The skeleton: a name, a dict or a layout.
        frames: How many to resample to; 50 in SkeletonCLR, CrosSCLR, AimCLR and MsMCLR, 64 in SkeleMixCLR and
            SkeAttnCLR.
        persons: m.
        channels: c, which a clip must have.
        denoise: Whether :func:`~skelblocks.data.denoise_bodies` comes first, as in PYSKL.
        bodies: ``"energy"`` or ``"first"``, for :func:`~skelblocks.data.choose_bodies`.
        gaps: For :func:`~skelblocks.data.fill_gaps`.
        center: Name of the joint that becomes the origin; ``"layout"`` for the layout's centre, as in the released
            preprocessing; None leaves the coordinates as they are.
        per: ``"frame"`` or ``"clip"``, for :func:`~skelblocks.data.center`.
        body: ``"own"`` or ``"first"``, for the same function.
        align: None, or a mode of :func:`~skelblocks.data.align_view`, by the shoulders.

    Raises:
        TypeError: a number that is not an integer, or no layout.
        ValueError: an unknown choice or joint, a number below 1, or ``align`` without shoulders or three coordinates.

    Example:
        >>> prepared = ClipPreparation(layout="ntu-rgb+d", frames=8)
        >>> x = np.random.default_rng(0).standard_normal((3, 20, 25, 1), dtype=np.float32)
        >>> prepared(RawClip("mine", x, np.ones((20, 1), dtype=bool), 0, {})).shape
        (3, 8, 25, 2)
    """

    layout: SkeletonLayout | str | Mapping[str, Any]
    frames: int = 50
    persons: int = 2
    channels: int = 3
    denoise: bool = False
    bodies: str = "energy"
    gaps: str = "keep"
    center: str | None = "layout"
    per: str = "frame"
    body: str = "own"
    align: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "layout", layouts.get(self.layout))
        for name in ("frames", "persons", "channels"):
            check_integer(getattr(self, name), name=name)
        check_choice(self.bodies, BY, name="bodies")
        check_choice(self.gaps, HOW, name="gaps")
        check_choice(self.per, PER, name="per")
        check_choice(self.body, BODIES, name="body")
        check_choice(self.align, (None, *MODES), name="align")
        if self.center not in (None, "layout"):
            self.skeleton.index(str(self.center))
        if self.align is not None and (
            self.channels != 3 or not {"shoulder_left", "shoulder_right"} <= set(self.skeleton.joints)
        ):
            raise ValueError(
                f"align: expected 3 coordinates and the joints 'shoulder_left', 'shoulder_right'; there are "
                f"{self.channels}, and layout {self.skeleton.name!r} has {', '.join(self.skeleton.joints)}; leave the "
                "clips as they are, align=None"
            )

    @property
    def skeleton(self) -> SkeletonLayout:
        """The layout, whatever it was given as."""
        return layouts.get(self.layout)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """That of what comes out, ``(c, t, v, m)``."""
        return self.channels, self.frames, self.skeleton.num_joints, self.persons

    def to_dict(self) -> dict[str, Any]:
        """Everything as strings, numbers, lists and dicts, for JSON."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "layout": self.skeleton.to_dict()}

    def __call__(self, clip: RawClip) -> NDArray[np.float32]:
        """Prepare one clip.

        Returns:
            ``(c, t, v, m)`` float32.

        Raises:
            ClipFormatError: another number of coordinates or joints, nobody in it, or a number that is not finite.
        """
        c, _, v, _ = self.shape
        if clip.x.ndim != 4 or clip.x.shape[0] != c or clip.x.shape[2] != v:
            raise ClipFormatError(clip.name, f"expected (c={c}, t, v={v}, b), got shape {clip.x.shape}")
        if not np.isfinite(clip.x).all():
            raise ClipFormatError(clip.name, "a coordinate that is not a finite number")
        if self.denoise:
            clip = denoise_bodies(clip, persons=self.persons)
        x = choose_bodies(clip, persons=self.persons, by=self.bodies)
        seen = (x != 0).any(axis=(0, 2))
        if not seen.any():
            raise ClipFormatError(clip.name, "nobody is seen in it" + (", once denoised" if self.denoise else ""))
        x = fill_gaps(x, seen, how=self.gaps)[None]
        length = clip_lengths(x)
        with np.errstate(over="ignore", invalid="ignore"):
            if self.center is not None:
                layout = self.skeleton
                joint = layout.center if self.center == "layout" else layout.index(self.center)
                x = center_clip(x, joint=joint, per=self.per, body=self.body)
            x = resample(x, self.frames, length=length)
            if self.align is not None:
                left, right = (self.skeleton.index(f"shoulder_{side}") for side in ("left", "right"))
                x = align_view(x, left=left, right=right, mode=self.align)
        if not np.isfinite(x).all():
            raise ClipFormatError(clip.name, "coordinates too large for the preparation in float32")
        return np.asarray(x[0], dtype=np.float32)
