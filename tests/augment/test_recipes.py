import pytest
import torch

from skelblocks.augment import recipes

STRONG = (recipes.msmclr_strong, recipes.msmclr_strong_official)


def steps(recipe):
    return [repr(step) for step in recipe.transforms]


def test_normal_is_crop_then_shear():
    assert steps(recipes.normal()) == ["RandomTemporalCrop(padding_ratio=6)", "RandomShear(amplitude=0.5)"]


def test_the_papers_eight():
    assert steps(recipes.msmclr_strong("ntu-rgb+d")) == [
        "RandomTemporalCrop(padding_ratio=6)",
        "RandomShear(amplitude=0.5)",
        "RandomRotation(main_angle=30.0, minor_angle=1.0, two_sided=False)",
        "RandomGaussianNoise(std=0.01, p=0.5, on_absent_persons=False)",
        "RandomGaussianBlur(sigma=(0.1, 2.0), p=0.5, taps=15, normalize=True, padding='replicate')",
        "RandomJointMask(joints=(0.2, 0.6), frames=(0.4, 1.0))",
        "RandomChannelMask(p=0.5)",
        "RandomNoiseJoints(fraction=0.2)",
    ]


def test_the_released_eight():
    assert steps(recipes.msmclr_strong_official("ntu-rgb+d")) == [
        "RandomTemporalCrop(padding_ratio=6)",
        "RandomShear(amplitude=0.5)",
        "RandomSpatialFlip('ntu-rgb+d', p=0.5, mirror_axis=None)",
        "RandomRotation(main_angle=30.0, minor_angle=1.0, two_sided=False)",
        "RandomGaussianNoise(std=0.01, p=0.5, on_absent_persons=True)",
        "RandomGaussianBlur(sigma=(0.1, 2.0), p=0.5, taps=15, normalize=False, padding='zeros')",
        "RandomChannelMask(p=0.5)",
        "RandomNoiseJoints(fraction=0.04)",
    ]


def test_the_released_recipe_shakes_an_absent_person_and_blows_clips_up_and_the_papers_does_not(generator):
    x = torch.zeros(256, 3, 50, 25, 2)
    x[..., 0] = torch.randn(256, 3, 1, 25)
    paper, released = (recipe("ntu-rgb+d")(x, generator=generator.manual_seed(0)) for recipe in STRONG)
    assert (paper[..., 1] == 0).all()
    shaken = (released[..., 1] != 0).flatten(1).any(dim=1).float().mean()
    assert 0.4 < shaken < 0.6
    assert released[..., 0].std() > 1.5 * paper[..., 0].std()


@pytest.mark.parametrize("recipe", STRONG)
def test_amplitudes_can_be_named_and_an_unknown_layout_is_refused(recipe):
    named = recipe("nw-ucla", shear_amplitude=1.0, padding_ratio=4)
    assert steps(named)[:2] == steps(recipes.normal(shear_amplitude=1.0, padding_ratio=4))
    with pytest.raises(ValueError, match="no layout is named 'kinect'"):
        recipe("kinect")
