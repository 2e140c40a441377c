import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.evaluation import nearest_neighbors, retrieval_scores
from skelblocks.testing import with_cuda

GOLDEN = Path(__file__).parents[1] / "golden"


def reference_ranking(query, bank, exclude_self, step=2.0**-40):
    """Every row number, nearest first, and its cosine, a pair at a time in Python floats."""
    rankings = []
    for i, q in enumerate(query.tolist()):
        cosines = {}
        for j, b in enumerate(bank.tolist()):
            if exclude_self and i == j:
                continue
            length = math.sqrt(math.fsum(x * x for x in q)) * math.sqrt(math.fsum(x * x for x in b))
            dot = math.fsum(x * y for x, y in zip(q, b, strict=True))
            cosines[j] = round(dot / length / step if length else 0.0) * step
        rankings.append([(j, cosines[j]) for j in sorted(cosines, key=lambda j: (-cosines[j], j))])
    return rankings


def reference_scores(query, query_labels, bank, bank_labels, topk, exclude_self, step=2.0**-40):
    precisions, recalls = [], {k: [] for k in topk}
    for label, ranking in zip(query_labels, reference_ranking(query, bank, exclude_self, step), strict=True):
        hits = [bank_labels[j] == label for j, _ in ranking]
        found = [sum(hits[: r + 1]) / (r + 1) for r, hit in enumerate(hits) if hit]
        precisions.append(sum(found) / len(found))
        for k in topk:
            recalls[k].append(any(hits[:k]))
    return {k: sum(found) / len(found) for k, found in recalls.items()}, sum(precisions) / len(precisions)


def case(n=7, rows=30, d=6, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(n, d, generator=generator, dtype=torch.float64)
    bank = torch.randn(rows, d, generator=generator, dtype=torch.float64)
    return query, torch.arange(n) % classes, bank, torch.arange(rows) % classes


@pytest.mark.parametrize("chunk_size", [1, 3, 1000])
@pytest.mark.parametrize("exclude_self", [False, True])
def test_equals_the_slow_reference(chunk_size, exclude_self):
    query, query_labels, bank, labels = case()
    if exclude_self:
        query, query_labels = bank, labels
    options = {"exclude_self": exclude_self, "chunk_size": chunk_size}
    ranking = reference_ranking(query, bank, exclude_self)
    for k in (1, 4, 29):
        similarity, index = nearest_neighbors(query, bank, k=k, **options)
        assert index.tolist() == [[j for j, _ in row[:k]] for row in ranking]
        expected = torch.tensor([[cosine for _, cosine in row[:k]] for row in ranking], dtype=torch.float64)
        torch.testing.assert_close(similarity, expected, rtol=1e-9, atol=1e-10)
    got = retrieval_scores(query, query_labels, bank, labels, topk=(1, 3, 29), **options)
    recall, precision = reference_scores(query, query_labels.tolist(), bank, labels.tolist(), (1, 3, 29), exclude_self)
    assert got.recall == pytest.approx(recall)
    assert got.mean_average_precision == pytest.approx(precision, rel=1e-12)


@given(
    n=st.integers(1, 6),
    rows=st.integers(2, 40),
    d=st.integers(1, 3),
    k=st.integers(1, 40),
    exclude_self=st.booleans(),
    chunk_size=st.integers(1, 8),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=80, deadline=None)
def test_of_equal_cosines_the_lower_row_comes_first(n, rows, d, k, exclude_self, chunk_size, seed):
    generator = torch.Generator().manual_seed(seed)
    bank = torch.randint(-1, 2, (rows, d), generator=generator).float()  # few directions, many equal cosines, zeros
    query = bank if exclude_self else torch.randint(-1, 2, (n, d), generator=generator).float()
    k = min(k, rows - exclude_self)
    options = {"exclude_self": exclude_self, "chunk_size": chunk_size}
    similarity, index = nearest_neighbors(query, bank, k=k, **options)
    ranking = reference_ranking(query, bank, exclude_self, 2.0**-24)
    assert index.tolist() == [[j for j, _ in row[:k]] for row in ranking]
    assert not similarity[similarity == 0].signbit().any()  # on CUDA a negative zero is sorted below zero
    assert similarity.tolist() == [[pytest.approx(cosine) for _, cosine in row[:k]] for row in ranking]

    labels = torch.randint(0, 3, (rows,), generator=generator)
    labels = torch.cat((labels, labels))  # so that no class has one row alone
    bank = torch.cat((bank, bank))
    query, query_labels = (bank, labels) if exclude_self else (query, labels[torch.arange(len(query)) % rows])
    got = retrieval_scores(query, query_labels, bank, labels, topk=(1, 2), **options)
    expected = reference_scores(query, query_labels.tolist(), bank, labels.tolist(), (1, 2), exclude_self, 2.0**-24)
    assert (got.recall, got.mean_average_precision) == (pytest.approx(expected[0]), pytest.approx(expected[1]))


def test_copies_of_a_row_tie_wherever_they_are_in_the_bank():
    generator = torch.Generator().manual_seed(0)
    row = torch.randn(1, 67, generator=generator)
    bank = torch.randn(211, 67, generator=generator)
    places = torch.tensor([0, 7, 8, 100, 207, 208, 209, 210])  # the edges of the blocks of a product, among others
    bank[places] = row * torch.tensor([1.0, 2, 3, 0.5, 7, 1, 5, 9])[:, None]
    similarity, index = nearest_neighbors(torch.cat((row, row + 0.01)), bank, k=8)
    assert index.tolist() == [places.tolist()] * 2
    assert (similarity == similarity[:, :1]).all()


def test_neighbours_vote_as_in_the_official_code():
    with np.load(GOLDEN / "knn_f64.npz") as golden:
        query, bank, labels = (torch.from_numpy(golden[name]) for name in ("feature", "bank_DxN", "labels"))
        for k in (1, 5, 10, 20):
            similarity, index = nearest_neighbors(query, bank.T, k=k)
            votes = torch.zeros(len(query), int(golden["classes"]), dtype=torch.float64)
            votes.scatter_add_(1, labels[index], (similarity / float(golden["T"])).exp())
            assert votes.argmax(dim=1).equal(torch.from_numpy(golden[f"pred_k{k}"])[:, 0])


def test_known_values():
    bank = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.5, 0.5], [0.0, 1.0]])
    query, labels = torch.tensor([[1.0, 0.0]]), torch.tensor([1, 0, 1, 0])
    got = retrieval_scores(query, torch.tensor([0]), bank, labels, topk=(1, 2))
    assert got.recall == {1: 0.0, 2: 1.0}
    assert got.mean_average_precision == pytest.approx((1 / 2 + 2 / 4) / 2)
    perfect = retrieval_scores(bank, labels, bank, labels, topk=(1,))
    assert perfect.recall == {1: 1.0}  # each finds itself
    alone = retrieval_scores(bank, labels, bank, labels, topk=(1,), exclude_self=True)
    assert alone.recall == {1: 0.0}


