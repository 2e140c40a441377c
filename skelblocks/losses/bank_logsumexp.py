"""Log-sum-exp over the bank, computed in chunks so that memory does not grow with the bank.

Axes: n samples, d embedding, k bank rows.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from skelblocks._utils.autocast_off import autocast_off
from skelblocks._utils.checks import check_axes, check_boolean, check_floating, check_integer, check_positive
from skelblocks._utils.debug import debugging
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.contrast._checks import check_finite


@explain_arguments
def bank_logsumexp(
    query: Tensor, bank: Tensor, *, temperature: float, chunk_size: int | None = None, exclude: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    r"""Log-sum-exp of a query's similarities to the bank, and the mean bank row under that softmax.

    .. math:: s_n = \log \sum_j e^{q_n \cdot b_j / \tau}, \qquad
        \bar b_n = \sum_j e^{q_n \cdot b_j / \tau - s_n}\, b_j, \qquad \nabla_q s_n = \bar b_n / \tau

    Divided by the temperature, the mean row is the gradient. So one pass over the bank with a running maximum gives
    both, and backward stores ``(n, d)`` numbers instead of ``(n, k)`` scores.

    Args:
        query: ``(n, d)``. Pass rows of unit length to compare by cosine.
        bank: ``(k, d)``, constant: no gradient flows to it.
        temperature: Positive.
        chunk_size: Number of bank rows to process at a time. Default: all.
        exclude: ``(n, k)`` boolean, true for rows that a query skips.

    Returns:
        Two tensors in the query's precision, float32 at least: the values ``(n,)``, with gradient to the query, and
        the constant mean rows ``(n, d)``. Where a query skips all rows, the value is ``-inf`` and the mean row zero.
        There is no second derivative.

    Raises:
        TypeError: a wrong dtype, or a chunk size that is not an integer.
        ValueError: a wrong shape, or a temperature or chunk size that is not positive.

    Example:
        >>> query, bank = torch.randn(4, 8), torch.randn(100, 8)
        >>> value, mean_row = bank_logsumexp(query, bank, temperature=0.5, chunk_size=32)
        >>> torch.allclose(value, (query @ bank.T / 0.5).logsumexp(dim=1), atol=1e-5), mean_row.shape
        (True, torch.Size([4, 8]))
    """
    check_axes(query, "n d", name="query")
    check_axes(bank, "k d", name="bank", d=query.shape[1])
    check_floating(query, name="query")
    check_floating(bank, name="bank")
    check_positive(temperature, name="temperature")
    if exclude is not None:
        check_axes(exclude, "n k", name="exclude", n=query.shape[0], k=bank.shape[0])
        check_boolean(exclude, name="exclude")
    for name, x in (("query", query), ("bank", bank)):
        if debugging(x):
            check_finite(x, name=name)
    return stream_bank(query, bank, temperature=temperature, chunk_size=chunk_size, exclude=exclude)


def stream_bank(
    query: Tensor, bank: Tensor, *, temperature: float, chunk_size: int | None, exclude: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Compute :func:`bank_logsumexp` without checking the tensors."""
    if chunk_size is not None:
        check_integer(chunk_size, name="chunk_size")
    query = query.to(torch.promote_types(query.dtype, torch.float32))
    chunk_size = max(bank.shape[0], 1) if chunk_size is None else chunk_size
    with autocast_off(query):
        value, mean_row = _BankLogSumExp.apply(  # type: ignore[no-untyped-call]
            query / temperature, bank.detach(), chunk_size, exclude
        )
    return value, mean_row.detach()


class _BankLogSumExp(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(query: Tensor, bank: Tensor, chunk_size: int, exclude: Tensor | None) -> tuple[Tensor, Tensor]:
        largest = query.new_full((query.shape[0], 1), -torch.inf)
        total = torch.zeros_like(largest)
        weighted = torch.zeros_like(query)
        for start in range(0, bank.shape[0], chunk_size):
            rows = bank[start : start + chunk_size].to(query.dtype)
            scores = query @ rows.T
            if exclude is not None:
                scores.masked_fill_(exclude[:, start : start + chunk_size], -torch.inf)
            previous, largest = largest, torch.maximum(largest, scores.amax(dim=1, keepdim=True))
            shift = largest.masked_fill(largest == -torch.inf, 0)  # -inf minus -inf would be NaN
            weights, decay = scores.sub_(shift).exp_(), (previous - shift).exp()
            total = total * decay + weights.sum(dim=1, keepdim=True)
            weighted = weighted * decay + weights @ rows
        empty = total == 0
        value = (largest + total.log()).masked_fill(empty, -torch.inf).squeeze(1)
        return value, weighted / total.masked_fill(empty, 1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(output[1])

    @staticmethod
    def backward(
        ctx: Any, grad_value: Tensor | None, grad_mean_row: Tensor | None
    ) -> tuple[Tensor | None, None, None, None]:
        # Callers get a detached mean row, so only a second derivative asks for its gradient. A compiler always traces
        # one.
        if grad_mean_row is not None and not torch.compiler.is_compiling():
            raise RuntimeError("bank_logsumexp: has no second derivative; omit chunk_size to differentiate twice")
        (mean_row,) = ctx.saved_tensors
        grad = None if grad_value is None else grad_value.unsqueeze(1) * mean_row
        return grad, None, None, None
