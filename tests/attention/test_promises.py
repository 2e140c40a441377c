"""What every block promises, for the attention blocks."""

from typing import ClassVar

import pytest
import torch

from skelblocks.attention import (
    EADM,
    MHSAM,
    MsMAttention,
    actionlet_mask,
    actionlet_pool,
    energy_attention,
    motion_attention,
    motion_difference,
    soft_mask_pool,
)
from skelblocks.encoders import Pool
from skelblocks.testing import BlockTester, NoFloat64, check_parameters_learn, check_state_dict


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


class MapTester(BlockTester):
    def inputs(self):
        return (torch.randn(2, 2, 8, 3, 15),)

    def gradient_inputs(self):
        return (torch.randn(2, 8, 2, 15),)


class MsMTester(MapTester):
    options: ClassVar = {}

    def make(self):
        torch.manual_seed(0)
        return MsMAttention(8, layout="sbu", reduction=2, **self.options)

    def test_state_dict(self):
        check_state_dict(self.make(), MsMAttention(8, layout="sbu", reduction=2, **self.options), self.inputs())

    def test_parameters_learn(self):
        check_parameters_learn(self.make(), self.inputs())

    def test_no_float64_in_the_constructor(self):
        with NoFloat64("meta"), torch.device("meta"):
            module = self.make()
        assert all(x.is_meta for x in (*module.parameters(), *module.buffers()))


class TestMsMAttention(MsMTester):
    pass


class TestMsMAttentionAsReleased(MsMTester):
    options: ClassVar = {"segment": 2}


class TestMsMAttentionByToken(MsMTester):
    options: ClassVar = {"normalization": "token", "boundary": "replicate"}


class TestMsMAttentionByCosine(MsMTester):
    options: ClassVar = {"similarity": "cosine", "boundary": "zero_difference"}


def zero_row(x):
    x[1, 0] = 0
    return (x,)


class TestMsMAttentionThatSkips(MsMTester):
    options: ClassVar = {"absent": "skip"}

    def inputs(self):
        return zero_row(*super().inputs())


class TestMHSAM(MapTester):
    autocast_dtype = torch.float32

    def make(self):
        torch.manual_seed(0)
        return MHSAM(8, num_heads=2)

    def test_state_dict(self):
        check_state_dict(self.make(), MHSAM(8, num_heads=2), self.inputs())


class TestMHSAMThatSkips(TestMHSAM):
    def make(self):
        torch.manual_seed(0)
        return MHSAM(8, num_heads=2, absent="skip")

    def inputs(self):
        return zero_row(*super().inputs())

    test_state_dict = None  # the same weights as without


class EADMTester(MapTester):
    autocast_exact = True
    variant = "paper"

    def inputs(self):  # the same values in bfloat16: a rounded one may cross the margin
        return (torch.randn(2, 2, 8, 3, 15).bfloat16().float(),)

    absent = "compute"

    def make(self):
        return EADM(0.67, variant=self.variant, absent=self.absent)

    test_gradients = None  # a step of finite differences may cross the margin: test_eadm


class TestEADM(EADMTester):
    pass


class TestEADMAsReleased(EADMTester):
    variant = "official"

    test_vmap = None  # counts are over the batch, which vmap hides


class TestEADMThatSkips(EADMTester):
    absent = "skip"

    def inputs(self):
        return zero_row(*super().inputs())


class TestEADMAsReleasedThatSkips(TestEADMThatSkips):
    variant = "official"

    test_compiles = None  # its rows are coupled, which breaks the graph: test_present_persons
    test_vmap = None


class TestEnergyAttention(MapTester):
    autocast_exact = True
    out_dtype = torch.float32

    def make(self):
        return energy_attention


class TestMotionDifference(MapTester):
    autocast_exact = True

    def make(self):
        return motion_difference


class TestMotionAttention(MapTester):
    def make(self):
        return motion_attention

    def inputs(self):
        return (torch.randn(4, 4, 3, 15),)


class TestSoftMaskPool(BlockTester):
    autocast_exact = True

    def make(self):
        return soft_mask_pool

    def inputs(self):
        return torch.randn(2, 2, 3, 2, 4), torch.rand(2, 2, 3, 2, 4)


class TestActionletMask(BlockTester):
    def make(self):
        return lambda feature_map, anchor: actionlet_mask(feature_map, anchor, Pool(), layout="sbu", gain=None)

    def inputs(self):
        return torch.randn(2, 2, 8, 3, 15), torch.randn(8)

    test_gradients = None  # the mask is a constant
    test_compiles = test_vmap = None  # it takes a gradient on the way
    test_dtypes = test_autocast = None  # a gradient in half precision: test_actionlet


class TestActionletPool(BlockTester):
    autocast_exact = True

    def make(self):
        return actionlet_pool

    def inputs(self):
        return torch.randn(2, 2, 3, 2, 4), torch.rand(2, 2, 1, 2, 4)


@pytest.mark.parametrize(
    ("module", "shown"),
    [
        (MsMAttention(8, layout="sbu"), "channels=8, layout='sbu', motion='both', scales=('joint', 'part', 'body')"),
        (MHSAM(16, num_heads=4), "MHSAM(\n  channels=16, num_heads=4, sharpness=2.0\n"),
        (EADM(0.67), "EADM(keep_margin=0.67, variant='paper', always=False)"),
    ],
    ids=["MsMAttention", "MHSAM", "EADM"],
)
def test_repr(module, shown):
    assert shown in repr(module)
