"""Absent persons are computed once in evaluation, and their features are those of an encoder that computes each."""

import pytest
import torch
from torch import nn

from skelblocks.encoders import DSTA, STGCN
from skelblocks.encoders.distinct_persons import distinct_persons

ENCODERS = {
    "stgcn": lambda: STGCN("coco-17", base_channels=2, out_channels=8),
    "dsta": lambda: DSTA("coco-17", frames=8, layers=[(4, 4, 2, 1), (4, 8, 2, 2)]),
}


def clips(present, dtype=torch.float64):
    mask = torch.tensor(present)
    x = torch.randn(len(mask), 3, 8, 17, mask.shape[1], generator=torch.Generator().manual_seed(0), dtype=dtype)
    return x * mask[:, None, None, None]


def encoder(kind):
    torch.manual_seed(0)
    model = ENCODERS[kind]().double()
    model.train()(clips([[1, 1]] * 4))  # moves the running statistics away from their initial values
    return model.eval()


def rows_of(model):
    """How many rows each call of the encoder's first batch normalization gets."""
    seen = []
    norm = next(module for module in model.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d))
    norm.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    return seen


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("present", [[[1, 0], [1, 1], [0, 1]], [[1, 0, 0], [0, 0, 1]], [[0, 0], [0, 0]], [[1, 1]]])
def test_features_are_those_of_every_row_by_itself(kind, present):
    model, x = encoder(kind), clips(present)
    alone = torch.stack([model(x[..., m : m + 1])[:, 0] for m in range(x.shape[-1])], dim=1)
    torch.testing.assert_close(model(x), alone)


@pytest.mark.parametrize("kind", ENCODERS)
def test_only_distinct_rows_are_computed_in_evaluation_alone(kind):
    model, x = encoder(kind), clips([[1, 0], [1, 0], [1, 1]])
    rows = rows_of(model)
    model(x)
    model.train()(x)
    assert rows == [5, 6]


def test_gradients_of_the_weights_are_those_of_all_rows():
    model, x = encoder("stgcn"), clips([[1, 0], [1, 0], [1, 1]])
    model(x).square().sum().backward()
    got = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    model(x.clone().requires_grad_()).square().sum().backward()
    torch.testing.assert_close(got, [p.grad for p in model.parameters()])


def test_clips_that_require_a_gradient_are_computed_row_by_row():
    model, x = encoder("stgcn"), clips([[1, 0], [1, 0], [1, 1]]).requires_grad_()
    rows = rows_of(model)
    model(x).square().sum().backward()
    assert rows == [6]
    assert x.grad[0, ..., 1].equal(x.grad[1, ..., 1])  # both absent persons have one, not the first alone


def test_a_norm_that_is_still_training_keeps_all_rows():
    model = encoder("stgcn")
    model.data_norm.train()
    assert distinct_persons(clips([[1, 0], [1, 0]]), encoder=model) is None


def test_one_absent_person_is_no_saving():
    assert distinct_persons(clips([[1, 0], [1, 1]]), encoder=encoder("stgcn")) is None
    assert distinct_persons(clips([[0], [0]]), encoder=encoder("stgcn")) is None
