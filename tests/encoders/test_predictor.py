"""The predictor against its formula, and what every block promises."""

import pytest
import torch

from skelblocks.encoders import Predictor
from skelblocks.testing import BlockTester


def test_equals_the_formula():
    torch.manual_seed(0)
    predictor = Predictor(6, hidden_features=10).double()
    x = torch.randn(5, 6, dtype=torch.float64)
    first, norm, _, last = predictor.layers
    hidden = x @ first.weight.T + first.bias
    hidden = (hidden - hidden.mean(dim=0)) / (hidden.var(dim=0, unbiased=False) + norm.eps).sqrt()
    torch.testing.assert_close(predictor(x), hidden.clamp(min=0) @ last.weight.T + last.bias)


def test_sizes_are_those_of_the_released_code():
    shapes = {name: tuple(p.shape) for name, p in Predictor().named_parameters()}
    assert shapes == {
        "layers.0.weight": (256, 128),
        "layers.0.bias": (256,),
        "layers.1.weight": (256,),
        "layers.1.bias": (256,),
        "layers.3.weight": (128, 256),
        "layers.3.bias": (128,),
    }
    assert Predictor(8, hidden_bias=False).layers[0].bias is None


@pytest.mark.parametrize(
    ("shape", "message"),
    [((4, 5), "x: .* axis 'd' is 5, not 8"), ((8,), "x: expected 2 axes"), ((1, 8), "x: expected at least 2 samples")],
)
def test_wrong_shapes(shape, message):
    with pytest.raises(ValueError, match=message):
        Predictor(8)(torch.zeros(shape))


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="hidden_features: expected"):
        Predictor(8, hidden_features=0)
    with pytest.raises(TypeError, match="features: expected"):
        Predictor(8.0)


class TestPromises(BlockTester):
    test_vmap = None  # torch has no rule for batch normalization in training

    def make(self):
        return Predictor(8, hidden_features=6)

    def inputs(self):
        return (torch.randn(5, 8, generator=torch.Generator().manual_seed(0)),)
