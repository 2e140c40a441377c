import pytest
import torch

from skelblocks import layouts
from skelblocks.augment import EstimatorNoise, spatial_flip

LAYOUT = layouts.get("coco-17")
NONE = {"jitter": 0.0, "bias": 0.0, "missing": 0.0, "swapped": 0.0, "dropped": 0.0}


def clips(n=64, t=40, m=1):
    return torch.randn(n, 2, t, 17, m, generator=torch.Generator().manual_seed(0))


def mean_bone(x):
    a, b = torch.tensor(LAYOUT.edges).T
    return (x[:, :, :, a] - x[:, :, :, b]).norm(dim=1).mean()


def test_without_errors_the_clips_stay(generator):
    x = clips()
    assert EstimatorNoise(LAYOUT, **NONE)(x, generator=generator).equal(x)


def test_jitter_is_in_mean_bones_and_grows_along_the_limbs(generator):
    x = clips(400)
    noise = EstimatorNoise(LAYOUT, **NONE | {"jitter": 0.1}, distance=(1.0, 1.0))(x, generator=generator) - x
    deviation = noise.std(dim=(0, 1, 2, 4))
    torch.testing.assert_close(deviation.mean(), 0.1 * mean_bone(x), rtol=0.02, atol=0)
    center, wrist = deviation[LAYOUT.center], deviation[LAYOUT.index("wrist_left")]
    assert 1.5 < wrist / center <= 3.1
    scaled = EstimatorNoise(LAYOUT, **NONE | {"jitter": 0.1}, distance=(1.0, 1.0))(
        100 * x, generator=generator.manual_seed(0)
    )
    torch.testing.assert_close(scaled - 100 * x, 100 * noise, rtol=1e-3, atol=1e-2)


def test_people_far_away_jitter_more(generator):
    x = clips(4)
    near, far = (
        EstimatorNoise(LAYOUT, **NONE | {"jitter": 0.1}, distance=(d, d))(x, generator=generator.manual_seed(0)) - x
        for d in (1.0, 3.0)
    )
    torch.testing.assert_close(far, 3 * near, rtol=1e-3, atol=1e-4)


def test_an_offset_is_constant_in_a_clip(generator):
    x = clips()
    noise = EstimatorNoise(LAYOUT, **NONE | {"bias": 0.2})(x, generator=generator) - x
    torch.testing.assert_close(noise, noise[:, :, :1].expand(noise.shape), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(noise[:, :, 0].std(dim=(0, 1, 3)).mean(), 0.2 * mean_bone(x), rtol=0.1, atol=0)


def test_a_share_of_the_joints_is_missing_in_runs(generator):
    x = clips(400)
    y = EstimatorNoise(LAYOUT, **NONE | {"missing": 0.08})(x, generator=generator)
    lost = (y != x).any(dim=1)
    assert abs(float(lost.float().mean()) - 0.08) < 0.006
    following = lost[:, 1:][lost[:, :-1]].float().mean()  # of the frames after a gap's frame, most are gaps too
    assert following > 0.75


def test_missing_joints_are_filled_from_their_sights(generator):
    x = torch.linspace(1, 2, 40).view(1, 1, 40, 1, 1) * torch.randn(8, 2, 1, 17, 1)  # straight lines
    y = EstimatorNoise(LAYOUT, **NONE | {"missing": 0.05})(x, generator=generator)
    torch.testing.assert_close(y[:, :, 12:28], x[:, :, 12:28], rtol=1e-4, atol=1e-5)


def test_left_and_right_are_exchanged_in_a_share_of_the_frames(generator):
    x = clips(400)
    y = EstimatorNoise(LAYOUT, **NONE | {"swapped": 0.1})(x, generator=generator)
    exchanged = (y != x).flatten(3).any(dim=3).any(dim=1)
    assert abs(float(exchanged.float().mean()) - 0.1) < 0.015
    other = spatial_flip(x, layout=LAYOUT)
    assert y.equal(torch.where(exchanged[:, None, :, None, None], other, x))


def test_dropped_frames_are_filled_and_never_all(generator):
    x = clips(200)
    y = EstimatorNoise(LAYOUT, **NONE | {"dropped": 0.1})(x, generator=generator)
    assert abs(float((y != x).flatten(3).all(dim=3).any(dim=1).float().mean()) - 0.1) < 0.02
    assert EstimatorNoise(LAYOUT, **NONE | {"dropped": 1.0})(x).equal(x)


def test_frames_without_a_person_stay_zero(generator):
    x = clips(8)
    x[:, :, 30:] = 0
    assert (EstimatorNoise(LAYOUT)(x, generator=generator)[:, :, 30:] == 0).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"jitter": -1.0}, ValueError, "jitter: expected a finite number >= 0"),
        ({"missing": 1.5}, ValueError, r"missing: expected a probability in \[0, 1\], got 1.5"),
        ({"run": 0}, ValueError, "run: expected an integer >= 1, got 0"),
        ({"distance": (2.0, 1.0)}, ValueError, r"distance: expected two numbers .*, got \(2.0, 1.0\); for a fixed"),
    ],
)
def test_wrong_options_say_what_was_expected(options, error, message):
    with pytest.raises(error, match=message):
        EstimatorNoise(LAYOUT, **options)


def test_clips_of_another_skeleton_are_refused():
    with pytest.raises(ValueError, match=r"x: .* axis 'v' is 25, not 17"):
        EstimatorNoise(LAYOUT)(torch.zeros(2, 2, 5, 25, 1))
