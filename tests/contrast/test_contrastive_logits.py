import pytest
import torch

from skelblocks.contrast import ContrastiveLogits, contrastive_logits, unit_rows
from skelblocks.testing import BlockTester


def reference(query, key, bank, temperature):
    """One cosine at a time."""

    def cosine(a, b):
        return (a @ b / (a @ a).sqrt() / (b @ b).sqrt()).item()

    rows = [[cosine(q, k), *(cosine(q, b) for b in bank)] for q, k in zip(query, key, strict=True)]
    return torch.tensor(rows, dtype=query.dtype) / temperature


@pytest.mark.parametrize(("n", "d", "k"), [(5, 7, 11), (1, 128, 3), (4, 2, 1), (3, 4, 0)])
def test_equals_the_slow_reference(n, d, k):
    query, key = torch.randn(2, n, d, dtype=torch.float64)
    bank = unit_rows(torch.randn(k, d, dtype=torch.float64))
    logits = contrastive_logits(query, key, bank, temperature=0.07)
    torch.testing.assert_close(logits, reference(query, key, bank, 0.07))
    assert ContrastiveLogits(temperature=0.07)(query, key, bank).equal(logits)


def test_several_embeddings_of_the_same_clips_equal_one_call_for_each():
    queries, (key, bank) = torch.randn(2, 3, 4, 6, dtype=torch.float64), torch.randn(2, 4, 6, dtype=torch.float64)
    exclude = torch.eye(4, dtype=torch.bool)
    logits = contrastive_logits(queries, key, bank, temperature=0.07, exclude=exclude)
    assert logits.shape == (2, 3, 4, 5)
    for i in range(2):
        for j in range(3):
            alone = contrastive_logits(queries[i, j], key, bank, temperature=0.07, exclude=exclude)
            torch.testing.assert_close(logits[i, j], alone)
    with pytest.raises(ValueError, match="axis 'n' is 4, not 3"):
        contrastive_logits(queries[:, :, :3], key, bank, temperature=0.07)


def test_length_of_query_and_key_does_not_matter_and_the_bank_is_taken_as_it_is():
    query, key, bank = torch.randn(3, 4, 6, dtype=torch.float64)
    logits = contrastive_logits(query, key, bank, temperature=0.2)
    torch.testing.assert_close(contrastive_logits(3 * query, key / 7, bank, temperature=0.2), logits)
    twice = contrastive_logits(query, key, 2 * bank, temperature=0.2)
    torch.testing.assert_close(twice[:, 1:], 2 * logits[:, 1:])


def test_excluded_rows_get_no_logit_and_no_gradient():
    query, key, bank = torch.randn(3, 4, 6, dtype=torch.float64)
    exclude = torch.tensor([[True, False, False, True], [True] * 4, [False] * 4, [False, True, False, False]])
    query.requires_grad_()
    logits = contrastive_logits(query, key, bank, temperature=0.2, exclude=exclude)
    plain = contrastive_logits(query, key, bank, temperature=0.2)
    assert ((logits == -torch.inf)[:, 1:] == exclude).all()
    assert logits[:, 1:][~exclude].equal(plain[:, 1:][~exclude])
    (with_mask,) = torch.autograd.grad(logits.logsumexp(1).sum(), query)
    kept = torch.cat((plain[:, :1], plain[:, 1:].masked_fill(exclude, -1e6)), dim=1)
    torch.testing.assert_close(with_mask, torch.autograd.grad(kept.logsumexp(1).sum(), query)[0])


def test_gradient_reaches_query_and_key_and_never_the_bank():
    query, key, bank = (x.requires_grad_() for x in torch.randn(3, 4, 5, dtype=torch.float64))
    contrastive_logits(query, key, bank, temperature=0.07).square().sum().backward()
    assert bank.grad is None
    assert query.grad.abs().sum() > 0
    assert key.grad.abs().sum() > 0
    fixed = bank.detach()
    assert torch.autograd.gradcheck(lambda q, k: contrastive_logits(q, k, fixed, temperature=0.3), (query, key))


