import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.evaluation import StreamScores, accuracy, fuse_scores, knn_scores, nearest_neighbors


def reference(logits, labels, k, votes=False):
    hits = 0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        ranking = sorted((c for c in range(len(row)) if row[c] or not votes), key=lambda c: (-row[c], c))
        hits += label in ranking[:k]
    return hits / len(logits)


@given(st.integers(1, 30), st.integers(1, 8), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_equals_the_slow_reference_ties_included(n, c, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randint(0, 4, (n, c), generator=generator).float()  # many equal scores
    labels = torch.randint(0, c, (n,), generator=generator)
    for votes in (False, True):
        topk = [k for k in (1, 2, 5) if k <= c]
        got = accuracy(logits, labels, topk=topk, votes=votes)
        assert got == {k: pytest.approx(reference(logits, labels, k, votes)) for k in topk}


@given(
    n=st.integers(1, 8),
    classes=st.integers(1, 12),
    k=st.integers(1, 9),
    weights=st.sampled_from(["uniform", "exponential"]),
    temperature=st.sampled_from([1e-5, 0.1, 10.0]),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_only_classes_with_votes_are_ranked(n, classes, k, weights, temperature, seed):
    generator = torch.Generator().manual_seed(seed)
    query, bank = torch.randn(n, 4, generator=generator), torch.randn(9, 4, generator=generator)
    labels, truth = torch.randint(0, classes, (9,), generator=generator), torch.randint(0, classes, (n,))
    scores = knn_scores(query, bank, labels, k=[k], num_classes=classes, weights=weights, temperature=temperature)[k]
    voters = labels[nearest_neighbors(query, bank, k=k)[1]]
    voted = (voters == truth[:, None]).any(dim=1).float().mean().item()
    assert accuracy(scores, truth, topk=(classes,))[classes] == pytest.approx(voted)
    for k_top in (k for k in (1, 2, 5) if k <= classes):
        assert accuracy(scores, truth, topk=(k_top,))[k_top] == pytest.approx(reference(scores, truth, k_top, True))


def test_a_vote_for_another_class_is_no_hit():
    votes = knn_scores(torch.eye(4), torch.eye(4), torch.full((4,), 9), k=[1], num_classes=10)[1]
    assert accuracy(votes, torch.arange(4), topk=(5, 10)) == {5: 0.0, 10: 0.0}
    assert accuracy(votes.half(), torch.arange(4), topk=(5,)) == {5: 0.0}
    assert accuracy(3 * votes, torch.arange(4), topk=(5,)) == {5: 0.0}  # counted, not divided
    streams = {name: StreamScores(list("abcd"), votes) for name in ("joint", "bone", "motion")}
    assert accuracy(fuse_scores(streams).scores, torch.arange(4), topk=(5,)) == {5: 0.0}
    assert accuracy(votes, torch.arange(4), topk=(5,), votes=False) == {5: 1.0}


def test_zeros_among_scores_are_scores():
    logits = torch.tensor([[2.0, 0.0, -1.0], [2.0, 0.0, -3.0]])
    assert accuracy(logits, torch.tensor([1, 1]), topk=(2,)) == {2: 1.0}
    relu = torch.tensor([[2.0, 0.0, 1.0], [4.0, 0.0, 3.0]])
    assert accuracy(relu, torch.tensor([1, 1]), topk=(3,)) == {3: 1.0}
    with pytest.raises(ValueError, match="logits: expected no negative score with votes=True"):
        accuracy(logits, torch.tensor([1, 1]), votes=True)


def test_constant_scores_earn_no_more_than_one_class():
    labels = torch.arange(60).repeat(2)
    assert accuracy(torch.zeros(120, 60), labels) == {1: pytest.approx(1 / 60), 5: pytest.approx(5 / 60)}


def test_more_than_all_classes_are_refused_and_no_default():
    labels = torch.zeros(7, dtype=torch.long)
    assert list(accuracy(torch.randn(7, 4), labels)) == [1]
    assert accuracy(torch.randn(7, 5), labels)[5] == 1
    with pytest.raises(
        ValueError, match=r"topk: expected integers in 1\.\.4, the number of classes, got 5, .*; leave it"
    ):
        accuracy(torch.randn(7, 4), labels, topk=(1, 5))


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
        (torch.full((2, 3), torch.nan), torch.tensor([0, 1]), (1,), "logits: expected finite scores"),
    ],
)
def test_wrong_arguments_say_what_was_expected(logits, labels, topk, message):
    with pytest.raises(ValueError, match=message):
        accuracy(logits, labels, topk=topk)


def test_other_numbers_are_refused():
    with pytest.raises(TypeError, match=r"topk: expected a sequence of integers >= 1, got 5; pass \(5,\)"):
        accuracy(torch.zeros(2, 3), torch.tensor([0, 1]), topk=5)
    with pytest.raises(TypeError, match="logits: expected a floating-point tensor"):
        accuracy(torch.zeros(2, 3, dtype=torch.long), torch.tensor([0, 1]))
    with pytest.raises(TypeError, match=r"labels: expected integers, got torch\.float32"):
        accuracy(torch.zeros(2, 3), torch.zeros(2))
