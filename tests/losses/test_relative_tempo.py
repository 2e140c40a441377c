"""Ranking of tempos against plain loops."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.losses import RelativeTempoLoss, relative_tempo_loss


def embeddings(seed=0, n=5, d=6):
    return [*torch.randn(3, n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))]


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))


@settings(deadline=None, max_examples=30)
@given(temperature=st.sampled_from([0.07, 0.5]), margin=st.sampled_from([0.0, 1.0, 3.0]), seed=st.integers(0, 2**31))
def test_equals_plain_loops(temperature, margin, seed):
    query, own, other = embeddings(seed)
    expected = [
        max(0.0, margin - (cosine(q, k) - cosine(q, o)) / temperature)
        for q, k, o in zip(query.tolist(), own.tolist(), other.tolist(), strict=True)
    ]
    options = {"temperature": temperature, "margin": margin}
    losses = relative_tempo_loss(query, own, other, reduction="none", **options)
    torch.testing.assert_close(losses, torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(RelativeTempoLoss(**options)(3 * query, own, 0.1 * other), losses.mean())


def test_gradient_reaches_the_query_alone():
    query, own, other = (x.requires_grad_() for x in embeddings())
    relative_tempo_loss(query, own, other).backward()
    assert query.grad is not None
    assert own.grad is None
    assert other.grad is None
    keys = own.detach(), other.detach()
    assert torch.autograd.gradcheck(lambda x: relative_tempo_loss(x, *keys, margin=20.0, reduction="none"), query)


def test_a_step_turns_the_query_to_its_own_tempo():
    query, own, other = (x.requires_grad_(i == 0) for i, x in enumerate(embeddings()))
    before = relative_tempo_loss(query, own, other, margin=30.0)
    before.backward()
    assert relative_tempo_loss((query - 0.1 * query.grad).detach(), own, other, margin=30.0) < before


@pytest.mark.parametrize(
    ("change", "options", "kind", "message"),
    [
        ({1: torch.zeros(4, 6)}, {}, ValueError, "own: .* axis 'n' is 4, not 5"),
        ({2: torch.zeros(5, 3)}, {}, ValueError, "other: .* axis 'd' is 3, not 6"),
        ({2: torch.zeros(5, 6, dtype=torch.long)}, {}, TypeError, "other: expected a floating-point"),
        ({1: torch.zeros(5, 6, requires_grad=True)}, {}, ValueError, "own: expected a constant"),
        ({}, {"margin": -1.0}, ValueError, "margin: expected a finite number >= 0, got -1.0"),
        ({}, {"temperature": 0.0}, ValueError, "temperature: expected a number > 0"),
        ({}, {"reduction": "max"}, ValueError, "reduction: expected one of"),
    ],
)
def test_what_is_refused(change, options, kind, message):
    inputs = [change.get(place, x) for place, x in enumerate(embeddings())]
    with pytest.raises(kind, match=message):
        relative_tempo_loss(*inputs, **options)
    if options:
        with pytest.raises(kind, match=message):
            RelativeTempoLoss(**options)
