import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skelblocks._utils.unit_vectors import as_float64, unit_vectors


@given(st.integers(-1070, 1020), st.integers(0, 2**31))
def test_rows_of_any_scale_have_length_one(exponent, seed):
    x = np.random.default_rng(seed).normal(size=(4, 5))
    scaled = np.ldexp(x, exponent)
    scaled[0] = 0
    unit = unit_vectors(scaled)
    assert not unit[0].any()
    lengths = np.linalg.norm(unit[1:], axis=1)
    np.testing.assert_allclose(lengths, np.any(scaled[1:], axis=1), rtol=1e-15)
    if exponent > -1000:
        np.testing.assert_allclose(unit[1:], x[1:] / np.linalg.norm(x[1:], axis=1, keepdims=True), rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_a_copy_in_double_precision(dtype):
    x = torch.tensor([[1.5, -2.0]], dtype=dtype, requires_grad=True)
    found = as_float64(x)
    assert found.dtype == np.float64
    assert found.tolist() == [[1.5, -2.0]]
    found[:] = 0
    assert x.detach().any()
    array = np.ones(2)
    as_float64(array)[:] = 0
    assert array.all()
