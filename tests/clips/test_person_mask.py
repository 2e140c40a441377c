import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.clips.person_mask import person_mask


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_single_coordinate_makes_a_person(data):
    shape = tuple(data.draw(st.integers(1, size)) for size in (3, 3, 6, 7, 3))
    x = torch.zeros(shape)
    assert not person_mask(x).any()
    n, c, t, v, m = (data.draw(st.integers(0, size - 1)) for size in shape)
    x[n, c, t, v, m] = data.draw(st.sampled_from([1.0, -1e-20, float("nan"), float("inf")]))
    expected = torch.zeros(shape[0], shape[4], dtype=torch.bool)
    expected[n, m] = True
    assert person_mask(x).equal(expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int32])
def test_coordinates_that_cancel_still_count_in_every_dtype(dtype):
    x = torch.zeros(2, 3, 50, 25, 2, dtype=dtype)
    x[0, 0, 7, 4, 0], x[0, 2, 9, 4, 0], x[0, 1, 9, 4, 0], x[0, 1, 9, 5, 0] = 3, -3, 2, -2
    x[0, 0, 8, 5, 0], x[0, 0, 8, 4, 0] = 2, -2
    x[1, :, :, :, 1] = 30000  # their sum overflows half precision
    assert person_mask(x).tolist() == [[True, False], [False, True]]


def test_memory_layout_and_autocast_do_not_matter():
    x = torch.randn(2, 3, 4, 5, 2)
    x[1, ..., 0] = 0
    strided = x.permute(4, 3, 2, 1, 0).contiguous().permute(4, 3, 2, 1, 0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert person_mask(strided).tolist() == [[True, True], [False, True]]


def test_compiles_in_one_graph():
    x = torch.randn(2, 3, 4, 5, 2)
    assert torch.compile(person_mask, backend="eager", fullgraph=True)(x).equal(person_mask(x))


@pytest.mark.parametrize("shape", [(3, 50, 25, 2), (1, 2, 3, 50, 25, 2)])
def test_wrong_shapes_say_what_was_expected(shape):
    with pytest.raises(ValueError, match=r"x: expected 5 axes \(n, c, t, v, m\)"):
        person_mask(torch.zeros(shape))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda():
    x = torch.randn(2, 3, 4, 5, 2)
    x[1, ..., 0] = 0
    assert person_mask(x.cuda()).tolist() == [[True, True], [False, True]]
