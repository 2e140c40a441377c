"""A folded encoder gives the features of the encoder that it was made from."""

import copy

import pytest
import torch
from torch import nn

from skelblocks.encoders import DSTA, STGCN, fold_batch_norm


def trained(dtype=torch.float64, **options):
    torch.manual_seed(0)
    encoder = STGCN("coco-17", base_channels=2, out_channels=8, **options)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -1, 1)
    for parameter in (block.graph.edge_importance for block in encoder.blocks):
        if parameter is not None:
            nn.init.uniform_(parameter, 0.5, 1.5)
    encoder = encoder.to(dtype)
    encoder(torch.randn(6, 3, 12, 17, 2, dtype=dtype) + 1)  # running statistics other than zero and one
    return encoder


@pytest.mark.parametrize("options", [{}, {"edge_importance": False}, {"strategy": "uniform"}])
@pytest.mark.parametrize("training", [True, False])
def test_features_are_equal(options, training):
    encoder = trained(**options).train(training)
    x = torch.randn(3, 3, 12, 17, 2, dtype=torch.float64)
    folded = fold_batch_norm(encoder)
    torch.testing.assert_close(folded(x), copy.deepcopy(encoder).eval()(x))
    keep = torch.tensor([0, 5, 7, 11])
    torch.testing.assert_close(folded(x, keep_joints=keep), copy.deepcopy(encoder).eval()(x, keep_joints=keep))


def test_features_in_single_precision_are_equal_to_a_hundred_thousandth():
    encoder = trained(torch.float32).eval()
    x = torch.randn(3, 3, 12, 17, 2)
    expected = encoder(x)
    assert (fold_batch_norm(encoder)(x) - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_the_encoder_stays_and_the_copy_is_frozen():
    encoder = trained()
    before = copy.deepcopy(encoder.state_dict())
    folded = fold_batch_norm(encoder)
    torch.testing.assert_close(encoder.state_dict(), before)
    assert encoder.training
    assert not folded.training
    assert not any(p.requires_grad for p in folded.parameters())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.blocks.modules())


def test_other_encoders_are_refused():
    with pytest.raises(TypeError, match="encoder: expected an STGCN, got DSTA"):
        fold_batch_norm(DSTA("coco-17", frames=8, layers=[(4, 4, 2, 1)]))
