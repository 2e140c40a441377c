import numpy as np
import pytest

from skelblocks.data import RawClip, drop_ghosts, follow_persons, split_persons, track_persons

pytest.importorskip("scipy")


def recording(frames=40, *, sizes=(1.0, 1.0), apart=300.0, seed=0, scores=None, moving=None):
    """Persons of several sizes beside each other, of whom some rock back and forth."""
    rng = np.random.default_rng(seed)
    body = rng.uniform(0, 100, (2, 1, 17))
    time = np.sin(np.arange(frames))[None, :, None]
    each = [
        size * body + np.array([apart * k, 0])[:, None, None] + m * time
        for k, (size, m) in enumerate(zip(sizes, moving or [0] * len(sizes), strict=True))
    ]
    x = np.stack(each, axis=-1).astype(np.float32)
    seen = np.ones(x.shape[1:], dtype=bool)
    clip = RawClip("mine", x, seen, 3, {"subject": 7}, layout="coco-17", fps=30.0, tracked=False)
    if scores is not None:
        clip = clip._replace(scores=np.broadcast_to(np.array(scores, dtype=np.float32), seen.shape).copy())
    return clip


def shuffled(clip, seed=0):
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(clip.x.shape[3]) for _ in range(clip.x.shape[1])]
    x, seen = clip.x.copy(), clip.seen.copy()
    scores = np.ones(seen.shape, dtype=np.float32) if clip.scores is None else clip.scores.copy()
    for t, order in enumerate(orders):
        x[:, t], seen[t], scores[t] = x[:, t][..., order], seen[t][..., order], scores[t][..., order]
    return clip._replace(x=x, seen=seen, scores=None if clip.scores is None else scores)


def lengths(tracks):
    return np.bincount(tracks[tracks >= 0]).tolist()


def test_short_small_and_doubtful_tracks_go():
    clip = recording(sizes=(1, 0.2, 1, 1), scores=(0.8, 0.8, 0.2, 0.8))
    clip.seen[:, :, 3] = False
    clip.seen[10:17, :, 3] = True
    tracks = follow_persons(clip)
    assert lengths(tracks) == [40, 40, 40, 7]
    assert lengths(drop_ghosts(clip, tracks)) == [40]
    assert lengths(drop_ghosts(clip, tracks, least_frames=7)) == [40, 7]
    assert lengths(drop_ghosts(clip, tracks, least_size=0.1)) == [40, 40]
    assert lengths(drop_ghosts(clip, tracks, least_score=0.1)) == [40, 40]
    np.testing.assert_array_equal(drop_ghosts(clip, tracks, least_frames=0, least_size=0, least_score=0), tracks)


def test_without_scores_a_track_of_few_joints_goes():
    clip = recording()
    clip.seen[:, 5:, 1] = False
    assert lengths(drop_ghosts(clip, follow_persons(clip))) == [40]


def test_in_a_short_recording_half_of_its_frames_are_enough():
    clip = recording(5)
    clip.seen[:3, :, 1] = False
    assert lengths(drop_ghosts(clip, follow_persons(clip))) == [5]
    assert lengths(drop_ghosts(recording(2), follow_persons(recording(2)))) == [2, 2]


def test_each_person_becomes_a_clip_with_its_first_frame():
    clip = shuffled(recording(scores=(0.8, 0.6)))
    tracks = follow_persons(clip)
    tracks[tracks == 1] = np.where(np.arange(40) < 12, -1, 1)[(tracks == 1).any(axis=1)]
    first, second = split_persons(clip, tracks)
    assert (first.x.shape, second.x.shape) == ((2, 40, 17, 1), (2, 28, 17, 1))
    assert second.origin == {"subject": 7, "person": 1, "start": 12}
    assert (second.name, second.label, second.tracked, second.fps) == ("mine_p1", 3, True, 30.0)
    assert np.ptp(second.x, axis=1).max() == 0
    assert np.ptp(first.scores) == np.ptp(second.scores) == 0
    assert split_persons(clip, np.full_like(tracks, -1)) == []
    with pytest.raises(ValueError, match="tracks: expected each number once in a frame, got 0 twice"):
        split_persons(clip, np.zeros_like(tracks))
    with pytest.raises(ValueError, match="tracks: expected an array"):
        split_persons(clip, tracks[:3])


def test_unseen_joints_are_zero_whatever_is_written_there():
    clip = recording()
    clip.seen[4, 9, 0] = False
    tracked = track_persons(clip)
    assert not tracked.x[:, 4, 9, 0].any()
    assert not tracked.seen[4, 9, 0]


def test_the_largest_or_the_most_moving_stay():
    clip = shuffled(recording(sizes=(1, 2, 1.5), apart=400, moving=(3, 0, 1)))
    largest, moving = track_persons(clip), track_persons(clip, by="motion")
    assert largest.x.shape == moving.x.shape == (2, 40, 17, 2)
    heights = np.ptp(largest.x[1, 0], axis=0)
    assert heights[0] == pytest.approx(heights[1] * 2 / 1.5, rel=0.05)
    assert track_persons(clip, persons=1).x.shape[3] == 1
    assert track_persons(clip, persons=9).x.shape[3] == 3
    assert np.ptp(track_persons(clip._replace(fps=None), persons=1, by="motion").x[1, 0]) > 0
    with pytest.raises(ValueError, match="by: expected one of 'size', 'motion'"):
        track_persons(clip, by="age")


def test_a_choice_by_motion_takes_who_moves():
    clip = recording(sizes=(1, 1, 1), moving=(0, 8, 0))
    chosen = track_persons(clip, persons=1, by="motion")
    np.testing.assert_array_equal(chosen.x[..., 0], clip.x[..., 1])


def test_the_result_says_who_is_in_which_place():
    clip = recording()
    clip.seen[:9, :, 0] = False
    tracked = track_persons(clip)
    assert tracked.tracked
    assert tracked.order.tolist()[0] == [0, -1] or tracked.order.tolist()[0] == [-1, 1]
    assert (tracked.order[9:] == [0, 1]).all()


def test_a_recording_of_nobody_has_no_persons():
    clip = recording()
    clip.seen[:] = False
    assert track_persons(clip).x.shape == (2, 40, 17, 0)
