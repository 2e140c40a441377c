import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks import streams as all_streams
from skelblocks.evaluation import FUSION_WEIGHTS, StreamScores, fuse_scores
from skelblocks.testing import with_cuda

STREAMS = ("joint", "bone", "motion")
ONE_EACH = dict.fromkeys(STREAMS, 1.0)


def case(n=9, c=5, seed=0, dtype=torch.float64):
    """Three streams with the same samples, each in an order of its own."""
    generator = torch.Generator().manual_seed(seed)
    streams = {}
    for stream in STREAMS:
        order = torch.randperm(n, generator=generator).tolist()
        scores = 3 * torch.randn(n, c, generator=generator, dtype=torch.float64)
        streams[stream] = StreamScores([f"S{i:03}" for i in order], scores.to(dtype))
    return streams


def reference(streams, weights, softmax):
    """One sample and class at a time, looked up by name."""
    fused = []
    for sample in next(iter(streams.values())).names:
        total = 0
        for stream, (names, scores) in streams.items():
            row = np.array(scores[list(names).index(sample)].tolist())
            row = np.exp(row) / np.exp(row).sum() if softmax else row
            total = total + weights[stream] * row
        fused.append(total.tolist())
    return torch.tensor(fused, dtype=torch.float64)


@pytest.mark.parametrize("normalize", ["none", "softmax"])
@given(
    n=st.integers(1, 12),
    c=st.integers(1, 6),
    weights=st.lists(st.floats(0.01, 10), min_size=3, max_size=3),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=30, deadline=None)
def test_equals_the_slow_reference_whatever_the_orders(normalize, n, c, weights, seed):
    streams, weights = case(n, c, seed), dict(zip(STREAMS, weights, strict=True))
    got = fuse_scores(streams, weights=weights, normalize=normalize)
    assert got.names == tuple(streams["joint"].names)
    torch.testing.assert_close(got.scores, reference(streams, weights, normalize == "softmax"), rtol=1e-9, atol=1e-10)


def test_default_weights_are_the_released_codes():
    assert dict(FUSION_WEIGHTS) == {"joint": 0.6, "bone": 0.6, "motion": 0.4, "bone_motion": 0.4, "acceleration": 0.4}
    streams = case()
    names = sorted(streams["joint"].names)
    sorted_streams = {
        stream: StreamScores(names, scores[[list(own).index(sample) for sample in names]])
        for stream, (own, scores) in streams.items()
    }
    joint, bone, motion = (sorted_streams[stream].scores.numpy() for stream in STREAMS)
    released = [joint[i] * 0.6 + bone[i] * 0.6 + motion[i] * 0.4 for i in range(len(names))]  # by place
    got = fuse_scores(sorted_streams).scores
    np.testing.assert_allclose(got.numpy(), released, rtol=1e-9, atol=1e-10)
    by_name = dict(zip(*fuse_scores(streams), strict=True))
    torch.testing.assert_close(torch.stack([by_name[sample] for sample in names]), got)


def test_every_stream_has_a_default_weight():
    assert set(FUSION_WEIGHTS) == set(all_streams.STREAMS)


def test_two_streams_may_leave_a_default_weight_unused():
    streams = case()
    del streams["motion"]
    torch.testing.assert_close(fuse_scores(streams).scores, reference(streams, FUSION_WEIGHTS, False))


def test_the_order_of_the_streams_gives_the_order_of_the_samples_only():
    streams = case()
    first = fuse_scores(streams)
    turned = fuse_scores(dict(reversed(streams.items())))
    assert turned.names == tuple(streams["motion"].names)
    row = {sample: i for i, sample in enumerate(turned.names)}
    torch.testing.assert_close(turned.scores[[row[sample] for sample in first.names]], first.scores)


