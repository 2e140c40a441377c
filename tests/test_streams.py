from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks import layouts
from skelblocks.augment import RandomShear
from skelblocks.streams import STREAMS, bone, convert, joint, motion

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
    by_index = bone(x, layout=layout, order="index")
    for v in range(layout.num_joints - 1):
        assert by_index[:, :, :, v].equal(x[:, :, :, v + 1] - x[:, :, :, v])
    assert (by_index[:, :, :, -1] == 0).all()


def test_names_and_functions_agree():
    x = torch.randn(2, 3, 5, 20, 1)
    assert STREAMS == ("joint", "bone", "motion")
    assert joint(x) is x
    assert convert(x, "joint", layout="nw-ucla") is x
    assert convert(x, "bone", layout="nw-ucla").equal(bone(x, layout="nw-ucla"))
    assert convert(x, "bone", layout="nw-ucla", order="index").equal(bone(x, layout="nw-ucla", order="index"))
    assert convert(x, "motion", layout="nw-ucla").equal(motion(x))


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


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("order", ["graph", "index"])
def test_absent_persons_dtype_memory_layout_and_compilation(stream, order):
    def op(x):
        return convert(x, stream, layout="ntu-rgb+d", order=order)

    x = torch.randn(2, 3, 6, 25, 2)
    x[0, ..., 1] = 0
    kept = x.clone()
    assert (op(x)[0, ..., 1] == 0).all()
    assert x.equal(kept)
    strided = x.permute(0, 4, 2, 3, 1).contiguous().permute(0, 4, 2, 3, 1)
    assert op(strided).equal(op(x))
    assert torch.compile(op, backend="eager", fullgraph=True)(x).equal(op(x))
    for dtype in (torch.float64, torch.bfloat16, torch.float16):
        assert op(x.to(dtype)).dtype == dtype
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert op(x).dtype == torch.float32
    small = torch.randn(1, 2, 3, 25, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(op, (small,))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: joint(torch.zeros(3, 5, 25, 2)), r"x: expected 5 axes \(n, c, t, v, m\)"),
        (lambda: motion(torch.zeros(3, 5, 25, 2)), r"x: expected 5 axes \(n, c, t, v, m\)"),
        (lambda: bone(torch.zeros(1, 3, 5, 20, 2), layout="ntu-rgb+d"), r"axis 'v' is 20, not 25"),
        (lambda: bone(torch.zeros(1, 3, 5, 25, 2), layout="ntu-rgb+d", order="tree"), "order: expected one of 'graph'"),
        (lambda: bone(torch.zeros(1, 3, 5, 25, 2), layout="kinect"), "no layout is named 'kinect'"),
        (lambda: convert(torch.zeros(1, 3, 5, 25, 2), "bones", layout="ntu-rgb+d"), "stream: expected one of 'joint'"),
    ],
)
def test_wrong_arguments_say_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("stream", STREAMS)
def test_cuda_agrees_with_cpu(stream):
    x = torch.randn(2, 3, 6, 25, 2)
    torch.testing.assert_close(
        convert(x.cuda(), stream, layout="ntu-rgb+d").cpu(), convert(x, stream, layout="ntu-rgb+d")
    )
