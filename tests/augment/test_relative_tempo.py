import pytest
import torch

from skelblocks.augment import RelativeTempo, RelativeTempoParams, relative_tempo


def reference(x, fast, ratio):
    """A frame at a time."""
    frames = x.shape[2] // ratio
    own, other = (torch.zeros_like(x[:, :, :frames]) for _ in range(2))
    for clip, quick in enumerate(fast.tolist()):
        for i in range(frames):
            own[clip, :, i] = x[clip, :, i * (ratio if quick else 1)]
            other[clip, :, i] = x[clip, :, i * (1 if quick else ratio)]
    return own, other


@pytest.mark.parametrize("ratio", [2, 3, 5])
@pytest.mark.parametrize("t", [5, 12, 13])
def test_equals_the_slow_reference(t, ratio):
    x = torch.randn(4, 3, t, 5, 2)
    fast = torch.tensor([True, False, False, True])
    views = relative_tempo(x, fast, ratio=ratio)
    own, other = reference(x, fast, ratio)
    assert views.own.equal(own)
    assert views.other.equal(other)
    params = RelativeTempoParams(fast)
    assert RelativeTempo(ratio).transform(x, params).own.equal(own)
    turned = relative_tempo(x, ~fast, ratio=ratio)
    assert turned.own.equal(other)
    assert turned.other.equal(own)


def test_both_tempos_are_equally_likely_and_clips_draw_for_themselves(generator):
    tempos = RelativeTempo()
    fast = tempos.sample((4000, 3, 8, 5, 1), generator=generator).fast
    assert abs(fast.float().mean() - 0.5) < 0.03
    counts = {int(tempos.sample((8, 3, 8, 5, 1), generator=generator).fast.sum()) for _ in range(50)}
    assert len(counts) > 2  # not half of each batch


def test_two_augmentations_of_a_clip_get_the_same_tempo(generator):
    tempos, x = RelativeTempo(), torch.randn(16, 3, 8, 5, 1)
    params = tempos.sample(x.shape, generator=generator)
    query, key = tempos.transform(x, params), tempos.transform(2 * x, params)
    assert (2 * query.own).equal(key.own)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: RelativeTempo(1), ValueError, "ratio: expected an integer >= 2, got 1"),
        (lambda: RelativeTempo(2.0), TypeError, "ratio: expected an integer >= 2"),
        (
            lambda: relative_tempo(torch.zeros(1, 3, 2, 5, 1), torch.tensor([True]), ratio=3),
            ValueError,
            "x: expected at least ratio=3 frames, got t=2",
        ),
        (
            lambda: relative_tempo(torch.zeros(1, 3, 4, 5, 1), torch.tensor([0.3])),
            TypeError,
            r"fast: expected a torch\.bool",
        ),
        (
            lambda: relative_tempo(torch.zeros(1, 3, 4, 5, 1), torch.tensor([True, False])),
            ValueError,
            "fast: .* axis 'n' is 2, not 1",
        ),
    ],
)
def test_what_is_refused(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
