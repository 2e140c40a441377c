import pytest
import torch
from largest_allocation import LargestAllocation

from skelblocks.contrast import unit_rows
from skelblocks.losses import bank_logsumexp


def reference(query, bank, temperature, exclude=None):
    scores = query @ bank.T / temperature
    if exclude is not None:
        scores = scores.masked_fill(exclude, -torch.inf)
    return scores.logsumexp(dim=1), scores.softmax(dim=1) @ bank


def embeddings(n=4, d=6, k=23):
    return torch.randn(n, d, dtype=torch.float64), unit_rows(torch.randn(k, d, dtype=torch.float64))


@pytest.mark.parametrize("chunk_size", [None, 1, 5, 22, 23, 1000])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_equals_the_slow_reference_for_any_chunk(chunk_size, share):
    query, bank = embeddings()
    exclude = torch.rand(4, 23) < share
    exclude[:, 11] = False
    query.requires_grad_()
    value, mean_row = bank_logsumexp(query, bank, temperature=0.07, chunk_size=chunk_size, exclude=exclude)
    expected, expected_row = reference(query, bank, 0.07, exclude)
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(mean_row, expected_row.detach(), rtol=1e-11, atol=1e-12)
    assert not mean_row.requires_grad
    weights = torch.randn(4, dtype=torch.float64)
    ours, wanted = (torch.autograd.grad(weights @ v, query)[0] for v in (value, expected))
    torch.testing.assert_close(ours, wanted, rtol=1e-11, atol=1e-12)


def test_no_row_left_is_minus_infinity_and_has_no_gradient():
    query, bank = embeddings(n=2)
    query.requires_grad_()
    exclude = torch.zeros(2, 23, dtype=torch.bool)
    exclude[0] = True
    value, mean_row = bank_logsumexp(query, bank, temperature=0.1, chunk_size=4, exclude=exclude)
    assert value[0] == -torch.inf
    assert value[1].isfinite()
    assert mean_row[0].equal(torch.zeros(6, dtype=torch.float64))
    value.exp().sum().backward()
    assert query.grad.isfinite().all()
    assert query.grad[0].equal(torch.zeros(6, dtype=torch.float64))
    empty, row = bank_logsumexp(query, bank[:0], temperature=0.1)
    assert (empty == -torch.inf).all()
    assert (row == 0).all()


def test_a_chunk_that_is_excluded_whole_before_any_other_does_no_harm():
    query, bank = embeddings()
    exclude = torch.zeros(4, 23, dtype=torch.bool)
    exclude[:, :10] = True
    value, _ = bank_logsumexp(query, bank, temperature=0.1, chunk_size=5, exclude=exclude)
    torch.testing.assert_close(value, reference(query, bank[10:], 0.1)[0])


def test_large_scores_do_not_overflow():
    query, bank = embeddings()
    value, mean_row = bank_logsumexp(query.float(), bank.float(), temperature=1e-4, chunk_size=5)
    assert value.isfinite().all()
    torch.testing.assert_close(mean_row, bank.float()[(query @ bank.T).argmax(1)], rtol=1e-4, atol=1e-4)


def test_gradcheck_and_no_silent_second_derivative():
    query, bank = embeddings(k=9)
    query = unit_rows(query).requires_grad_()
    exclude = torch.rand(4, 9) < 0.3

    def value(q):
        return bank_logsumexp(q, bank, temperature=0.3, chunk_size=4, exclude=exclude)[0]

    assert torch.autograd.gradcheck(value, query)
    (first,) = torch.autograd.grad(value(query).sum(), query, create_graph=True)
    with pytest.raises(RuntimeError, match="no second derivative; omit chunk_size"):
        first.sum().backward()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_tensor_grows_with_the_bank(dtype):
    def largest(k, chunk_size):
        query, bank = torch.randn(4, 6, requires_grad=True), torch.randn(k, 6).to(dtype)
        with LargestAllocation(bank) as mode:
            bank_logsumexp(query, bank, temperature=0.1, chunk_size=chunk_size)[0].sum().backward()
        return mode.largest

    assert largest(256, 32) == largest(4096, 32) <= 32 * 6
    assert largest(4096, None) >= 4 * 4096  # the measure itself sees a plain pass


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_autocast_compute_in_float32(dtype):
    query, bank = torch.randn(4, 6).to(dtype), unit_rows(torch.randn(23, 6)).to(dtype)
    expected = reference(query.float(), bank.float(), 0.07)[0]
    with torch.autocast("cpu", dtype=dtype):
        value, _ = bank_logsumexp(query, bank, temperature=0.07, chunk_size=7)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, expected)


def test_compiles_in_one_graph_with_its_gradient():
    query, bank = embeddings()
    query.requires_grad_()

    def value(q, b):
        return bank_logsumexp(q, b, temperature=0.07, chunk_size=8)[0].sum()

    compiled = torch.compile(value, backend="eager", fullgraph=True)(query, bank)
    torch.testing.assert_close(compiled, value(query, bank))
    torch.testing.assert_close(
        torch.autograd.grad(compiled, query)[0], torch.autograd.grad(value(query, bank), query)[0]
    )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"query": torch.zeros(2, 3, 1)}, ValueError, r"query: expected 2 axes \(n, d\)"),
        ({"bank": torch.zeros(5, 4)}, ValueError, "bank: .* axis 'd' is 4, not 3"),
        ({"bank": torch.zeros(5, 3, dtype=torch.int64)}, TypeError, "bank: expected a floating-point"),
        ({"query": torch.zeros(2, 3, dtype=torch.int64)}, TypeError, "query: expected a floating-point"),
        ({"temperature": -1.0}, ValueError, "temperature: expected a number > 0"),
        ({"chunk_size": 0}, ValueError, "chunk_size: expected an integer >= 1, got 0"),
        ({"exclude": torch.zeros(2, 4, dtype=torch.bool)}, ValueError, "exclude: .* axis 'k' is 4, not 5"),
        ({"exclude": torch.zeros(1, 5, dtype=torch.bool)}, ValueError, "exclude: .* axis 'n' is 1, not 2"),
        ({"exclude": torch.zeros(2, 5)}, TypeError, "exclude: expected a torch.bool"),
    ],
)
def test_what_is_refused(change, error, message):
    arguments = {"query": torch.zeros(2, 3), "bank": torch.zeros(5, 3), "temperature": 0.1, "chunk_size": 2}
    with pytest.raises(error, match=message):
        bank_logsumexp(**(arguments | change))


def test_vmap_equals_one_by_one():
    query, bank, exclude = torch.randn(3, 4, 8), torch.randn(20, 8), torch.rand(4, 20) < 0.3

    def value(one):
        return bank_logsumexp(one, bank, temperature=0.5, chunk_size=7, exclude=exclude)[0].sum()

    gradient = torch.func.grad(value)
    assert torch.allclose(torch.func.vmap(value)(query), torch.stack([value(one) for one in query]))
    assert torch.allclose(torch.func.vmap(gradient)(query), torch.stack([gradient(one) for one in query]), atol=1e-6)
