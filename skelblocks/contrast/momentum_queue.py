"""The memory bank: keys of past steps, first in, first out.

Axes: n samples, d embedding, k bank rows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelblocks._utils.checks import check_axes, check_integer, values_visible
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.contrast._checks import check_finite
from skelblocks.contrast.unit_rows import unit_rows


@explain_arguments
class MomentumQueue(nn.Module):
    """A ring buffer of k unit embeddings that serve as negatives (MoCo; AimCLR section 3.1, MsMCLR section 3.4).

    A training step computes its logits from the bank, runs ``backward``, and then calls :meth:`enqueue` with its keys.
    **Never enqueue between forward and backward**: the bank is written in place. If autograd saved the bank for the
    query's gradient, ``backward`` then raises ``RuntimeError: ... modified by an inplace operation``. Losses that read
    the bank in chunks or in another precision do not save it, so the gradient is never silently wrong.

    If the bank is large compared with the data set, it contains older keys of the clips that it is compared with. These
    count as negatives, and they are the easiest "nearest neighbors". With ``r = size / clips``, a clip meets its own
    key with probability ``r * r / 2`` for ``r <= 1`` (a third on NTU-60), and almost always for ``r > 1``. To exclude
    them, enqueue with ``ids`` and pass :meth:`own_rows` as ``exclude``. The released code does not exclude them.

    **The bank never takes NaN or infinity**, which would make every loss NaN until the key is overwritten. On the CPU,
    :meth:`enqueue` raises. On another device, in a compiled graph or under ``vmap`` it cannot raise without waiting for
    the values, so it skips such a key: its row keeps the older key and id.

    With several processes, start all of them with the same bank
    (:func:`~skelblocks.distributed.broadcast_module_state`), and enqueue the gathered keys
    (:func:`~skelblocks.distributed.gather_keys`) in each.

    Args:
        features: d, the size of the embedding. 128 in the papers.
        size: k. 32768 in SkeletonCLR, AimCLR (section 4.2) and SkeAttnCLR; 16384 in CrossMoCo. Unlike in the released
            code, it need not be a multiple of the batch size.
        generator: Source of the random unit rows that fill the bank at first. The bank is created on its device.
            Default: torch's global generator.

    Attributes:
        bank: ``(k, d)`` buffer, unit rows, in torch's default dtype. It follows ``.to()``.
        pointer: int64 buffer without axes, the row that the next key replaces.
        ids: ``(k,)`` int64 buffer, the clip that each row came from, or -1 if it is not known.

    Raises:
        TypeError: ``features`` or ``size`` is not an integer.
        ValueError: ``features`` or ``size`` is below 1.

    Example:
        >>> queue = MomentumQueue(2, size=3, generator=torch.Generator().manual_seed(0))
        >>> queue.enqueue(torch.tensor([[2.0, 0.0], [0.0, 3.0]]), ids=torch.tensor([7, 8]))
        >>> queue.bank[:2], queue.ids, queue.pointer
        (tensor([[1., 0.],
                [0., 1.]]), tensor([ 7,  8, -1]), tensor(2))
    """

    bank: Tensor
    pointer: Tensor
    ids: Tensor

    def __init__(self, features: int, *, size: int = 32768, generator: torch.Generator | None = None) -> None:
        super().__init__()
        check_integer(features, name="features")
        check_integer(size, name="size")
        device = None if generator is None else generator.device
        self.register_buffer("bank", unit_rows(torch.randn(size, features, generator=generator, device=device)))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.int64, device=device))
        self.register_buffer("ids", torch.full((size,), -1, dtype=torch.int64, device=device))

    @property
    def size(self) -> int:
        """k, the number of rows."""
        return self.bank.shape[0]

    @property
    def features(self) -> int:
        """d, the length of a row."""
        return self.bank.shape[1]

    @torch.no_grad()
    def enqueue(self, keys: Tensor, *, ids: Tensor | None = None) -> None:
        """Replace the oldest rows by these keys, in place and without waiting for the device.

        Args:
            keys: ``(n, d)``, ``n <= k``, of any length. They are L2-normalized and cast to the bank's dtype.
            ids: ``(n,)`` integers >= 0, the index of each key's clip in the data set. Default: not known.

        Raises:
            TypeError: keys are not floating-point, or ids not integers.
            ValueError: a wrong shape, more keys than the bank has rows, or a key with NaN or infinity (only if the
                values can be read without waiting for a device).
        """
        check_axes(keys, "n d", name="keys", d=self.features)
        n = keys.shape[0]
        if n > self.size:
            raise ValueError(
                f"keys: expected at most size={self.size} rows, got shape {tuple(keys.shape)}; enlarge the queue or "
                "enqueue a smaller batch"
            )
        keys = unit_rows(keys, name="keys")
        ids = torch.full_like(self.ids[:n], -1) if ids is None else self._checked(ids, n=n)
        rows = (self.pointer + torch.arange(n, device=self.pointer.device)) % self.size
        if values_visible(keys):
            check_finite(keys, name="keys")
            keys = keys.to(self.bank.dtype)
        else:
            finite = keys.isfinite().all(dim=1)
            keys = torch.where(finite[:, None], keys.to(self.bank.dtype), self.bank[rows])
            ids = torch.where(finite, ids, self.ids[rows])
        self.bank.index_copy_(0, rows, keys)
        self.ids.index_copy_(0, rows, ids)
        self.pointer.add_(n).remainder_(self.size)

    def own_rows(self, ids: Tensor) -> Tensor:
        """Find the rows that are older keys of the same clips.

        Args:
            ids: ``(n,)`` integers, the clips of the batch; -1 for an unknown clip, which has no rows.

        Returns:
            ``(n, k)`` boolean, for the argument ``exclude`` of logits, losses and mining.

        Raises:
            TypeError: ids are not integers.
            ValueError: ids are not ``(n,)``.

        Example:
            >>> queue = MomentumQueue(4, size=3)
            >>> queue.enqueue(torch.randn(2, 4), ids=torch.tensor([5, 6]))
            >>> queue.own_rows(torch.tensor([6, 9]))
            tensor([[False,  True, False],
                    [False, False, False]])
        """
        ids = self._checked(ids).unsqueeze(1)
        return (ids == self.ids) & (ids >= 0)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"features={self.features}, size={self.size}"

    def _checked(self, ids: Tensor, **sizes: int) -> Tensor:
        check_axes(ids, "n", name="ids", **sizes)
        if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
            raise TypeError(f"ids: expected an integer tensor, got {ids.dtype}; convert it with ids.long()")
        return ids.to(self.ids.dtype)
