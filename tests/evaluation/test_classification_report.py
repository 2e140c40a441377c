import copy
import json
import pickle
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.evaluation import accuracy, classification_report, knn_scores
from skelblocks.testing import with_cuda

metrics = pytest.importorskip("sklearn.metrics")


def scores_of(predicted, c):
    return torch.eye(c)[torch.as_tensor(predicted)]


def reference(scores, labels):
    """Every figure from its definition, by counting."""
    c = scores.shape[1]
    predicted = [max(range(c), key=lambda j, row=row: (row[j], -j)) for row in scores.tolist()]
    pairs = list(zip(labels.tolist(), predicted, strict=True))
    rows = []
    for i in range(c):
        hits = sum(pair == (i, i) for pair in pairs)
        count = sum(true == i for true, _ in pairs)
        taken = sum(guess == i for _, guess in pairs)
        misses = [sum(pair == (i, j) for pair in pairs) if j != i else 0 for j in range(c)]
        rows.append(
            {
                "name": str(i),
                "count": count,
                "predicted": taken,
                "recall": hits / count if count else None,
                "precision": hits / taken if taken else None,
                "f1": 2 * hits / (count + taken) if count else None,
                "confused_with": str(misses.index(max(misses))) if any(misses) else None,
                "confused_count": max(misses),
            }
        )
    return rows, [[sum(pair == (i, j) for pair in pairs) for j in range(c)] for i in range(c)]