@pytest.mark.parametrize(
    ("query", "key", "bank", "out"),
    [
        (torch.float64, torch.float32, torch.float32, torch.float64),
        (torch.float32, torch.float64, torch.float64, torch.float32),
        (torch.bfloat16, torch.float32, torch.bfloat16, torch.float32),
    ],
)
def test_precision_is_the_querys(query, key, bank, out):
    logits = contrastive_logits(
        torch.randn(2, 3).to(query), torch.randn(2, 3).to(key), torch.randn(4, 3).to(bank), temperature=1
    )
    assert logits.dtype == out


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"query": torch.zeros(3)}, ValueError, r"query: expected 2 axes \(n, d\)"),
        ({"query": torch.zeros(2, 3, 1)}, ValueError, r"key: expected \(n=3, d=1\)"),
        ({"query": torch.zeros(2, 3, dtype=torch.int64)}, TypeError, "query: expected a floating-point"),
        ({"key": torch.zeros(2, 3, dtype=torch.int64)}, TypeError, "key: expected a floating-point"),
        ({"key": torch.zeros(3, 3)}, ValueError, "key: .* axis 'n' is 3, not 2"),
        ({"key": torch.zeros(2, 4)}, ValueError, "key: .* axis 'd' is 4, not 3"),
        ({"bank": torch.zeros(3, 5)}, ValueError, "bank: .* axis 'd' is 5, not 3"),
        ({"bank": torch.zeros(5, 3, dtype=torch.int64)}, TypeError, "bank: expected a floating-point"),
        ({"exclude": torch.zeros(1, 5, dtype=torch.bool)}, ValueError, "exclude: .* axis 'n' is 1, not 2"),
        ({"exclude": torch.zeros(2, 4, dtype=torch.bool)}, ValueError, "exclude: .* axis 'k' is 4, not 5"),
        ({"exclude": torch.zeros(2, 5)}, TypeError, r"exclude: expected a torch.bool .* exclude.bool\(\)"),
        ({"temperature": 0.0}, ValueError, "temperature: expected a number > 0"),
    ],
)
def test_what_is_refused(change, error, message):
    arguments = {"query": torch.zeros(2, 3), "key": torch.zeros(2, 3), "bank": torch.zeros(5, 3), "temperature": 0.1}
    with pytest.raises(error, match=message):
        contrastive_logits(**(arguments | change))


class TestPromises(BlockTester):
    out_dtype = torch.float32
    autocast_dtype = torch.float32
    autocast_exact = True
    test_gradients = None  # the bank is constant; see above

    def make(self):
        return ContrastiveLogits(temperature=0.07)

    def inputs(self):
        return (*torch.randn(2, 4, 5), unit_rows(torch.randn(7, 5)))


def test_embeddings_of_any_length_give_cosines():
    bank = unit_rows(torch.randn(7, 4))
    expected = contrastive_logits(torch.ones(2, 4), torch.ones(2, 4), bank, temperature=0.1)
    for scale in (1e-40, 1e-13, 1e30):
        arguments = torch.full((2, 4), scale)
        torch.testing.assert_close(contrastive_logits(arguments, arguments, bank, temperature=0.1), expected)


def test_the_module_has_its_settings():
    with pytest.raises(ValueError, match="temperature: expected a number > 0"):
        ContrastiveLogits(temperature=-1)
    query, key, bank = torch.randn(3, 4, 6)
    exclude = torch.rand(4, 4) < 0.5
    expected = contrastive_logits(query, key, bank, temperature=0.07, exclude=exclude)
    assert ContrastiveLogits(temperature=0.07)(query, key, bank, exclude=exclude).equal(expected)
    assert repr(ContrastiveLogits(temperature=0.07)) == "ContrastiveLogits(temperature=0.07)"
