"""The picture of docs/blocks/d3m-loss.md: two students take over the teacher's distribution."""

from __future__ import annotations

import torch
from common import write
from matplotlib.figure import Figure
from torch import Tensor

from skelblocks import contrastive_logits
from skelblocks.contrast import unit_rows
from skelblocks.losses import d3m_loss_from_embeddings

COLORS = {"first student": "#d55e00", "second student": "#009e73"}


def taught(students: Tensor, teacher: Tensor, key: Tensor, bank: Tensor, *, steps: int) -> tuple[Tensor, Tensor]:
    """Students after some steps, and the loss there."""
    students = students.clone().requires_grad_()
    optimizer = torch.optim.SGD([students], lr=0.1)
    for _ in range(steps):
        loss = d3m_loss_from_embeddings(teacher, students.split(1), key, bank, temperature=0.2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return students, d3m_loss_from_embeddings(teacher, students.split(1), key, bank, temperature=0.2)


def d3m_loss_steps() -> Figure:
    teacher, students = unit_rows(torch.randn(3, 16)).split([1, 2])
    key = teacher + 0.5 * unit_rows(torch.randn(1, 16))
    bank = unit_rows(torch.randn(24, 16))
    bank = bank[(bank @ teacher[0]).argsort(descending=True)]  # the row that the teacher finds nearest comes first

    def distribution(x: Tensor) -> Tensor:
        return contrastive_logits(x, key, bank, temperature=0.2).softmax(dim=1)[0].detach()

    figure = Figure(figsize=(8.8, 3.2), layout="constrained")
    columns = figure.subplots(1, 3, sharey=True)
    for axes, steps in zip(columns, (0, 10, 100), strict=True):
        after, loss = taught(students, teacher, key, bank, steps=steps)
        axes.bar(range(25), distribution(teacher), color="#cccccc", width=0.8, label="teacher")
        for (name, color), student in zip(COLORS.items(), after.split(1), strict=True):
            axes.plot(range(25), distribution(student), "o-", color=color, markersize=4, linewidth=1, label=name)
        axes.set_title(f"after {steps} steps, loss {loss.item():.2f}", fontsize=11)
        axes.set_xticks([0, 12.5], ["key", "the bank's rows"], fontsize=10)
        axes.tick_params(axis="x", length=0)
        axes.spines[["top", "right"]].set_visible(False)
    columns[0].set_ylabel("probability", fontsize=10)
    columns[0].legend(frameon=False, fontsize=10)
    return figure


if __name__ == "__main__":
    write(d3m_loss_steps)
