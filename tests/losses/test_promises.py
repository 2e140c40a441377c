"""What every loss promises: copies, compilation, precision, devices."""

import pytest
import torch
from loss_cases import LOSSES, Function

from skelblocks.contrast import unit_rows
from skelblocks.losses import (
    BarlowTwinsLoss,
    CrossMomentumContrastLoss,
    CrossViewMiningLoss,
    D3MLoss,
    HierarchicalD3MLoss,
    NearestNeighborLoss,
    RegionContrastLoss,
    RelativeTempoLoss,
    SalientContrastLoss,
    VarianceCovarianceLoss,
    bank_logsumexp,
)
from skelblocks.testing import BlockTester, with_cuda


def two_views(dtype):
    return tuple(torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0)).to(dtype))


def query_and_bank(dtype):
    return torch.randn(4, 6).to(dtype), unit_rows(torch.randn(9, 6)).to(dtype)


CASES = {name: (make, {**options, "reduction": "none"}, inputs) for name, (make, options, inputs) in LOSSES.items()}
CASES |= {
    "barlow_twins": (BarlowTwinsLoss, {}, two_views),
    "variance_covariance": (VarianceCovarianceLoss, {}, two_views),
    "bank_logsumexp": (Function, {"function": bank_logsumexp, "temperature": 0.3, "chunk_size": 4}, query_and_bank),
}


@pytest.mark.parametrize("case", CASES)
class TestPromises(BlockTester):
    out_dtype = torch.float32
    autocast_dtype = torch.float32
    autocast_exact = True
    test_gradients = None  # in the tests of each loss, which hold constant what the loss does

    @with_cuda
    def test_autocast_on_cuda(self):
        inputs = self.inputs()
        expected = self.make()(*inputs)
        moved = [[x.cuda() for x in each] if isinstance(each, list) else each.cuda() for each in inputs]
        with torch.autocast("cuda", dtype=torch.bfloat16):
            got = self.make()(*moved)
        if isinstance(got, tuple):
            got, expected = got[0], expected[0]
        torch.testing.assert_close(got.cpu(), expected, rtol=1e-4, atol=1e-4)


def _of_each_case(promise):
    def check(self, case):
        make, options, inputs = CASES[case]
        self.make = lambda: make(**options)
        self.inputs = lambda: inputs(torch.float32)
        promise(self)

    return with_cuda(check) if "cuda" in promise.__name__ else check


for _name in [name for name in dir(TestPromises) if name.startswith("test_") and getattr(TestPromises, name)]:
    setattr(TestPromises, _name, _of_each_case(getattr(TestPromises, _name)))


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (BarlowTwinsLoss(off_diagonal_weight=0.005), "off_diagonal_weight=0.005, eps=1e-05"),
        (
            CrossMomentumContrastLoss(temperature=0.1, combine="sum_ce", crossed=False),
            "temperature=0.1, positive_weights=(0.5, 0.5), negative_weights=(0.5, 0.5), combine='sum_ce', "
            "denominator='pos+neg', crossed=False, reduction='mean'",
        ),
        (
            CrossViewMiningLoss(temperature=0.1, top_k=2, context=False, reduction_over_positives="sum"),
            "temperature=0.1, top_k=2, context=False, reduction_over_positives='sum', reduction='mean'",
        ),
        (D3MLoss(), "reduction='mean'"),
        (HierarchicalD3MLoss(reduction="sum"), "reduction='sum'"),
        (
            NearestNeighborLoss(top_k=2, reduction_over_positives="sum"),
            "top_k=2, neighbors='all', reduction_over_positives='sum', reduction='mean'",
        ),
        (RelativeTempoLoss(margin=0.5), "temperature=0.07, margin=0.5, reduction='mean'"),
        (
            RegionContrastLoss(temperature=0.5, detach_negative=False),
            "temperature=0.5, detach_negative=False, reduction='mean'",
        ),
        (
            SalientContrastLoss(mu=0.3, detach_negative=True),
            "temperature=0.2, mu=0.3, hard_negative=True, detach_negative=True, reduction='mean'",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, torch.nn.Module) else "",
)
def test_repr_has_the_settings_and_there_is_no_state(module, expected):
    assert repr(module) == f"{type(module).__name__}({expected})"
    assert module.state_dict() == {}


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="temperature: expected a number > 0"):
        RegionContrastLoss(temperature=-1.0)
