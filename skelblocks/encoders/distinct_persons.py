"""In evaluation, all absent persons have the same features, so an encoder computes them only once.

Axes: n samples, c channels, t frames, v joints, m persons, b = n m rows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelblocks._utils.checks import values_visible
from skelblocks.clips.person_mask import person_mask

_BATCH_DEPENDENT = nn.BatchNorm1d | nn.BatchNorm2d | nn.Dropout


def distinct_persons(x: Tensor, *, encoder: nn.Module) -> tuple[Tensor, Tensor] | None:
    """Find the rows that an encoder has to compute, if it may compute absent persons only once.

    A clip with one person is padded with zeros to the persons of its batch. If no row depends on the others (in
    evaluation, without dropout and batch statistics), an encoder maps all absent persons to the same features. In
    NTU RGB+D four of five clips show one person of two, which saves two rows of five.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        encoder: The encoder, whose batch normalization and dropout are checked.

    Returns:
        None if every row has to be computed: in training, for clips that require a gradient, in a compiled or traced
        graph, under ``vmap``, on devices other than the CPU (reading the mask would wait for the device), and with at
        most one absent person. Otherwise two index tensors: ``compute`` has the rows of ``(n m)`` to compute, with one
        absent person at the end, and ``place`` ``(b,)`` has the position of every row among them.

    Example:
        >>> x = torch.ones(2, 3, 8, 25, 2)
        >>> x[..., 1] = 0  # both clips show one person
        >>> compute, place = distinct_persons(x, encoder=nn.Identity().eval())
        >>> compute.tolist(), place.tolist()
        ([0, 2, 1], [0, 2, 1, 2])
    """
    if x.shape[-1] < 2 or encoder.training or x.requires_grad or torch._C._get_tracing_state() or not values_visible(x):
        return None
    if any(module.training for module in encoder.modules() if isinstance(module, _BATCH_DEPENDENT)):
        return None
    present = person_mask(x).flatten()
    absent = (~present).nonzero()[:, 0]
    if len(absent) < 2:
        return None
    compute = torch.cat((present.nonzero()[:, 0], absent[:1]))
    place = torch.where(present, present.cumsum(dim=0) - 1, len(compute) - 1)
    return compute, place
