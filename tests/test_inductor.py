"""Blocks under the compiler that users have, not only under its front end. Needs a C++ compiler."""

import shutil

import pytest
import torch

from skelblocks import STGCN, MsMAttention, contrastive_logits, d3m_loss, pool, recipes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="no C++ compiler"),
]


def test_encoder_and_attention_forward_and_backward():
    torch.manual_seed(0)
    encoder = STGCN("nw-ucla", base_channels=4, out_channels=16, dropout=0.0).double()
    attend = MsMAttention(16, layout="nw-ucla").double()

    def embed(x):
        return torch.stack([pool(scale) for scale in attend(encoder(x))])

    x = torch.randn(2, 3, 16, 20, 1, dtype=torch.float64)
    compiled = torch.compile(embed, fullgraph=True)
    gradients = []
    for function in (embed, compiled):
        encoder.zero_grad()
        function(x).pow(2).sum().backward()
        gradients.append([p.grad.clone() for p in encoder.parameters()])
    encoder.eval()  # the same running statistics for both
    torch.testing.assert_close(compiled(x), embed(x), rtol=1e-7, atol=1e-9)
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-8)


def test_strong_augmentation():
    augment = recipes.msmclr_strong("ntu-rgb+d")
    x = torch.randn(3, 3, 32, 25, 2)
    params = augment.sample(x.shape, generator=torch.Generator().manual_seed(0))
    compiled = torch.compile(augment.transform, fullgraph=True)
    torch.testing.assert_close(compiled(x, params), augment.transform(x, params), rtol=1e-4, atol=1e-5)


def test_losses():
    query, student, key = torch.randn(3, 8, 16)
    bank = torch.nn.functional.normalize(torch.randn(64, 16), dim=1)

    def loss(query, student):
        teacher, strong = (contrastive_logits(z, key, bank, temperature=0.07) for z in (query, student))
        return d3m_loss([strong], teacher)

    compiled = torch.compile(loss, fullgraph=True)
    torch.testing.assert_close(compiled(query, student), loss(query, student))
