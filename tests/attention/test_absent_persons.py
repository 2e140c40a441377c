"""Attention blocks with absent="skip": rows of zeros are not computed, and their maps and masks are zero."""

import pytest
import torch

from skelblocks.attention import EADM, MHSAM, MsMAttention, eadm, soft_mask_pool


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def feature_map(present):
    mask = torch.tensor(present, dtype=torch.bool)
    x = torch.randn(*mask.shape, 8, 3, 15, dtype=torch.float64)
    return x * mask[..., None, None, None], mask


def msm(**options):
    torch.manual_seed(0)
    return MsMAttention(8, layout="sbu", reduction=2, **options).double()


def test_msm_gates_present_persons_as_before_and_leaves_zeros_zero():
    x, mask = feature_map([[1, 0], [1, 1], [0, 0]])
    skipped, matrices = msm(absent="skip")(x, return_attention=True)
    computed, every_matrix = msm()(x, return_attention=True)
    torch.testing.assert_close(skipped, computed)  # the gate of a zero is zero
    for got, expected in zip(matrices, every_matrix, strict=True):
        torch.testing.assert_close(got[mask], expected[mask])
        assert not got[~mask].any()


def test_msm_has_the_gradients_of_all_rows():
    x, _ = feature_map([[1, 0], [1, 1]])
    gradients = []
    for absent in ("skip", "compute"):
        block = msm(absent=absent)
        sum(y.square().sum() for y in block(x)).backward()
        gradients.append([p.grad for p in block.parameters()])
    torch.testing.assert_close(*gradients)


def test_msm_refuses_rows_that_attend_to_each_other():
    with pytest.raises(ValueError, match="segment: expected None with absent='skip', got 8: consecutive rows"):
        msm(absent="skip", segment=8)


def test_mhsam_masks_present_persons_as_before_and_gives_others_zero():
    x, mask = feature_map([[1, 0], [1, 1]])
    block = MHSAM(8, num_heads=2).double()
    expected = block(x)
    block.absent = "skip"
    soft = block(x)
    torch.testing.assert_close(soft[mask], expected[mask])
    assert not soft[~mask].any()
    parts = soft_mask_pool(x, soft, absent="skip")
    torch.testing.assert_close(parts, soft_mask_pool(x, expected, person_mask=mask))


@pytest.mark.parametrize("variant", ["paper", "official"])
def test_eadm_is_that_of_present_rows_alone(variant):
    x, mask = feature_map([[1, 0], [1, 1], [0, 0]])
    y, (joints, second) = eadm(x, keep_margin=0.67, variant=variant, absent="skip")
    expected, (expected_joints, expected_second) = eadm(x[mask], keep_margin=0.67, variant=variant)
    assert y[mask].equal(expected)
    assert joints[mask].equal(expected_joints)
    assert second[mask].equal(expected_second)
    assert not any(part[~mask].any() for part in (y, joints, second))
    block = EADM(0.67, variant=variant, absent="skip").train()
    assert block(x).equal(y)
    assert block.eval()(x) is x


def test_eadm_as_released_is_refused_under_vmap():
    with pytest.raises(ValueError, match=r"absent: expected 'compute' under torch\.vmap"):
        torch.vmap(EADM(0.67, variant="official", absent="skip"))(feature_map([[1, 0]])[0])


BLOCKS = {
    "msm": lambda **options: msm(**options),
    "mhsam": lambda **options: MHSAM(8, num_heads=2, **options).double(),
    "eadm": lambda **options: EADM(0.67, **options),
}
each = pytest.mark.parametrize("kind", BLOCKS)


def tensors(outputs):
    return outputs if isinstance(outputs, tuple) else (outputs,)


@each
def test_with_a_mask_the_content_of_absent_persons_does_not_matter(kind):
    (x, mask), block = feature_map([[1, 0], [1, 1]]), BLOCKS[kind](absent="skip")
    spoilt = x.masked_fill(~mask[..., None, None, None], torch.nan).requires_grad_()
    outputs = tensors(block(spoilt, person_mask=mask))
    torch.testing.assert_close(outputs, tensors(block(x)))
    sum(y.sum() for y in outputs).backward()
    assert spoilt.grad.isfinite().all()
    assert not spoilt.grad[~mask].any()


@each
def test_a_batch_without_any_person_gives_zeros(kind):
    x = torch.zeros(2, 2, 8, 3, 15, dtype=torch.float64, requires_grad=True)
    outputs = tensors(BLOCKS[kind](absent="skip")(x))
    assert not any(y.any() for y in outputs)
    sum(y.sum() for y in outputs).backward()
    assert not x.grad.any()


@each
def test_gradients_agree_with_finite_differences(kind):
    if kind == "eadm":
        pytest.skip("a step may cross the margin")
    block, mask = BLOCKS[kind](absent="skip"), torch.tensor([[True, False]])
    x = torch.randn(1, 2, 8, 3, 15, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: tensors(block(x, person_mask=mask)), x, fast_mode=True)


@each
def test_mistakes_say_what_was_expected(kind):
    x, mask = feature_map([[1, 0], [1, 1]])
    with pytest.raises(ValueError, match="person_mask: expected None with absent='compute'"):
        BLOCKS[kind]()(x, person_mask=mask)
    with pytest.raises(ValueError, match=r"person_mask: expected shape \(2, 2\), as in feature_map, got \(4,\)"):
        BLOCKS[kind](absent="skip")(x, person_mask=mask.flatten())
    with pytest.raises(ValueError, match="absent: expected one of 'compute', 'skip', got 'drop'"):
        BLOCKS[kind](absent="drop")
    assert "absent='skip'" in repr(BLOCKS[kind](absent="skip"))
