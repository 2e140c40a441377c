"""Convert a raw clip to an array for training.

Axes: c coordinates, t frames, v joints, b tracks, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from skelblocks import layouts
from skelblocks._utils.checks import check_choice, check_integer
from skelblocks.clips.flat_settings import FLAT, take_flat_settings
from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.data.steps.choose_bodies import BY, By, check_clip, choose_persons
from skelblocks.data.steps.denoise_bodies import denoise_bodies
from skelblocks.data.steps.fill_gaps import HOW, How, fill_gaps
from skelblocks.data.steps.fill_joints import MAX_GAP
from skelblocks.data.steps.preprocess import preprocess
from skelblocks.data.steps.preprocess_mask import preprocess_mask
from skelblocks.data.steps.resample import clip_lengths
from skelblocks.layouts import SkeletonLayout

_DEFAULT = Preprocessing(persons=2)
_OWN = ("channels", "denoise", "bodies", "gaps")
# Settings that are saved where they are not the default, so that earlier versions read sets without a mask.
_OF_JOINTS: Mapping[str, float] = {"max_gap": MAX_GAP, "min_seen": 0.0}


class PreparedClip(NamedTuple):
    """A prepared clip.

    Attributes:
        x: ``(c, t, v, m)`` float32.
        seen: ``(t, v, m)`` boolean, true where the joint is seen; None if the raw clip does not say of joints.
    """

    x: NDArray[np.float32]
    seen: NDArray[np.bool_] | None


@dataclass(frozen=True, init=False)
class ClipPreparation:
    """The preparation of every raw clip of a set; call it with a :class:`~skelblocks.data.RawClip`.

    The steps are, in this order: denoise; choose the persons; fill gaps, including gaps of single joints if the raw
    clip records which joints are seen; then the steps of :func:`~skelblocks.data.preprocess`, up to the last frame in
    which a person is seen. The released preprocessing of NTU RGB+D is ``bodies="first"`` with
    ``Preprocessing(align="official", persons=2)``, except for the length of clips with gaps, which it counts by the
    first track's frames.

    Args:
        layout: The skeleton of the raw clips: a name, a dict or a layout.
        preprocessing: Frames, center, alignment, persons, scale and another skeleton. Without a number of persons there
            are 2, as many as the sets of the papers have. ``y="auto"`` is decided for each clip by itself;
            :func:`~skelblocks.data.prepare` decides it for the whole set. Default: ``Preprocessing(persons=2)``.
        channels: c, which a clip must have.
        denoise: Whether :func:`~skelblocks.data.denoise_bodies` comes first, as in PYSKL.
        bodies: ``"energy"`` or ``"first"``, for :func:`~skelblocks.data.choose_bodies`.
        gaps: For :func:`~skelblocks.data.fill_gaps`.
        max_gap: Of :func:`~skelblocks.data.fill_gaps`: the longest gap of a joint, in frames, that is filled over time.
        min_seen: How large a share of the joints in all frames must be seen of the person of whom most is seen, from 0
            to 1. Clips with less are refused.
        **flat: The settings of ``preprocessing`` one by one, such as ``frames=32``: deprecated.

    Raises:
        TypeError: A number that is not an integer, or no layout.
        ValueError: An unknown choice or joint, a number below 1, no number of frames, or settings that do not fit the
            layout.

    Example:
        >>> prepared = ClipPreparation("ntu-rgb+d", preprocessing=Preprocessing(frames=8, persons=2))
        >>> x = np.random.default_rng(0).standard_normal((3, 20, 25, 1), dtype=np.float32)
        >>> prepared(RawClip("mine", x, np.ones((20, 1), dtype=bool), 0, {})).shape
        (3, 8, 25, 2)
    """

    layout: SkeletonLayout
    preprocessing: Preprocessing
    channels: int
    denoise: bool
    bodies: By
    gaps: How
    max_gap: int
    min_seen: float

    def __init__(
        self,
        layout: SkeletonLayout | str | Mapping[str, Any],
        *,
        preprocessing: Preprocessing | None = None,
        channels: int = 3,
        denoise: bool = False,
        bodies: By = "energy",
        gaps: How = "keep",
        max_gap: int = MAX_GAP,
        min_seen: float = 0.0,
        **flat: Any,
    ) -> None:
        layout = layouts.get(layout)
        preprocessing = take_flat_settings(
            preprocessing, flat, function="ClipPreparation", layout=layout, default=_DEFAULT
        )
        check_integer(channels, name="channels")
        check_choice(bodies, BY, name="bodies")
        check_choice(gaps, HOW, name="gaps")
        check_integer(max_gap, name="max_gap", least=0)
        if isinstance(min_seen, bool) or not isinstance(min_seen, int | float) or not 0 <= min_seen <= 1:
            raise ValueError(f"min_seen: expected a share from 0 to 1, got {min_seen!r}; divide a percentage by 100")
        if preprocessing.frames is None:
            raise ValueError(
                "frames: expected a number, for all clips of a set have one shape, got None; pass 50, for instance"
            )
        if preprocessing.persons is None:
            preprocessing = replace(preprocessing, persons=_DEFAULT.persons)
        preprocessing.validate(layout=layout, channels=channels)
        preprocessing = preprocessing.for_clips_of(layout)
        values = (layout, preprocessing, channels, bool(denoise), bodies, gaps, max_gap, float(min_seen))
        for name, value in zip(("layout", "preprocessing", *_OWN, *_OF_JOINTS), values, strict=True):
            object.__setattr__(self, name, value)

    @property
    def skeleton(self) -> SkeletonLayout:
        """The layout of prepared clips."""
        return self.preprocessing.layout_of(self.layout)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of prepared clips, ``(c, t, v, m)``."""
        frames, persons = self.preprocessing.frames, self.preprocessing.persons
        assert frames is not None
        assert persons is not None
        return self.preprocessing.channels_of(self.channels), frames, self.skeleton.num_joints, persons

    def with_preprocessing(self, preprocessing: Preprocessing) -> Self:
        """The same preparation with other settings of the preprocessing."""
        own = {name: getattr(self, name) for name in (*_OWN, *_OF_JOINTS)}
        return type(self)(self.layout, preprocessing=preprocessing, **own)

    def to_dict(self) -> dict[str, Any]:
        """All settings as strings, numbers, lists and dicts, for JSON."""
        own = {name: getattr(self, name) for name in _OWN}
        own |= {name: getattr(self, name) for name in _OF_JOINTS if getattr(self, name) != _OF_JOINTS[name]}
        return {"layout": self.layout.to_dict(), **own, "preprocessing": self.preprocessing.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, layout: SkeletonLayout | None = None) -> Self:
        """Make a preparation from the result of :meth:`to_dict`, also in the form of version 0.2.

        Args:
            values: The settings.
            layout: Replaces the layout of the settings.

        Raises:
            KeyError, TypeError, ValueError: Not such settings.
        """
        own = {name: values[name] for name in _OWN} | {name: values[name] for name in _OF_JOINTS if name in values}
        settings = values.get("preprocessing")
        if settings is None:
            settings = {name: values[name] for name in FLAT}
        return cls(layout or values["layout"], preprocessing=Preprocessing.from_dict(settings), **own)

    def __call__(self, clip: RawClip) -> NDArray[np.float32]:
        """The coordinates of :meth:`prepare`, ``(c, t, v, m)`` float32."""
        return self.prepare(clip).x

    def prepare(self, clip: RawClip) -> PreparedClip:
        """Prepare one clip.

        Args:
            clip: The raw clip. What it holds for joints that are not seen is not used.

        Returns:
            The coordinates, and which joints are seen.

        Raises:
            ClipFormatError: Another number of coordinates or joints, no visible person, too little that is seen, or a
                number that is not finite.
        """
        c, v, persons = self.channels, self.layout.num_joints, self.shape[3]
        if clip.x.ndim != 4 or clip.x.shape[0] != c or clip.x.shape[2] != v:
            raise ClipFormatError(
                clip.name,
                f"expected (c={c}, t, v={v}, b), got shape {clip.x.shape}; name its skeleton, or prepare it apart",
            )
        if isinstance(clip.x, np.ma.MaskedArray):
            raise ClipFormatError(clip.name, "masked coordinates; fill them from the frames around them")
        if self.preprocessing.nan == "unseen":
            clip = clip._replace(seen=clip.seen_joints & np.isfinite(clip.x).all(axis=0))
        by_joints = clip.seen.ndim == 3
        if by_joints:
            check_clip(clip)
            clip = clip._replace(x=np.where(clip.seen, clip.x, clip.x.dtype.type(0)))
        if not np.isfinite(clip.x).all():
            raise ClipFormatError(
                clip.name, "a coordinate that is not a finite number; if NaN marks unseen joints, set nan='unseen'"
            )
        if self.denoise:
            clip = denoise_bodies(clip, persons=persons)
        clip = choose_persons(clip, persons=persons, by=self.bodies)
        there = clip.seen_persons if by_joints else (clip.x != 0).any(axis=(0, 2))
        if not there.any():
            raise ClipFormatError(clip.name, "contains no visible person" + (", once denoised" if self.denoise else ""))
        share = float(clip.seen.mean(axis=tuple(range(clip.seen.ndim - 1))).max())
        if share < self.min_seen:
            what = "joints are" if by_joints else "frames are with a person who is"
            raise ClipFormatError(
                clip.name,
                f"{share:.1%} of the {what} seen, less than min_seen={self.min_seen:.1%}; lower min_seen to keep it",
            )
        seen = self._seen_after_gaps(clip) if by_joints else None
        x = fill_gaps(
            clip.x, clip.seen if by_joints else there, how=self.gaps, layout=self.layout, max_gap=self.max_gap
        )[None]
        lengths = clip_lengths(x)
        mask = None if seen is None else seen[None]
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                x = preprocess(x, layout=self.layout, preprocessing=self.preprocessing, lengths=lengths, seen=mask)
        except ValueError as error:
            raise ClipFormatError(clip.name, str(error)) from error
        if not np.isfinite(x).all():
            raise ClipFormatError(clip.name, "coordinates too large for the preparation in float32; divide them")
        if mask is not None:
            mask = preprocess_mask(mask, layout=self.layout, preprocessing=self.preprocessing, lengths=lengths)
        return PreparedClip(np.asarray(x[0], dtype=np.float32), None if mask is None else mask[0])

    def _seen_after_gaps(self, clip: RawClip) -> NDArray[np.bool_]:
        """Which joints are seen ``(t, v, m)`` once gaps are filled: frames that are repeated, with their mask."""
        if self.gaps != "repeat":
            return clip.seen
        repeated = fill_gaps(clip.seen[None].astype(np.float32), clip.seen_persons, how="repeat")
        return np.asarray(repeated[0] > 0)
