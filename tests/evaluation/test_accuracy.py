import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.evaluation import accuracy


def reference(logits, labels, k):
    hits = 0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        ranking = sorted(range(len(row)), key=lambda c: (-row[c], c))
        hits += label in ranking[:k]
    return hits / len(logits)


@given(st.integers(1, 30), st.integers(1, 8), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_equals_the_slow_reference_ties_included(n, c, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randint(0, 4, (n, c), generator=generator).float()  # many equal scores
    labels = torch.randint(0, c, (n,), generator=generator)
    got = accuracy(logits, labels, topk=(1, 2, 5))
    assert got == {k: pytest.approx(reference(logits, labels, k)) for k in (1, 2, 5)}


def test_constant_scores_earn_no_more_than_one_class():
    labels = torch.arange(60).repeat(2)
    assert accuracy(torch.zeros(120, 60), labels) == {1: pytest.approx(1 / 60), 5: pytest.approx(5 / 60)}


def test_fewer_classes_than_k_is_always_a_hit():
    assert accuracy(torch.randn(7, 3), torch.zeros(7, dtype=torch.long))[5] == 1


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_takes_every_kind_of_float_and_of_integer(dtype):
    logits = torch.eye(4, dtype=dtype)
    assert accuracy(logits, torch.arange(4, dtype=torch.int32), topk=(1,)) == {1: 1.0}


@pytest.mark.parametrize(
    ("logits", "labels", "topk", "message"),
    [
        (torch.zeros(2, 3, 1), torch.zeros(2, dtype=torch.long), (1,), "logits: expected 2 axes"),
        (torch.zeros(2, 3), torch.zeros(3, dtype=torch.long), (1,), "labels: .* axis 'n' is 3, not 2"),
        (torch.zeros(2, 3), torch.tensor([0, 3]), (1,), r"labels: expected classes in 0..2, got 0..3"),
        (torch.zeros(2, 3), torch.tensor([0, -1]), (1,), r"got -1..0"),
        (torch.zeros(0, 3), torch.zeros(0, dtype=torch.long), (1,), "at least one sample"),
        (torch.zeros(2, 3), torch.tensor([0, 1]), (0,), "topk: expected an integer >= 1, got 0"),
        (torch.full((2, 3), torch.nan), torch.tensor([0, 1]), (1,), "logits: NaN"),
    ],
)
def test_wrong_arguments_say_what_was_expected(logits, labels, topk, message):
    with pytest.raises(ValueError, match=message):
        accuracy(logits, labels, topk=topk)


def test_other_numbers_are_refused():
    with pytest.raises(TypeError, match="logits: expected a floating-point tensor"):
        accuracy(torch.zeros(2, 3, dtype=torch.long), torch.tensor([0, 1]))
    with pytest.raises(TypeError, match=r"labels: expected integers, got torch\.float32"):
        accuracy(torch.zeros(2, 3), torch.zeros(2))
