from itertools import pairwise

import numpy as np
import pytest
import torch
from small_run import options_of, small_method

from skelblocks import layouts
from skelblocks.training import load_page

PAGE = load_page("hiclr")
IDS = torch.arange(4)
unit = torch.nn.functional.normalize


def double(**changes):
    torch.manual_seed(0)
    return small_method(PAGE, **{"dropout": 0.0, "nnm_epoch": 1, **changes}).double()


def views(options=None, *, persons=1):
    """Basic, key, normal, masked, and the mask of four clips."""
    clips = torch.randn(4, 3, 16, 15, persons, dtype=torch.float64)
    if persons > 1:
        clips[0, ..., 1] = 0
    transform = PAGE.make_views(options or PAGE.options(), layout=layouts.get("sbu"))
    return transform(clips, torch.Generator().manual_seed(0))


def probabilities(method, view, key):
    """Softmax over {key, bank}, from the method's parts."""
    z, k = unit(method.contrast.query_branch(view)), unit(method.contrast.key_branch(key))
    return torch.cat([(z * k).sum(1, keepdim=True), z @ method.contrast.queue.bank.T], 1).div(0.07).softmax(1)


def hidden_by(method, masked, hidden):
    return torch.where(hidden[:, None, :, :, None], method.joint_mask.fill, masked)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("epoch", [0, 1])
def test_each_level_teaches_the_next(epoch, reduction):
    method = double(nnm_reduction=reduction)
    with torch.no_grad():
        method.joint_mask.fill.fill_(0.5)
    basic, key, normal, masked, hidden = views()
    levels = [probabilities(method, view, key) for view in (basic, normal, hidden_by(method, masked, hidden))]
    chain = sum(-(weak * strong.log()).sum(1).mean() for weak, strong in pairwise(levels)) / 2
    positives = torch.zeros_like(levels[0])
    positives[:, 0] = 1
    if epoch:
        for p in levels:
            positives[IDS, 1 + p[:, 1:].argmax(1)] = 1
    each = -(positives * levels[0].log()).sum(1)
    contrast = (each / positives.sum(1) if reduction == "mean" else each).mean()
    output = method(basic, key, normal, masked, hidden, ids=IDS, epoch=epoch)
    torch.testing.assert_close(output.metrics["contrast"], contrast.detach())
    torch.testing.assert_close(output.metrics["hierarchy"], chain.detach())
    torch.testing.assert_close(output.loss, contrast + chain)


def test_the_value_that_hides_is_trained_and_weaker_levels_are_not_taught():
    method = double()
    inputs = views()
    output = method(*inputs, ids=IDS)
    output.loss.backward()
    assert method.joint_mask.fill.grad.abs() > 0
    basic, key, normal, masked, hidden = (
        each.requires_grad_() if each.is_floating_point() else each for each in inputs
    )
    levels = [probabilities(method, view, key) for view in (basic, normal, hidden_by(method, masked, hidden))]
    expected = (
        -(levels[0].detach() * levels[1].log()).sum(1).mean() - (levels[1].detach() * levels[2].log()).sum(1).mean()
    )
    wanted = torch.autograd.grad(expected / 2, (normal, masked))
    output = method(basic, key, normal, masked, hidden, ids=IDS)
    found = torch.autograd.grad(output.loss, (normal, masked))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("mask", ["clip", "official"])
def test_one_joint_of_ten_is_hidden_in_each_frame(mask):
    options = options_of(PAGE.options, mask=mask)
    *_, masked, hidden = views(options, persons=2)
    assert hidden.shape == (4, 16, 15)
    assert (hidden.sum(2) == 1).all()
    assert all(each.equal(hidden[0]) for each in hidden) == (mask == "official")
    method = double(mask=mask)
    with torch.no_grad():
        method.joint_mask.fill.fill_(7.0)
    absent = torch.zeros_like(masked)  # nobody is there
    params = method.joint_mask.sample(absent.shape, generator=torch.Generator().manual_seed(0))
    assert (method.joint_mask.transform(absent, params) == 7).any() == (mask == "official")


def test_levels_grow():
    result = PAGE.make_views(PAGE.options(), layout=layouts.get("sbu"))
    assert [len(each.transforms) for each in result.transforms] == [2, 2, 7, 7]
    aimclr = PAGE.make_views(options_of(PAGE.options, normal="aimclr"), layout=layouts.get("sbu"))
    assert [len(each.transforms) for each in aimclr.transforms] == [2, 2, 8, 8]
    *four, _ = views()
    assert not any(one.equal(other) for i, one in enumerate(four) for other in four[:i])


@pytest.mark.parametrize(
    "changes",
    [
        {"normal": "aimclr", "mask": "official", "stream": "motion", "mask_ratio": 0.3},
        {"nnm_epoch": 1, "top_k": 2, "nnm_reduction": "sum", "exclude_own_keys": True, "stream": "bone"},
    ],
)
def test_every_option_trains(small, changes):
    result = PAGE.train(small(PAGE, **changes))
    assert np.isfinite(list(result.values())).all()
    assert {"loss", "contrast", "hierarchy", "knn", "linear"} <= set(result)
