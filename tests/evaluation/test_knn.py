import math
from pathlib import Path

import numpy as np
import pytest
import torch

from skelblocks.evaluation import knn_accuracy, knn_predict, knn_scores
from skelblocks.testing import with_cuda

GOLDEN = Path(__file__).parents[1] / "golden"


def reference(query, bank, labels, k, temperature, classes, weights="exponential"):
    """One query and neighbor at a time, in Python floats."""
    out = []
    for q in query.tolist():
        cosines = []
        for b in bank.tolist():
            dot = sum(x * y for x, y in zip(q, b, strict=True))
            cosines.append(dot / math.sqrt(sum(x * x for x in q) * sum(x * x for x in b)))
        nearest = sorted(range(len(cosines)), key=lambda j: -cosines[j])[:k]
        votes = [0.0] * classes
        for j in nearest:
            votes[labels[j]] += math.exp(cosines[j] / temperature) if weights == "exponential" else 1
        out.append([vote / sum(votes) for vote in votes])
    return torch.tensor(out, dtype=query.dtype)


def case(n=7, rows=30, d=6, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(n, d, generator=generator, dtype=torch.float64)
    bank = torch.randn(rows, d, generator=generator, dtype=torch.float64)
    return query, bank, torch.randint(0, classes, (rows,), generator=generator)


@pytest.mark.parametrize("weights", ["exponential", "uniform"])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
@pytest.mark.parametrize("chunk_size", [1, 3, 1000])
def test_equals_the_slow_reference(weights, temperature, chunk_size):
    query, bank, labels = case()
    options = {"temperature": temperature, "num_classes": 5, "weights": weights, "chunk_size": chunk_size}
    scores = knn_scores(query, bank, labels, k=[1, 4, 30], **options)
    for k, got in scores.items():
        torch.testing.assert_close(got, reference(query, bank, labels.tolist(), k, temperature, 5, weights))
    several = knn_predict(query, bank, labels, k=[30, 4], **options)
    assert list(several) == [30, 4]
    for k, classes in several.items():
        assert classes.equal(scores[k].argmax(dim=1))
        assert classes.equal(knn_predict(query, bank, labels, k=k, **options))


def test_ranks_classes_as_the_official_code_does():
    with np.load(GOLDEN / "knn_f64.npz") as golden:
        query, bank, labels = (torch.from_numpy(golden[name]) for name in ("feature", "bank_DxN", "labels"))
        options = {"temperature": float(golden["T"]), "num_classes": int(golden["classes"])}
        scores = knn_scores(query, bank.T, labels, k=[1, 5, 10, 20], **options)
        for k, votes in scores.items():
            official = torch.from_numpy(golden[f"pred_k{k}"])
            assert knn_predict(query, bank.T, labels, k=k, **options).equal(official[:, 0])
            ranking = votes.argsort(dim=1, descending=True)
            ranked = votes.gather(1, ranking) > 0  # among classes without a vote the order is nobody's
            assert (ranking == official)[ranked].all()


def test_twenty_neighbours_vote_at_a_temperature_of_a_tenth_by_default():
    query, bank, labels = case(n=200)
    scores = reference(query, bank, labels.tolist(), 20, 0.1, 4)
    torch.testing.assert_close(knn_scores(query, bank, labels, k=[20])[20], scores)
    assert knn_predict(query, bank, labels).equal(scores.argmax(dim=1))
    assert knn_accuracy(bank, labels, query, scores.argmax(dim=1)) == 1.0


def test_the_length_of_features_does_not_matter_and_no_temperature_is_too_low():
    query, bank, labels = case()
    expected = knn_predict(query, bank, labels, k=5)
    scale = torch.rand(30, 1, dtype=torch.float64) + 0.1
    assert knn_predict(query * 1e-3, bank * scale, labels, k=5).equal(expected)
    cold = knn_scores(query.float(), bank.float(), labels, k=[5], temperature=1e-4)[5]
    assert cold.isfinite().all()
    assert cold.argmax(dim=1).equal(knn_predict(query, bank, labels, k=1))


@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1e-14, 1.0, 1e19, 1e36])
def test_features_of_any_scale(scale):
    query, bank = torch.tensor([[1.0, 0.2]]) * scale, torch.tensor([[1.0, 0.0], [0.0, 9.0]]) * scale
    assert knn_predict(query, bank, torch.tensor([0, 1]), k=1).tolist() == [0]
    assert knn_predict(query, bank * torch.tensor([[1.0], [1e-3]]), torch.tensor([0, 1]), k=1).tolist() == [0]


def test_no_voter_has_a_vote_of_zero():
    _, bank, _ = case()
    labels = torch.arange(30)
    for temperature in (1e-30, 1e-5, 0.1):
        for dtype in (torch.float32, torch.float64):
            scores = knn_scores(bank.to(dtype), bank.to(dtype), labels, k=[7], temperature=temperature)[7]
            assert ((scores > 0).sum(dim=1) == 7).all()


