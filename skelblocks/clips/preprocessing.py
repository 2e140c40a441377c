"""How the clips of a set are preprocessed: one settings object for data sets, commands, runs and saved encoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from typing_extensions import Self

from skelblocks._utils.checks import check_choice, check_integer
from skelblocks.layouts import SkeletonLayout, get

Per = Literal["frame", "clip"]
Origin = Literal["own", "first"]
Align = Literal["frame", "clip", "official"]
Scale = Literal["bones", "spine"]
PER, ORIGINS, ALIGNMENTS, SCALES = (get_args(choices) for choices in (Per, Origin, Align, Scale))
_OLD_NAMES = {"body": "origin"}
_SHOULDERS = ("shoulder_left", "shoulder_right")


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

    Raises:
        TypeError: a number that is not an integer, or a center that is not a string.
        ValueError: a number below 1, or an unknown choice.

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

    def validate(self, *, layout: str | Mapping[str, Any] | SkeletonLayout, channels: int) -> None:
        """Check that the settings fit a skeleton and a number of coordinates.

        Args:
            layout: The skeleton: a name, a dict or a layout.
            channels: Coordinates of a joint.

        Raises:
            ValueError: the layout lacks the center or the joints that ``align`` or ``scale`` needs, or ``align`` gets
                other than three coordinates.

        Example:
            >>> Preprocessing(align="clip").validate(layout="coco-17", channels=2)
            Traceback (most recent call last):
            ...
            ValueError: align: expected 3 coordinates and the joints shoulder_left, shoulder_right, got 2 coordinates
            and layout 'coco-17'; keep the view with align=None
        """
        layout = get(layout)
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
        ``persons=None``, on either side, and ``other.frames=None`` take whatever comes.

        Args:
            other: What was expected, for instance what an encoder was trained on.
            layout: The skeleton, for the name of its center.

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
        names = [name for name in mine if name not in free and mine[name] != theirs[name]]
        return [f"{name}={mine[name]!r}, not {theirs[name]!r}" for name in names]

    def to_dict(self) -> dict[str, Any]:
        """Everything as strings, numbers and None, for JSON."""
        return asdict(self)

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
        joint = self.center_joint(layout)
        return replace(self, center=None if joint is None else layout.joints[joint]).to_dict()