@pytest.mark.filterwarnings("ignore:A single label:UserWarning")  # with one class
@given(st.integers(1, 40), st.integers(1, 7), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_equals_counting_with_ties_and_absent_classes(n, c, seed):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(0, 3, (n, c), generator=generator).float()
    labels = torch.randint(0, c, (n,), generator=generator)
    topk = [1, 2][:c]
    report = classification_report(scores, labels, topk=topk)
    rows, confusion = reference(scores, labels)
    got = report.to_dict()
    assert got["confusion"] == confusion
    for row, expected in zip(got["classes"], rows, strict=True):
        assert row == {key: value if value is None else pytest.approx(value) for key, value in expected.items()} | {
            "name": expected["name"],
            "confused_with": expected["confused_with"],
        }
    recalls = [row["recall"] for row in rows if row["recall"] is not None]
    assert report.mean_class_accuracy == pytest.approx(sum(recalls) / len(recalls))
    assert report.accuracy == accuracy(scores, labels, topk=topk)
    assert report.confusion.diagonal().sum().item() == pytest.approx(n * report.accuracy[1])


def test_mean_class_accuracy_is_scikit_learns_balanced_accuracy():
    labels = torch.tensor([0] * 90 + [1] * 10)
    report = classification_report(scores_of([0] * 95 + [1] * 5, 2), labels)
    balanced = metrics.balanced_accuracy_score(labels.numpy(), [0] * 95 + [1] * 5)
    assert report.mean_class_accuracy == pytest.approx(balanced) == 0.75
    assert report.accuracy[1] == pytest.approx(0.95)


def test_rows_are_the_true_classes():
    report = classification_report(scores_of([1, 1, 2], 3), torch.tensor([0, 0, 2]))
    assert report.confusion.tolist() == [[0, 2, 0], [0, 0, 0], [0, 0, 1]]
    assert report.confusion.dtype == torch.int64


def test_a_class_that_never_occurs_has_no_recall_and_is_named():
    report = classification_report(scores_of([0, 1, 2], 4), torch.tensor([0, 1, 1]), class_names=list("abcd"))
    assert report.absent_classes == ("c", "d")
    taken_for, untouched = report.classes[2:]
    assert (taken_for.recall, taken_for.f1, taken_for.precision, taken_for.predicted) == (None, None, 0.0, 1)
    assert (untouched.recall, untouched.f1, untouched.precision, untouched.confused_with) == (None, None, None, None)
    assert report.mean_class_accuracy == 0.75


def test_a_class_that_is_never_recognised_has_zeros():
    row = classification_report(scores_of([1, 1], 2), torch.tensor([0, 0])).classes[0]
    assert (row.recall, row.f1, row.precision) == (0.0, 0.0, None)
    assert (row.confused_with, row.confused_count) == ("1", 2)


def test_dict_is_json_without_nan():
    report = classification_report(scores_of([0, 1, 2], 4), torch.tensor([0, 1, 1]))
    read = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert read == report.to_dict()
    assert read["accuracy"] == {"top1": pytest.approx(2 / 3)}
    assert read["absent_classes"] == ["2", "3"]


def test_markdown_has_a_row_a_class_and_marks_the_absent():
    names = ["sit | stand", "wave", "fall"]
    report = classification_report(scores_of([0, 1, 1], 3), torch.tensor([0, 0, 1]), class_names=names)
    assert report.to_markdown().splitlines() == [
        "3 samples, in %: top-1 66.7, mean class accuracy 75.0 (over 2 classes)",
        "",
        "| class | samples | recall | precision | F1 | most often taken for |",
        "|---|--:|--:|--:|--:|---|",
        r"| sit \| stand | 2 | 50.0 | 100.0 | 66.7 | wave (1) |",
        "| wave | 1 | 100.0 | 50.0 | 66.7 |  |",
        "| fall | 0 (absent) | – | – | – |  |",
    ]


def test_markdown_escapes_names():
    names = ["<b>sit", "wave\x1b[31m\n| end |", "`fall`\u202e"]
    table = classification_report(scores_of([1, 1, 2], 3), torch.tensor([0, 1, 2]), class_names=names).to_markdown()
    assert len(table.splitlines()) == 7
    assert not set("<\x1b\u202e") & set(table)
    assert all(line.replace(r"\|", "").count("|") == 7 for line in table.splitlines()[4:])


def test_only_classes_with_votes_are_ranked():
    votes = knn_scores(torch.eye(4), torch.eye(4), torch.full((4,), 9), k=[1], num_classes=10)[1]
    assert classification_report(votes, torch.arange(4)).accuracy == {1: 0.0, 5: 0.0}
    assert classification_report(votes, torch.arange(4), votes=False).accuracy[5] == 1.0


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_takes_every_kind_of_float_and_of_integer(dtype):
    report = classification_report(torch.eye(4, dtype=dtype), torch.arange(4, dtype=torch.int32))
    assert report.mean_class_accuracy == report.accuracy[1] == 1.0


def test_leaves_its_input_alone_and_needs_no_gradient():
    scores = torch.randn(6, 3, requires_grad=True)
    labels = torch.arange(6) % 3
    before = scores.detach().clone()
    classification_report(scores, labels)
    assert scores.equal(before)
    assert labels.equal(torch.arange(6) % 3)


@pytest.mark.parametrize("travel", [copy.deepcopy, lambda report: pickle.loads(pickle.dumps(report))])
def test_travels(travel):
    report = classification_report(torch.eye(3), torch.tensor([0, 1, 1]))
    assert travel(report).to_dict() == report.to_dict()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scores": torch.zeros(2, 3, 1)}, "expected 2 axes"),
        ({"labels": torch.tensor([0, 3])}, r"labels: expected classes in 0..2, got 0..3"),
        ({"scores": torch.full((2, 3), torch.nan)}, "NaN"),
        ({"topk": (0,)}, "topk: expected an integer >= 1, got 0"),
        ({"class_names": ["a", "b"]}, "class_names: expected 3 names, one for each column of scores, got 2"),
        ({"class_names": ["a", "b", "a"]}, "class_names: expected different names, got 'a' more than once"),
    ],
)
def test_wrong_arguments_say_what_was_expected(arguments, message):
    with pytest.raises(ValueError, match=message):
        classification_report(**{"scores": torch.zeros(2, 3), "labels": torch.tensor([0, 1])} | arguments)


@pytest.mark.parametrize("names", ["abc", [1, 2, 3]])
def test_names_are_strings(names):
    with pytest.raises(TypeError, match="class_names: expected 3 strings"):
        classification_report(torch.eye(3), torch.arange(3), class_names=names)


@with_cuda
def test_cuda_agrees_with_cpu():
    scores, labels = torch.randn(50, 5), torch.arange(50) % 5
    expected = classification_report(scores, labels).to_dict()
    assert classification_report(scores.cuda(), labels.cuda()).to_dict() == expected
    assert classification_report(scores.cuda(), labels).to_dict() == expected


def test_without_scikit_learn_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(ImportError, match=r'pip install "skelblocks\[eval\]"'):
        classification_report(torch.eye(2), torch.arange(2))
