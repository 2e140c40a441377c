"""D3M with three students, forward and backward: the bank in chunks against concatenated logits, softmax, then log."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from case import Case
from torch import Tensor
from torch.nn import functional as F

from skelblocks import d3m_loss_from_embeddings

N, D, K, STUDENTS, TEMPERATURE, CHUNK = 128, 128, 32768, 3, 0.07, 4096


def plain_d3m(query: Tensor, students: list[Tensor], key: Tensor, bank: Tensor) -> Tensor:
    """The mean over students of ``-sum p log q``, each distribution from logits of shape ``(n, 1 + k)``."""
    key = F.normalize(key, dim=1)

    def distribution(x: Tensor) -> Tensor:
        x = F.normalize(x, dim=1)
        positive, negative = (x * key).sum(dim=1, keepdim=True), x @ bank.T
        return torch.softmax(torch.cat((positive, negative), dim=1) / TEMPERATURE, dim=1)

    with torch.no_grad():
        target = distribution(query)
    losses = [-(target * torch.log(distribution(student))).sum(dim=1).mean() for student in students]
    return torch.stack(losses).mean()


def _step(students: list[Tensor], loss: Callable[[], Tensor]) -> list[Tensor]:
    for student in students:
        student.grad = None
    value = loss()
    value.backward()  # type: ignore[no-untyped-call]
    return [value.detach(), *(s.grad for s in students if s.grad is not None)]


def cases() -> Iterator[Case]:
    """Batch, embedding and bank of the released configurations."""
    torch.manual_seed(0)
    query, key, *students = torch.randn(2 + STUDENTS, N, D)
    students = [student.requires_grad_() for student in students]
    bank = F.normalize(torch.randn(K, D), dim=1)

    def ours() -> list[Tensor]:
        return _step(
            students,
            lambda: d3m_loss_from_embeddings(query, students, key, bank, temperature=TEMPERATURE, chunk_size=CHUNK),
        )

    def plain() -> list[Tensor]:
        return _step(students, lambda: plain_d3m(query, students, key, bank))

    pairs = zip(ours(), plain(), strict=True)
    difference = max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)
    sizes = f"D3M of {STUDENTS} students, batch {N}, bank {K} x {D}, chunks of {CHUNK}, forward and backward"
    yield Case("losses", sizes, ours, plain, difference)
