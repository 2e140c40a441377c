import pytest
import torch
import torch.nn.functional as F

from skelblocks.contrast import unit_rows
from skelblocks.testing import BlockTester


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


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_rows_of_any_finite_length_become_unit_rows(dtype):
    limits = torch.finfo(dtype)
    lengths = [limits.max, limits.max / 3, 1e30, 1.0, 1e-13, limits.tiny, limits.tiny * limits.eps]
    x = torch.tensor(lengths, dtype=torch.float64)[:, None].expand(-1, 4).to(dtype)
    x = x[x.isfinite().all(dim=1) & (x > 0).all(dim=1)]
    assert len(x) >= 5
    y = unit_rows(x * torch.tensor([1, -1, 1, 1], dtype=dtype))
    torch.testing.assert_close(y, y.new_tensor([0.5, -0.5, 0.5, 0.5]).expand(len(x), -1))


@pytest.mark.parametrize("scale", [1e-8, 1.0, 3e5])
def test_ordinary_rows_have_the_bits_of_torch(scale):
    x = (scale * torch.randn(50, 33)).requires_grad_()
    ours, expected, grad = unit_rows(x), F.normalize(x, dim=1), torch.randn(50, 33)
    assert ours.equal(expected)
    assert torch.autograd.grad(ours, x, grad)[0].equal(torch.autograd.grad(expected, x, grad)[0])


def test_a_row_of_zeros_has_a_finite_gradient_and_a_row_with_infinity_is_nan():
    x = torch.zeros(2, 3, requires_grad=True)
    unit_rows(x).sum().backward()
    assert x.grad.isfinite().all()
    assert unit_rows(torch.tensor([[torch.inf, 1.0], [1.0, 1.0]])).isnan().any(dim=1).tolist() == [True, False]


class TestPromises(BlockTester):
    out_dtype = torch.float32
    autocast_dtype = torch.float32

    def make(self):
        return unit_rows

    def inputs(self):
        return (torch.randn(4, 5),)


def test_gradients():
    assert torch.autograd.gradcheck(unit_rows, torch.randn(3, 4, dtype=torch.float64, requires_grad=True))


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"keys: expected 2 axes \(n, d\), got shape \(2, 3, 4\)"):
        unit_rows(torch.zeros(2, 3, 4), name="keys")
    with pytest.raises(TypeError, match="x: expected a floating-point tensor"):
        unit_rows(torch.ones(2, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"x: expected \(n, d\) with d of at least 1, got shape \(2, 0\)"):
        unit_rows(torch.ones(2, 0))
