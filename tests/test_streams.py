from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks import layouts, testing
from skelblocks.augment import RandomShear
from skelblocks.streams import STREAMS, acceleration, bone, bone_motion, convert, joint, motion

GOLDEN = Path(__file__).parent / "golden" / "streams_f64.npz"


@pytest.fixture(scope="module")
def official():
    with np.load(GOLDEN) as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


@pytest.mark.parametrize("stream", ["motion", "bone"])
def test_equals_the_official_code(official, stream):
    x, expected = official["x"], official[stream]
    torch.testing.assert_close(convert(x, stream, layout="ntu-rgb+d"), expected, rtol=1e-9, atol=1e-10)
    single = convert(x.float(), stream, layout="ntu-rgb+d")
    torch.testing.assert_close(single, expected.float(), rtol=1e-4, atol=1e-5)


def test_acceleration_equals_ikem():
    """Its released code goes on to divide by the time of a frame: 50 frames stand for ``frame`` recorded ones."""
    with np.load(GOLDEN.parent / "ikem_acceleration_f64.npz") as arrays:
        x, frame, expected = (torch.from_numpy(arrays[key]) for key in ("x", "frame", "acceleration"))
    found = acceleration(x, across_absence=True) * (50 / frame.double()).square().view(-1, 1, 1, 1, 1)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    assert (acceleration(x)[0, :, 3:, :, 1] == 0).all()  # this person leaves after the fifth frame


@pytest.mark.parametrize("layout", layouts.available())
@pytest.mark.parametrize(("n", "t", "m"), [(1, 16, 1), (2, 3, 2), (1, 1, 2)])
def test_equals_the_slow_reference(layout, n, t, m):
    layout = layouts.get(layout)
    x = torch.randn(n, 3, t, layout.num_joints, m)
    b = bone(x, layout=layout)
    for child, parent in enumerate(layout.parents):
        assert b[:, :, :, child].equal(x[:, :, :, child] - x[:, :, :, parent])
    assert (b[:, :, :, layout.center] == 0).all()
    d = motion(x)
    for i in range(t - 1):
        assert d[:, :, i].equal(x[:, :, i + 1] - x[:, :, i])
    assert (d[:, :, -1] == 0).all()
    moves = bone_motion(x, layout=layout)
    for i in range(t - 1):
        torch.testing.assert_close(moves[:, :, i], b[:, :, i + 1] - b[:, :, i])
    assert (moves[:, :, -1] == 0).all()
    a = acceleration(x)
    for i in range(t - 2):
        torch.testing.assert_close(a[:, :, i], x[:, :, i + 2] - 2 * x[:, :, i + 1] + x[:, :, i])
    assert (a[:, :, -2:] == 0).all()
    by_index = bone(x, layout=layout, order="index")
    for v in range(layout.num_joints - 1):
        assert by_index[:, :, :, v].equal(x[:, :, :, v + 1] - x[:, :, :, v])
    assert (by_index[:, :, :, -1] == 0).all()


def test_names_and_functions_agree():
    x = torch.randn(2, 3, 5, 20, 1)
    assert STREAMS == ("joint", "bone", "motion", "bone_motion", "acceleration")
    assert joint(x) is x
    assert convert(x, "joint", layout="nw-ucla") is x
    assert convert(x, "bone", layout="nw-ucla").equal(bone(x, layout="nw-ucla"))
    assert convert(x, "bone", layout="nw-ucla", order="index").equal(bone(x, layout="nw-ucla", order="index"))
    assert convert(x, "motion", layout="nw-ucla").equal(motion(x))
    assert convert(x, "acceleration", layout="nw-ucla").equal(acceleration(x))
    for order in ("graph", "index"):
        moves = convert(x, "bone_motion", layout="nw-ucla", order=order)
        assert moves.equal(bone_motion(x, layout="nw-ucla", order=order))
        torch.testing.assert_close(moves, motion(bone(x, layout="nw-ucla", order=order)))


