"""What every random transform is: draws, and a pure function of clips and draws.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic

import torch
from torch import Tensor, nn
from typing_extensions import TypedDict, TypeVar

from skelblocks._utils.checks import check_axes

Params = TypeVar("Params")
Out = TypeVar("Out", default=Tensor)


class DrawOptions(TypedDict, total=False):
    """The keyword arguments of :meth:`RandomTransform.sample`: where to draw, and from which generator."""

    device: torch.device | str | None
    generator: torch.Generator | None


class RandomTransform(nn.Module, ABC, Generic[Params, Out]):
    """A transform of clips in two steps: draw for a shape, then apply the draws.

    A subclass writes :meth:`sample` and :meth:`transform`; calling the module does both. The draws are returned and
    never kept on the module, so that the same ones can be applied to a second view, another stream or another device.

    :class:`~skelblocks.augment.Compose` takes any ``nn.Module`` with these two methods, of this class or not.

    Shape:
        ``(n, c, t, v, m)`` to the same, if the subclass does not say otherwise.

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
            device: Where the draws are made; that of the clips they are for.
            generator: What to draw from, on that device. Default: the device's global generator.

        Returns:
            The draws; every field has the samples as its first axis.
        """

    @abstractmethod
    def transform(self, x: Tensor, params: Params) -> Out:
        """Apply these draws, without writing to ``x``.

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
            generator: What to draw from, on the device of ``x``. Default: the device's global generator.

        Returns:
            The transformed clips.

        Raises:
            TypeError: ``x`` is not a tensor.
            ValueError: ``x`` is not ``(n, c, t, v, m)``, or the generator is on another kind of device.
        """
        check_axes(x, "n c t v m", name="x")
        kind = x.device.type
        if generator is not None and kind != "meta" and generator.device.type != kind:
            raise ValueError(
                f"generator: expected one on {kind!r}, where the clips are, got one on {generator.device.type!r}; "
                f"make it with torch.Generator({kind!r})"
            )
        return self.transform(x, self.sample(x.shape, device=x.device, generator=generator))
