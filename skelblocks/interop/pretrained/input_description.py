"""The description of an encoder's input in the form of version 0.2."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from torch import Tensor
from typing_extensions import ParamSpec, Self

from skelblocks._utils.checks import check_choice, check_integer
from skelblocks.clips.preprocessing import ALIGNMENTS, ORIGINS, PER, Preprocessing
from skelblocks.interop.pretrained.finish import finish_clips
from skelblocks.layouts import SkeletonLayout
from skelblocks.streams import STREAMS, Stream

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class InputDescription:
    """Deprecated: say ``preprocessing=Preprocessing(...)`` and ``stream="bone"`` instead of ``input=``.

    Args:
        stream: one of ``skelblocks.streams.STREAMS``, such as ``"joint"``.
        frames: As in :class:`~skelblocks.data.Preprocessing`.
        center: As in :class:`~skelblocks.data.Preprocessing`.
        per: As in :class:`~skelblocks.data.Preprocessing`.
        body: ``origin`` of :class:`~skelblocks.data.Preprocessing`.
        align: As in :class:`~skelblocks.data.Preprocessing`.
        persons: As in :class:`~skelblocks.data.Preprocessing`.

    Raises:
        TypeError: A number that is not an integer, or a center that is no string.
        ValueError: One below 1, or an unknown choice.
    """

    stream: Stream = "joint"
    frames: int | None = 50
    center: str | None = "layout"
    per: str = "frame"
    body: str = "own"
    align: str | None = None
    persons: int = 2

    def __post_init__(self) -> None:
        warnings.warn(
            "InputDescription is deprecated; use preprocessing=Preprocessing(...) and stream=...",
            DeprecationWarning,
            stacklevel=3,
        )
        self._check()

    def _check(self) -> None:
        check_choice(self.stream, STREAMS, name="stream")
        if self.frames is not None:
            check_integer(self.frames, name="frames")
        if self.center is not None and not isinstance(self.center, str):
            raise TypeError(f"center: expected a joint's name, 'layout' or None, got {self.center!r}")
        check_choice(self.per, PER, name="per")
        check_choice(self.body, ORIGINS, name="body")
        check_choice(self.align, (None, *ALIGNMENTS), name="align")
        check_integer(self.persons, name="persons")

    @property
    def preprocessing(self) -> Preprocessing:
        """The same without the stream."""
        return Preprocessing.from_dict({name: value for name, value in self.to_dict().items() if name != "stream"})

    def dataset_options(self) -> dict[str, Any]:
        """Keyword arguments of :class:`~skelblocks.data.ArrayDataset`, as version 0.2 took them."""
        return {name: getattr(self, name) for name in ("frames", "center", "per", "body", "align")}

    def finish(self, x: Tensor, *, layout: str | Mapping[str, Any] | SkeletonLayout) -> Tensor:
        """As :meth:`Pretrained.finish <skelblocks.interop.Pretrained.finish>`."""
        return finish_clips(x, persons=self.persons, stream=self.stream, layout=layout)

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


def describe_input(preprocessing: Preprocessing, stream: Stream) -> InputDescription:
    """The description in version 0.2's words, made without its warning."""
    values = preprocessing.to_dict()
    own = {"stream": stream, **{name: values[name] for name in ("frames", "center", "per", "align")}}
    description = object.__new__(InputDescription)
    persons = 2 if preprocessing.persons is None else preprocessing.persons
    for name, value in {**own, "body": preprocessing.origin, "persons": persons}.items():
        object.__setattr__(description, name, value)
    return description


def takes_input(function: Callable[P, R]) -> Callable[P, R]:
    """Accept the old argument ``input`` instead of ``preprocessing`` and ``stream``, with a ``DeprecationWarning``."""
    shown = function.__qualname__.removesuffix(".__init__")

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if "input" in kwargs:
            _replace_input(kwargs, function=shown)
        return function(*args, **kwargs)

    return call


def _replace_input(kwargs: dict[str, Any], *, function: str) -> None:
    description = kwargs.pop("input")
    warnings.warn(
        f"{function}: the argument input is deprecated; use preprocessing and stream", DeprecationWarning, stacklevel=3
    )
    if description is None:
        return
    if not isinstance(description, InputDescription):
        raise TypeError(f"input: expected an InputDescription, got {type(description).__name__}")
    if kwargs.get("preprocessing") is not None:
        raise TypeError(f"{function}: expected preprocessing alone, got both preprocessing and its old form input")
    kwargs["preprocessing"], kwargs["stream"] = description.preprocessing, description.stream
