import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.attention import MHSAM, SoftMaskFeatures, soft_mask_pool
from skelblocks.encoders import pool

SHAPE = (2, 2, 3, 2, 4)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def reference(feature_map, mask, person_mask):
    """Eqs. 5-7, one number at a time; then the mean over the persons that count."""
    n, m, c, t, v = feature_map.shape
    salient, rest = torch.zeros(2, n, c, dtype=feature_map.dtype)
    for i in range(n):
        persons = [p for p in range(m) if person_mask[i, p]] or list(range(m))
        for p in persons:
            for f, w in zip(feature_map[i, p].reshape(c, t * v).T, mask[i, p].reshape(c, t * v).T, strict=True):
                salient[i] += f * w / (t * v) / len(persons)
                rest[i] += f * (1 - w) / (t * v) / len(persons)
    return salient, rest


def draw(shape=SHAPE, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return tuple(f(shape, generator=generator, dtype=dtype) for f in (torch.randn, torch.rand))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(0, 1000))
def test_equals_the_slow_reference_and_adds_up_to_the_plain_mean(n, m, t, v, seed):
    x, mask = draw((n, m, 5, t, v), seed)
    present = torch.rand(n, m, generator=torch.Generator().manual_seed(seed)) < 0.5
    for persons in (present, None):
        pooled = soft_mask_pool(x, mask, person_mask=persons)
        expected = reference(x, mask, torch.ones(n, m) if persons is None else persons)
        torch.testing.assert_close(tuple(pooled), expected)
        torch.testing.assert_close(pooled.salient + pooled.non_salient, pool(x, persons))


def test_a_mask_of_ones_takes_all_and_the_mask_s_weight_does_not_divide():
    x, mask = draw()
    pooled = soft_mask_pool(x, torch.ones_like(x))
    assert isinstance(pooled, SoftMaskFeatures)
    torch.testing.assert_close(pooled.salient, pool(x))
    assert not pooled.non_salient.any()
    torch.testing.assert_close(soft_mask_pool(x, 0.1 * mask).salient, 0.1 * soft_mask_pool(x, mask).salient)
    swapped = soft_mask_pool(x, 1 - mask)
    torch.testing.assert_close(tuple(swapped), soft_mask_pool(x, mask)[::-1])


def test_an_absent_person_counts_only_without_a_person_mask():
    x, mask = draw()
    other = x.clone()
    other[:, 1] = 7
    present = torch.tensor([[True, False], [True, False]])
    ours, expected = (soft_mask_pool(y, mask, person_mask=present) for y in (x, other))
    assert all(a.equal(b) for a, b in zip(ours, expected, strict=True))
    assert not soft_mask_pool(x, mask).salient.allclose(soft_mask_pool(other, mask).salient)


def test_the_query_s_mask_splits_the_key_s_map_too():
    module = MHSAM(16, num_heads=4)
    query, key = torch.randn(2, 2, 2, 16, 3, 5, requires_grad=True)
    mask = module(query)
    for feature_map in (query, key.detach()):
        assert [f.shape for f in soft_mask_pool(feature_map, mask)] == [(2, 16), (2, 16)]
    soft_mask_pool(key.detach(), mask).salient.sum().backward()
    assert all(p.grad.isfinite().all() for p in module.parameters())
    assert module.qkv.weight.grad.any()


def test_gradients_compile_and_input():
    x, mask = (y.requires_grad_() for y in draw())
    present = torch.tensor([[True, False], [True, True]])
    before = x.detach().clone(), mask.detach().clone()
    for persons in (None, present):
        assert torch.autograd.gradcheck(
            lambda a, b, persons=persons: tuple(soft_mask_pool(a, b, person_mask=persons)), (x, mask)
        )
    assert x.equal(before[0])
    assert mask.equal(before[1])
    compiled = torch.compile(soft_mask_pool, backend="eager", fullgraph=True)
    torch.testing.assert_close(
        tuple(compiled(x, mask, person_mask=present)), tuple(soft_mask_pool(x, mask, person_mask=present))
    )


@pytest.mark.parametrize(
    ("x", "mask", "persons", "error", "message"),
    [
        (torch.zeros(2, 3, 2, 4), torch.zeros(SHAPE), None, ValueError, r"feature_map: expected 5 axes \(n, m, c, t, "),
        (torch.zeros(SHAPE), torch.zeros(2, 2, 1, 2, 4), None, ValueError, "mask: .* axis 'c' is 1, not 3"),
        (torch.zeros(SHAPE), torch.zeros(2, 4), None, ValueError, r"mask: expected 5 axes \(n=2, m=2, c=3, t=2, v=4\)"),
        (torch.zeros(SHAPE), torch.zeros(SHAPE).bool(), None, TypeError, "mask: expected a floating-point tensor"),
        (torch.zeros(SHAPE).long(), torch.zeros(SHAPE), None, TypeError, "feature_map: expected a floating-point"),
        (torch.zeros(SHAPE), torch.zeros(SHAPE), torch.ones(2, 1).bool(), ValueError, "person_mask: .* 'm' is 1, not"),
        (
            torch.zeros(SHAPE),
            torch.zeros(SHAPE),
            torch.ones(2, 2),
            TypeError,
            "person_mask: expected a torch.bool tensor",
        ),
    ],
)
def test_wrong_arguments_say_what_was_expected(x, mask, persons, error, message):
    with pytest.raises(error, match=message):
        soft_mask_pool(x, mask, person_mask=persons)


@pytest.mark.parametrize("axis", range(5))
def test_a_mask_is_never_broadcast(axis):
    narrow = list(SHAPE)
    narrow[axis] = 1
    with pytest.raises(ValueError, match=f"mask: .* axis '{'nmctv'[axis]}' is 1, not {SHAPE[axis]}"):
        soft_mask_pool(torch.zeros(SHAPE), torch.zeros(narrow))
