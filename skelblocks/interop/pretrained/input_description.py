"""What an encoder was trained on: everything that must be done to a clip before it sees it.

Axes: n samples, c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Self

from skelblocks._utils.checks import check_axes, check_choice, check_integer
from skelblocks.data.steps.align_view import MODES
from skelblocks.data.steps.center import BODIES, PER
from skelblocks.layouts import SkeletonLayout
from skelblocks.streams import STREAMS, Stream, convert


@dataclass(frozen=True, kw_only=True)
class InputDescription:
    """How clips are made into an encoder's input: by :class:`~skelblocks.data.ArrayDataset`, then :meth:`finish`.

    Both are in :meth:`Pretrained.prepare <skelblocks.interop.Pretrained.prepare>`, which takes clips as they were
    recorded. Defaults are those of :class:`~skelblocks.data.ArrayDataset` and :func:`~skelblocks.data.prepare`.

    Args:
        stream: ``"joint"``, ``"bone"`` or ``"motion"``.
        frames: t to which clips are resampled; None leaves time as it is.
        center: Name of the joint at the origin, ``"layout"`` for the layout's centre, None for none.
        per: ``"frame"`` or ``"clip"``, see :func:`~skelblocks.data.center`.
        body: ``"own"`` or ``"first"``, for the same function.
        align: None, or a mode of :func:`~skelblocks.data.align_view`.
        persons: m.

    Raises:
        TypeError: a number that is not an integer, or a centre that is no string.
        ValueError: one below 1, or an unknown choice.

    Example:
        >>> InputDescription(stream="bone", frames=64).dataset_options()
        {'frames': 64, 'center': 'layout', 'per': 'frame', 'body': 'own', 'align': None}
    """

    stream: Stream = "joint"
    frames: int | None = 50
    center: str | None = "layout"
    per: str = "frame"
    body: str = "own"
    align: str | None = None
    persons: int = 2

    def __post_init__(self) -> None:
        check_choice(self.stream, STREAMS, name="stream")
        if self.frames is not None:
            check_integer(self.frames, name="frames")
        if self.center is not None and not isinstance(self.center, str):
            raise TypeError(f"center: expected a joint's name, 'layout' or None, got {self.center!r}")
        check_choice(self.per, PER, name="per")
        check_choice(self.body, BODIES, name="body")
        check_choice(self.align, (None, *MODES), name="align")
        check_integer(self.persons, name="persons")

    def dataset_options(self) -> dict[str, Any]:
        """The keyword arguments of :class:`~skelblocks.data.ArrayDataset` among these."""
        return {name: getattr(self, name) for name in ("frames", "center", "per", "body", "align")}

    def finish(self, x: Tensor, *, layout: str | Mapping[str, Any] | SkeletonLayout) -> Tensor:
        """What is left to do to the clips of an ``ArrayDataset`` with these options, or of a prepared set.

        Args:
            x: Clips ``(n, c, t, v, m)``, centred and resampled.
            layout: For the bones; a name, a dict or a layout.

        Returns:
            The stream, ``(n, c, t, v, persons)``; persons whom the clips have no place for are absent.

        Raises:
            ValueError: more persons than the encoder was trained with, other axes, or joints that are not the layout's.

        Example:
            >>> import torch
            >>> InputDescription(stream="bone").finish(torch.randn(4, 3, 50, 20, 1), layout="nw-ucla").shape
            torch.Size([4, 3, 50, 20, 2])
        """
        check_axes(x, "n c t v m", name="clips")
        missing = self.persons - x.shape[-1]
        if missing < 0:
            raise ValueError(
                f"clips: expected at most {self.persons} persons, as the encoder was trained, got {x.shape[-1]}; leave "
                f"the others out: clips[..., :{self.persons}]"
            )
        return convert(F.pad(x, (0, missing)) if missing else x, self.stream, layout=layout)

    def to_dict(self) -> dict[str, Any]:
        """Everything as strings, numbers and None, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The description that :meth:`to_dict` gives; a missing or unknown key is a ``ValueError``."""
        expected = {field.name for field in fields(cls)}
        if set(values) != expected:
            raise ValueError(f"input: expected exactly the keys {sorted(expected)}, got {sorted(map(str, values))}")
        return cls(**values)
