import numpy as np
import pytest
import torch
from small_run import options_of, small_method

from skelblocks import layouts
from skelblocks.augment import recipes
from skelblocks.training import load_page

PAGE = load_page("msmclr")


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_the_papers_model_has_the_papers_size():
    method = PAGE.build(PAGE.options(), layout=layouts.get("ntu-rgb+d"), persons=2)
    assert parameters(method.attention) == 16_672
    assert parameters(method) == 1_840_136 + 16_672


@pytest.mark.parametrize("loss", ["d3m", "info_nce"])
def test_the_loss_is_eq_10_or_eq_3_for_every_branch(loss):
    """The total from the formulas, one probability at a time, with the blocks' embeddings."""
    torch.manual_seed(0)
    method = small_method(PAGE, dropout=0.0, loss=loss).double()
    views = [torch.randn(4, 3, 16, 15, 1, dtype=torch.float64) for _ in range(3)]
    encoder, pool, head = method.contrast.query_branch
    unit = torch.nn.functional.normalize
    k = unit(method.contrast.key_branch(views[2]))
    q = unit(head(pool(encoder(views[0]))))
    scales = [unit(head(pool(each))) for each in method.attention(encoder(views[1]))]
    bank = method.contrast.queue.bank
    p, *branches = [torch.cat([(z * k).sum(1, keepdim=True), z @ bank.T], 1).div(0.07).softmax(1) for z in (q, *scales)]
    targets = p if loss == "d3m" else torch.eye(p.shape[1], dtype=p.dtype)[:1]
    expected = -p[:, 0].log().mean() + sum(-(targets * b.log()).sum(1).mean() for b in branches) / 3
    output = method(*views, ids=torch.arange(4))
    torch.testing.assert_close(output.loss, expected)
    torch.testing.assert_close(output.loss, output.metrics["contrast"] + output.metrics["multi_scale_motion"])


def test_neighbors_are_mined_from_the_chosen_epoch_on():
    method = small_method(PAGE, dropout=0.0, nnm_epoch="half").eval()
    views = [torch.randn(4, 3, 16, 15, 1) for _ in range(3)]
    first, second = (method(*views, ids=torch.arange(4), epoch=epoch).metrics["contrast"] for epoch in (0, 1))
    assert not first.allclose(second)
    assert small_method(PAGE).nnm_epoch is None


def test_views_are_the_chosen_lists():
    paper, released, aimclr, weak, picture = (
        PAGE.make_views(options_of(PAGE.options, strong=strong), layout=layouts.get("sbu"))
        for strong in ("paper", "official", "aimclr", "weak", "picture")
    )
    assert [len(each.transforms) for each in paper.transforms] == [2, 8, 2]
    assert [len(each.transforms) for each in weak.transforms] == [2, 2, 2]
    assert repr(aimclr.transforms[1]) == repr(recipes.aimclr_extreme("sbu"))
    assert "RandomJointMask" in repr(paper.transforms[1])
    assert "RandomSpatialFlip" in repr(released.transforms[1])
    assert [type(each).__name__ for each in picture.transforms[2].transforms][-1] == "RandomScale"
    assert "RandomTempo" in repr(picture.transforms[1])


@pytest.mark.parametrize(
    "changes",
    [
        {"attention": "none"},
        {"scales": ["joint"], "stream": "bone"},
        {"segment": 2, "strong": "official", "stream": "motion"},
        {"nnm_epoch": 1, "exclude_own_keys": True, "attention": "node", "strong": "weak", "loss": "info_nce"},
    ],
)
def test_every_option_trains(small, changes):
    result = PAGE.train(small(PAGE, **changes))
    assert np.isfinite(list(result.values())).all()
    assert {"loss", "contrast", "multi_scale_motion", "knn", "linear", "clips_per_second"} <= set(result)
