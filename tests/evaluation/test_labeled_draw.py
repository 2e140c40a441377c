import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.evaluation import labeled_draw
from skelblocks.testing import with_cuda


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def released_counts(labels, fraction):
    """How many clips of each class the released feeders keep, by their rule."""
    places = {}
    for i, label in enumerate(labels.tolist()):
        places.setdefault(label, []).append(i)
    return {c: len(random.Random(0).sample(own, round(fraction * len(own)))) for c, own in places.items()}


def counts_of(labels, index):
    return {c: int((labels[index] == c).sum()) for c in labels.unique().tolist()}


CLASSES = st.lists(st.sampled_from([0, 1, 2, 5, 9, 10**12]), min_size=1, max_size=80)


@given(CLASSES, st.floats(0.05, 1), st.integers(0, 1), st.integers(0, 2**31))
@settings(max_examples=80, deadline=None)
def test_each_class_gives_its_rounded_share_once_and_in_order(classes, fraction, minimum, seed):
    labels = torch.tensor(classes)
    expected = {c: max(minimum, count) for c, count in released_counts(labels, fraction).items()}
    if not any(expected.values()):
        with pytest.raises(ValueError, match="no class is a whole clip"):
            labeled_draw(labels, fraction, minimum=minimum, generator=seeded(seed))
        return
    index = labeled_draw(labels, fraction, minimum=minimum, generator=seeded(seed))
    assert index.dtype == torch.int64
    assert (index.diff() > 0).all()  # sorted, none twice
    assert counts_of(labels, index) == expected


