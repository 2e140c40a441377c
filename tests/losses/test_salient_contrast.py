import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.contrast import contrastive_logits, unit_rows
from skelblocks.losses import SalientContrastLoss, info_nce, salient_contrast

DOUBLE = {"dtype": torch.float64}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def draw(n=5, d=8, k=20, dtype=torch.float64):
    return (*torch.randn(4, n, d, dtype=dtype).unbind(), unit_rows(torch.randn(k, d, dtype=dtype)))


def reference(qs, qns, ks, kns, bank, temperature=0.2, mu=0.5, hard_negative=True, detach_negative=False, exclude=None):
    """Eqs. 8-10, one sample and one exponential at a time."""

    def unit(x):
        return x / torch.sqrt((x**2).sum())

    total = 0.0
    for i in range(len(qs)):
        sides = ((mu, qs[i], ks[i], qns[i]), (1 - mu, qns[i], kns[i], qs[i]))
        for share, query, key, other in sides:
            other = other.detach() if detach_negative else other
            positive = torch.exp(unit(query) @ unit(key) / temperature)
            bottom = positive
            if hard_negative:
                bottom = bottom + torch.exp(unit(query) @ unit(other) / temperature)
            for j, row in enumerate(bank):
                if exclude is None or not exclude[i, j]:
                    bottom = bottom + torch.exp(unit(query) @ row / temperature)
            total = total - share * torch.log(positive / bottom) / len(qs)
    return total


