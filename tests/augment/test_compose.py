import pytest
import torch
from torch import nn

from skelblocks.augment import Compose, RandomChannelMask, RandomShear, RandomTemporalCrop, ShearParams, shear


def test_applies_in_order():
    x = torch.randn(2, 3, 12, 25, 1)
    masking, tilting = RandomChannelMask(1.0), RandomShear()  # these two do not commute
    mask, tilt = masking.sample(x.shape), tilting.sample(x.shape)
    mask_first = Compose([masking, tilting]).transform(x, (mask, tilt))
    assert mask_first.equal(tilting.transform(masking.transform(x, mask), tilt))
    assert not mask_first.equal(Compose([tilting, masking]).transform(x, (tilt, mask)))


def test_nests_and_draws_one_after_another(generator):
    x = torch.randn(2, 3, 12, 25, 1)
    nested = Compose([RandomTemporalCrop(), Compose([RandomShear(), RandomChannelMask()])])
    flat = Compose([RandomTemporalCrop(), RandomShear(), RandomChannelMask()])
    y = nested(x, generator=generator)
    assert y.equal(flat(x, generator=generator.manual_seed(0)))
    crop, (tilt, _) = nested.sample(x.shape)
    assert crop.start.shape == (2,)
    assert isinstance(tilt, ShearParams)


def test_of_nothing_is_the_identity():
    x = torch.randn(2, 3, 12, 25, 1)
    assert Compose([])(x) is x


def test_takes_anything_that_samples_and_transforms():
    class Shrink(nn.Module):
        def sample(self, shape, *, device=None, generator=None):
            return torch.rand(shape[0], device=device, generator=generator)

        def transform(self, x, params):
            return x * params.view(-1, 1, 1, 1, 1)

    x = torch.randn(2, 3, 12, 25, 1)
    y = Compose([Shrink(), RandomShear()]).transform(x, (torch.zeros(2), RandomShear().sample(x.shape)))
    assert (y == 0).all()


def test_one_transform_or_a_class_in_place_of_instances():
    with pytest.raises(
        TypeError, match=r"transforms: expected a list of transforms, got one RandomShear; pass \[transform\]"
    ):
        Compose(RandomShear())
    with pytest.raises(TypeError, match=r"transforms\[0\]: .*, got the class RandomShear; pass an instance"):
        Compose([RandomShear])


@pytest.mark.parametrize("bad", [nn.Linear(2, 2), shear, "shear"])
def test_other_things_are_refused(bad):
    with pytest.raises(
        TypeError, match=r"transforms\[1\]: expected an nn.Module with the methods sample and transform"
    ):
        Compose([RandomShear(), bad])


def test_params_of_another_length_are_refused():
    x = torch.randn(2, 3, 12, 25, 1)
    with pytest.raises(ValueError, match="params: expected 2 entries, one per transform, got 1"):
        Compose([RandomShear(), RandomShear()]).transform(x, (RandomShear().sample(x.shape),))


def test_repr_shows_the_steps():
    assert "(0): RandomShear(amplitude=0.5)" in repr(Compose([RandomShear()]))