@given(CLASSES, st.floats(0, 1), st.floats(0, 1), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_the_smaller_draw_is_part_of_the_larger_one(classes, a, b, seed):
    labels = torch.tensor(classes)
    small, large = (labeled_draw(labels, f, generator=seeded(seed)) for f in sorted((a, b)))
    assert torch.isin(small, large).all()


def test_at_one_percent_a_small_class_has_one_clip_and_none_in_the_released_codes():
    labels = torch.arange(3).repeat_interleave(torch.tensor([50, 150, 250]))
    assert counts_of(labels, labeled_draw(labels, 0.01)) == {0: 1, 1: 2, 2: 2}
    assert counts_of(labels, labeled_draw(labels, 0.01, minimum=0)) == {0: 0, 1: 2, 2: 2}
    assert released_counts(labels, 0.01) == {0: 0, 1: 2, 2: 2}


@pytest.mark.parametrize(
    ("rounding", "fraction", "expected"),
    [
        ("half_even", 0.1, [2, 4, 10]),
        ("down", 0.1, [2, 3, 10]),
        ("up", 0.1, [3, 4, 10]),
        ("down", 0.29, [7, 10, 29]),  # 0.29 * 100 is a little less than 29
        ("up", 0.07, [2, 3, 7]),  # 0.07 * 100 is a little more than 7
    ],
)
def test_rounding(rounding, fraction, expected):
    labels = torch.arange(3).repeat_interleave(torch.tensor([25, 35, 100]))
    index = labeled_draw(labels, fraction, rounding=rounding)
    assert list(counts_of(labels, index).values()) == expected


def test_other_classes_do_not_matter():
    own = torch.full((40,), 3)
    alone = labeled_draw(own, 0.2, generator=seeded())
    for others in (torch.zeros(17, dtype=torch.long), torch.arange(30) % 3, torch.full((9,), 8)):
        labels = torch.cat((others, own))
        index = labeled_draw(labels, 0.2, generator=seeded())
        assert (index[index >= len(others)] - len(others)).equal(alone)
    order = torch.randperm(60, generator=seeded(7))  # nor how the classes are interleaved
    labels = torch.cat((torch.arange(20) % 2, own))[order]
    index = labeled_draw(labels, 0.2, generator=seeded())
    places = (labels == 3).nonzero().flatten()
    assert places[alone].equal(index[labels[index] == 3])


def test_same_generator_same_draw_and_the_global_one_is_untouched():
    labels = torch.arange(600) % 6
    before = torch.get_rng_state()
    first = labeled_draw(labels, 0.1, generator=seeded(1))
    assert labeled_draw(labels.to(torch.int16), 0.1, generator=seeded(1)).equal(first)
    assert not labeled_draw(labels, 0.1, generator=seeded(2)).equal(first)
    assert torch.get_rng_state().equal(before)
    generator = seeded(1)
    draws = [labeled_draw(labels, 0.1, generator=generator) for _ in range(2)]
    assert not draws[0].equal(draws[1])
    torch.manual_seed(3)
    first = labeled_draw(labels, 0.1)
    assert not labeled_draw(labels, 0.1).equal(first)
    torch.manual_seed(3)
    assert labeled_draw(labels, 0.1).equal(first)


def test_classes_draw_apart_and_every_clip_is_as_likely():
    labels = torch.arange(2).repeat_interleave(20)
    times = torch.zeros(40)
    same = 0
    for seed in range(600):
        index = labeled_draw(labels, 0.25, generator=seeded(seed))
        times[index] += 1
        same += len(set(index[:5].tolist()) & set((index[5:] - 20).tolist()))
    # 600 draws of a share of 1/4: 150 with a deviation of 10.6; the two classes share 5 * 1/4 of their places.
    assert (times - 150).abs().max() < 5 * 10.6
    assert same / 600 == pytest.approx(1.25, abs=0.2)


def test_fraction_zero_is_a_draw_of_so_many_clips_a_class():
    labels = torch.arange(50) % 5
    assert counts_of(labels, labeled_draw(labels, 0.0, minimum=3)) == dict.fromkeys(range(5), 3)
    assert labeled_draw(labels, 1.0).equal(torch.arange(50))


def test_the_minimum_is_of_classes_whose_share_is_smaller():
    labels = torch.arange(3).repeat_interleave(torch.tensor([5, 20, 100]))
    assert counts_of(labels, labeled_draw(labels, 0.1, minimum=4)) == {0: 4, 1: 4, 2: 10}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": torch.zeros(3, 2, dtype=torch.long)}, "labels: expected 1 axes"),
        ({"labels": torch.tensor([0, -1])}, "labels: expected classes from 0, got -1..0"),
        ({"labels": torch.zeros(0, dtype=torch.long)}, "labels: expected at least one sample"),
        ({"fraction": 10}, r"fraction: expected a probability in \[0, 1\], got 10"),
        ({"fraction": float("nan")}, "fraction: expected a probability"),
        ({"rounding": "nearest"}, "rounding: expected one of 'half_even', 'down', 'up'"),
        ({"minimum": -1}, "minimum: expected an integer >= 0"),
        ({"minimum": 3}, r"minimum: classes \[1\] have fewer than 3 clips \(1 such classes\)"),
        ({"fraction": 0.1, "minimum": 0}, "fraction: 0.1 of no class is a whole clip"),
    ],
)
def test_wrong_arguments_say_what_was_expected(change, message):
    arguments = {"labels": torch.tensor([0, 0, 0, 1, 1]), "fraction": 0.5, **change}
    with pytest.raises(ValueError, match=message):
        labeled_draw(**arguments)


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="labels: expected integers"):
        labeled_draw(torch.zeros(3), 0.5)
    with pytest.raises(TypeError, match="labels: expected a tensor, got list"):
        labeled_draw([0, 1], 0.5)
    with pytest.raises(TypeError, match="minimum: expected an integer"):
        labeled_draw(torch.arange(3), 0.5, minimum=0.5)


@with_cuda
def test_the_same_on_cuda():
    labels = torch.arange(900) % 7
    got = labeled_draw(labels.cuda(), 0.1, generator=seeded(4))
    assert got.is_cuda
    assert got.cpu().equal(labeled_draw(labels, 0.1, generator=seeded(4)))
    device = torch.Generator("cuda").manual_seed(0)
    assert len(labeled_draw(labels, 0.1, generator=device)) == 7 * 13


def test_the_old_names_still_work():
    from skelblocks import evaluation

    for old, new in (("labelled_draw", "labeled_draw"), ("ClassFigures", "ClassMetrics")):
        with pytest.warns(DeprecationWarning, match=rf"{old} is deprecated; use skelblocks\.evaluation\.{new}"):
            assert getattr(evaluation, old) is getattr(evaluation, new)
