"""Preprocessing settings: one object that data sets, commands, runs and saved encoders share."""

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
# Settings about the recorded clips, which do not matter to an encoder.
_OF_RAW_CLIPS = frozenset({"y", "to", "missing", "coordinates", "source", "unit", "nan"})


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """The steps applied to every clip between file and encoder, in the order of :func:`~skelblocks.data.preprocess`.

    Args:
        frames: Resample every clip to this number of frames, see :func:`~skelblocks.data.resample`. 50 in SkeletonCLR,
            CrosSCLR, AimCLR and MsMCLR, 64 in SkeleMixCLR and SkeAttnCLR. None keeps the frames, padding included.
        center: Name of the joint that becomes the origin; ``"layout"`` for the layout's center, as in the released
            preprocessing; None keeps the coordinates. See :func:`~skelblocks.data.center`.
        per: Subtract the position of this joint in each ``"frame"``, or its first position in the ``"clip"``.
        origin: Subtract each person's ``"own"`` joint, or the joint of the ``"first"`` person from all persons.
        align: None, or a mode of :func:`~skelblocks.data.align_view`, which turns the shoulders to the camera. The
            released preprocessing of NTU RGB+D is ``"official"``.
        persons: Number of persons in every clip; absent persons are zero. None keeps the number.
        scale: None keeps the unit. ``"bones"`` or ``"spine"`` divides each clip by this length of the body, see
            :func:`~skelblocks.data.normalize_scale`. Use it for coordinates in pixels or in an unknown unit.
        y: Direction of the second coordinate in the recorded clips: ``"up"``, or ``"down"`` as in images; then it is
            negated. ``"auto"`` decides for all clips of a set together: ``"down"`` if the shoulders are below the hips
            in most of them.
        to: Convert clips to this skeleton with :func:`~skelblocks.layouts.remap`: a name, a dict or a layout. All other
            settings refer to its joints. None keeps the joints.
        missing: What :func:`~skelblocks.layouts.remap` does with joints that cannot be computed: ``"error"`` or
            ``"nearest"``.
        coordinates: 3 adds a third coordinate of zero to 2-D clips. 2 drops the third coordinate. None keeps them.
        source: The skeleton of the clips before ``to`` converted them. A data set fills it in, so that a saved encoder
            knows which clips it accepts. Setting it here has no effect on a data set.
        unit: ``"meters"`` rejects clips whose torsos are not of human size in meters, because an encoder trained on
            meters does not work on pixels. Released weights set it. It has no effect with ``scale``. None accepts any
            unit.
        nan: How to treat NaN coordinates and masked entries of masked arrays: as an ``"error"``, or as ``"unseen"``
            joints, which :func:`~skelblocks.data.fill_joints` then fills.

    Raises:
        TypeError: a number that is not an integer, a center that is not a string, or a layout of the wrong type.
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
        """The skeleton of clips of ``layout`` after the preprocessing: ``to``, or their own.

        Example:
            >>> Preprocessing(to="ntu-rgb+d").layout_of("nw-ucla").name
            'ntu-rgb+d'
        """
        return get(layout if self.to is None else self.to)

    def for_clips_of(self, layout: str | Mapping[str, Any] | SkeletonLayout) -> Self:
        """The same settings, with ``layout`` as ``source`` if they convert the skeleton.

        Example:
            >>> settings = Preprocessing(to="ntu-rgb+d")
            >>> settings.for_clips_of("nw-ucla").source, settings.for_clips_of("ntu-rgb+d").source
            ('nw-ucla', None)
        """
        layout = get(layout)
        return replace(self, source=None if self.layout_of(layout) == layout else layout)

    def channels_of(self, channels: int) -> int:
        """The number of coordinates after the preprocessing, for clips with ``channels`` coordinates."""
        return channels if self.coordinates is None else self.coordinates

    def validate(self, *, layout: str | Mapping[str, Any] | SkeletonLayout, channels: int) -> None:
        """Check that the settings fit a skeleton and a number of coordinates.

        Args:
            layout: The skeleton of the recorded clips: a name, a dict or a layout.
            channels: Coordinates of a joint in the recorded clips.

        Raises:
            ValueError: the layout lacks the center or the joints that ``align`` or ``scale`` needs; ``align`` is set
                and there are not three coordinates; the skeleton cannot be converted; or ``coordinates`` is set and
                there are neither two nor three coordinates.

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
        """The number of the joint that becomes the origin, or None. Raise ``ValueError`` if the layout lacks it."""
        if self.center is None:
            return None
        return layout.center if self.center == "layout" else layout.index(self.center)

    def differences(self, other: Preprocessing, *, layout: str | Mapping[str, Any] | SkeletonLayout) -> list[str]:
        """List the settings that differ from ``other`` and lead to different clips.

        The center ``"layout"`` is the same as its joint's name. Without a center, ``per`` and ``origin`` do nothing.
        ``persons=None`` on either side and ``other.frames=None`` match everything. ``y``, ``missing``,
        ``coordinates``, ``source``, ``unit`` and ``nan`` are not compared, because they describe the recorded clips.
        ``to`` is not compared if both end with the same joints.

        Args:
            other: The expected settings, for instance those an encoder was trained with.
            layout: The skeleton of the prepared clips, for the name of its center.

        Returns:
            One readable entry for each setting that differs, such as ``"frames=64, not 50"``.

        Example:
            >>> named = Preprocessing(center="spine_shoulder")
            >>> named.differences(Preprocessing(), layout="ntu-rgb+d")
            []
            >>> Preprocessing(center=None).differences(Preprocessing(per="clip"), layout="ntu-rgb+d")
            ["center=None, not 'spine_shoulder'"]
        """
        layout = get(layout)
        own, expected = (settings._plain(layout) for settings in (self, other))
        free = {name for name in ("frames", "persons") if expected[name] is None}
        free |= {"persons"} if own["persons"] is None else set()
        free |= {"per", "origin"} if None in (own["center"], expected["center"]) else set()
        free |= _OF_RAW_CLIPS
        if self.layout_of(layout).joints != other.layout_of(layout).joints:
            free -= {"to"}
        names = [name for name in own if name not in free and own[name] != expected[name]]
        return [f"{name}={own[name]!r}, not {expected[name]!r}" for name in names]

    def to_dict(self) -> dict[str, Any]:
        """The settings as strings, numbers, None and dicts of layouts, for JSON.

        Settings about the recorded clips, from ``y`` on, are omitted if they have their default.
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
        """Create settings from the result of :meth:`to_dict`, including results of earlier versions.

        Args:
            values: Settings by name. Missing settings have their default. ``body``, from version 0.2, means ``origin``.

        Raises:
            TypeError: a value of the wrong type.
            ValueError: an unknown name, or a value out of range.

        Example:
            >>> Preprocessing.from_dict({"frames": 64, "body": "first"}).origin
            'first'
        """
        named = {_OLD_NAMES.get(name, name): value for name, value in values.items()}
        expected = [field.name for field in fields(cls)]
        unknown = sorted(str(name) for name in named if name not in expected)
        if unknown:
            raise ValueError(
                f"preprocessing: expected some of {', '.join(expected)}, got {', '.join(unknown)}; remove unknown names"
            )
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
    """A layout of the catalogue as its name, and any other layout as a dict, so that settings are self-contained."""
    if layout is None:
        return None
    try:
        found = get(layout)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from error
    return found.name if found in CATALOGUE else found
