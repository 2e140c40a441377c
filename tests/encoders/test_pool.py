import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.encoders import Pool, pool


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def reference(feature_map, mask):
    rows = []
    for clip, present in zip(feature_map, mask, strict=True):
        counted = [person for person, here in zip(clip, present, strict=True) if here] or list(clip)
        rows.append(sum(person.flatten(1).mean(1) for person in counted) / len(counted))
    return torch.stack(rows)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 1000))
def test_equals_the_slow_reference(n, m, seed):
    generator = torch.Generator().manual_seed(seed)
    feature_map = torch.randn(n, m, 5, 3, 4, dtype=torch.float64, generator=generator)
    mask = torch.rand(n, m, generator=generator) < 0.5
    torch.testing.assert_close(pool(feature_map, mask), reference(feature_map, mask))
    everybody = torch.ones(n, m, dtype=torch.bool)
    torch.testing.assert_close(pool(feature_map), reference(feature_map, everybody))
    torch.testing.assert_close(pool(feature_map, everybody), pool(feature_map))


def test_an_absent_person_counts_only_without_a_mask():
    feature_map = torch.randn(1, 2, 8, 3, 4)
    other = feature_map.clone()
    other[:, 1] = 7
    mask = torch.tensor([[True, False]])
    assert pool(feature_map, mask).equal(pool(other, mask))
    assert not pool(feature_map).allclose(pool(other))
    assert Pool()(feature_map, mask).equal(pool(feature_map, mask))
    assert Pool()(feature_map).equal(pool(feature_map))


def test_nobody_present_gives_the_mean_over_all_and_finite_gradients():
    feature_map = torch.randn(2, 2, 8, 3, 4, requires_grad=True)
    y = pool(feature_map, torch.tensor([[False, False], [True, False]]))
    torch.testing.assert_close(y[0], pool(feature_map)[0])
    y.sum().backward()
    assert torch.isfinite(feature_map.grad).all()
    assert not feature_map.grad[1, 1].any()


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_whoever_is_left_out_may_hold_anything(value):
    feature_map, mask = torch.randn(2, 2, 8, 3, 4), torch.tensor([[True, False], [True, True]])
    spoilt = feature_map.clone()
    spoilt[0, 1] = value
    spoilt.requires_grad_()
    y = pool(spoilt, mask)
    torch.testing.assert_close(y, pool(feature_map, mask))
    y.sum().backward()
    torch.testing.assert_close(
        spoilt.grad[mask], torch.tensor([1.0, 0.5, 0.5])[:, None, None, None].expand(3, 8, 3, 4) / 12
    )
    assert not spoilt.grad[~mask].any()
    assert not pool(spoilt.detach())[0].isfinite().any()


@pytest.mark.parametrize(
    ("shape", "mask", "message"),
    [
        ((2, 2, 3, 4), None, r"feature_map: expected 5 axes \(n, m, c, t, v\)"),
        ((2, 2, 3, 4, 5), torch.ones(2, 1, dtype=torch.bool), "person_mask: .* axis 'm' is 1, not 2"),
        ((2, 2, 3, 4, 5), torch.ones(2, dtype=torch.bool), "person_mask: expected 2 axes"),
    ],
)
def test_wrong_shapes_say_what_was_expected(shape, mask, message):
    with pytest.raises(ValueError, match=message):
        pool(torch.zeros(shape), mask)


def test_a_mask_of_numbers_is_refused():
    with pytest.raises(TypeError, match=r"person_mask: expected a torch\.bool tensor, got torch\.float32"):
        pool(torch.zeros(2, 2, 3, 4, 5), torch.ones(2, 2))


def test_joints_that_are_not_seen_do_not_contribute():
    feature_map = torch.randn(3, 2, 4, 5, 6, dtype=torch.float64)
    seen = torch.rand(3, 10, 6, 2) > 0.4
    seen[0, ..., 1] = False
    seen[1] = False
    seen[2] = True
    features = pool(feature_map, seen=seen)
    by_map = seen.view(3, 5, 2, 6, 2).any(dim=2)  # two frames of the clip for one of the map
    person = [feature_map[0, 0, c][by_map[0, ..., 0]].mean() for c in range(4)]
    torch.testing.assert_close(features[0], torch.stack(person))
    torch.testing.assert_close(features[1:], pool(feature_map)[1:])  # nothing is seen; everything is
    spoilt = feature_map.clone()
    spoilt[0, 0].masked_fill_(~by_map[0, ..., 0], torch.nan)
    assert pool(spoilt, seen=seen)[0].equal(features[0])
    only_second = torch.tensor([[True, False], [True, True], [False, True]])
    torch.testing.assert_close(Pool()(feature_map, only_second, seen=seen)[2], feature_map[2, 1].mean(dim=(1, 2)))
    feature_map.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: pool(x, seen=seen), feature_map)


@pytest.mark.parametrize(
    ("seen", "error", "message"),
    [
        (torch.ones(3, 10, 5, 2) > 0, ValueError, "seen: expected the 6 joints of feature_map"),
        (torch.ones(3, 4, 6, 2) > 0, ValueError, "seen: expected at least the 5 frames of feature_map"),
        (torch.ones(3, 10, 6, 1) > 0, ValueError, "seen"),
        (torch.ones(3, 10, 6, 2), TypeError, "seen: expected a torch.bool"),
    ],
)
def test_a_mask_of_seen_joints_must_fit(seen, error, message):
    with pytest.raises(error, match=message):
        pool(torch.randn(3, 2, 4, 5, 6), seen=seen)
