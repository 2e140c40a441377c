"""What every block promises, for the encoders, poolings and heads."""

import pytest
import torch
from torch import nn

from skelblocks import layouts
from skelblocks.encoders import (
    DSTA,
    STGCN,
    BarlowProjector,
    BiGRU,
    DSTABlock,
    GraphConvolution,
    Pool,
    ProjectionHead,
    RegionPool,
    SideBySide,
    STGCNBlock,
)
from skelblocks.testing import BlockTester, NoFloat64, check_dtypes, check_parameters_learn, check_state_dict

LAYERS = [(4, 4, 2, 1), (4, 8, 2, 2)]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def trained(module, *inputs):
    """The module in evaluation, with the statistics of a few batches like ``inputs``."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.momentum = None  # the mean over all batches
    with torch.no_grad():
        for _ in range(2):
            module(*inputs)
    return module.eval()


class EncoderTester(BlockTester):
    def untrained(self):
        raise NotImplementedError

    def make(self):
        torch.manual_seed(0)
        return trained(self.untrained(), *self.inputs())

    def inputs(self):
        return (torch.randn(2, 3, 8, 15, 2, generator=torch.Generator().manual_seed(1)),)

    def gradient_inputs(self):
        return (self.inputs()[0][:1, :, :2],)

    def test_dtypes(self):
        check_dtypes(self.make(), self.inputs(), keywords=self.keywords(), rtol=0.3, atol=0.3)  # a deep network

    def test_state_dict(self):
        check_state_dict(self.make(), self.untrained(), self.inputs())

    def test_parameters_learn(self):
        check_parameters_learn(self.untrained(), self.inputs())

    def test_half_precision_of_large_clips(self):
        x = 100 * self.inputs()[0]  # the square of a coordinate, a running variance, is still a float16
        module = trained(self.untrained(), x)
        expected = module(x)
        for dtype in (torch.float16, torch.bfloat16):
            y = module.to(dtype)(x.to(dtype))
            assert (y - expected).norm() < 0.1 * expected.norm()
            module.float()

    def test_no_float64_in_the_constructor(self):
        with NoFloat64("meta"), torch.device("meta"):
            module = self.untrained()
        assert all(x.is_meta for x in (*module.parameters(), *module.buffers()))


class TestSTGCN(EncoderTester):
    def untrained(self):
        return STGCN("sbu", base_channels=4, out_channels=8, dropout=0.0)


class TestSTGCNThatSkips(EncoderTester):
    def untrained(self):
        return STGCN("sbu", base_channels=4, out_channels=8, dropout=0.0, absent="skip")

    def inputs(self):
        x = super().inputs()[0]
        x[1, ..., 0] = 0
        return (x,)


class TestSTGCNOfSomeJoints(EncoderTester):
    def untrained(self):
        return STGCN("sbu", base_channels=4, out_channels=8, dropout=0.0)

    def keywords(self):
        return {"keep_joints": torch.tensor([3, 1, 7, 12])}

    test_vmap = None  # a promise of whole skeletons


class TestDSTA(EncoderTester):
    def untrained(self):
        return DSTA("sbu", frames=8, layers=LAYERS, num_subsets=2, dropout=0.0)

    test_gradients = None  # in test_dsta_block: eight frames take long


class TestDSTAThatSkips(TestDSTA):
    def untrained(self):
        return DSTA("sbu", frames=8, layers=LAYERS, num_subsets=2, dropout=0.0, absent="skip")

    def inputs(self):
        x = super().inputs()[0]
        x[1, ..., 0] = 0
        return (x,)


class BiGRUTester(EncoderTester):
    causal = False

    def untrained(self):
        return BiGRU("sbu", hidden_features=4, num_layers=2, causal=self.causal)

    test_compiles = None  # torch does not trace a GRU unless it is told to: test_bigru
    test_vmap = None  # torch has no rule for a GRU


class TestBiGRU(BiGRUTester):
    pass


class TestBiGRUCausal(BiGRUTester):
    causal = True


class TestSideBySide(EncoderTester):
    def untrained(self):
        return SideBySide(*(DSTA("sbu", frames=8, layers=LAYERS, num_subsets=1, dropout=0.0) for _ in range(2)))

    test_gradients = None  # those of its encoders


class TestSTGCNBlock(BlockTester):
    def make(self):
        return STGCNBlock(3, out_channels=4, subsets=3, joints=15, stride=2).eval()

    def inputs(self):
        return torch.randn(2, 3, 5, 15), layouts.adjacency("sbu")

    def gradient_inputs(self):
        return torch.randn(1, 3, 2, 15), layouts.adjacency("sbu")


class TestGraphConvolution(BlockTester):
    autocast_dtype = torch.bfloat16

    def make(self):
        return GraphConvolution(3, out_channels=4, subsets=3, joints=15)

    def inputs(self):
        return torch.randn(2, 3, 4, 15), layouts.adjacency("sbu")

    def gradient_inputs(self):
        return torch.randn(1, 3, 2, 15), layouts.adjacency("sbu")

    test_autocast = None  # in either dtype of autocast: below

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_autocast_dtype(self, dtype):
        with torch.autocast("cpu", dtype=dtype):
            assert self.make()(*self.inputs()).dtype == dtype


class TestDSTABlock(BlockTester):
    def make(self):
        return DSTABlock(3, out_channels=4, inner_channels=2, joints=5, frames=4, stride=2).eval()

    def inputs(self):
        return (torch.randn(2, 3, 4, 5),)


class TestPool(BlockTester):
    autocast_exact = True

    def make(self):
        return Pool()

    def inputs(self):
        return (torch.randn(2, 2, 3, 4, 5),)


class TestPoolOfPresentPersons(TestPool):
    def inputs(self):
        return torch.randn(2, 2, 3, 4, 5), torch.tensor([[True, False], [True, True]])


class TestRegionPool(BlockTester):
    autocast_exact = True

    def make(self):
        return RegionPool()

    def inputs(self):
        return torch.randn(2, 2, 3, 4, 5), torch.rand(2, 4, 5) < 0.5


class TestProjectionHead(BlockTester):
    def make(self):
        return ProjectionHead(6, hidden_features=5, out_features=4)

    def inputs(self):
        return (torch.randn(3, 6),)


class TestBarlowProjector(BlockTester):
    def make(self):
        return BarlowProjector(6, hidden_features=5, out_features=4).eval()

    def inputs(self):
        return (torch.randn(3, 6),)


@pytest.mark.parametrize(
    ("module", "shown"),
    [
        (STGCN("sbu", base_channels=2, out_channels=4), "layout='sbu', in_channels=3, out_channels=4"),
        (DSTA("sbu", frames=8, layers=LAYERS), "layout='sbu', frames=8, in_channels=3, out_channels=8"),
        (
            BiGRU("sbu", hidden_features=2),
            "layout='sbu', in_channels=3, persons=2, out_channels=4, causal=False",
        ),
        (ProjectionHead(8, out_features=4, hidden_features=8), "Linear(in_features=8, out_features=4"),
    ],
    ids=["STGCN", "DSTA", "BiGRU", "ProjectionHead"],
)
def test_repr(module, shown):
    assert shown in repr(module)
