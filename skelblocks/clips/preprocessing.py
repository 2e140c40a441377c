"""How the clips of a set are preprocessed: one settings object for data sets, commands, runs and saved encoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from typing_extensions import Self

from skelblocks._utils.checks import check_choice, check_integer
from skelblocks.layouts import SkeletonLayout, get
from skelblocks.layouts.catalogue import CATALOGUE
from skelblocks.layouts.remap import MISSING, Missing, joint_sources

Per = Literal["frame", "clip"]
Origin = Literal["own", "first"]
Align = Literal["frame", "clip", "official"]
Scale = Literal["bones", "spine"]
Y = Literal["up", "down", "auto"]
Unit = Literal["meters"]
Nan = Literal["error", "unseen"]
NANS = get_args(Nan)
PER, ORIGINS, ALIGNMENTS, SCALES, YS, UNITS = (get_args(choice) for choice in (Per, Origin, Align, Scale, Y, Unit))
COORDINATES = (2, 3)
_OLD_NAMES = {"body": "origin"}
_SHOULDERS = ("shoulder_left", "shoulder_right")
# Facts about the recorded clips, which an encoder does not know.
_OF_RAW_CLIPS = frozenset({"y", "to", "missing", "coordinates", "source", "unit", "nan"})


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What is done to every clip between a file and an encoder, in the order of :func:`~skelblocks.data.preprocess`.

    Args:
        frames: Resample every clip to this number of frames, see :func:`~skelblocks.data.resample`. 50 in SkeletonCLR,
            CrosSCLR, AimCLR and MsMCLR, 64 in SkeleMixCLR and SkeAttnCLR. None keeps the frames, padding included.
        center: Name of the joint that becomes the origin; ``"layout"`` for the layout's center, as in the released
            preprocessing; None keeps the coordinates. See :func:`~skelblocks.data.center`.
        per: Subtract the position of that joint in each ``"frame"``, or its first position in the ``"clip"``.
        origin: Whose joint: each person's ``"own"``, or for all persons that of the ``"first"`` one.
        align: None, or a mode of :func:`~skelblocks.data.align_view`, which turns the shoulders to the camera. The
            released preprocessing of NTU RGB+D is ``"official"``.
        persons: How many persons every clip has room for; absent ones are zero. None keeps the number.
        scale: None keeps the unit. ``"bones"`` or ``"spine"`` divides each clip by that length of the body in it, see
            :func:`~skelblocks.data.normalize_scale`. Use it for coordinates in pixels or of an unknown unit.
        y: Which way the second coordinate of the recorded clips grows: ``"up"``, or ``"down"`` as in pictures, which is
            then negated. ``"auto"`` decides by all clips of a set together: they count down where in most of them the
            shoulders lie below the hips.
        to: The skeleton that clips of another one become, by :func:`~skelblocks.layouts.remap`: a name, a dict or a
            layout. All other settings speak of its joints. None keeps the joints.
        missing: What :func:`~skelblocks.layouts.remap` does about joints that cannot be made: ``"error"`` or
            ``"nearest"``.
        coordinates: 3 gives clips in a picture a third coordinate, zero. 2 leaves the third out. None keeps them.
        source: The skeleton of the clips that ``to`` remapped. A data set fills it in, so that a saved encoder knows
            which clips it can take; what you set here has no effect on a data set.
        unit: ``"meters"``: refuse clips whose torsos are not as long as those of people in meters, because an encoder
            that was trained on meters knows nothing of pixels. Released weights expect it. It has no effect with
            ``scale``. None takes any unit.
        nan: What NaN coordinates, and the hidden ones of masked arrays, are: an ``"error"``, or joints that are
            ``"unseen"``, which :func:`~skelblocks.data.fill_joints` then gives a place.

    Raises:
        TypeError: a number that is not an integer, a center that is not a string, or no layout.
        ValueError: a number below 1, an unknown choice, or an unknown layout.

    Example:
        >>> mine = Preprocessing(frames=64, scale="bones")
        >>> mine.differences(Preprocessing(), layout="ntu-rgb+d")
        ['frames=64, not 50', "scale='bones', not None"]
    """

    frames: int | None = 50
    center: str | None = "layout"
    per: Per = "frame"
    origin: Origin = "own"
    align: Align | None = None
    persons: int | None = None
    scale: Scale | None = None
    y: Y = "up"
    to: str | Mapping[str, Any] | SkeletonLayout | None = None
    missing: Missing = "error"
    coordinates: int | None = None
    source: str | Mapping[str, Any] | SkeletonLayout | None = None
    unit: Unit | None = None
    nan: Nan = "error"

    def __post_init__(self) -> None:
        for name in ("frames", "persons"):
            if getattr(self, name) is not None:
                check_integer(getattr(self, name), name=name)
        if self.center is not None and not isinstance(self.center, str):
            raise TypeError(f"center: expected a joint's name, 'layout' or None, got {self.center!r}")
        check_choice(self.per, PER, name="per")
        check_choice(self.origin, ORIGINS, name="origin")
        check_choice(self.align, (None, *ALIGNMENTS), name="align")
        check_choice(self.scale, (None, *SCALES), name="scale")
        check_choice(self.y, YS, name="y")
        check_choice(self.unit, (None, *UNITS), name="unit")
        check_choice(self.nan, NANS, name="nan")
        check_choice(self.missing, MISSING, name="missing")
        if self.coordinates is not None:
            check_integer(self.coordinates, name="coordinates")
            check_choice(self.coordinates, COORDINATES, name="coordinates")
        for name in ("to", "source"):
            object.__setattr__(self, name, _named_or_whole(getattr(self, name), name=name))

    def layout_of(self, layout: str | Mapping[str, Any] | SkeletonLayout) -> SkeletonLayout:
        """The skeleton that clips of ``layout`` have after the preprocessing: that of ``to``, or their own.

        Example:
            >>> Preprocessing(to="ntu-rgb+d").layout_of("nw-ucla").name
            'ntu-rgb+d'
        """
        return get(layout if self.to is None else self.to)

    def for_clips_of(self, layout: str | Mapping[str, Any] | SkeletonLayout) -> Self:
        """The same settings, with ``layout`` as the ``source`` where they remap it.

        Example:
            >>> settings = Preprocessing(to="ntu-rgb+d")
            >>> settings.for_clips_of("nw-ucla").source, settings.for_clips_of("ntu-rgb+d").source
            ('nw-ucla', None)
        """
        layout = get(layout)
        return replace(self, source=None if self.layout_of(layout) == layout else layout)

    def channels_of(self, channels: int) -> int:
        """How many coordinates clips of ``channels`` coordinates have after the preprocessing."""
        return channels if self.coordinates is None else self.coordinates

    def validate(self, *, layout: str | Mapping[str, Any] | SkeletonLayout, channels: int) -> None:
        """Check that the settings fit a skeleton and a number of coordinates.

        Args:
            layout: The skeleton of the recorded clips: a name, a dict or a layout.
            channels: Coordinates of a joint in them.

        Raises:
            ValueError: the layout lacks the center or the joints that ``align`` or ``scale`` needs, or ``align`` gets
                other than three coordinates; or the clips cannot be remapped, or have neither two nor three coordinates
                where ``coordinates`` is set.

        Example:
            >>> Preprocessing(align="clip").validate(layout="coco-17", channels=2)
            Traceback (most recent call last):
            ...
            ValueError: align: expected 3 coordinates and the joints shoulder_left, shoulder_right, got 2 coordinates
            and layout 'coco-17'; keep the view with align=None
        """
        layout = get(layout)
        if self.coordinates is not None and channels not in COORDINATES:
            raise ValueError(
                f"coordinates: expected clips with 2 or 3 coordinates, got {channels}; keep them with coordinates=None"
            )
        if self.y != "up" and channels < 2:
            raise ValueError(f"y: expected clips with at least 2 coordinates, got {channels}; set y='up'")
        target = self.layout_of(layout)
        if target != layout:
            try:
                joint_sources(layout, target, missing=self.missing)
            except ValueError as error:
                raise ValueError(f"to: {error}") from error
        layout, channels = target, self.channels_of(channels)
        self.center_joint(layout)
        if self.align is not None and (channels != 3 or not set(_SHOULDERS) <= set(layout.joints)):
            raise ValueError(
                f"align: expected 3 coordinates and the joints {', '.join(_SHOULDERS)}, got {channels} coordinates "
                f"and layout {layout.name!r}; keep the view with align=None"
            )
        if self.scale == "bones" and not layout.edges:
            raise ValueError(f"scale: expected a layout with bones, got {layout.name!r}; keep the unit with scale=None")

    def center_joint(self, layout: SkeletonLayout) -> int | None:
        """The number of the joint that becomes the origin, None for none; ``ValueError`` where the layout lacks it."""
        if self.center is None:
            return None
        return layout.center if self.center == "layout" else layout.index(self.center)

    def differences(self, other: Preprocessing, *, layout: str | Mapping[str, Any] | SkeletonLayout) -> list[str]:
        """List what these settings do otherwise than ``other``; empty where both give the same clips.

        The center ``"layout"`` is the same as its joint's name. Without a center, ``per`` and ``origin`` do nothing.
        ``persons=None``, on either side, and ``other.frames=None`` take whatever comes. ``y``, ``missing``,
        ``coordinates``, ``source``, ``unit`` and ``nan`` are about the recorded clips, not about the prepared ones, and
        so is ``to`` where both end with the same joints.

        Args:
            other: What was expected, for instance what an encoder was trained on.
            layout: The skeleton of the prepared clips, for the name of its center.

        Returns:
            One readable entry for each setting that differs: ``"frames=64, not 50"``.

        Example:
            >>> named = Preprocessing(center="spine_shoulder")
            >>> named.differences(Preprocessing(), layout="ntu-rgb+d")
            []
            >>> Preprocessing(center=None).differences(Preprocessing(per="clip"), layout="ntu-rgb+d")
            ["center=None, not 'spine_shoulder'"]
        """
        layout = get(layout)
        mine, theirs = (settings._plain(layout) for settings in (self, other))
        free = {name for name in ("frames", "persons") if theirs[name] is None}
        free |= {"persons"} if mine["persons"] is None else set()
        free |= {"per", "origin"} if None in (mine["center"], theirs["center"]) else set()
        free |= _OF_RAW_CLIPS
        if self.layout_of(layout).joints != other.layout_of(layout).joints:
            free -= {"to"}
        names = [name for name in mine if name not in free and mine[name] != theirs[name]]
        return [f"{name}={mine[name]!r}, not {theirs[name]!r}" for name in names]

    def to_dict(self) -> dict[str, Any]:
        """Everything as strings, numbers, None and dicts of layouts, for JSON.

        What speaks of the recorded clips, from ``y`` on, is left out where it has its default.
        """
        defaults = {field.name: field.default for field in fields(self)}
        values = {name: getattr(self, name) for name in defaults}
        return {
            name: value.to_dict() if isinstance(value, SkeletonLayout) else value
            for name, value in values.items()
            if name not in _OF_RAW_CLIPS or value != defaults[name]
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_dict` gives, also as earlier versions wrote it.

        Args:
            values: Settings by name. ``body``, which version 0.2 wrote, is ``origin``; a setting that is missing has
                its default.

        Raises:
            TypeError: a value of another type.
            ValueError: an unknown name, or a value out of range.

        Example:
            >>> Preprocessing.from_dict({"frames": 64, "body": "first"}).origin
            'first'
        """
        named = {_OLD_NAMES.get(name, name): value for name, value in values.items()}
        expected = [field.name for field in fields(cls)]
        unknown = sorted(str(name) for name in named if name not in expected)
        if unknown:
            raise ValueError(f"preprocessing: expected some of {', '.join(expected)}, got {', '.join(unknown)}")
        return cls(**named)

    def _plain(self, layout: SkeletonLayout) -> dict[str, Any]:
        layout = self.layout_of(layout)
        joint = self.center_joint(layout)
        plain = replace(self, center=None if joint is None else layout.joints[joint])
        named = {name: getattr(plain, name) for name in (field.name for field in fields(plain))}
        return {name: value.name if isinstance(value, SkeletonLayout) else value for name, value in named.items()}


def _named_or_whole(
    layout: str | Mapping[str, Any] | SkeletonLayout | None, *, name: str
) -> str | SkeletonLayout | None:
    """A layout of the catalogue by its name, any other one whole, so that it is known wherever the settings go."""
    if layout is None:
        return None
    try:
        found = get(layout)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from error
    return found.name if found in CATALOGUE else found
