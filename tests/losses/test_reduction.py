"""Every loss that averages over clips: its mean, its sum, and the losses of the clips themselves."""

import pytest
import torch
from loss_cases import LOSSES, Function, N

from skelblocks import losses


@pytest.fixture(params=LOSSES)
def case(request):
    make, options, inputs = LOSSES[request.param]
    return lambda reduction: make(**options, reduction=reduction), inputs(torch.float64)


def of_clip(value, i):
    """The inputs of one clip: rows of what has a row per clip."""
    if isinstance(value, list):
        return [of_clip(each, i) for each in value]
    if value.dtype == torch.int64:
        return torch.zeros(1, dtype=torch.int64)
    return value[i : i + 1] if value.shape[0] == N else value


def test_none_gives_what_each_clip_gives_alone(case):
    make, inputs = case
    each = make("none")(*inputs)
    alone = [make("mean")(*(of_clip(value, i) for value in inputs)) for i in range(N)]
    assert each.shape == (N,)
    torch.testing.assert_close(each, torch.stack(alone), rtol=1e-12, atol=1e-13)


def test_mean_and_sum_are_those_of_the_clips(case):
    make, inputs = case
    each = make("none")(*inputs)
    torch.testing.assert_close(make("mean")(*inputs), each.mean(), rtol=1e-12, atol=0)
    torch.testing.assert_close(make("sum")(*inputs), each.sum(), rtol=1e-12, atol=0)


def test_an_unknown_reduction_is_refused(case):
    make, inputs = case
    with pytest.raises(ValueError, match="reduction: expected one of 'mean', 'sum', 'none', got 'median'"):
        make("median")(*inputs)


def test_the_mean_of_an_empty_batch_is_refused_and_its_sum_is_zero(case):
    make, inputs = case

    def empty(value):
        if isinstance(value, list):
            return [empty(each) for each in value]
        return value[:0] if value.shape[0] == N else value

    nobody = [empty(value) for value in inputs]
    with pytest.raises(ValueError, match="reduction: expected at least one clip for 'mean', got an empty batch"):
        make("mean")(*nobody)
    assert make("sum")(*nobody) == 0
    assert make("none")(*nobody).shape == (0,)


def test_repr_has_the_reduction():
    for name, (make, options, _) in LOSSES.items():
        if make is not Function:
            assert "reduction='none'" in repr(make(**options, reduction="none")), name


def test_no_loss_is_left_out():
    modules = {getattr(losses, name) for name in losses.__all__ if name.endswith("Loss")}
    # Two have no loss of a clip; the module of feature distillation holds statistics, so its function is here.
    elsewhere = {losses.BarlowTwinsLoss, losses.VarianceCovarianceLoss, losses.FeatureDistillationLoss}
    assert modules - {make for make, *_ in LOSSES.values()} == elsewhere
