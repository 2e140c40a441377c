import inspect

import pytest
import torch
from torch import nn

from skelblocks import augment
from skelblocks.augment import Compose, RandomShear, RandomTransform, compose


class Scale(RandomTransform[torch.Tensor]):
    def sample(self, shape, *, device=None, generator=None):
        return torch.rand(shape[0], device=device, generator=generator)

    def transform(self, x, params):
        return x * params.view(-1, 1, 1, 1, 1)


def test_a_subclass_of_two_methods_can_be_called_and_composed(generator):
    x = torch.randn(3, 3, 4, 25, 2)
    y = Scale()(x, generator=generator)
    params = Scale().sample(x.shape, generator=generator.manual_seed(0))
    assert y.equal(Scale().transform(x, params))
    composed = Compose([Scale(), RandomShear()])
    first, tilt = composed.sample(x.shape, generator=generator.manual_seed(0))
    assert first.equal(params)
    assert composed(x, generator=generator.manual_seed(0)).equal(RandomShear().transform(y, tilt))


def test_without_both_methods_it_is_abstract():
    class Half(RandomTransform[torch.Tensor]):
        def sample(self, shape, *, device=None, generator=None):
            return torch.rand(shape[0])

    with pytest.raises(TypeError, match="abstract"):
        Half()


def test_every_transform_is_one_and_has_its_forward():
    modules = [
        symbol
        for symbol in (getattr(augment, name) for name in augment.__all__)
        if inspect.isclass(symbol) and issubclass(symbol, nn.Module)
    ]
    assert len(modules) >= 25
    for symbol in modules:
        assert issubclass(symbol, RandomTransform)
        assert "forward" not in vars(symbol) or symbol is RandomTransform
    assert compose.RandomTransform is RandomTransform  # where it was defined before


def test_the_clips_are_checked_before_the_draws():
    with pytest.raises(TypeError, match="x: expected a tensor, got ndarray"):
        Scale()(torch.zeros(2, 3, 4, 25, 1).numpy())
    with pytest.raises(ValueError, match=r"x: expected 5 axes \(n, c, t, v, m\), got shape \(3, 4, 25, 1\)"):
        Scale()(torch.zeros(3, 4, 25, 1))


def test_an_unknown_or_positional_argument_is_named():
    with pytest.raises(TypeError, match=r"RandomShear: expected arguments among amplitude, got amplitudes; did"):
        RandomShear(amplitudes=0.3)
    with pytest.raises(TypeError, match=r"RandomSpatialFlip: expected 1 positional .*layout.*, got 2; .* p=\.\.\."):
        augment.RandomSpatialFlip("sbu", 0.3)