@pytest.mark.parametrize("mu", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize(("hard", "detach"), [(True, False), (True, True), (False, False)])
@pytest.mark.parametrize("with_exclude", [False, True])
def test_value_and_gradients_equal_the_slow_reference(mu, hard, detach, with_exclude):
    *embeddings, bank = draw()
    embeddings = [x.requires_grad_() for x in embeddings]
    exclude = torch.rand(5, 20) < 0.4 if with_exclude else None
    options = {"temperature": 0.3, "mu": mu, "hard_negative": hard, "detach_negative": detach}
    ours = salient_contrast(*embeddings, bank, exclude=exclude, **options)
    wanted = reference(*embeddings, bank, exclude=exclude, **options)
    torch.testing.assert_close(ours, wanted, rtol=1e-12, atol=1e-12)
    module = SalientContrastLoss(**options)(*embeddings, bank, exclude=exclude)
    assert module.equal(ours)
    expected = torch.autograd.grad(wanted, embeddings, allow_unused=True)
    for loss in (ours, module):
        for a, b in zip(torch.autograd.grad(loss, embeddings, allow_unused=True), expected, strict=True):
            torch.testing.assert_close(a, torch.zeros_like(a) if b is None else b, rtol=1e-9, atol=1e-10)


def test_defaults_are_the_papers():
    *embeddings, bank = draw()
    embeddings = [x.requires_grad_() for x in embeddings]
    wanted = reference(*embeddings, bank, temperature=0.2, mu=0.5, hard_negative=True, detach_negative=False)
    expected = torch.autograd.grad(wanted, embeddings)
    for loss in (salient_contrast, SalientContrastLoss()):
        ours = loss(*embeddings, bank)
        torch.testing.assert_close(ours, wanted)
        torch.testing.assert_close(torch.autograd.grad(ours, embeddings), expected)


def test_detaching_changes_gradients_alone():
    *embeddings, bank = draw()
    embeddings = [x.requires_grad_() for x in embeddings]
    paper, released = (salient_contrast(*embeddings, bank, mu=1.0, detach_negative=flag) for flag in (False, True))
    assert paper.equal(released)
    (pull,) = torch.autograd.grad(paper, embeddings[1])
    (none,) = torch.autograd.grad(released, embeddings[1])
    assert pull.abs().min() > 0
    assert not none.any()  # zeros, so that a parameter behind it is not unused


def test_the_further_negative_pushes_the_two_apart():
    *embeddings, bank = draw()
    salient, non_salient = (x.requires_grad_() for x in embeddings[:2])
    plain, hard = (salient_contrast(*embeddings, bank, hard_negative=flag) for flag in (False, True))
    assert hard > plain
    gradients = torch.autograd.grad(hard - plain, (salient, non_salient))
    moved = [x.detach() - 0.1 * g for x, g in zip((salient, non_salient), gradients, strict=True)]
    cosine = torch.cosine_similarity
    assert (cosine(*moved) < cosine(salient, non_salient)).all()


@settings(deadline=None, max_examples=40)
@given(n=st.integers(1, 5), k=st.integers(1, 9), mu=st.floats(0, 1), tau=st.floats(0.05, 2), seed=st.integers(0, 2**31))
def test_what_holds_for_any_input(n, k, mu, tau, seed):
    torch.manual_seed(seed)
    qs, qns, ks, kns, bank = draw(n=n, k=k)
    options = {"temperature": tau, "mu": mu}
    loss = salient_contrast(qs, qns, ks, kns, bank, **options)
    assert loss >= 0
    # Roles change places with the share; lengths and the order of the bank do not matter.
    torch.testing.assert_close(salient_contrast(qns, qs, kns, ks, bank, temperature=tau, mu=1 - mu), loss)
    shuffled = bank[torch.randperm(k)]
    torch.testing.assert_close(salient_contrast(3 * qs, 0.1 * qns, 2 * ks, 7 * kns, shuffled, **options), loss)
    same = torch.ones(n, 8, **DOUBLE)
    equal = salient_contrast(same, same, same, same, unit_rows(same[:1]).expand(k, 8), **options)
    torch.testing.assert_close(equal.exp(), loss.new_tensor(2.0 + k))
    plain = [info_nce(contrastive_logits(q, key, bank, temperature=tau)) for q, key in ((qs, ks), (qns, kns))]
    torch.testing.assert_close(
        salient_contrast(qs, qns, ks, kns, bank, hard_negative=False, **options), mu * plain[0] + (1 - mu) * plain[1]
    )


def test_gradcheck():
    *embeddings, bank = draw(n=3, d=4, k=6)
    embeddings = [x.requires_grad_() for x in embeddings]
    for hard in (True, False):
        assert torch.autograd.gradcheck(
            lambda *x, hard=hard: salient_contrast(*x, bank, mu=0.3, hard_negative=hard), tuple(embeddings)
        )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_autocast(dtype):
    embeddings = draw(dtype=torch.float32)
    expected = salient_contrast(*embeddings)
    with torch.autocast("cpu", dtype=dtype):
        torch.testing.assert_close(salient_contrast(*embeddings), expected)
    low = salient_contrast(*(x.to(dtype) for x in embeddings))
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, expected, rtol=0.05, atol=0.05)
    opposed = [sign * torch.ones(2, 4, dtype=dtype) for sign in (1, 1, -1, -1)]
    bank = unit_rows(torch.ones(32768, 4)).to(dtype)
    worst = salient_contrast(*opposed, bank, temperature=0.02)
    torch.testing.assert_close(worst, torch.tensor(2 / 0.02 + math.log(32769)), rtol=1e-2, atol=0.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mu": 1.1}, r"mu: expected a weight of the salient side in \[0, 1\], got 1.1"),
        ({"mu": math.nan}, "mu: expected .* got nan"),
        ({"temperature": 0.0}, "temperature: expected a number > 0, got 0.0"),
        ({"temperature": float("inf")}, "temperature: expected a finite number > 0, got inf"),
        ({"hard_negative": False, "detach_negative": True}, "detach_negative: expected False with hard_negative=False"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SalientContrastLoss(**options)
    with pytest.raises(ValueError, match=message):
        salient_contrast(*draw(), **options)


@pytest.mark.parametrize(
    ("index", "x", "error", "message"),
    [
        (0, torch.zeros(5, 8, 1), ValueError, r"query_salient: expected 2 axes \(n, d\)"),
        (1, torch.zeros(1, 8), ValueError, r"query_non_salient: .* axis 'n' is 1, not 5"),
        (2, torch.zeros(5, 7), ValueError, r"key_salient: .* axis 'd' is 7, not 8"),
        (3, torch.zeros(5, 8, dtype=torch.int64), TypeError, "key_non_salient: expected a floating-point tensor"),
        (4, torch.zeros(20, 9), ValueError, r"bank: .* axis 'd' is 9, not 8"),
    ],
)
def test_wrong_embeddings_say_what_was_expected(index, x, error, message):
    arguments = list(draw())
    arguments[index] = x
    with pytest.raises(error, match=message):
        salient_contrast(*arguments)
    with pytest.raises(ValueError, match=r"exclude: .* axis 'k' is 3, not 20"):
        salient_contrast(*draw(), exclude=torch.zeros(5, 3, dtype=torch.bool))