def test_softmax_makes_a_constant_added_to_a_streams_logits_irrelevant():
    streams = case()
    expected = fuse_scores(streams, normalize="softmax")
    moved = {**streams, "bone": streams["bone"]._replace(scores=streams["bone"].scores + 500)}
    torch.testing.assert_close(fuse_scores(moved, normalize="softmax").scores, expected.scores)
    torch.testing.assert_close(expected.scores.sum(dim=1), torch.full((9,), 1.6, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_scores_are_added_in_single_precision_and_left_as_they_are(dtype):
    streams = case(dtype=dtype)
    before = copy.deepcopy(streams)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = fuse_scores(
            {**streams, "joint": streams["joint"]._replace(scores=streams["joint"].scores.requires_grad_())}
        )
    assert got.scores.dtype == torch.float32
    assert not got.scores.requires_grad
    torch.testing.assert_close(got.scores.double(), reference(streams, FUSION_WEIGHTS, False), rtol=1e-6, atol=1e-6)
    for stream in STREAMS:
        assert streams[stream].scores.equal(before[stream].scores)


def test_the_widest_dtype_wins():
    streams = case(dtype=torch.float32)
    streams["motion"] = streams["motion"]._replace(scores=streams["motion"].scores.double())
    assert fuse_scores(streams).scores.dtype == torch.float64


def test_scores_pickle():
    fused = fuse_scores(case())
    again = pickle.loads(pickle.dumps(fused))
    assert again.names == fused.names
    assert again.scores.equal(fused.scores)


def three(**change):
    streams = {stream: StreamScores(["a", "b", "c", "d"], torch.zeros(4, 3)) for stream in STREAMS}
    return {**streams, **change}


@pytest.mark.parametrize(
    ("streams", "options", "message"),
    [
        ({}, {}, "streams: expected at least one stream, got an empty dict"),
        (
            three(depth=StreamScores(["a"], torch.zeros(1, 3))),
            {},
            "streams: no weight for 'depth'; there are weights for",
        ),
        (
            three(),
            {"weights": {"joint": 1.0}},
            "streams: no weight for 'bone', 'motion'; there are weights for 'joint'",
        ),
        (three(), {"weights": {**ONE_EACH, "depth": 1.0}}, "weights: no stream for 'depth'; the streams are"),
        (three(), {"weights": {**ONE_EACH, "bone": -1.0}}, r"weights\['bone'\]: expected a finite number >= 0"),
        (three(), {"weights": {**ONE_EACH, "bone": float("nan")}}, r"weights\['bone'\]: .* got nan"),
        (three(), {"weights": {**ONE_EACH, "bone": float("inf")}}, r"weights\['bone'\]: .* got inf"),
        (three(), {"weights": dict.fromkeys(STREAMS, 0.0)}, "weights: expected one above 0"),
        (three(), {"normalize": "zscore"}, "normalize: expected one of 'none', 'softmax', got 'zscore'"),
        (
            three(bone=StreamScores(["b", "a", "b", "a"], torch.zeros(4, 3))),
            {},
            r"streams\['bone'\].names: given more than once: 'b', 'a'",
        ),
        (
            three(bone=StreamScores(["c", "d"], torch.zeros(2, 3))),
            {},
            r"streams\['bone'\]: expected the names of streams\['joint'\], but it lacks 'a', 'b'$",
        ),
        (
            three(motion=StreamScores(list("abcdefgh"), torch.zeros(8, 3))),
            {},
            r"streams\['motion'\]: .* but it alone has 'e', 'f', 'g' and 1 more",
        ),
        (
            three(motion=StreamScores(list("abcx"), torch.zeros(4, 3))),
            {},
            r"streams\['motion'\]: .* lacks 'd' and alone has 'x'",
        ),
        (three(bone=StreamScores(list("abcd"), torch.zeros(4, 2))), {}, r"\['bone'\].scores: .* axis 'c' is 2, not 3"),
        (three(bone=StreamScores(list("abcd"), torch.zeros(5, 3))), {}, r"\['bone'\].scores: .* axis 'n' is 5, not 4"),
        (three(bone=StreamScores(list("abcd"), torch.zeros(4))), {}, r"\['bone'\].scores: expected 2 axes"),
        (
            three(bone=StreamScores(list("abcd"), torch.zeros(4, 3).index_fill(0, torch.tensor([1, 3]), torch.nan))),
            {},
            r"streams\['bone'\].scores: NaN or infinite scores for 'b', 'd'",
        ),
        ({"joint": StreamScores([], torch.zeros(0, 3))}, {}, r"streams\['joint'\]: expected at least one sample"),
    ],
)
def test_wrong_arguments_name_the_first_offenders(streams, options, message):
    with pytest.raises(ValueError, match=message):
        fuse_scores(streams, **options)


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        ((["a"], torch.zeros(1, 3)), r"streams\['joint'\]: expected StreamScores\(names, scores\), got tuple"),
        (StreamScores("abcd", torch.zeros(4, 3)), r"streams\['joint'\].names: expected a list of strings"),
        (StreamScores([0, 1], torch.zeros(2, 3)), r"streams\['joint'\].names: expected a list of strings"),
        (StreamScores(["a"], torch.zeros(1, 3, dtype=torch.long)), r"streams\['joint'\].scores: .* floating-point"),
    ],
)
def test_other_types_are_refused(stream, message):
    with pytest.raises(TypeError, match=message):
        fuse_scores({"joint": stream})


@with_cuda
def test_streams_on_two_devices_meet_on_the_firsts():
    streams = case()
    expected = fuse_scores(streams)
    got = fuse_scores({**streams, "joint": streams["joint"]._replace(scores=streams["joint"].scores.cuda())})
    assert got.scores.is_cuda
    torch.testing.assert_close(got.scores.cpu(), expected.scores)
