import copy
import json
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skelblocks.evaluation import SeedSummary, summarize_seeds


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12))
def test_equals_the_formula(values):
    summary = summarize_seeds(values)
    mean = sum(values) / len(values)
    assert summary.mean == pytest.approx(mean, abs=1e-9)
    assert summary.std == pytest.approx((sum((x - mean) ** 2 for x in values) / (len(values) - 1)) ** 0.5, abs=1e-9)
    assert (summary.n, summary.min, summary.max) == (len(values), min(values), max(values))


def test_one_run_has_no_deviation():
    summary = summarize_seeds([67.0])
    assert summary == SeedSummary(67.0, None, 1, 67.0, 67.0)
    assert str(summary) == "67.0 (n = 1)"
    assert json.dumps(summary.to_dict()) == '{"mean": 67.0, "std": null, "n": 1, "min": 67.0, "max": 67.0}'


@pytest.mark.parametrize(
    ("spec", "written"),
    [("", "0.7 ± 0.0 (n = 3)"), (".3f", "0.670 ± 0.012 (n = 3)"), (".1%", "67.0% ± 1.2% (n = 3)")],
)
def test_is_written_with_the_digits_asked_for(spec, written):
    assert format(summarize_seeds([0.658, 0.67, 0.682]), spec) == written


def test_str_is_as_papers_write_it():
    assert str(summarize_seeds([65.8, 67.0, 68.2])) == "67.0 ± 1.2 (n = 3)"


def test_dicts_give_a_summary_a_figure_in_the_first_runs_order():
    runs = [{"linear": 67.0, "knn": 60}, {"knn": 62, "linear": 69.0}]
    summaries = summarize_seeds(runs)
    assert list(summaries) == ["linear", "knn"]
    assert summaries == {"linear": summarize_seeds([67.0, 69.0]), "knn": summarize_seeds([60, 62])}


@pytest.mark.parametrize("kind", [tuple, np.array, lambda values: [np.float32(x) for x in values]])
def test_takes_other_sequences_and_gives_plain_numbers(kind):
    summary = summarize_seeds(kind([66.0, 68.0]))
    assert summary == SeedSummary(67.0, pytest.approx(2**0.5), 2, 66.0, 68.0)
    assert {type(value) for value in summary.to_dict().values()} == {float, int}


@pytest.mark.parametrize("travel", [copy.deepcopy, lambda summary: pickle.loads(pickle.dumps(summary))])
def test_travels(travel):
    summary = summarize_seeds([1.0, 2.0])
    assert travel(summary) == summary


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ([], ValueError, "values: expected at least one run, got none"),
        ([1.0, float("nan")], ValueError, "values: expected finite numbers"),
        ([{"a": 1.0, "b": 2.0}, {"a": 1.0}], ValueError, "run 1 and run 0 differ in b"),
        ([{"a": 1.0}, {"a": 1.0, "c": 1.0}], ValueError, "run 1 and run 0 differ in c"),
        ([{"a": 1.0}, {"a": float("inf")}], ValueError, r"values\[\.\.\.\]\['a'\]: expected finite"),
        ([{"a": 1.0}, 2.0], TypeError, "values: expected numbers or dicts of numbers, got both"),
        (["67.0"], TypeError, "values: expected numbers, got '67.0'"),
        ([True], TypeError, "values: expected numbers, got True"),
        ([torch.tensor(1.0)], TypeError, r"take the number of a tensor with \.item\(\)"),
    ],
)
def test_wrong_values_say_what_was_expected(values, error, message):
    with pytest.raises(error, match=message):
        summarize_seeds(values)


@pytest.mark.parametrize("values", [67.0, "67", {"knn": 61.0}, None])
def test_one_entry_for_each_run(values):
    with pytest.raises(TypeError, match="values: expected a sequence with one entry for each run"):
        summarize_seeds(values)


def test_runs_that_differ_by_rounding_do_not_spread():
    assert summarize_seeds([0.1 + 0.2, 0.3]).std == 0
