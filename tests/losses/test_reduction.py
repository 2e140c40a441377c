"""Every loss that averages over clips: its mean, its sum, and the losses of the clips themselves."""

import pytest
import torch
from torch import nn

from skelblocks import losses
from skelblocks.contrast import unit_rows
from skelblocks.losses import (
    CrossMomentumContrastLoss,
    CrossViewMiningLoss,
    D3MLoss,
    HierarchicalD3MLoss,
    InfoNCELoss,
    NearestNeighborLoss,
    RegionContrastLoss,
    SalientContrastLoss,
    d3m_loss_from_embeddings,
    info_nce_from_embeddings,
    nearest_neighbor_loss,
)
from skelblocks.testing import BlockTester

N, D, K = 4, 6, 9


def matrices(count, dtype, columns=1 + K, n=N):
    generator = torch.Generator().manual_seed(0)
    return [3 * torch.randn(n, columns, generator=generator, dtype=torch.float64).to(dtype) for _ in range(count)]


def bank(dtype, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return unit_rows(torch.randn(K, D, generator=generator, dtype=torch.float64)).to(dtype)


class Function(nn.Module):
    """A function with a reduction as a module."""

    def __init__(self, function, **options):
        super().__init__()
        self.function, self.options = function, options

    def forward(self, *inputs):
        return self.function(*inputs, **self.options)


def from_logits(dtype):
    return (matrices(1, dtype)[0],)


def students_and_teacher(dtype):
    teacher, *students = matrices(4, dtype)
    return students, teacher


def query_and_students(dtype):
    query, *students = matrices(3, dtype)
    return query, students


def chain(dtype):
    return (matrices(3, dtype),)


def embeddings(dtype):
    return *matrices(2, dtype, D), bank(dtype)


def teacher_and_students(dtype):
    query, key, *students = matrices(4, dtype, D)
    return query, students, key, bank(dtype)


def region(dtype):
    return *matrices(3, dtype, D), torch.arange(N), bank(dtype)


def salient(dtype):
    return *matrices(4, dtype, D), bank(dtype)


def crossed(dtype):
    return *matrices(4, dtype, D), bank(dtype), bank(dtype, seed=2)


def logits_and_mask(dtype):
    logits = matrices(1, dtype)[0]
    return logits, torch.cat((torch.ones(N, 1, dtype=torch.bool), logits[:, 1:] > 3), dim=1)


LOSSES = {
    "info_nce": (InfoNCELoss, {}, from_logits),
    "info_nce_from_embeddings": (InfoNCELoss, {"temperature": 0.3}, embeddings),
    "info_nce_in_chunks": (InfoNCELoss, {"temperature": 0.3, "chunk_size": 4}, embeddings),
    "info_nce_function": (Function, {"function": info_nce_from_embeddings, "temperature": 0.3}, embeddings),
    "d3m": (D3MLoss, {}, students_and_teacher),
    "d3m_from_embeddings": (Function, {"function": d3m_loss_from_embeddings, "temperature": 0.3}, teacher_and_students),
    "d3m_in_chunks": (
        Function,
        {"function": d3m_loss_from_embeddings, "temperature": 0.3, "chunk_size": 4},
        teacher_and_students,
    ),
    "nearest_neighbor": (NearestNeighborLoss, {"top_k": 2}, query_and_students),
    "nearest_neighbor_sum": (NearestNeighborLoss, {"reduction_over_positives": "sum"}, query_and_students),
    "nearest_neighbor_mask": (Function, {"function": nearest_neighbor_loss}, logits_and_mask),
    "hierarchical_d3m": (HierarchicalD3MLoss, {}, chain),
    "cross_view_mining": (CrossViewMiningLoss, {"top_k": 2}, chain),
    "region_contrast": (RegionContrastLoss, {}, region),
    "salient_contrast": (SalientContrastLoss, {}, salient),
    "cross_momentum_ratio": (CrossMomentumContrastLoss, {}, crossed),
    "cross_momentum_sum_ce": (CrossMomentumContrastLoss, {"combine": "sum_ce"}, crossed),
}


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
    assert modules - {make for make, *_ in LOSSES.values()} == {losses.BarlowTwinsLoss}


@pytest.mark.parametrize("name", LOSSES)
class TestPromises(BlockTester):
    """The promises of every block, for every loss."""

    out_dtype = torch.float32
    autocast_dtype = torch.float32
    test_cuda = None
    test_gradients = None  # in the tests of each loss, which hold constant what the loss does


for _promise in [name for name in dir(BlockTester) if name.startswith("test_") and getattr(TestPromises, name)]:

    def _check(self, name, promise=_promise):
        make, options, inputs = LOSSES[name]
        self.make = lambda: make(**options, reduction="none")
        self.inputs = lambda: inputs(torch.float32)
        getattr(BlockTester, promise)(self)

    setattr(TestPromises, _promise, _check)