@settings(max_examples=20, deadline=None)
@given(stream=st.sampled_from(STREAMS), shift=st.floats(-10, 10), seed=st.integers(0, 999))
def test_streams_are_linear_and_differences_do_not_see_where_the_person_stands(stream, shift, seed):
    x, y = torch.randn(2, 2, 3, 6, 25, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    a, b, both = (convert(clip, stream, layout="ntu-rgb+d") for clip in (x, y, x + shift * y))
    torch.testing.assert_close(both, a + shift * b)
    if stream != "joint":
        torch.testing.assert_close(convert(x + shift, stream, layout="ntu-rgb+d"), a)


@pytest.mark.parametrize("stream", STREAMS)
def test_replaying_an_augmentation_on_the_stream_is_augmenting_first(stream):
    x, shearing = torch.randn(3, 3, 6, 25, 2), RandomShear()
    params = shearing.sample(x.shape)
    first = convert(shearing.transform(x, params), stream, layout="ntu-rgb+d")
    torch.testing.assert_close(shearing.transform(convert(x, stream, layout="ntu-rgb+d"), params), first)


def op(stream, order="graph", **options):
    return lambda x: convert(x, stream, layout="ntu-rgb+d", order=order, **options)


STREAMS_AND_OPTIONS = [
    pytest.param(op("joint"), id="joint"),
    pytest.param(op("bone"), id="bone"),
    pytest.param(op("bone", "index"), id="bone by index"),
    pytest.param(op("motion"), id="motion"),
    pytest.param(op("motion", across_absence=True), id="motion across absence"),
    pytest.param(op("bone_motion"), id="motion of the bones"),
    pytest.param(op("bone_motion", "index"), id="motion of the bones by index"),
    pytest.param(op("acceleration"), id="acceleration"),
    pytest.param(op("acceleration", across_absence=True), id="acceleration across absence"),
]
every_stream = pytest.mark.parametrize("op", STREAMS_AND_OPTIONS)


def clips_of_a_person_who_leaves():
    x = torch.randn(2, 3, 6, 25, 2)
    x[0, ..., 1] = 0
    x[1, :, 3:, :, 1] = 0
    return x


@every_stream
def test_absent_persons_stay_absent(op):
    x = clips_of_a_person_who_leaves()
    assert (op(x)[0, ..., 1] == 0).all()


@every_stream
def test_promises_of_a_block(op):
    x = clips_of_a_person_who_leaves()
    testing.check_inputs_unchanged(op, [x])
    testing.check_strides(op, [x], rtol=0, atol=0)
    testing.check_compiles(op, [x], rtol=0, atol=0)
    testing.check_dtypes(op, [x])
    for dtype in (torch.bfloat16, torch.float16):
        testing.check_autocast(op, [x], dtype=dtype, out_dtype=torch.float32, exact=True)
    testing.check_gradients(op, [torch.randn(1, 2, 3, 25, 1)])
    testing.check_no_float64(op, [x.requires_grad_()])
    testing.check_meta(op, [x])
    testing.check_vmap(op, [x.detach()])


@testing.with_cuda
@every_stream
def test_cuda(op):
    testing.check_cuda(op, [clips_of_a_person_who_leaves()])


@pytest.mark.parametrize("how", ["padded tail", "leaves", "enters", "gap", "late second person"])
def test_there_is_no_motion_where_a_person_enters_or_leaves(how):
    x = torch.randn(2, 3, 8, 25, 2, dtype=torch.float64) + 5
    absent = torch.zeros(2, 8, 2, dtype=torch.bool)
    if how == "padded tail":
        absent[0, 5:] = True
    elif how == "leaves":
        absent[0, 5:, 0] = True
    elif how == "enters":
        absent[1, :3, 0] = True
    elif how == "gap":
        absent[0, 3:5] = True
    else:
        absent[:, :7, 1] = True
    x = x.masked_fill(absent[:, None, :, None, :], 0)
    ours, released = motion(x), motion(x, across_absence=True)
    for n in range(2):
        for t in range(7):
            for m in range(2):
                moves = not (absent[n, t, m] or absent[n, t + 1, m])
                step = x[n, :, t + 1, :, m] - x[n, :, t, :, m]
                assert ours[n, :, t, :, m].equal(step if moves else torch.zeros_like(step))
                assert released[n, :, t, :, m].equal(step)
    moves, jumps = bone_motion(x, layout="ntu-rgb+d"), bone_motion(x, layout="ntu-rgb+d", across_absence=True)
    assert moves.equal(bone(ours, layout="ntu-rgb+d"))
    assert jumps.equal(bone(released, layout="ntu-rgb+d"))
    changes, all_changes = acceleration(x), acceleration(x, across_absence=True)
    for n in range(2):
        for t in range(6):
            for m in range(2):
                there = not absent[n, t : t + 3, m].any()
                change = x[n, :, t + 2, :, m] - 2 * x[n, :, t + 1, :, m] + x[n, :, t, :, m]
                torch.testing.assert_close(changes[n, :, t, :, m], change if there else torch.zeros_like(change))
                torch.testing.assert_close(all_changes[n, :, t, :, m], change)
    assert ours.equal(convert(x, "motion", layout="ntu-rgb+d"))
    assert released.equal(convert(x, "motion", layout="ntu-rgb+d", across_absence=True))


def test_a_joint_that_is_hidden_for_a_frame_moves():
    """Only whole persons are absent: a joint at the origin is a place like any other."""
    x = torch.ones(1, 3, 3, 25, 1)
    x[:, :, 1, 4] = 0
    assert motion(x)[0, 0, :, 4, 0].tolist() == [-1, 1, 0]


def test_a_nan_counts_as_present():
    x = torch.ones(1, 3, 3, 25, 1)
    x[:, :, 1] = 0
    x[0, 0, 1, 3, 0] = torch.nan
    assert motion(x)[0, 1, 0, 0, 0] == -1


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool])
def test_clips_are_floating_point(dtype):
    boned = (lambda x: bone(x, layout="ntu-rgb+d"), lambda x: bone_motion(x, layout="ntu-rgb+d"))
    for function in (joint, motion, acceleration, *boned):
        with pytest.raises(TypeError, match=f"x: expected a floating-point tensor, got {dtype}"):
            function(torch.ones(1, 3, 2, 25, 1, dtype=dtype))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: joint(torch.zeros(3, 5, 25, 2)), r"x: expected 5 axes \(n, c, t, v, m\)"),
        (lambda: motion(torch.zeros(3, 5, 25, 2)), r"x: expected 5 axes \(n, c, t, v, m\)"),
        (lambda: acceleration(torch.zeros(3, 5, 25, 2)), r"x: expected 5 axes \(n, c, t, v, m\)"),
        (lambda: bone_motion(torch.zeros(1, 3, 5, 20, 2), layout="ntu-rgb+d"), r"axis 'v' is 20, not 25"),
        (lambda: bone(torch.zeros(1, 3, 5, 20, 2), layout="ntu-rgb+d"), r"axis 'v' is 20, not 25"),
        (lambda: bone(torch.zeros(1, 3, 5, 25, 2), layout="ntu-rgb+d", order="tree"), "order: expected one of 'graph'"),
        (lambda: bone(torch.zeros(1, 3, 5, 25, 2), layout="kinect"), "no layout is named 'kinect'"),
        (lambda: convert(torch.zeros(1, 3, 5, 25, 2), "bones", layout="ntu-rgb+d"), "stream: expected one of 'joint'"),
    ],
)
def test_wrong_arguments_say_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("order", ["graph", "index"])
def test_bones_and_motion_of_joints_that_are_not_seen_are_zero(order):
    layout = layouts.get("nw-ucla")
    x = torch.randn(2, 3, 6, 20, 2)
    seen = torch.rand(2, 6, 20, 2) > 0.3
    b = bone(x, layout=layout, order=order, seen=seen)
    plain = bone(x, layout=layout, order=order)
    for v in range(20):
        other = layout.parents[v] if order == "graph" else min(v + 1, 19)
        both = (seen[:, :, v] & seen[:, :, other])[:, None]
        assert b[:, :, :, v].equal(torch.where(both, plain[:, :, :, v], 0))
    d = motion(x, seen=seen)
    for i in range(5):
        both = (seen[:, i] & seen[:, i + 1])[:, None]
        assert d[:, :, i].equal(torch.where(both, x[:, :, i + 1] - x[:, :, i], 0))
    assert not d[:, :, 5].any()
    moves = bone_motion(x, layout=layout, order=order, seen=seen)
    for v in range(20):
        other = layout.parents[v] if order == "graph" else min(v + 1, 19)
        for i in range(5):
            whole = seen[:, i, v] & seen[:, i, other] & seen[:, i + 1, v] & seen[:, i + 1, other]
            step = torch.where(whole[:, None], plain[:, :, i + 1, v] - plain[:, :, i, v], 0)
            torch.testing.assert_close(moves[:, :, i, v], step)
    a = acceleration(x, seen=seen)
    for i in range(4):
        three = (seen[:, i] & seen[:, i + 1] & seen[:, i + 2])[:, None]
        change = x[:, :, i + 2] - 2 * x[:, :, i + 1] + x[:, :, i]
        torch.testing.assert_close(a[:, :, i], torch.where(three, change, 0))
    everything = torch.ones_like(seen)
    for stream in STREAMS:
        whole = convert(x, stream, layout=layout, order=order)
        assert convert(x, stream, layout=layout, order=order, seen=everything).equal(whole)
    assert convert(x, "joint", layout=layout, seen=seen) is x
    with pytest.raises(ValueError, match="seen"):
        motion(x, seen=seen[:, 1:])
    with pytest.raises(ValueError, match="seen"):
        acceleration(x[:, :, :2], seen=seen)
    with pytest.raises(TypeError, match=r"seen: expected a torch\.bool"):
        bone(x, layout=layout, seen=seen.float())
