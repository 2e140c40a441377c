"""The base class of all random transforms: random draws, and a pure function of clips and draws.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import wraps
from types import FunctionType
from typing import Any, Generic, get_args, get_origin

import torch
from torch import Tensor, nn
from typing_extensions import TypedDict, TypeVar

from skelblocks._utils.checks import check_axes, check_generator
from skelblocks._utils.own_code import give_own_code
from skelblocks.augment._clips import warn_of_exchanged_axes

Params = TypeVar("Params")
Out = TypeVar("Out", default=Tensor)


class DrawOptions(TypedDict, total=False):
    """The keyword arguments of :meth:`RandomTransform.sample`: where to draw, and from which generator."""

    device: torch.device | str | None
    generator: torch.Generator | None


class RandomTransform(nn.Module, ABC, Generic[Params, Out]):
    """A transform of clips in two steps: draw random numbers for a shape, then apply the draws.

    A subclass implements :meth:`sample` and :meth:`transform`; calling the module does both. The draws are returned and
    never stored on the module, so the same draws can be applied to a second view, another stream or another device.

    :class:`~skelblocks.augment.Compose` accepts any ``nn.Module`` with these two methods.

    Shape:
        ``(n, c, t, v, m)`` to the same, unless the subclass says otherwise.

    Example:
        >>> class RandomScale(RandomTransform[Tensor]):
        ...     def sample(self, shape, *, device=None, generator=None):
        ...         return 0.9 + 0.2 * torch.rand(shape[0], 1, 1, 1, 1, device=device, generator=generator)
        ...     def transform(self, x, params):
        ...         return x * params
        >>> clips = torch.randn(4, 3, 50, 25, 2)
        >>> RandomScale()(clips, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([4, 3, 50, 25, 2])
    """

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        if isinstance(vars(cls).get("transform"), FunctionType):
            cls.transform = _with_own_draws(cls)  # type: ignore[method-assign]

    @abstractmethod
    def sample(
        self,
        shape: Sequence[int],
        *,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> Params:
        """Draw for clips of this shape.

        Args:
            shape: ``(n, c, t, v, m)``.
            device: Device of the draws. Use the device of the clips.
            generator: Source of randomness, on that device. Default: the device's global generator.

        Returns:
            The draws. The first axis of every field is the sample.
        """

    @abstractmethod
    def transform(self, x: Tensor, params: Params) -> Out:
        """Apply these draws without changing ``x``.

        Args:
            x: Clips ``(n, c, t, v, m)``.
            params: The draws, on the device of ``x``.

        Returns:
            The transformed clips.
        """

    def forward(self, x: Tensor, *, generator: torch.Generator | None = None) -> Out:
        """Draw and apply.

        Args:
            x: Clips ``(n, c, t, v, m)``.
            generator: Source of randomness, on the device of ``x``. Default: the device's global generator.

        Returns:
            The transformed clips.

        Raises:
            TypeError: ``x`` is not a tensor, or ``generator`` is not a ``torch.Generator``.
            ValueError: ``x`` is not ``(n, c, t, v, m)``, or the generator is on another kind of device.
        """
        check_axes(x, "n c t v m", name="x")
        warn_of_exchanged_axes(x)
        check_generator(generator)
        kind = x.device.type
        if generator is not None and kind != "meta" and generator.device.type != kind:
            raise ValueError(
                f"generator: expected device {kind!r}, as for the clips, got {generator.device.type!r}; "
                f"make it with torch.Generator({kind!r})"
            )
        return self.transform(x, self.sample(x.shape, device=x.device, generator=generator))


def _with_own_draws(kind: type[RandomTransform[Any, Any]]) -> Callable[..., Any]:
    """The ``transform`` of a class, which refuses the draws of another one."""
    transform: Callable[..., Any] = vars(kind)["transform"]
    bases = [get_args(base) for base in getattr(kind, "__orig_bases__", ()) if get_origin(base) is RandomTransform]
    own = bases[0][0] if bases else None
    if not isinstance(own, type):  # such as tuple[Any, ...]
        return transform

    @wraps(transform)
    def checked(self: RandomTransform[Any, Any], x: Tensor, params: Any) -> Any:
        if not isinstance(params, own):
            raise TypeError(
                f"params: expected the {own.__name__} of {kind.__name__}, got {type(params).__name__}; pass what "
                "sample(x.shape) of the same transform returns"
            )
        return transform(self, x, params)

    give_own_code(checked, transform)
    return checked
