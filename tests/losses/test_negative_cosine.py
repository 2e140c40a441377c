"""The negative cosine against plain loops."""

import math

import pytest
import torch
import torch.nn.functional as F

from skelblocks.losses import NegativeCosineLoss, negative_cosine_loss


def embeddings(n=5, d=7, seed=0):
    return torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_equals_plain_loops():
    prediction, target = 3 * embeddings(), 0.2 * embeddings(seed=1)
    expected = [
        -sum(a * b for a, b in zip(p, z, strict=True)) / (math.hypot(*p) * math.hypot(*z))
        for p, z in zip(prediction.tolist(), target.tolist(), strict=True)
    ]
    losses = negative_cosine_loss(prediction, target, reduction="none")
    torch.testing.assert_close(losses, torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(NegativeCosineLoss()(prediction, target), losses.mean())


def test_the_loss_of_byol_is_two_plus_twice_this():
    prediction, target = embeddings(), embeddings(seed=1)
    byol = (F.normalize(prediction) - F.normalize(target)).square().sum(dim=1).mean()
    torch.testing.assert_close(2 + 2 * negative_cosine_loss(prediction, target), byol)


def test_gradient_reaches_the_prediction_alone():
    prediction, target = embeddings().requires_grad_(), embeddings(seed=1).requires_grad_()
    negative_cosine_loss(prediction, target).backward()
    assert prediction.grad is not None
    assert target.grad is None
    constant = target.detach()
    assert torch.autograd.gradcheck(lambda x: negative_cosine_loss(x, constant), prediction)


def test_exchanged_roles_are_an_error():
    with pytest.raises(ValueError, match="target: expected a constant"):
        negative_cosine_loss(embeddings(), embeddings().requires_grad_())


@pytest.mark.parametrize(
    ("prediction", "target", "kind", "message"),
    [
        (embeddings(), embeddings(n=4), ValueError, "target: .* axis 'n' is 4, not 5"),
        (embeddings()[0], embeddings()[0], ValueError, "prediction: expected 2 axes"),
        (embeddings(), embeddings().long(), TypeError, "target: expected a floating-point"),
    ],
)
def test_what_is_refused(prediction, target, kind, message):
    with pytest.raises(kind, match=message):
        negative_cosine_loss(prediction, target)
