"""Train one method per stream together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from skelblocks.streams import Stream
from skelblocks.training.method import Output, check_method


class StreamSum(nn.Module):
    """Train one method per stream with a weighted sum of their losses. The streams do not interact.

    Args:
        methods: A :class:`~skelblocks.training.Method` for each stream, whose ``encoders`` uses the stream's name.
        weights: Weights of the losses, in the same order. Default: all 1.

    Raises:
        ValueError: There is no method, or the weights do not fit or are not above 0.

    Example:
        >>> from skelblocks import layouts
        >>> from skelblocks.training import load_page
        >>> page = load_page("skeletonclr")
        >>> methods = [page.build(page.options(), layout=layouts.get("sbu"), persons=1) for _ in range(2)]
        >>> StreamSum({"joint": methods[0], "bone": methods[1]}, weights=[1.0, 0.5]).weights
        (1.0, 0.5)
    """

    def __init__(self, methods: Mapping[Stream, nn.Module], *, weights: Sequence[float] | None = None) -> None:
        super().__init__()
        for method in methods.values():
            check_method(method)
        self.methods = nn.ModuleDict({str(stream): method for stream, method in methods.items()})
        self.weights = (1.0,) * len(methods) if weights is None else tuple(weights)
        if not methods or len(self.weights) != len(methods) or not all(weight > 0 for weight in self.weights):
            raise ValueError(
                f"weights: expected a number above 0 for each of {', '.join(methods) or 'at least one stream'}, got "
                f"{list(self.weights)}"
            )

    def forward(self, *views: Tensor, ids: Tensor, epoch: int = 0) -> Output:
        """The weighted loss.

        Args:
            *views: All views ``(n, c, t, v, m)`` of the first stream, then those for the next.
            ids: Indices of the clips ``(n,)``.
            epoch: The epoch, counted from 0.

        Returns:
            The weighted sum, each stream's output as ``keys``, and each stream's loss as a metric.
        """
        each = len(views) // len(self.methods)
        outputs = [
            method(*views[i * each : (i + 1) * each], ids=ids, epoch=epoch)
            for i, method in enumerate(self.methods.values())
        ]
        losses = torch.stack([output.loss for output in outputs])
        metrics = {stream: output.loss.detach() for stream, output in zip(self.methods, outputs, strict=True)}
        return Output((losses * losses.new_tensor(self.weights)).sum(), outputs, metrics)

    def update(self, output: Output, *, step: int, total_steps: int) -> None:
        """Update each stream's method, after the optimizer's step."""
        for method, own in zip(self.methods.values(), output.keys, strict=True):
            method.update(own, step=step, total_steps=total_steps)  # type: ignore[operator]

    def encoders(self) -> dict[str, nn.Module]:
        """The encoders of all streams."""
        methods = self.methods.values()
        return {stream: encoder for method in methods for stream, encoder in method.encoders().items()}  # type: ignore[operator]
