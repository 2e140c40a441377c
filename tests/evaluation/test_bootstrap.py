from math import comb

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.evaluation import Interval, bootstrap, bootstrap_interval, paired_bootstrap
from skelblocks.testing import with_cuda


def resample_slowly(values, groups=None, *, resamples, seed):
    """Units drawn one by one, with replacement."""
    rng = np.random.default_rng(seed)
    groups = np.arange(len(values)) if groups is None else np.asarray(groups)
    units = [values[groups == name] for name in np.unique(groups)]
    return np.array(
        [np.concatenate([units[i] for i in rng.integers(len(units), size=len(units))]).mean() for _ in range(resamples)]
    )


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("kind", ["hits", "numbers"])
def test_equals_drawing_units_one_by_one(grouped, kind):
    rng = np.random.default_rng(1)
    values = rng.random(60) < 0.7 if kind == "hits" else rng.normal(size=60)
    groups = np.sort(rng.integers(12, size=60)) if grouped else None  # of different sizes
    means = resample_slowly(np.asarray(values, dtype=float), groups, resamples=4000, seed=5)
    got = bootstrap_interval(values, groups=groups, level=0.9)
    assert got.estimate == pytest.approx(np.mean(values))
    tolerance = max(0.08 * (got.high - got.low), 1.001 / 60)  # the mean of hits moves by a sixtieth
    assert got.low == pytest.approx(np.quantile(means, 0.05), abs=tolerance)
    assert got.high == pytest.approx(np.quantile(means, 0.95), abs=tolerance)


@pytest.mark.parametrize(("n", "hits"), [(7, 3), (60, 39), (500, 490)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_hits_are_binomial(n, hits, level):
    p = hits / n

    def share_up_to(k):  # of the resamples, in the limit
        return sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))

    estimate, low, high = bootstrap_interval([True] * hits + [False] * (n - hits), level=level)
    assert estimate == pytest.approx(p)
    for end, tail in ((low, (1 - level) / 2), (high, (1 + level) / 2)):
        slack = 4.5 * (tail * (1 - tail) / 10_000) ** 0.5
        assert end * n == pytest.approx(round(end * n))
        assert share_up_to(round(end * n) - 1) - slack <= tail <= share_up_to(round(end * n)) + slack


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_many_samples_give_the_normal_approximation(level):
    correct = torch.arange(5000) < 3350
    estimate, low, high = bootstrap_interval(correct, level=level)
    z = torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor((1 + level) / 2)).item()
    half = z * (0.67 * 0.33 / 5000) ** 0.5
    assert estimate == pytest.approx(0.67)
    assert low == pytest.approx(0.67 - half, abs=0.06 * half)
    assert high == pytest.approx(0.67 + half, abs=0.06 * half)


def test_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(300):
        _, low, high = bootstrap_interval(rng.random(150) < 0.7, resamples=600, seed=trial)
        covered += low <= 0.7 <= high
    assert 0.90 <= covered / 300 <= 0.98


def test_clips_of_one_person_count_as_one():
    people = np.random.default_rng(0).random(40) < 0.6
    clips, subjects = np.repeat(people, 9), np.repeat(np.arange(40), 9)  # all clips of a person alike
    alone = bootstrap_interval(people)
    assert bootstrap_interval(clips, groups=subjects) == alone
    naive = bootstrap_interval(clips)
    assert (alone.high - alone.low) / (naive.high - naive.low) == pytest.approx(3, rel=0.1)  # sqrt(9)


def test_group_names_and_the_order_of_samples_do_not_matter():
    rng = np.random.default_rng(0)
    correct, subjects = rng.random(100) < 0.5, np.arange(100) // 7
    expected = bootstrap_interval(correct, groups=subjects)
    order = rng.permutation(100)
    names = [f"P{100 - i:03}" for i in subjects[order]]
    assert bootstrap_interval(correct[order], groups=names) == expected
    assert bootstrap_interval(correct, groups=torch.from_numpy(subjects)) == expected
    assert bootstrap_interval(correct, groups=range(100)) == bootstrap_interval(correct)


def test_same_seed_same_interval_whatever_the_chunks_and_no_other_generator(monkeypatch):
    values = np.random.default_rng(3).normal(size=50)
    expected = bootstrap_interval(values, seed=4)
    assert bootstrap_interval(values, seed=5) != expected
    np_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    assert bootstrap_interval(values, seed=4) == expected
    for size in (1, 777):
        monkeypatch.setattr(bootstrap, "_CHUNK", size)
        assert bootstrap_interval(values, seed=4) == pytest.approx(expected, abs=1e-14)  # sums in another order
    assert (np.random.get_state()[1] == np_state).all()  # noqa: NPY002
    assert torch.get_rng_state().equal(torch_state)


@pytest.mark.parametrize(
    "correct",
    [
        [True, False, True, True],
        (1, 0, 1, 1),
        np.array([1, 0, 1, 1], dtype=np.uint8),
        torch.tensor([True, False, True, True]),
        torch.tensor([1.0, 0.0, 1.0, 1.0], dtype=torch.bfloat16, requires_grad=True),
    ],
)
def test_takes_every_kind_of_numbers(correct):
    assert bootstrap_interval(correct) == bootstrap_interval(np.array([1.0, 0.0, 1.0, 1.0]))


