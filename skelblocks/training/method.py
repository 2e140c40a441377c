"""The interface between a method and the training loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from torch import Tensor, nn


class Output(NamedTuple):
    """The result of a method's forward pass.

    Attributes:
        loss: The loss, a scalar.
        keys: Input for the method's ``update``, for instance the :class:`~skelblocks.contrast.Keys` of each stream.
        metrics: Scalars for the log, by name. All steps must use the same names.
    """

    loss: Tensor
    keys: Sequence[Any] = ()
    metrics: Mapping[str, Tensor] = {}


@runtime_checkable
class Method(Protocol):
    """A contrastive method: an ``nn.Module`` with these three members.

    A training step calls ``method(*views, ids=..., epoch=...)``, ``backward`` on the loss, the optimizer's step, and
    then ``update``. A run saves the encoders that ``encoders`` returns, and evaluation opens them.
    """

    @property
    def forward(self) -> Callable[..., Output]:
        """Called as ``forward(*views, ids=ids, epoch=epoch)``; views ``(n, c, t, v, m)``, clip indices ``(n,)``."""

    def update(self, output: Any, *, step: int, total_steps: int) -> None:
        """Update key encoders and queues, after the optimizer's step number ``step``."""

    def encoders(self) -> Mapping[str, nn.Module]:
        """The encoders to save, by stream. Each maps clips ``(n, c, t, v, m)`` to feature maps."""


def check_method(method: object) -> None:
    """Raise ``TypeError`` unless ``method`` is a module with ``forward``, ``update`` and ``encoders``.

    Example:
        >>> check_method(nn.Linear(2, 2))
        Traceback (most recent call last):
        ...
        TypeError: build: expected an nn.Module with update and encoders, got Linear without update, encoders; see
        skelblocks.training.Method
    """
    missing = [name for name in ("update", "encoders") if not callable(getattr(method, name, None))]
    if missing or not isinstance(method, nn.Module):
        without = f" without {', '.join(missing)}" if missing else ""
        raise TypeError(
            f"build: expected an nn.Module with update and encoders, got {type(method).__name__}{without}; see "
            "skelblocks.training.Method"
        )
