import numpy as np
import pytest
import torch
from small_run import options_of, small_method

from skelblocks import layouts
from skelblocks.training import load_page

PAGE = load_page("aimclr")
STREAMS = ("joint", "bone", "motion")
unit = torch.nn.functional.normalize


def double(**changes):
    torch.manual_seed(0)
    return small_method(PAGE, **{"dropout": 0.0, "keep_margin": 0.66, **changes}).double()


def views(count):
    return [torch.randn(4, 3, 16, 15, 1, dtype=torch.float64) for _ in range(count)]


def probabilities(method, view, key, *, dropped=False):
    """Softmax over {key, bank}, from the method's parts."""
    encoder, pool, head = method.contrast.query_branch
    feature_map = encoder(view)
    z = unit(head(pool(method.drop(feature_map) if dropped else feature_map)))
    k = unit(method.contrast.key_branch(key))
    return torch.cat([(z * k).sum(1, keepdim=True), z @ method.contrast.queue.bank.T], 1).div(0.07).softmax(1)


def divergence(ordinary, strong):
    return sum(-(ordinary * p.log()).sum(1).mean() for p in strong) / len(strong)


def neighbors(*branches):
    """The key, and each branch's likeliest row of the bank."""
    mask = torch.zeros_like(branches[0])
    mask[:, 0] = 1
    for p in branches:
        for clip, row in enumerate(p[:, 1:].argmax(dim=1).tolist()):
            mask[clip, 1 + row] = 1
    return mask


@pytest.mark.parametrize("drop", ["paper", "official", "none"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("epoch", [0, 1])
def test_the_loss_is_that_of_section_3_5(drop, reduction, epoch):
    """The total from the formulas, one probability at a time, in both stages."""
    method = double(drop=drop, alpha=0.5, beta=2.0, nnm_epoch=1, nnm_reduction=reduction)
    query, extreme, key = views(3)
    p = probabilities(method, query, key)
    strong = [probabilities(method, extreme, key)]
    if drop != "none":
        strong.append(probabilities(method, extreme, key, dropped=True))
        assert not strong[0].equal(strong[1])
    mask = neighbors(p, *strong) if epoch else torch.eye(9)[:1].expand(4, 9)  # at first the key alone
    each = -(mask * p.log()).sum(1)
    contrast = (each / mask.sum(1) if reduction == "mean" else each).mean()
    output = method(query, extreme, key, ids=torch.arange(4), epoch=epoch)
    torch.testing.assert_close(output.metrics["contrast"], contrast.detach())
    torch.testing.assert_close(output.loss, 0.5 * contrast + 2 * divergence(p, strong))


@pytest.mark.parametrize("context", [True, False])
def test_streams_find_neighbors_for_each_other(context):
    method = double(cross_stream=True, context=context, nnm_epoch=1)
    parts = list(method.streams.values())
    assert tuple(method.streams) == STREAMS
    clips = views(9)
    ordinary = [probabilities(each, clips[3 * i], clips[3 * i + 2]) for i, each in enumerate(parts)]
    strong = [
        [probabilities(each, clips[3 * i + 1], clips[3 * i + 2], dropped=dropped) for dropped in (False, True)]
        for i, each in enumerate(parts)
    ]
    spread = sum(divergence(p, others) for p, others in zip(ordinary, strong, strict=True))
    first = method(*clips, ids=torch.arange(4), epoch=0)
    torch.testing.assert_close(first.loss, sum(-p[:, 0].log().mean() for p in ordinary) + spread)

    # Similarities to the bank, up to a constant a row that the softmax takes out again.
    banks = [each.contrast.queue.bank for each in parts]
    queries = [unit(each.contrast.query_branch(clips[3 * i])) for i, each in enumerate(parts)]
    keys = [unit(each.contrast.key_branch(clips[3 * i + 2])) for i, each in enumerate(parts)]
    expected = torch.zeros((), dtype=torch.float64)
    for a in range(3):
        for b in {0, 1, 2} - {a}:
            near = [queries[s] @ banks[s].T for s in (a, b)]
            columns = [(queries[a] * keys[a]).sum(1, keepdim=True), near[0]] + [near[0] * near[1]] * context
            mask = neighbors(ordinary[b])
            mask = torch.cat([mask, mask[:, 1:]], 1) if context else mask
            log_p = torch.cat(columns, 1).div(0.07).log_softmax(1)
            expected = expected - (mask * log_p).sum(1).div(mask.sum(1)).mean() / 2
    second = method(*clips, ids=torch.arange(4), epoch=1)
    torch.testing.assert_close(second.loss, expected + spread)
    second.loss.backward()
    assert all(p.grad is not None for name, p in method.named_parameters() if "key_branch" not in name)


def test_streams_keep_their_banks_in_step():
    method = double(cross_stream=True)
    output = method(*views(9), ids=torch.tensor([3, 1, 4, 2]))
    method.update(output, step=1, total_steps=10)
    for each in method.streams.values():
        assert each.contrast.queue.ids[:4].tolist() == [3, 1, 4, 2]
    banks = [each.contrast.queue.bank[:4] for each in method.streams.values()]
    assert not banks[0].allclose(banks[1])


def test_views_are_the_chosen_lists():
    layout = layouts.get("sbu")
    paper, released = (
        PAGE.make_views(options_of(PAGE.options, extreme=extreme), layout=layout) for extreme in ("paper", "official")
    )
    assert [len(each.transforms) for each in paper.transforms] == [2, 8, 2]
    assert [len(each.transforms) for each in released.transforms] == [2, 7, 2]
    together = PAGE.make_views(options_of(PAGE.options, cross_stream=True), layout=layout)
    assert len(together(torch.randn(2, 3, 16, 15, 1), torch.Generator())) == 9


@pytest.mark.parametrize(
    "changes",
    [
        {"drop": "official", "extreme": "official", "stream": "motion"},
        {"drop": "none", "nnm_epoch": "never", "stream": "bone"},
        {"nnm_epoch": 0, "top_k": 3, "exclude_own_keys": True, "alpha": 0.5, "beta": 2.0},
        {"cross_stream": True, "exclude_own_keys": True},
    ],
)
def test_every_option_trains(small, changes):
    result = PAGE.train(small(PAGE, **changes))
    assert np.isfinite(list(result.values())).all()
    assert {"loss", "contrast", "divergence", "knn", "linear", "clips_per_second"} <= set(result)
    if "cross_stream" in changes:
        assert {"knn_bone", "linear_motion"} <= set(result)