def test_a_features_own_copy_in_the_bank_decides_at_k_1():
    _, bank, labels = case()
    assert knn_accuracy(bank, labels, bank, labels, k=1) == 1.0


def test_accuracy_is_the_share_of_right_predictions():
    query, bank, labels = case(n=20)
    truth = torch.arange(20) % 4
    got = knn_accuracy(bank, labels, query, truth, k=[1, 5])
    for k, share in got.items():
        assert share == pytest.approx((knn_predict(query, bank, labels, k=k) == truth).double().mean().item())
    assert knn_accuracy(bank, labels, query, truth, k=5) == got[5]
    assert knn_accuracy(bank, labels, query, torch.full((20,), 9), k=5) == 0.0  # a class that was never seen


@pytest.mark.parametrize("option", [{"temperature": 1.0}, {"weights": "uniform"}])
def test_accuracy_weighs_votes_as_it_is_told(option):
    query, bank, labels = case(n=50)
    truth = knn_predict(query, bank, labels, k=15, **option)
    assert knn_accuracy(bank, labels, query, truth, k=15, **option) == 1.0
    assert knn_accuracy(bank, labels, query, truth, k=15) < 1.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_other_precisions_and_autocast_count_in_single_precision(dtype):
    query, bank, labels = case()
    query, bank = query.to(dtype), bank.to(dtype)
    expected = knn_scores(query.float(), bank.float(), labels, k=[5])[5]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = knn_scores(query, bank, labels.to(torch.int32), k=[5])[5]
    assert got.dtype == torch.float32
    assert got.equal(expected)


def test_no_gradient_and_no_random_number():
    query, bank, labels = case()
    before = torch.get_rng_state()
    assert not knn_scores(query.requires_grad_(), bank, labels, k=[5])[5].requires_grad
    assert torch.get_rng_state().equal(before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query": torch.zeros(2, 3)}, "query: .* axis 'd' is 3, not 6"),
        ({"bank": torch.zeros(3, 6, 1)}, "bank: expected 2 axes"),
        ({"labels": torch.zeros(3, dtype=torch.long)}, "labels: .* axis 'n' is 3, not 30"),
        ({"labels": torch.full((30,), 7), "num_classes": 5}, r"labels: expected classes in 0..4, got 7..7"),
        ({"query": torch.full((2, 6), torch.nan)}, "query: expected finite numbers"),
        ({"bank": torch.full((30, 6), torch.inf)}, "bank: expected finite numbers"),
        ({"k": 31}, r"k: expected integers in 1..30, the rows of the bank, got \[31\]"),
        ({"k": [0, 5]}, "k: expected an integer >= 1, got 0"),
        ({"k": []}, "k: expected at least one integer"),
        ({"num_classes": 0}, "num_classes: expected an integer >= 1, got 0"),
        ({"temperature": 0.0}, "temperature: expected a number > 0"),
        ({"weights": "rank"}, "weights: expected one of 'exponential', 'uniform'"),
        ({"chunk_size": 0}, "chunk_size"),
    ],
)
def test_wrong_arguments_say_what_was_expected(change, message):
    query, bank, labels = case()
    arguments = {"query": query, "bank": bank, "labels": labels, "k": 5, **change}
    with pytest.raises(ValueError, match=message):
        knn_predict(**arguments)


def test_labels_and_numbers_that_are_not_integers_are_refused():
    query, bank, labels = case()
    for change in ({"k": 2.0}, {"k": [2.5]}, {"k": True}, {"k": 2, "chunk_size": 2.5}):
        with pytest.raises(TypeError, match="expected an integer >= 1"):
            knn_predict(query, bank, labels, **change)
    assert knn_predict(query, bank, labels, k=np.int64(5)).equal(knn_predict(query, bank, labels, k=5))
    with pytest.raises(TypeError, match="labels: expected integers"):
        knn_predict(query, bank, labels.float(), k=5)


@with_cuda
def test_the_same_on_cuda():
    query, bank, labels = case()
    got = knn_scores(query.cuda(), bank, labels, k=[5])[5]
    torch.testing.assert_close(got.cpu(), knn_scores(query, bank, labels, k=[5])[5])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_features": torch.full((30, 6), torch.nan)}, "train_features: expected finite numbers"),
        ({"test_features": torch.full((2, 6), torch.inf)}, "test_features: expected finite numbers"),
        ({"test_features": torch.zeros(2, 5)}, "test_features: .* axis 'd' is 5, not 6"),
        ({"train_labels": torch.full((30,), -1)}, "train_labels: expected classes from 0"),
    ],
)
def test_accuracy_names_its_own_arguments(change, message):
    query, bank, labels = case()
    arguments = {"train_features": bank, "train_labels": labels, "test_features": query[:2], "test_labels": labels[:2]}
    with pytest.raises(ValueError, match=message):
        knn_accuracy(**{**arguments, **change}, k=5)
