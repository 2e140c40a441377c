import pytest
import torch

from skelblocks.contrast import unit_rows


def test_rows_have_length_one_and_keep_their_direction():
    x = torch.randn(5, 7, dtype=torch.float64)
    y = unit_rows(x)
    torch.testing.assert_close(y, torch.stack([row / sum(v * v for v in row.tolist()) ** 0.5 for row in x]))
    torch.testing.assert_close(unit_rows(y), y)
    assert unit_rows(torch.zeros(1, 3)).equal(torch.zeros(1, 3))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_comes_out_as_float32_and_a_row_of_zeros_stays_zero(dtype):
    y = unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=dtype))
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, torch.tensor([[0.6, 0.8], [0.0, 0.0]]))


def test_gradients():
    assert torch.autograd.gradcheck(unit_rows, torch.randn(3, 4, dtype=torch.float64, requires_grad=True))


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"keys: expected 2 axes \(n, d\), got shape \(2, 3, 4\)"):
        unit_rows(torch.zeros(2, 3, 4), name="keys")
    with pytest.raises(TypeError, match="x: expected a floating-point tensor"):
        unit_rows(torch.ones(2, 3, dtype=torch.int64))
