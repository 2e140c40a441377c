import numpy as np
import pytest
import torch
from small_run import options_of, small_method

from skelblocks import layouts, streams
from skelblocks.training import load_page

PAGE = load_page("skeattnclr")
unit = torch.nn.functional.normalize


def double(**changes):
    torch.manual_seed(0)
    method = small_method(PAGE, **{"dropout": 0.0, "initialization": "torch", "heads": 2, **changes}).double()
    method.eval()  # batch norms in the heads: the formulas below call them again
    return method


def test_the_papers_sizes():
    method = PAGE.build(PAGE.options(), layout=layouts.get("ntu-rgb+d"), persons=2)
    encoder, _, head = method.contrast.query_branch
    assert encoder.blocks[0].graph_norm.num_features == 64
    assert (method.attention.num_heads, method.attention.sharpness, method.contrast.temperature) == (8, 2.0, 0.2)
    assert head.batch_norm
    assert method.contrast.momentum_schedule == "cosine"
    assert (head.in_features, head.out_features, method.contrast.queue.bank.shape) == (256, 128, (32768, 128))


@pytest.mark.parametrize("changes", [{}, {"hard_negative": False}, {"mu": 0.25}, {"predictors": True}])
def test_the_loss_is_eq_11(changes):
    """The total from the formulas, one exponent at a time, with the blocks' embeddings."""
    method = double(**changes)
    query, mixed, key = (torch.randn(4, 3, 16, 15, 1, dtype=torch.float64) for _ in range(3))
    encoder, pool, head = method.contrast.query_branch
    key_encoder, _, key_head = method.contrast.key_branch.encoder
    tau, bank, mu = 0.2, method.contrast.queue.bank, changes.get("mu", 0.5)
    q_map, k_map = encoder(mixed), key_encoder(key)
    mask = method.attention(q_map)
    mean = (1, 3, 4)  # persons, frames, joints
    q = unit(method.predictors[0](head(pool(encoder(query)))))
    q_s = unit(method.predictors[1](head((q_map * mask).mean(mean))))
    q_ns = unit(method.predictors[2](head((q_map * (1 - mask)).mean(mean))))
    k, k_s, k_ns = (unit(key_head(each.mean(mean))) for each in (k_map, k_map * mask, k_map * (1 - mask)))

    def loss(q, k, other=None):
        positive = ((q * k).sum(1) / tau).exp()
        below = positive + (q @ bank.T / tau).exp().sum(1)
        if other is not None and changes.get("hard_negative", True):
            below = below + ((q * other).sum(1) / tau).exp()
        return -(positive / below).log().mean()

    expected = loss(q, k) + mu * loss(q_s, k_s, q_ns) + (1 - mu) * loss(q_ns, k_ns, q_s)
    output = method(query, mixed, key, ids=torch.arange(4))
    torch.testing.assert_close(output.loss, expected)
    torch.testing.assert_close(output.keys[0].embeddings, key_head(pool(k_map)))
    output.loss.backward()
    trained = {name: p for name, p in method.named_parameters() if "key_branch" not in name}
    assert all(p.grad is not None for p in trained.values())


def test_own_keys_are_left_out_of_both_contrasts():
    clips, ids = [torch.randn(4, 3, 16, 15, 1, dtype=torch.float64) for _ in range(3)], torch.arange(4)
    figures = []
    for exclude in (False, True):
        method = double(exclude_own_keys=exclude)
        method.contrast.queue.enqueue(method.contrast.queue.bank[:4].clone(), ids=ids)
        figures.append(method(*clips, ids=ids).metrics)
    assert figures[0]["contrast"] > figures[1]["contrast"]  # fewer negatives
    assert figures[0]["local"] > figures[1]["local"]


def test_a_detached_negative_changes_the_gradient_alone():
    views = [torch.randn(4, 3, 16, 15, 1, dtype=torch.float64) for _ in range(3)]
    losses, gradients = [], []
    for detach in (False, True):
        method = double(detach_negative=detach)
        output = method(*views, ids=torch.arange(4))
        output.loss.backward()
        losses.append(output.loss)
        gradients.append(method.contrast.query_branch[2].layers[0].weight.grad)
    assert losses[0].equal(losses[1])
    assert not gradients[0].allclose(gradients[1])


def test_the_mixed_view_is_the_query_with_others_parts():
    layout = layouts.get("nw-ucla")
    clips = torch.randn(3, 3, 64, 20, 1)
    query, mixed, key = PAGE.make_views(PAGE.options(), layout=layout)(clips, torch.Generator().manual_seed(0))
    taken = (query != mixed).any(dim=1)
    assert 0.1 < taken.float().mean() < 0.5  # 3 to 4 of 5 bodies in 4 to 7 of 16 blocks
    assert not taken.all(dim=(2, 3)).any()  # in no frame everything
    bones = PAGE.make_views(options_of(PAGE.options, stream="bone"), layout=layout)(
        clips, torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(bones[1], streams.bone(mixed, layout=layout))  # swapped as joints
    assert not query.equal(key)
    shared = PAGE.make_views(options_of(PAGE.options, swap="batch"), layout=layout)(
        clips, torch.Generator().manual_seed(0)
    )
    where = (shared[0] != shared[1]).any(dim=1)[..., 0]
    assert (where == where[:1]).all()
    absent = torch.cat([clips, clips], dim=-1)
    absent[0, ..., 1] = 0
    for swap, kept in (("batch", True), ("official", False)):
        _, mixed, _ = PAGE.make_views(options_of(PAGE.options, swap=swap), layout=layout)(
            absent, torch.Generator().manual_seed(0)
        )
        assert bool((mixed[0, ..., 1] == 0).all()) is kept


def test_heads_are_as_released():
    def build(**changes):
        return PAGE.build(options_of(PAGE.options, **changes), layout=layouts.get("sbu"), persons=1)

    stgcn = build(predictors=True)
    bigru = build(predictors=True, kind="bigru")
    for method, head, predictor in (
        (stgcn, (256, 256, 128), (128, 256, 128)),
        (bigru, (2048, 1024, 128), (128, 256, 128)),
    ):
        for projection, sizes in ((method.contrast.query_branch[2], head), (method.predictors[2], predictor)):
            assert (projection.in_features, projection.hidden_features, projection.out_features) == sizes
            assert [name for name, _ in projection.named_parameters() if "bias" in name] == [
                "layers.1.bias"
            ]  # of the norm


@pytest.mark.parametrize("changes", [{"stream": "bone", "predictors": True}, {"mu": 1.0, "detach_negative": True}])
def test_every_option_trains(small, tmp_path, changes):
    result = PAGE.train(small(PAGE, heads=2, **changes))
    assert np.isfinite(list(result.values())).all()
    assert {"loss", "contrast", "local", "knn"} <= set(result)
    assert (tmp_path / "run" / "attention.png").exists()
