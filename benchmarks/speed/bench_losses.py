"""InfoNCE and D3M of four branches, forward and backward, against concatenated logits, softmax, then log.

Twice: by the door that reads the bank in chunks, and by the logits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.speed.case import Case, Setting, largest_difference
from skelblocks.contrast import contrastive_logits
from skelblocks.losses import d3m_loss, d3m_loss_from_embeddings, info_nce, info_nce_from_embeddings

N, D, K, TEMPERATURE, CHUNK = 128, 128, 32768, 0.07, 4096


def plain_losses(branches: list[Tensor], key: Tensor, columns: Tensor) -> Tensor:
    """``columns`` is the bank as (d, k); the first branch is the teacher."""
    key = F.normalize(key, dim=1)

    def logits_of(x: Tensor) -> Tensor:
        x = F.normalize(x, dim=1)
        positive = torch.einsum("nc,nc->n", [x, key]).unsqueeze(-1)
        negative = torch.einsum("nc,ck->nk", [x, columns.clone().detach()])
        logits = torch.cat([positive, negative], dim=1)
        logits /= TEMPERATURE
        return logits

    teacher = logits_of(branches[0])
    labels = torch.zeros(len(teacher), dtype=torch.long, device=teacher.device)
    students = [torch.softmax(logits_of(branch), dim=1) for branch in branches[1:]]
    target = torch.softmax(teacher.clone().detach(), dim=1)
    contrast = F.cross_entropy(teacher, labels)
    divergences = [-torch.mean(torch.sum(torch.log(student) * target, dim=1)) for student in students]
    return contrast + sum(divergences) / len(divergences)


def _step(branches: list[Tensor], loss: Callable[[], Tensor]) -> list[Tensor]:
    for branch in branches:
        branch.grad = None
    value = loss()
    value.backward()  # type: ignore[no-untyped-call]
    return [value.detach(), *(branch.grad for branch in branches if branch.grad is not None)]


def cases(setting: Setting) -> Iterator[Case]:
    """Batch, embedding and bank of the released configurations; 4 branches: the teacher and three students."""
    torch.manual_seed(0)
    n, k = (4, 96) if setting.small else (N, K)
    key, *branches = torch.randn(5, n, D, device=setting.device)
    branches = [branch.requires_grad_() for branch in branches]
    bank = F.normalize(torch.randn(k, D, device=setting.device), dim=1)
    columns = bank.T.contiguous()
    chunk = k // 8

    def by_chunks() -> Tensor:
        teacher, *students = branches
        contrast = info_nce_from_embeddings(teacher, key, bank, temperature=TEMPERATURE, chunk_size=chunk)
        return contrast + d3m_loss_from_embeddings(
            teacher, students, key, bank, temperature=TEMPERATURE, chunk_size=chunk
        )

    def by_logits() -> Tensor:
        teacher, *students = (contrastive_logits(x, key, bank, temperature=TEMPERATURE) for x in branches)
        return info_nce(teacher) + d3m_loss(students, teacher)

    def plain() -> list[Tensor]:
        return _step(branches, lambda: plain_losses(branches, key, columns))

    sizes = f"{len(branches)} branches, batch {n}, bank {k} x {D}, forward and backward"
    for name, how, loss in (
        ("losses", f"chunks of {chunk}", by_chunks),
        ("losses, by the logits", "logits kept", by_logits),
    ):

        def ours(loss: Callable[[], Tensor] = loss) -> list[Tensor]:
            return _step(branches, loss)

        yield Case(name, f"{sizes}; {how}", ours, plain, largest_difference(ours(), plain()))
