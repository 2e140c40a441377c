import numpy as np
import pytest
import torch
from small_run import options_of, small_method, small_options

from skelblocks import layouts
from skelblocks.attention import actionlet_mask, actionlet_pool
from skelblocks.augment import actionlet_mix
from skelblocks.training import load_page

PAGE = load_page("actclr")
unit = torch.nn.functional.normalize


def double(**changes):
    torch.manual_seed(0)
    return small_method(PAGE, **{"dropout": 0.0, **changes}).double()


def views(persons=1):
    torch.manual_seed(1)
    tensors = [torch.randn(4, 3, 16, 15, persons, dtype=torch.float64) for _ in range(7)]
    own, other = torch.rand(2, 4, 4, 15, dtype=torch.float64)
    return [*tensors[:6], torch.tensor([1, 2, 3, 0]), own, other, tensors[6]]


def divergence(query, key, bank, *, square=True, limit=0.95):
    """Of the query's distribution over the bank from the key's, clip by clip."""
    total = 0.0
    for q, k in zip(unit(query), unit(key), strict=True):
        known = torch.tensor([-1.0 if limit and row @ k > limit else row @ k for row in bank], dtype=torch.float64)
        p, taught = (known / 0.04).softmax(0), bank @ q
        total += (p * (p.log() - ((taught**2 if square else taught) / 0.1).log_softmax(0))).sum() / len(query)
    return total


@pytest.mark.parametrize(
    "changes", [{}, {"gain": 1e8, "smooth": "part"}, {"actionlet": "none"}, {"square_student": False}]
)
def test_the_loss_is_the_sum_of_three_divergences(changes):
    method = double(**changes)
    normal, strong, weak, restyled, restyled_mixed, mixed, partner, own, other, key = views()
    encoder, pool, head = method.contrast.query_branch
    key_encoder, key_pool, key_head = method.contrast.key_branch.encoder
    bank = method.contrast.queue.bank.double()
    none = changes.get("actionlet") == "none"
    options = {"layout": "sbu", "smooth": changes.get("smooth", "body"), "gain": changes.get("gain")}
    anchor = key_head(key_pool(key_encoder(key.mean(dim=0, keepdim=True))))

    def mask(feature_map, embed):
        weights = actionlet_mask(feature_map, anchor, embed, **options)
        return torch.zeros_like(weights) if none else weights

    key_map = key_encoder(key)
    k = key_head(key_pool(key_map))
    if not none:
        k = k / 2 + key_head(actionlet_pool(key_map, mask(key_map, lambda x: key_head(key_pool(x))))) / 2
    k = unit(k)
    of_normal, of_weak = (mask(encoder(view), lambda x: head(pool(x))) for view in (normal, weak))

    shares = torch.zeros(4, 2, dtype=torch.float64)
    for i, j in enumerate(partner.tolist()):
        weight, partners = (of_weak[each, 0, 0].div(0.1).exp() for each in (i, j))
        shares[i, 0] = (weight * own[i]).sum() / (weight.sum() + 1e-5)
        shares[i, 1] = (partners * other[i]).sum() / (partners + 1e-5).sum()
    shares = shares / shares.sum(dim=1, keepdim=True)
    mixed_key = shares[:, :1] * k + shares[:, 1:] * k[partner]

    square = changes.get("square_student", True)
    expected = [
        divergence(head(pool(encoder(actionlet_mix(normal, strong, of_normal)))), k, bank, square=square),
        divergence(head(pool(encoder(actionlet_mix(restyled, restyled_mixed, of_weak)))), k, bank, square=square),
        divergence(head(pool(encoder(mixed))), mixed_key, bank, square=square),
    ]
    output = method(*views(), ids=torch.arange(4))
    for name, loss in zip(("actionlet", "style", "mixture"), expected, strict=True):
        torch.testing.assert_close(output.metrics[name], loss.detach())
    torch.testing.assert_close(output.loss, sum(expected))
    output.loss.backward()
    assert all(p.grad is not None for name, p in method.named_parameters() if "key_branch" not in name)
    torch.testing.assert_close(unit(output.keys[0].embeddings), k)


def test_before_distillation_a_clip_finds_its_own_key():
    method = double(distill_from="half")  # of two epochs
    clips = views()
    weak, key = clips[2], clips[-1]
    q, k = unit(method.contrast.query_branch(weak)), unit(method.contrast.key_branch(key))
    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ method.contrast.queue.bank.double().T], 1) / 0.07
    first, second = (method(*clips, ids=torch.arange(4), epoch=epoch) for epoch in (0, 1))
    torch.testing.assert_close(first.loss, -logits.log_softmax(1)[:, 0].mean())
    assert first.metrics.keys() == second.metrics.keys()
    assert not any(first.metrics.values())
    assert all(second.metrics.values())


@pytest.mark.parametrize("stream", ["joint", "bone", "motion"])
def test_views_are_ten(stream):
    options = options_of(PAGE.options, stream=stream)
    found = PAGE.make_views(options, layout=layouts.get("sbu"))(torch.randn(3, 3, 16, 15, 2), torch.Generator())
    assert [tuple(view.shape) for view in found[:6]] == [(3, 3, 16, 15, 2)] * 6
    assert found[6].dtype == torch.int64
    assert [tuple(view.shape) for view in found[7:9]] == [(3, 4, 15)] * 2
    assert not any(found[0].equal(view) for view in found[1:6])


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match=r"contrast\.exclude_own_keys: expected false, got true; lower max_similarity"):
        small_options(PAGE, exclude_own_keys=True)
    with pytest.raises(ValueError, match=r"encoder\.kind: expected a feature map with joints for the actionlet mask"):
        small_method(PAGE, kind="bigru")


@pytest.mark.parametrize(
    "changes",
    [
        {"mixing": "official", "gain": 1e8, "stream": "motion"},
        {"actionlet": "none", "distill_from": 1, "stream": "bone"},
    ],
)
def test_every_option_trains(small, changes):
    result = PAGE.train(small(PAGE, **changes))
    assert np.isfinite(list(result.values())).all()
    assert {"loss", "actionlet", "style", "mixture", "knn", "linear"} <= set(result)
