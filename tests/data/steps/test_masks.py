"""Preprocessing goes by the joints that are seen."""

import numpy as np
import pytest

from skelblocks import layouts
from skelblocks.clips import Preprocessing, RawClip
from skelblocks.data import (
    body_energy,
    body_length,
    center,
    choose_bodies,
    denoise_bodies,
    normalize_scale,
    preprocess,
    preprocess_mask,
    resample,
)
from skelblocks.data.steps.choose_bodies import choose_persons
from skelblocks.data.steps.resample import resample_mask

LAYOUT = layouts.get("nw-ucla")
CENTER, LEFT, RIGHT = (LAYOUT.index(name) for name in ("shoulder_center", "shoulder_left", "shoulder_right"))


def body(seed=0, frames=10, persons=2):
    return np.random.default_rng(seed).standard_normal((3, frames, 20, persons))


def test_a_mask_of_ones_changes_nothing():
    x, seen = body(), np.ones((10, 20, 2), dtype=bool)
    for per in ("frame", "clip"):
        for origin in ("own", "first"):
            got = center(x, joint=CENTER, per=per, origin=origin, seen=seen, stand_ins=(LEFT, RIGHT))
            np.testing.assert_array_equal(got, center(x, joint=CENTER, per=per, origin=origin))
    for by in ("bones", "spine"):
        length = body_length(x, layout=LAYOUT, by=by, seen=seen)
        assert length == pytest.approx(body_length(x, layout=LAYOUT, by=by), rel=1e-12)


def test_an_unseen_center_is_between_its_stand_ins_then_where_it_is_seen_nearest():
    x, seen = body(persons=1), np.ones((10, 20, 1), dtype=bool)
    seen[[2, 3, 8], CENTER] = False
    seen[3, LEFT] = False
    x[:, ~seen[..., 0], 0] = 1e6  # must not matter
    origin = (x - center(x, joint=CENTER, seen=seen, stand_ins=(LEFT, RIGHT)))[:, :, 0, 0]
    between = x[:, :, [LEFT, RIGHT], 0].mean(axis=2)
    np.testing.assert_allclose(origin[:, [2, 8]], between[:, [2, 8]], rtol=1e-9)
    np.testing.assert_allclose(origin[:, 3], between[:, 2], rtol=1e-9)  # frames 2 and 4 are as near; the earlier
    np.testing.assert_allclose(origin[:, [0, 4]], x[:, [0, 4], CENTER, 0], rtol=1e-9)
    alone = (x - center(x, joint=CENTER, seen=seen))[:, :, 0, 0]
    np.testing.assert_allclose(alone[:, [2, 3, 8]], x[:, [1, 4, 7], CENTER, 0], rtol=1e-9)
    with pytest.raises(ValueError, match=r"seen: expected a boolean array \(..., t, v, m\) = \(10, 20, 1\) as in x"):
        center(x, joint=CENTER, seen=seen[1:])


def test_the_scale_is_that_of_bones_that_are_seen():
    x = body(persons=1) * np.linspace(0.5, 3, 20)[:, None]  # far joints have longer bones
    still = np.repeat(x[:, :1], 10, axis=1)
    seen = np.random.default_rng(1).random((10, 20, 1)) > 0.3
    length = body_length(np.where(seen, still, 99), layout=LAYOUT, seen=seen)
    assert length == pytest.approx(body_length(still, layout=LAYOUT), rel=1e-9)
    np.testing.assert_allclose(normalize_scale(still, layout=LAYOUT, seen=seen), still / length)
    seen[:, CENTER] = False
    assert np.isfinite(body_length(still, layout=LAYOUT, seen=seen))
    assert np.isnan(body_length(still, layout=LAYOUT, by="spine", seen=seen))
    settings = Preprocessing(frames=4, scale="spine")
    with pytest.raises(ValueError, match=r"expected bodies of a length > 0, got nan by='spine' in clip a"):
        preprocess(still[None], layout=LAYOUT, preprocessing=settings, seen=seen[None], names=["a"])