def test_recall_at_1_5_and_10_by_default():
    assert retrieval_scores(*case()) == retrieval_scores(*case(), topk=(1, 5, 10))


def test_the_length_of_features_does_not_matter():
    query, query_labels, bank, labels = case()
    scale = torch.rand(30, 1, dtype=torch.float64) + 0.1
    expected = retrieval_scores(query, query_labels, bank, labels)
    got = retrieval_scores(query * 1e-3, query_labels, bank * scale, labels)
    assert got == (expected.recall, pytest.approx(expected.mean_average_precision))


@pytest.mark.parametrize("scale", [1e-44, 1e-14, 1e19, 1e36])
def test_features_of_any_scale(scale):
    bank = torch.tensor([[1.0, 0.0], [0.0, 9.0], [1.0, 1.0]])
    expected = nearest_neighbors(torch.tensor([[1.0, 0.2]]), bank, k=3)
    for dtype in (torch.float32, torch.float64):
        scaled = bank.to(dtype) * scale
        found = nearest_neighbors(torch.tensor([[1.0, 0.25]], dtype=dtype) * scale, scaled, k=3)
        assert found[1].tolist() == expected[1].tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_other_precisions_and_autocast_count_in_single_precision(dtype):
    query, query_labels, bank, labels = case()
    query, bank = query.to(dtype), bank.to(dtype)
    expected = nearest_neighbors(query.float(), bank.float(), k=5)
    scores = retrieval_scores(query.float(), query_labels, bank.float(), labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        similarity, index = nearest_neighbors(query, bank, k=5)
        assert retrieval_scores(query, query_labels.to(torch.int32), bank, labels.to(torch.uint8)) == scores
    assert similarity.dtype == torch.float32
    assert similarity.equal(expected[0])
    assert index.equal(expected[1])


def test_no_gradient_no_random_number_and_nothing_written():
    query, query_labels, bank, labels = case()
    before = torch.get_rng_state()
    held = bank.clone()
    assert not nearest_neighbors(bank.requires_grad_(), bank, k=5, exclude_self=True)[0].requires_grad
    scores = retrieval_scores(query, query_labels, bank, labels)
    assert torch.get_rng_state().equal(before)
    assert bank.detach().equal(held)
    assert pickle.loads(pickle.dumps(scores)) == scores


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query": torch.zeros(2, 3)}, "query: .* axis 'd' is 3, not 6"),
        ({"query": torch.zeros(0, 6)}, "query: expected at least one feature, got none"),
        ({"bank": torch.zeros(3, 6, 1)}, "bank: expected 2 axes"),
        ({"bank": torch.full((30, 6), torch.nan)}, "bank: expected finite numbers"),
        ({"k": 31}, "k: expected an integer in 1..30, the rows of the bank to choose from, got 31"),
        ({"k": 0}, "k: expected an integer >= 1, got 0"),
        ({"chunk_size": 0}, "chunk_size: expected an integer >= 1"),
        ({"exclude_self": True}, "bank: expected the 7 rows of query, since exclude_self .* got 30"),
        ({"query": torch.zeros(30, 6), "exclude_self": True, "k": 30}, "k: expected an integer in 1..29"),
    ],
)
def test_wrong_arguments_say_what_was_expected(change, message):
    query, _, bank, _ = case()
    with pytest.raises(ValueError, match=message):
        nearest_neighbors(**{"query": query, "bank": bank, "k": 5, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query_labels": torch.zeros(3, dtype=torch.long)}, "query_labels: .* axis 'n' is 3, not 7"),
        ({"bank_labels": torch.full((30,), -1)}, "bank_labels: expected classes from 0"),
        (
            {"query_labels": torch.tensor([9, 0, 1, 2, 8, 9, 0])},
            r"query_labels: 2 classes, \[8, 9\] first, have no row",
        ),
        ({"topk": (1, 31)}, r"topk: expected integers in 1..30, .* got \[1, 31\]"),
        ({"topk": (0,)}, "topk: expected an integer >= 1, got 0"),
        ({"topk": ()}, "topk: expected at least one integer"),
        ({"bank": torch.zeros(30, 5)}, "query: .* axis 'd' is 6, not 5"),
        ({"chunk_size": -1}, "chunk_size: expected an integer >= 1"),
    ],
)
def test_wrong_arguments_of_the_scores_say_what_was_expected(change, message):
    query, query_labels, bank, bank_labels = case()
    arguments = {"query": query, "query_labels": query_labels, "bank": bank, "bank_labels": bank_labels, **change}
    with pytest.raises(ValueError, match=message):
        retrieval_scores(**arguments)


