"""A checkpointed encoder trains as one that keeps everything, and keeps less."""

import copy

import pytest
import torch

from skelblocks.encoders import STGCN


def encoder(**options):
    torch.manual_seed(0)
    return STGCN("sbu", base_channels=2, out_channels=8, **options)


def step(model, x, *, seed=1):
    torch.manual_seed(seed)  # of the dropout
    y = model(x)
    (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)).sum().backward()
    return y.detach(), {name: parameter.grad for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("frozen_norms", [False, True])
def test_outputs_gradients_and_statistics_are_the_same_bits(dtype, frozen_norms):
    plain = encoder(dropout=0.5).to(dtype)
    saving = encoder(dropout=0.5, checkpoint=True).to(dtype)
    if frozen_norms:
        for model in (plain, saving):
            for module in model.modules():
                module.train(not isinstance(module, torch.nn.BatchNorm2d))
    x = torch.randn(3, 3, 12, 15, 2, dtype=dtype)
    for _ in range(2):  # the statistics of the first step count in the second
        (y, gradients), (again, others) = step(plain, x), step(saving, x)
        assert y.equal(again)
        assert all(gradients[name].equal(gradient) for name, gradient in others.items())
    states = plain.state_dict(), saving.state_dict()
    assert all(states[0][name].equal(value) for name, value in states[1].items())
    assert states[1]["blocks.4.temporal_norm.num_batches_tracked"] == (0 if frozen_norms else 2)


def test_under_autocast_too():
    x = torch.randn(3, 3, 12, 15, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (y, gradients), (again, others) = step(encoder(), x), step(encoder(checkpoint=True), x)
    assert y.equal(again)
    assert all(gradients[name].equal(gradient) for name, gradient in others.items())


def test_backward_holds_less():
    def kept(model):
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, lambda x: x):
            model(torch.randn(2, 3, 12, 15, 2))
        return sum(sizes)

    assert kept(encoder(checkpoint=True)) < kept(encoder()) / 4


def test_the_option_is_not_a_weight_and_without_gradients_it_does_nothing():
    model = encoder(checkpoint=True).eval()
    x = torch.randn(2, 3, 12, 15, 1)
    with torch.no_grad():
        assert model(x).equal(encoder().eval()(x))
    assert copy.deepcopy(model).checkpoint
    assert model.state_dict().keys() == encoder().state_dict().keys()


def test_another_value_is_refused():
    with pytest.raises(TypeError, match="checkpoint"):
        encoder(checkpoint="yes")