def test_a_mask_is_resampled_to_the_nearest_frame():
    for frames, length in ((3, 10), (25, 10), (10, 10), (4, 7)):
        seen = np.random.default_rng(frames).random((2, 10, 20, 1)) > 0.5
        got = resample_mask(seen, frames, length=[length, 10])
        position = resample(np.arange(10.0).reshape(1, 1, 10, 1, 1), frames, length=length).ravel()
        nearest = np.floor(position + 0.5 + 1e-9).astype(int)
        assert np.array_equal(got[0], seen[0, np.minimum(nearest, length - 1)])
    with pytest.raises(TypeError, match="seen: expected a boolean numpy array, got float64"):
        resample_mask(np.ones((1, 2, 3, 1)), 4)


def test_a_mask_of_another_skeleton_and_more_persons():
    seen = np.ones((1, 10, 20, 1), dtype=bool)
    seen[:, :, LEFT] = False
    target = layouts.get("coco-17")
    mask = preprocess_mask(
        seen, layout=LAYOUT, preprocessing=Preprocessing(frames=5, to=target, missing="nearest", persons=3)
    )
    assert mask.shape == (1, 5, 17, 3)
    assert not mask[..., 1:].any()
    assert not mask[0, :, target.index("shoulder_left"), 0].any()
    assert mask[0, :, target.index("shoulder_right"), 0].all()


def clip_of_two(by_joints):
    x = np.random.default_rng(0).standard_normal((3, 20, 20, 3)).astype(np.float32)
    x[..., 1] *= 3
    joints = np.random.default_rng(1).random((20, 20, 3)) > 0.2
    joints[:5, :, 0] = False
    joints[9:, :, 2] = False
    seen = joints if by_joints else joints.any(axis=1)
    scores = np.where(joints, 0.5, 0).astype(np.float32) * np.array([1, 2, 3], np.float32)
    return RawClip("a", np.where(joints, x, 0), seen, 0, {}, scores=scores)


@pytest.mark.parametrize("by_joints", [True, False])
def test_masks_and_scores_follow_the_persons(by_joints):
    clip = clip_of_two(by_joints)
    chosen = choose_persons(clip, persons=2)
    np.testing.assert_array_equal(chosen.x, choose_bodies(clip, persons=2))
    first, second = np.argsort(-body_energy(clip))[:2]
    assert first == 1
    for place, place_before in enumerate((first, second)):
        np.testing.assert_array_equal(chosen.seen[..., place], clip.seen[..., place_before])
        np.testing.assert_array_equal(chosen.scores[..., place], clip.scores[..., place_before])
    denoised = denoise_bodies(clip, persons=2, share=1.0)
    assert denoised.seen.shape == (*clip.seen.shape[:-1], denoised.x.shape[-1])
    np.testing.assert_array_equal(denoised.scores > 0, (denoised.x != 0).any(axis=0))
    if by_joints:
        np.testing.assert_array_equal(denoised.seen, (denoised.x != 0).any(axis=0))


def test_what_is_not_seen_has_no_part_in_the_choice_of_persons():
    clip = clip_of_two(True)
    wild = clip._replace(x=np.where(clip.seen, clip.x, 1e3).astype(np.float32))
    np.testing.assert_array_equal(body_energy(wild), body_energy(clip))
    a, b = (denoise_bodies(each, persons=2) for each in (wild, clip))
    np.testing.assert_array_equal(a.seen, b.seen)
    with pytest.raises(
        ValueError, match=r"clip.seen: expected bool.* \(t, b\) = \(20, 3\) or \(t, v, b\) = \(20, 20, 3\)"
    ):
        body_energy(clip._replace(seen=clip.seen[:4]))
    with pytest.raises(ValueError, match=r"clip.scores: expected floating \(t, v, b\)"):
        body_energy(clip._replace(scores=clip.scores[:4]))