@given(st.lists(st.integers(-5, 5), min_size=2, max_size=30), st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
def test_ends_are_in_order_and_among_the_values(values, seed):
    _, low, high = bootstrap_interval(values, resamples=200, seed=seed)
    assert min(values) <= low <= high <= max(values)
    narrow = bootstrap_interval(values, resamples=200, seed=seed, level=0.5)
    assert low <= narrow.low <= narrow.high <= high


def test_constant_values_have_no_width():
    assert bootstrap_interval([True] * 50) == Interval(1.0, 1.0, 1.0)


def test_pairs_are_resampled_together():
    rng = np.random.default_rng(0)
    b = rng.random(400) < 0.7
    a = b.copy()
    a[np.flatnonzero(~b)[:12]] = True  # a is right wherever b is, and on 12 more
    result = paired_bootstrap(a, b)
    means = resample_slowly(a.astype(float) - b, resamples=4000, seed=9)
    assert result.difference == pytest.approx(0.03)
    assert result.low == pytest.approx(np.quantile(means, 0.025), abs=0.003)
    assert result.high == pytest.approx(np.quantile(means, 0.975), abs=0.003)
    assert result.low > 0
    assert result.share_not_better < 1e-3
    assert bootstrap_interval(a).low < bootstrap_interval(b).high  # the intervals of the two overlap


@pytest.mark.parametrize("option", [{"level": 0.8}, {"resamples": 50}, {"seed": 3}, {"groups": np.arange(60) // 4}])
def test_a_difference_from_zero_has_the_interval_of_a_mean(option):
    values, zeros = np.random.default_rng(0).normal(size=60), np.zeros(60)
    changed, plain = paired_bootstrap(values, zeros, **option), paired_bootstrap(values, zeros)
    assert changed[:3] == bootstrap_interval(values, **option)
    assert plain[:3] == bootstrap_interval(values) == bootstrap_interval(values, level=0.95, resamples=10_000, seed=0)
    assert changed != plain


def test_share_not_better_counts_ties_and_turns_with_the_order():
    assert paired_bootstrap([1, 0, 1], [1, 0, 1]) == (0.0, 0.0, 0.0, 1.0)
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=80) + 0.15, rng.normal(size=80)
    there, back = paired_bootstrap(a, b), paired_bootstrap(b, a, seed=1)
    assert back.difference == -there.difference
    assert back.low == pytest.approx(-there.high, abs=0.03)
    assert there.share_not_better + back.share_not_better == pytest.approx(1, abs=0.02)  # no ties among such numbers
    assert 0.01 < there.share_not_better < 0.5


def test_groups_widen_a_difference_too():
    people = np.random.default_rng(0).normal(size=30) + 0.2
    clips, subjects = np.repeat(people, 4), np.repeat(np.arange(30), 4)
    zeros = np.zeros(120)
    naive, fair = paired_bootstrap(clips, zeros), paired_bootstrap(clips, zeros, groups=subjects)
    assert (fair.high - fair.low) / (naive.high - naive.low) == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"correct": [True]}, ValueError, "correct: expected at least 2 samples, got 1"),
        ({"correct": []}, ValueError, "correct: expected at least 2 samples, got 0"),
        ({"correct": np.zeros((3, 2))}, ValueError, r"correct: expected 1 axis \(n\), got shape \(3, 2\)"),
        ({"correct": [0.0, np.nan]}, ValueError, "correct: expected a value for every clip, got none for clip 1"),
        ({"correct": [0.0, np.inf]}, ValueError, "correct: expected finite numbers"),
        ({"correct": ["yes", "no"]}, TypeError, "correct: expected booleans or numbers"),
        ({"level": 1.0}, ValueError, r"level: expected a number in \(0, 1\), got 1.0"),
        ({"level": 0}, ValueError, "level: expected"),
        ({"resamples": 0}, ValueError, "resamples: expected an integer >= 1"),
        ({"seed": 0.5}, TypeError, "seed: expected an integer >= 0"),
        (
            {"groups": [0, 1]},
            ValueError,
            r"groups: expected \(n,\) with n=3, one group for each sample",
        ),
        ({"groups": ["a", "a", "a"]}, ValueError, "groups: expected at least 2 groups, got 1"),
    ],
)
def test_wrong_arguments_say_what_was_expected(arguments, error, message):
    with pytest.raises(error, match=message):
        bootstrap_interval(**{"correct": [1, 0, 1]} | arguments)


def test_pairs_must_be_pairs():
    with pytest.raises(ValueError, match="correct_b: expected the 3 samples of correct_a, got 2"):
        paired_bootstrap([1, 0, 1], [1, 0])
    with pytest.raises(ValueError, match="correct_a: expected finite"):
        paired_bootstrap([1, np.inf], [1, 0])


@with_cuda
def test_cuda_agrees_with_cpu():
    correct = torch.arange(20) < 13
    assert bootstrap_interval(correct.cuda(), groups=torch.arange(20).cuda() // 4) == bootstrap_interval(
        correct, groups=torch.arange(20) // 4
    )


@pytest.mark.parametrize(
    "groups",
    [[1.0, np.nan, 2.0], ["a", None, "b"], np.ma.masked_equal([1, -1, 2], -1), torch.tensor([1.0, torch.nan, 2.0])],
)
def test_a_sample_without_a_group_is_named(groups):
    with pytest.raises(ValueError, match="groups: expected a value for every clip, got none for clip 1"):
        bootstrap_interval([True, False, True], groups=groups)


@pytest.mark.parametrize("groups", [None, np.arange(30) % 7])
@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e300, -0.7])
def test_constants_have_an_interval_without_width(value, groups):
    values = np.full(30, value) * (1 + np.finfo(float).eps * (np.arange(30) % 2))
    estimate, low, high = bootstrap_interval(values, groups=groups)
    assert estimate == low == high == pytest.approx(value)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_that_differ_by_rounding_are_no_better(dtype):
    a = np.linspace(0.1, 0.9, 20).astype(dtype)
    result = paired_bootstrap(a + np.finfo(dtype).eps, a)
    assert (result.difference, result.low, result.high, result.share_not_better) == (0, 0, 0, 1)
