"""Similarity distillation against plain loops, and at points whose value is known."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.contrast import unit_rows
from skelblocks.losses import SimilarityDistillationLoss, similarity_distillation_loss

N, D, K = 4, 6, 9


def case(seed=0, n=N, d=D, k=K):
    generator = torch.Generator().manual_seed(seed)
    student, teacher = 3 * torch.randn(2, n, d, generator=generator, dtype=torch.float64)
    banks = [unit_rows(torch.randn(k, d, generator=generator, dtype=torch.float64)) for _ in range(2)]
    return student, teacher, *banks


def softmax(values):
    shares = [math.exp(value) for value in values]
    return [share / sum(shares) for share in shares]


def reference(student, teacher, student_bank, teacher_bank, *, top_k, student_temperature, teacher_temperature):
    """One number a clip, in plain loops."""

    def cosines(x, bank):
        return [sum(a * b for a, b in zip(x, row, strict=True)) / math.hypot(*x) for row in bank]

    losses = []
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        known, taught = cosines(t, teacher_bank.tolist()), cosines(s, student_bank.tolist())
        nearest = sorted(range(len(known)), key=lambda row: -known[row])[:top_k]
        p = softmax([known[row] / teacher_temperature for row in nearest])
        q = softmax([taught[row] / student_temperature for row in nearest])
        losses.append(sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)))
    return torch.tensor(losses, dtype=torch.float64)


@settings(deadline=None, max_examples=40)
@given(
    top_k=st.sampled_from([None, 1, 3, K]),
    student_temperature=st.sampled_from([0.1, 0.5]),
    teacher_temperature=st.sampled_from([0.05, 0.3]),
    seed=st.integers(0, 2**31),
)
def test_equals_plain_loops(top_k, student_temperature, teacher_temperature, seed):
    inputs = case(seed)
    options = {"student_temperature": student_temperature, "teacher_temperature": teacher_temperature}
    expected = reference(*inputs, top_k=top_k or K, **options)
    losses = similarity_distillation_loss(*inputs, top_k=top_k, reduction="none", **options)
    torch.testing.assert_close(losses, expected, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(SimilarityDistillationLoss(top_k=top_k, **options)(*inputs), expected.mean())
    order = torch.randperm(K)
    moved = similarity_distillation_loss(*inputs[:2], *(bank[order] for bank in inputs[2:]), top_k=top_k, **options)
    torch.testing.assert_close(moved, expected.mean(), rtol=1e-8, atol=1e-10)


def test_equals_the_divergence_of_torch_with_the_defaults_of_the_paper():
    student, teacher, student_bank, teacher_bank = case()
    taught = F.log_softmax(F.normalize(student) @ student_bank.T / 0.1, dim=1)
    known = F.softmax(F.normalize(teacher) @ teacher_bank.T / 0.05, dim=1)
    expected = F.kl_div(taught, known, reduction="batchmean")
    for loss in (similarity_distillation_loss, SimilarityDistillationLoss()):
        torch.testing.assert_close(loss(student, teacher, student_bank, teacher_bank), expected)


def test_one_neighbor_teaches_nothing():
    assert similarity_distillation_loss(*case(), top_k=1).abs() < 1e-12


def test_gradient_reaches_the_student_alone():
    inputs = [x.requires_grad_() for x in case()]
    similarity_distillation_loss(*inputs, top_k=3).backward()
    assert inputs[0].grad is not None
    assert all(x.grad is None for x in inputs[1:])
    constants = [x.detach() for x in inputs[1:]]
    assert torch.autograd.gradcheck(lambda x: similarity_distillation_loss(x, *constants, top_k=3), inputs[0])


@pytest.mark.parametrize(
    ("change", "options", "kind", "message"),
    [
        ({1: torch.zeros(3, D)}, {}, ValueError, "teacher: .* axis 'n' is 3, not 4"),
        ({3: torch.zeros(8, D)}, {}, ValueError, "teacher_bank: .* axis 'k' is 8, not 9"),
        ({2: torch.zeros(0, D), 3: torch.zeros(0, D)}, {}, ValueError, "student_bank: expected rows"),
        ({}, {"top_k": 10}, ValueError, "top_k: expected at most the 9 rows"),
        ({}, {"top_k": 0}, ValueError, "top_k: expected"),
        ({}, {"top_k": 2.0}, TypeError, "top_k: expected"),
        ({}, {"student_temperature": 0.0}, ValueError, "student_temperature: expected a number > 0"),
        ({1: torch.zeros(N, D, requires_grad=True)}, {}, ValueError, "teacher: expected a constant"),
        ({0: torch.zeros(N, D, dtype=torch.long)}, {}, TypeError, "student: expected a floating-point"),
    ],
)
def test_what_is_refused(change, options, kind, message):
    inputs = [change.get(place, x) for place, x in enumerate(case())]
    with pytest.raises(kind, match=message):
        similarity_distillation_loss(*inputs, **options)


def test_equals_the_released_code_of_actclr():
    """Squared similarities of the student, and rows that are too near to the teacher counted as its opposite."""
    with np.load(Path(__file__).parents[1] / "golden" / "actclr_f64.npz") as arrays:
        query, key, bank, loss, grad = (
            torch.from_numpy(np.asarray(arrays[name]))
            for name in ("loss/q", "loss/k", "loss/bank", "loss", "loss/grad")
        )
    query.requires_grad_()
    options = {"top_k": 16, "teacher_temperature": 0.04, "square_student": True, "max_similarity": 0.95}
    found = similarity_distillation_loss(query, key, bank, bank, **options)
    torch.testing.assert_close(found, loss, rtol=1e-9, atol=1e-10)
    (slope,) = torch.autograd.grad(found, query)
    # The embedding is normalized here, so the gradient has no part along it.
    unit = query.detach()
    torch.testing.assert_close(slope, grad - (grad * unit).sum(1, keepdim=True) * unit, rtol=1e-9, atol=1e-10)
    without = similarity_distillation_loss(query, key, bank, bank, **{**options, "max_similarity": None})
    assert not torch.isclose(without, loss)
    with pytest.raises(ValueError, match="max_similarity: expected a number > 0, got 0"):
        similarity_distillation_loss(query, key, bank, bank, max_similarity=0)
