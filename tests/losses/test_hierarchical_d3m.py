import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.contrast import contrastive_logits
from skelblocks.losses import (
    HierarchicalD3MLoss,
    d3m_loss,
    hierarchical_d3m_loss,
    info_nce,
    nearest_neighbor_mask,
    nearest_neighbor_mining,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "hiclr_losses_f64.npz"


def softmax(row):
    weights = [math.exp(v - max(row)) for v in row]
    return [w / sum(weights) for w in weights]


def reference(chain):
    total = 0.0
    for teacher, student in pairwise(chain):
        for t, s in zip(teacher.tolist(), student.tolist(), strict=True):
            total -= sum(p * math.log(q) for p, q in zip(softmax(t), softmax(s), strict=True)) / len(teacher)
    return total / (len(chain) - 1)


@settings(deadline=None, max_examples=60)
@given(levels=st.integers(2, 5), n=st.integers(1, 4), k=st.integers(1, 9), seed=st.integers(0, 2**31))
def test_equals_the_slow_reference(levels, n, k, seed):
    generator = torch.Generator().manual_seed(seed)
    chain = list(torch.randn(levels, n, 1 + k, generator=generator, dtype=torch.float64))
    loss = hierarchical_d3m_loss(chain)
    assert loss.item() == pytest.approx(reference(chain), rel=1e-10, abs=1e-12)
    assert HierarchicalD3MLoss()(chain).equal(loss)


def test_two_levels_are_plain_d3m_and_the_direction_matters():
    mild, strong = torch.randn(2, 4, 9, dtype=torch.float64)
    torch.testing.assert_close(hierarchical_d3m_loss([mild, strong]), d3m_loss([strong], mild))
    assert hierarchical_d3m_loss([strong, mild]) != hierarchical_d3m_loss([mild, strong])


def test_every_level_learns_from_the_milder_one_only():
    chain = [x.requires_grad_() for x in torch.randn(3, 4, 6, dtype=torch.float64)]
    hierarchical_d3m_loss(chain).backward()
    assert chain[0].grad is None
    for teacher, student in pairwise(chain):  # (q - p) / n, of a mean over two pairs
        expected = (student.softmax(1) - teacher.softmax(1)).detach() / (4 * 2)
        torch.testing.assert_close(student.grad, expected)
    mild = chain[0].detach()  # finite differences would move a teacher, which the loss holds constant
    assert torch.autograd.gradcheck(lambda x: hierarchical_d3m_loss([mild, x]), chain[2])


def test_a_row_that_all_levels_leave_out_is_as_good_as_absent():
    chain = list(torch.randn(3, 4, 9, dtype=torch.float64))
    cut = [x.clone() for x in chain]
    for x in cut:
        x[:, 5:] = -torch.inf
    cut[1].requires_grad_()
    loss = hierarchical_d3m_loss(cut)
    torch.testing.assert_close(loss, hierarchical_d3m_loss([x[:, :5] for x in chain]))
    assert torch.autograd.grad(loss, cut[1])[0].isfinite().all()


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as file:
        return {name: torch.from_numpy(np.asarray(file[name])) for name in file.files}


def official_chain(golden, fill):
    """Basic, normal and masked clips through the linear stub; ``fill`` is HiCLR's learnable mask value."""
    masked = torch.where(golden["mask_NTMVC"] == 0, fill, golden["data4_mask"].permute(0, 2, 4, 3, 1))
    clips = (golden["data1_q"], golden["data3_normal"], masked.permute(0, 4, 1, 3, 2))
    key = golden["data2_k"].flatten(1) @ golden["W"]
    bank = golden["queue0"].T
    return [contrastive_logits(clip.flatten(1) @ golden["W"], key, bank, temperature=0.07) for clip in clips]


def test_equals_the_official_first_stage(golden):
    def same(ours, name):
        torch.testing.assert_close(ours, golden[name], rtol=1e-9, atol=1e-10)

    fill = golden["mask_param"].clone().requires_grad_()
    basic, normal, masked = chain = official_chain(golden, fill)
    same(basic, "logits")
    same(normal.softmax(1), "p1")
    same(masked.softmax(1), "p2")
    same(hierarchical_d3m_loss([basic, normal]), "loss2")
    same(hierarchical_d3m_loss([normal, masked]), "loss3")
    loss = info_nce(basic) + hierarchical_d3m_loss(chain)
    same(loss, "loss")
    loss.backward()
    same(fill.grad, "grad_mask_param")


def test_equals_the_official_second_stage_where_all_levels_name_neighbors(golden):
    basic, *others = official_chain(golden, golden["mask_param"])
    assert nearest_neighbor_mask([basic, *others]).equal(golden["nnm_mask"].bool())
    torch.testing.assert_close(nearest_neighbor_mining(basic, others), golden["nnm_loss1"], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_autocast_are_summed_in_float32(dtype):
    gap = torch.tensor([[100.0, 0.0, 0.0]], dtype=dtype)
    strong = (-gap).requires_grad_()
    with torch.autocast("cpu", dtype=dtype):
        loss = hierarchical_d3m_loss([gap, strong])
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, torch.tensor(100 + math.log(2)))
    loss.backward()
    assert strong.grad.isfinite().all()


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        ([], "logits_chain: expected at least two levels, the weakest first, got none"),
        ([(2, 4)], "logits_chain: expected at least two levels, the weakest first, got 1"),
        ([(2, 4), (2, 4), (2, 5)], r"logits_chain\[2\]: .* axis 'k' is 5, not 4"),
        ([(2, 4), (3, 4)], r"logits_chain\[1\]: .* axis 'n' is 3, not 2"),
        ([(2, 4, 1), (2, 4)], r"logits_chain\[0\]: expected 2 axes \(n, k\)"),
    ],
)
def test_wrong_chains_say_what_was_expected(chain, message):
    with pytest.raises(ValueError, match=message):
        hierarchical_d3m_loss([torch.zeros(shape) for shape in chain])


def test_integers_are_refused():
    with pytest.raises(TypeError, match=r"logits_chain\[1\]: expected a floating-point"):
        hierarchical_d3m_loss([torch.zeros(2, 4), torch.zeros(2, 4, dtype=torch.int64)])


def test_one_matrix_in_place_of_a_list_is_refused():
    with pytest.raises(TypeError, match=r"logits_chain: expected a list of tensors, got one tensor of shape \(2, 4\)"):
        hierarchical_d3m_loss(torch.zeros(2, 4))
