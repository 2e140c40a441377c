import pytest
import torch

from skelblocks import layouts
from skelblocks.augment import recipes

EXTREME = (recipes.aimclr_extreme, recipes.aimclr_extreme_official)
STRONG = (recipes.msmclr_strong, recipes.msmclr_strong_official)
PAIRS = pytest.mark.parametrize("pair", [EXTREME, STRONG], ids=["aimclr", "msmclr"])


def steps(recipe):
    return [repr(step) for step in recipe.transforms]


def test_weak_is_crop_then_shear():
    assert steps(recipes.weak()) == ["RandomTemporalCrop(padding_ratio=6)", "RandomShear(amplitude=0.5)"]


def test_the_eight_of_aimclr():
    assert steps(recipes.aimclr_extreme("ntu-rgb+d")) == [
        "RandomTemporalCrop(padding_ratio=6)",
        "RandomShear(amplitude=0.5)",
        "RandomSpatialFlip('ntu-rgb+d', p=0.5, mirror_axis=None)",
        "RandomRotation(main_angle=30.0, minor_angle=1.0, two_sided=False)",
        "RandomGaussianNoise(std=0.01, p=0.5, on_absent_persons=False)",
        "RandomGaussianBlur(sigma=(0.1, 2.0), p=0.5, taps=15, normalize=True, padding='replicate')",
        "RandomChannelMask(p=0.5)",
        "RandomTemporalFlip(p=0.5)",
    ]


def test_the_released_seven_of_aimclr():
    assert steps(recipes.aimclr_extreme_official("ntu-rgb+d")) == [
        "RandomTemporalCrop(padding_ratio=6)",
        "RandomShear(amplitude=0.5)",
        "RandomSpatialFlip('ntu-rgb+d', p=0.5, mirror_axis=None)",
        "RandomRotation(main_angle=30.0, minor_angle=1.0, two_sided=False)",
        "RandomGaussianNoise(std=0.01, p=0.5, on_absent_persons=True)",
        "RandomGaussianBlur(sigma=(0.1, 2.0), p=0.5, taps=15, normalize=False, padding='zeros')",
        "RandomChannelMask(p=0.5)",
    ]


def test_the_papers_eight():
    assert steps(recipes.msmclr_strong("ntu-rgb+d")) == [
        "RandomTemporalCrop(padding_ratio=6)",
        "RandomShear(amplitude=0.5)",
        "RandomRotation(main_angle=30.0, minor_angle=1.0, two_sided=False)",
        "RandomGaussianNoise(std=0.01, p=0.5, on_absent_persons=False)",
        "RandomGaussianBlur(sigma=(0.1, 2.0), p=0.5, taps=15, normalize=True, padding='replicate')",
        "RandomJointMask(joint_ratio=(0.2, 0.6), frame_ratio=(0.4, 1.0))",
        "RandomChannelMask(p=0.5)",
        "RandomNoiseJoints(ratio=0.2)",
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
        "RandomNoiseJoints(ratio=0.04)",
    ]


@PAIRS
def test_the_released_recipe_shakes_an_absent_person_and_blows_clips_up_and_the_papers_does_not(pair, generator):
    x = torch.zeros(256, 3, 50, 25, 2)
    x[..., 0] = torch.randn(256, 3, 1, 25)
    paper, released = (recipe("ntu-rgb+d")(x, generator=generator.manual_seed(0)) for recipe in pair)
    assert (paper[..., 1] == 0).all()
    shaken = (released[..., 1] != 0).flatten(1).any(dim=1).float().mean()
    assert 0.4 < shaken < 0.6
    assert released[..., 0].std() > 1.5 * paper[..., 0].std()


@pytest.mark.parametrize("recipe", EXTREME)
@pytest.mark.parametrize("layout", layouts.available())
def test_aimclrs_recipes_run_on_every_layout_and_replay(recipe, layout, generator):
    augment, v = recipe(layout), layouts.get(layout).num_joints
    for t, m in [(50, 2), (64, 1), (7, 1), (1, 2)]:
        x = torch.randn(2, 3, t, v, m)
        kept = x.clone()
        y = augment(x, generator=generator.manual_seed(t))
        assert y.shape == x.shape
        assert y.isfinite().all()
        assert not y.equal(x)
        assert augment(x, generator=generator.manual_seed(t)).equal(y)
        params = augment.sample(x.shape, generator=generator.manual_seed(t))
        assert augment.transform(x, params).equal(y)
        assert x.equal(kept)


@pytest.mark.parametrize("recipe", EXTREME + STRONG)
def test_amplitudes_can_be_named_and_an_unknown_layout_is_refused(recipe):
    named = recipe("nw-ucla", shear_amplitude=1.0, padding_ratio=4)
    assert steps(named)[:2] == steps(recipes.weak(shear_amplitude=1.0, padding_ratio=4))
    with pytest.raises(ValueError, match="no layout is named 'kinect'"):
        recipe("kinect")


@pytest.mark.parametrize(
    ("recipe", "bodies", "blocks"),
    [(recipes.skelemix_swap, (2, 3), (7, 11)), (recipes.skeattnclr_swap, (3, 4), (4, 7))],
)
def test_the_swaps_take_the_bodies_and_blocks_of_their_papers(recipe, bodies, blocks, generator):
    swap = recipe("ntu-rgb+d")
    params = swap.sample((500, 3, 64, 25, 2), generator=generator)
    assert params.bodies.sum(dim=1).unique().tolist() == list(range(bodies[0], bodies[1] + 1))
    assert params.length.unique().tolist() == list(range(blocks[0], blocks[1] + 1))
    fifths, sixteenths = tuple(b / 5 for b in bodies), tuple(b / 16 for b in blocks)
    assert repr(swap) == (
        f"RandomRegionSwap('ntu-rgb+d', body_ratio={fifths}, block_ratio={sixteenths}, stride=4, same_on_batch=False, "
        "on_absent_persons=False)"
    )
    released = recipe("nw-ucla", same_on_batch=True, on_absent_persons=True)
    assert (released.same_on_batch, released.on_absent_persons) == (True, True)
    with pytest.raises(ValueError, match="no layout is named 'kinect'"):
        recipe("kinect")
