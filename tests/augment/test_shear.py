import pytest
import torch

from skelblocks.augment import RandomShear, ShearParams, shear


def reference(x, matrix):
    """Shear one joint at a time, as the formula x' = S x reads."""
    out = torch.empty_like(x)
    for n, t, v, m in torch.cartesian_prod(*(torch.arange(x.shape[i]) for i in (0, 2, 3, 4))):
        out[n, :, t, v, m] = matrix[n] @ x[n, :, t, v, m]
    return out


@pytest.mark.parametrize("shape", [(2, 3, 4, 25, 2), (1, 3, 1, 17, 1), (3, 2, 7, 20, 1), (2, 2, 4, 17, 2)])
def test_equals_the_slow_reference(shape):
    n, c, *_ = shape
    x, matrix = torch.randn(shape, dtype=torch.float64), torch.randn(n, c, c, dtype=torch.float64)
    torch.testing.assert_close(shear(x, matrix), reference(x, matrix))


def test_the_draws_stand_row_by_row_beside_the_diagonal(generator):
    for c, rows in ((2, [[1, 1], [2, 1]]), (3, [[1, 1, 2], [3, 1, 4], [5, 6, 1]])):
        basis = torch.eye(c).view(1, c, 1, c, 1)  # the matrix itself appears as the output
        offsets = torch.arange(1.0, 1 + c * (c - 1))[None]
        assert RandomShear(1.0).transform(basis, ShearParams(offsets))[0, :, 0, :, 0].tolist() == rows
        drawn = RandomShear().sample((5, c, 4, 17, 1), generator=generator.manual_seed(0)).offsets
        assert drawn.equal(torch.rand(5, c * (c - 1), generator=generator.manual_seed(0)) * 2 - 1)


def test_equals_the_official_code(official, ascal, assert_golden):
    matrix = official["shear/matrix_S"][None]
    assert_golden(lambda x: shear(x, matrix), official["x"], official["shear/out"])
    assert_golden(lambda x: shear(x, ascal["isc_pose/matrix"][None]), ascal["x"], ascal["isc_pose/out"])
    offsets = matrix[:, ~torch.eye(3, dtype=torch.bool)] / 0.5
    replay = RandomShear(0.5).transform(official["x"], ShearParams(offsets))
    torch.testing.assert_close(replay, official["shear/out"], rtol=1e-9, atol=1e-10)


def test_entries_stay_within_the_amplitude_and_fill_it(generator):
    shearing = RandomShear(0.5)
    basis = torch.eye(3).view(1, 3, 1, 3, 1).expand(4000, 3, 1, 3, 1)  # the matrix itself appears as the output
    matrix = shearing(basis, generator=generator)[:, :, 0, :, 0]
    off = matrix[:, ~torch.eye(3, dtype=torch.bool)]
    assert (matrix.diagonal(dim1=1, dim2=2) == 1).all()
    assert off.abs().max() <= 0.5
    torch.testing.assert_close(off.var(dim=0), torch.full((6,), 1 / 12), atol=5e-3, rtol=0)  # uniform over [-.5, .5)
    assert torch.corrcoef(off.T).fill_diagonal_(0).abs().max() < 0.06  # six independent draws


def test_each_sample_has_its_own_matrix_and_all_its_frames_and_persons_share_it(generator):
    x = torch.randn(1, 3, 1, 5, 1).expand(2, 3, 6, 5, 2)
    y = RandomShear()(x, generator=generator)
    assert not torch.allclose(y[0], y[1])
    torch.testing.assert_close(y, y[:, :, :1, :, :1].expand_as(y))


def test_the_same_draw_commutes_with_a_linear_stream():
    shearing, x = RandomShear(), torch.randn(3, 3, 5, 25, 1)
    params = shearing.sample(x.shape)
    torch.testing.assert_close(shearing.transform(x.diff(dim=2), params), shearing.transform(x, params).diff(dim=2))


@pytest.mark.parametrize(
    ("x", "matrix", "message"),
    [
        ((3, 5, 25, 2), (2, 3, 3), r"x: expected 5 axes \(n, c, t, v, m\), got shape \(3, 5, 25, 2\)"),
        ((2, 2, 5, 17, 1), (2, 3, 3), r"matrix: expected \(n=2, i=2, c=2\).* axis 'i' is 3, not 2"),
        ((2, 1, 5, 17, 1), (2, 1, 1), r"x: expected \(n, c, t, v, m\) with c of 2 or 3, the coordinates, got 1;"),
        ((2, 4, 5, 17, 1), (2, 4, 4), r"got 4; drop channels that are not coordinates, such as scores: x\[:, :2\]"),
        ((2, 3, 5, 25, 1), (3, 3, 3), r"matrix: .* axis 'n' is 3, not 2"),
        ((2, 3, 5, 25, 1), (2, 2, 3), r"matrix: .* axis 'i' is 2, not 3"),
        ((2, 3, 5, 25, 1), (2, 3, 2), r"matrix: .* axis 'c' is 2, not 3"),
        ((2, 3, 5, 25, 1), (2, 9), r"matrix: expected 3 axes \(n=2, i=3, c=3\)"),
    ],
)
def test_wrong_shapes_say_what_was_expected(x, matrix, message):
    with pytest.raises(ValueError, match=message):
        shear(torch.zeros(x), torch.zeros(matrix))


def test_draws_are_for_the_clips_coordinates():
    with pytest.raises(ValueError, match=r"with c of 2 or 3, the coordinates, got 4"):
        RandomShear().sample((2, 4, 5, 17, 1))
    params = RandomShear().sample((2, 3, 5, 17, 1))
    with pytest.raises(ValueError, match=r"params\.offsets: .* axis 'entries' is 6, not 2"):
        RandomShear().transform(torch.zeros(2, 2, 5, 17, 1), params)


def test_integers_and_a_negative_amplitude_are_refused():
    with pytest.raises(TypeError, match="x: expected a floating-point tensor"):
        shear(torch.zeros(1, 3, 5, 25, 1, dtype=torch.int64), torch.eye(3)[None])
    with pytest.raises(ValueError, match="amplitude"):
        RandomShear(-0.1)


@pytest.mark.parametrize("c", [2, 3])
def test_gradients(c):
    x = torch.randn(2, c, 2, 3, 1, dtype=torch.float64, requires_grad=True)
    matrix = torch.randn(2, c, c, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(shear, (x, matrix))


def test_repr():
    assert repr(RandomShear(0.3)) == "RandomShear(amplitude=0.3)"
    assert repr(RandomShear()) == "RandomShear(amplitude=0.5)"
