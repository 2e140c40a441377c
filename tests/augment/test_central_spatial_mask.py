import itertools
import random
from collections import Counter
from math import comb
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks import layouts
from skelblocks.augment import (
    CentralSpatialMask,
    CentralSpatialMaskParams,
    central_spatial_mask,
    central_spatial_mask_multiset,
    joint_degrees,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "pstl_f64.npz"


def entries(degrees):
    return [joint for joint, degree in enumerate(degrees) for _ in range(degree)]


def law_one_after_another(degrees, hidden):
    """Of each kept set, the probability: draw a joint by its degree, take it away, draw the next."""
    law = Counter()
    for order in itertools.permutations(range(len(degrees)), hidden):
        p, total = 1.0, sum(degrees)
        for joint in order:
            p *= degrees[joint] / total
            total -= degrees[joint]
        law[tuple(sorted(set(range(len(degrees))) - set(order)))] += p
    return law


def law_of_the_multiset(degrees, hidden):
    """The same for a sample of the list in which each joint stands as often as it has bones: count all samples."""
    drawn = list(itertools.combinations(entries(degrees), hidden))
    kept = Counter(tuple(sorted(set(range(len(degrees))) - set(some))) for some in drawn)
    return Counter({joints: count / len(drawn) for joints, count in kept.items()})


def assert_follows(law, seen):
    n = sum(seen.values())
    assert abs(sum(law.values()) - 1) < 1e-9
    assert set(seen) <= set(law)
    for joints, p in law.items():
        assert abs(seen[joints] - n * p) < 5 * (n * p * (1 - p)) ** 0.5 + 1


DEGREES = [3, 1, 2, 1, 1, 2]


def test_follows_the_law_of_drawing_one_joint_after_another(generator):
    kept = central_spatial_mask(torch.rand(20000, 6, generator=generator), DEGREES, hidden=3)
    assert_follows(law_one_after_another(DEGREES, 3), Counter(map(tuple, kept.tolist())))


def test_the_multiset_follows_the_released_law(generator):
    draws = torch.rand(6000, 10, generator=generator)
    kept = (central_spatial_mask_multiset(row, DEGREES, hidden=3) for row in draws)
    law = law_of_the_multiset(DEGREES, 3)
    assert len({len(joints) for joints in law}) == 3  # from three different joints to one
    assert_follows(law, Counter(tuple(joints.tolist()) for joints in kept))


def test_the_two_laws_differ():
    assert law_one_after_another(DEGREES, 3) != law_of_the_multiset(DEGREES, 3)


def test_how_many_different_joints_the_released_law_hides_of_ntu(generator):
    degrees = joint_degrees("ntu-rgb+d")
    expected = sum(1 - comb(48 - degree, 8) / comb(48, 8) for degree in degrees)
    assert round(expected, 1) == 7.3
    kept = [central_spatial_mask_multiset(torch.rand(48, generator=generator), degrees, hidden=8) for _ in range(3000)]
    assert abs(sum(25 - len(joints) for joints in kept) / 3000 - expected) < 0.08
    hidden = 1 - torch.stack([torch.zeros(25).index_fill(0, joints, 1.0) for joints in kept]).mean(dim=0)
    torch.testing.assert_close(
        hidden, torch.tensor([1 - comb(48 - d, 8) / comb(48, 8) for d in degrees]), atol=0.05, rtol=0
    )


def test_the_released_draw_is_a_possible_one():
    with np.load(GOLDEN) as golden:
        released = golden["csm_seed1"].tolist()
    listed = entries(joint_degrees("ntu-rgb+d"))
    assert random.Random(1).sample(listed, 8) == released  # the released list and law, with its seed
    draws = torch.linspace(0.5, 0.9, 48)
    for place, joint in enumerate(released):
        draws[listed.index(joint)] = place / 100
    masking = CentralSpatialMask("ntu-rgb+d", same_on_batch=True)
    kept = masking.transform(torch.zeros(2, 3, 4, 25, 1), CentralSpatialMaskParams(draws.expand(2, -1)))
    assert kept.tolist() == sorted(set(range(25)) - set(released))
    unlikely = torch.full((25,), 0.999)
    unlikely[released] = 0.001
    assert central_spatial_mask(unlikely, joint_degrees("ntu-rgb+d"), hidden=8).equal(kept)


@pytest.mark.parametrize("name", layouts.available())
def test_degrees_count_the_bones_of_each_joint(name):
    layout = layouts.get(name)
    degrees = joint_degrees(layout)
    assert sum(degrees) == 2 * len({frozenset(edge) for edge in layout.edges})
    near = layouts.adjacency(layout, strategy="uniform")[0] > 0
    assert list(degrees) == (near.sum(dim=0) - 1).tolist()  # without the joint itself


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from(layouts.available()),
    n=st.integers(1, 4),
    ratio=st.floats(0, 0.9),
    same_on_batch=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_keeps_different_joints_in_order(name, n, ratio, same_on_batch, seed):
    v = layouts.get(name).num_joints
    masking, x = CentralSpatialMask(name, ratio=ratio, same_on_batch=same_on_batch), torch.randn(n, 3, 2, v, 1)
    kept = masking(x, generator=torch.Generator().manual_seed(seed))
    assert kept.dtype == torch.int64
    assert ((kept >= 0) & (kept < v)).all()
    assert (kept.diff(dim=-1) > 0).all()
    least = v - round(ratio * v)
    if same_on_batch:
        assert kept.ndim == 1
        assert least <= len(kept) <= v
    else:
        assert kept.shape == (n, least)


def test_samples_draw_for_themselves_and_do_not_depend_on_the_others(generator):
    masking, x = CentralSpatialMask("ntu-rgb+d"), torch.zeros(32, 3, 4, 25, 2)
    params = masking.sample(x.shape, generator=generator)
    kept = masking.transform(x, params)
    assert kept.shape == (32, 17)
    assert len(kept.unique(dim=0)) > 30
    assert masking.transform(x[3:5], CentralSpatialMaskParams(params.draws[3:5])).equal(kept[3:5])
    shared = CentralSpatialMask("ntu-rgb+d", same_on_batch=True)
    params = shared.sample(x.shape, generator=generator)
    assert params.draws.shape == (32, 48)
    assert shared.transform(x[3:5], CentralSpatialMaskParams(params.draws[3:5])).equal(shared.transform(x, params))


def test_extreme_draws_stay_finite():
    zero, one = torch.zeros(2, 25), torch.full((2, 25), 1 - 2**-24)
    for draws in (zero, one):
        kept = central_spatial_mask(draws, joint_degrees("ntu-rgb+d"), hidden=8)
        assert kept.shape == (2, 17)
        assert (kept.diff(dim=-1) > 0).all()


@pytest.mark.parametrize("multiset", [False, True])
def test_a_generator_decides_alone_and_params_replay(multiset):
    masking, x = CentralSpatialMask("ntu-rgb+d", same_on_batch=multiset), torch.randn(3, 3, 5, 25, 2)
    before = torch.get_rng_state()
    first, second = (masking(x, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert first.equal(second)
    assert torch.get_rng_state().equal(before)
    params = masking.sample(x.shape)
    assert masking.transform(x, params).equal(masking.transform(x.double() * 0, params))  # the clip does not matter
    assert repr(masking) == f"CentralSpatialMask('ntu-rgb+d', ratio=0.32, same_on_batch={multiset})"


@pytest.mark.parametrize("ratio", [-0.1, 1.0, 0.99])
def test_a_ratio_that_leaves_no_joint_is_refused(ratio):
    with pytest.raises(ValueError, match=r"ratio: expected (a ratio in \[0, 1\)|one that leaves a joint), got"):
        CentralSpatialMask("ntu-rgb+d", ratio=ratio)


def test_wrong_shapes_say_what_was_expected():
    masking = CentralSpatialMask("ntu-rgb+d")
    params = masking.sample((2, 3, 4, 25, 1))
    with pytest.raises(ValueError, match=r"shape: expected 5 sizes"):
        masking.sample((3, 4, 25, 1))
    with pytest.raises(ValueError, match=r"x: .* axis 'v' is 20, not 25"):
        masking.transform(torch.zeros(2, 3, 4, 20, 1), params)
    with pytest.raises(ValueError, match=r"params.draws: .* axis 'n' is 2, not 3"):
        masking.transform(torch.zeros(3, 3, 4, 25, 1), params)
    with pytest.raises(ValueError, match=r"draws: .* axis 'v' is 5, not 6"):
        central_spatial_mask(torch.zeros(2, 5), DEGREES, hidden=3)
    with pytest.raises(ValueError, match=r"draws: .* axis 'entries' is 6, not 10"):
        central_spatial_mask_multiset(torch.zeros(6), DEGREES, hidden=3)
    with pytest.raises(ValueError, match=r"draws: expected at least 1 axes \(\.\.\., v=6\)"):
        central_spatial_mask(torch.zeros(()), DEGREES, hidden=3)
    with pytest.raises(ValueError, match=r"draws: expected 1 axes \(entries=10\)"):
        central_spatial_mask_multiset(torch.zeros(1, 10), DEGREES, hidden=3)
    for mask, size in ((central_spatial_mask, 6), (central_spatial_mask_multiset, 10)):
        with pytest.raises(ValueError, match="hidden: expected an integer >= 0, got -1"):
            mask(torch.zeros(size), DEGREES, hidden=-1)
        with pytest.raises(
            ValueError, match="hidden: expected 0 to 5 of 6 joints, got 6; at least one joint must remain"
        ):
            mask(torch.zeros(size), DEGREES, hidden=6)