def test_without_itself_a_class_of_one_row_has_nothing_to_find_and_labels_must_agree():
    features = torch.eye(3)
    with pytest.raises(ValueError, match=r"query_labels: 1 classes, \[4\] first, have no row"):
        retrieval_scores(
            features, torch.tensor([0, 0, 4]), features, torch.tensor([0, 0, 4]), topk=(1,), exclude_self=True
        )
    with pytest.raises(ValueError, match="bank_labels: expected the queries' labels"):
        retrieval_scores(
            features, torch.tensor([0, 0, 1]), features, torch.tensor([0, 1, 1]), topk=(1,), exclude_self=True
        )


def test_other_types_are_refused():
    query, query_labels, bank, labels = case()
    with pytest.raises(TypeError, match="query: expected a floating-point tensor"):
        nearest_neighbors(query.long(), bank, k=1)
    with pytest.raises(TypeError, match="k: expected an integer"):
        nearest_neighbors(query, bank, k=1.5)
    with pytest.raises(TypeError, match="bank_labels: expected integers"):
        retrieval_scores(query, query_labels, bank, labels.float())


@with_cuda
def test_the_same_on_cuda():
    generator = torch.Generator().manual_seed(0)
    bank = torch.randint(-1, 2, (300, 3), generator=generator).float()
    labels = torch.arange(300) % 5
    for features in (bank, torch.randn(300, 64, generator=generator)):
        expected = nearest_neighbors(features[:40], features, k=20)
        similarity, index = nearest_neighbors(features[:40].cuda(), features, k=20)
        assert index.cpu().equal(expected[1])
        torch.testing.assert_close(similarity.cpu(), expected[0])
        got = retrieval_scores(features.cuda(), labels, features, labels, exclude_self=True)
        expected = retrieval_scores(features, labels, features, labels, exclude_self=True)
        assert got == (expected.recall, pytest.approx(expected.mean_average_precision))
