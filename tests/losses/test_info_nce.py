import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from largest_allocation import LargestAllocation

from skelblocks.contrast import contrastive_logits, unit_rows
from skelblocks.losses import InfoNCELoss, info_nce, info_nce_from_embeddings


def reference(logits):
    """Eq. 1, one exponential at a time."""
    losses = [-math.log(math.exp(row[0]) / sum(map(math.exp, row))) for row in logits.tolist()]
    return sum(losses) / len(losses)


@pytest.mark.parametrize(("n", "columns"), [(5, 9), (1, 2), (2, 100)])
def test_equals_the_slow_reference(n, columns):
    logits = torch.randn(n, columns, dtype=torch.float64) * 4
    assert info_nce(logits).item() == pytest.approx(reference(logits), rel=1e-12, abs=1e-12)
    assert InfoNCELoss()(logits).equal(info_nce(logits))


@settings(deadline=None, max_examples=50)
@given(n=st.integers(1, 6), k=st.integers(1, 12), shift=st.floats(-50, 50), seed=st.integers(0, 2**31))
def test_does_not_see_a_shift_or_the_order_of_the_bank_and_is_not_negative(n, k, shift, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, 1 + k, generator=generator, dtype=torch.float64) * 5
    shuffled = torch.cat((torch.tensor([0]), 1 + torch.randperm(k, generator=generator)))
    loss = info_nce(logits)
    assert loss >= 0
    torch.testing.assert_close(info_nce(logits[:, shuffled] + shift), loss)
    torch.testing.assert_close(info_nce(torch.full_like(logits, shift)).exp(), loss.new_tensor(1.0 + k))


def test_an_excluded_column_is_as_good_as_absent():
    logits = torch.randn(4, 9, dtype=torch.float64)
    cut = logits.clone()
    cut[:, 5:] = -torch.inf
    cut.requires_grad_()
    loss = info_nce(cut)
    torch.testing.assert_close(loss, info_nce(logits[:, :5]))
    loss.backward()
    assert (cut.grad[:, 5:] == 0).all()
    assert cut.grad.isfinite().all()
    alone = torch.full((2, 4), -torch.inf)
    alone[:, 0] = 3.0
    assert info_nce(alone) == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(dtype):
    logits = torch.zeros(2, 32769, dtype=dtype)  # a bfloat16 sum of ones stops at 256
    assert info_nce(logits).dtype == torch.float32
    torch.testing.assert_close(info_nce(logits), torch.tensor(math.log(32769)))
    with torch.autocast("cpu", dtype=dtype):
        torch.testing.assert_close(info_nce(logits), torch.tensor(math.log(32769)))


@pytest.mark.parametrize("chunk_size", [None, 1, 7, 40, 100])
@pytest.mark.parametrize("with_exclude", [False, True])
def test_both_doors_give_the_same_value_and_gradients(chunk_size, with_exclude):
    query, key = (x.requires_grad_() for x in torch.randn(2, 5, 8, dtype=torch.float64))
    bank = unit_rows(torch.randn(40, 8, dtype=torch.float64))
    exclude = torch.rand(5, 40) < 0.4 if with_exclude else None
    if with_exclude:
        exclude[0] = True  # nothing but the positive is left
    expected = info_nce(contrastive_logits(query, key, bank, temperature=0.07, exclude=exclude))
    loss = info_nce_from_embeddings(query, key, bank, temperature=0.07, chunk_size=chunk_size, exclude=exclude)
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    for ours, reference in zip(
        torch.autograd.grad(loss, (query, key)), torch.autograd.grad(expected, (query, key)), strict=True
    ):
        torch.testing.assert_close(ours, reference, rtol=1e-10, atol=1e-11)


def test_gradients():
    query, key = (x.requires_grad_() for x in torch.randn(2, 3, 4, dtype=torch.float64))
    bank = unit_rows(torch.randn(7, 4, dtype=torch.float64))
    for chunk_size in (None, 3):
        assert torch.autograd.gradcheck(
            lambda q, k, size=chunk_size: info_nce_from_embeddings(q, k, bank, temperature=0.3, chunk_size=size),
            (query, key),
        )


def test_only_the_door_without_chunks_has_a_second_derivative():
    query, key = (x.requires_grad_() for x in torch.randn(2, 3, 4, dtype=torch.float64))
    bank = unit_rows(torch.randn(7, 4, dtype=torch.float64))

    def loss(q, k, chunk_size=None):
        return info_nce_from_embeddings(q, k, bank, temperature=0.3, chunk_size=chunk_size)

    assert torch.autograd.gradgradcheck(loss, (query, key))
    (first,) = torch.autograd.grad(loss(query, key, 3), query, create_graph=True)
    with pytest.raises(RuntimeError, match="omit chunk_size to differentiate twice"):
        first.sum().backward()


def test_no_tensor_grows_with_the_bank_in_chunks():
    def largest(k, chunk_size):
        query, key = (x.requires_grad_() for x in torch.randn(2, 4, 8))
        bank = unit_rows(torch.randn(k, 8))
        with LargestAllocation(bank) as mode:
            info_nce_from_embeddings(query, key, bank, temperature=0.07, chunk_size=chunk_size).backward()
        return mode.largest

    assert largest(256, 32) == largest(4096, 32) <= 4 * 32
    assert largest(4096, None) >= 4 * 4096


def test_compiles_in_one_graph():
    query, key = (x.requires_grad_() for x in torch.randn(2, 5, 8))
    bank = unit_rows(torch.randn(40, 8))

    def both(q, k, b):
        chunked = info_nce_from_embeddings(q, k, b, temperature=0.07, chunk_size=16)
        return chunked + InfoNCELoss()(contrastive_logits(q, k, b, temperature=0.07))

    compiled = torch.compile(both, backend="eager", fullgraph=True)
    ours, expected = compiled(query, key, bank), both(query, key, bank)
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(torch.autograd.grad(ours, query)[0], torch.autograd.grad(expected, query)[0])


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"logits: expected 2 axes \(n, k\)"):
        info_nce(torch.zeros(3))
    with pytest.raises(TypeError, match="logits: expected a floating-point"):
        info_nce(torch.zeros(3, 2, dtype=torch.int64))
    for chunk_size in (None, 2):
        with pytest.raises(ValueError, match=r"key: .* axis 'n' is 3, not 2"):
            info_nce_from_embeddings(
                torch.zeros(2, 4), torch.zeros(3, 4), torch.zeros(5, 4), temperature=0.1, chunk_size=chunk_size
            )


@pytest.mark.parametrize("chunk_size", [None, 3])
def test_the_module_takes_embeddings_with_a_temperature(chunk_size):
    query, key, bank = torch.randn(2, 4), torch.randn(2, 4), unit_rows(torch.randn(7, 4))
    exclude = torch.arange(14).view(2, 7) % 3 == 0
    loss = InfoNCELoss(temperature=0.2, chunk_size=chunk_size)(query, key, bank, exclude=exclude)
    expected = info_nce_from_embeddings(query, key, bank, temperature=0.2, chunk_size=chunk_size, exclude=exclude)
    assert loss.equal(expected)
    assert repr(InfoNCELoss(temperature=0.2)) == "InfoNCELoss(temperature=0.2, chunk_size=None, reduction='mean')"


def test_the_module_says_which_door_it_has():
    logits, (query, key, bank) = torch.randn(2, 5), torch.randn(3, 4, 4)
    with pytest.raises(ValueError, match=r"key: expected logits alone .*; write InfoNCELoss\(temperature=0.07\)"):
        InfoNCELoss()(query, key, bank)
    with pytest.raises(ValueError, match=r"exclude: expected logits alone .*; write InfoNCELoss\(temperature=0.07\)"):
        InfoNCELoss()(logits, exclude=torch.zeros(2, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"key: expected query, key and bank .*; for logits, write InfoNCELoss\(\)"):
        InfoNCELoss(temperature=0.07)(logits)
    with pytest.raises(ValueError, match=r"bank: expected query, key and bank with temperature=0\.07, got None"):
        InfoNCELoss(temperature=0.07)(query, key)
    with pytest.raises(ValueError, match="chunk_size: expected None without a temperature, got 5"):
        InfoNCELoss(chunk_size=5)
    with pytest.raises(ValueError, match="temperature: expected a number > 0"):
        InfoNCELoss(temperature=0.0)
    with pytest.raises(TypeError, match=r"chunk_size: expected an integer >= 1, got 2\.5"):
        InfoNCELoss(temperature=0.1, chunk_size=2.5)


def test_logits_without_negatives_are_refused():
    with pytest.raises(
        ValueError, match=r"logits: expected \(n, 1 \+ k\) with at least one negative, got shape \(3, 1\)"
    ):
        info_nce(torch.zeros(3, 1))
