import numpy as np
import pytest
import torch
from small_run import options_of, small_method

from skelblocks import layouts, streams
from skelblocks.training import load_page, parse_options

PAGE = load_page("skelemixclr")
IDS = torch.arange(4)
unit = torch.nn.functional.normalize


def double(**changes):
    torch.manual_seed(0)
    method = small_method(PAGE, **{"dropout": 0.0, **changes}).double()
    method.eval()  # batch norms in the head: the formulas below call them again
    return method


def views(options=None, *, frames=16, persons=1):
    """Query, key, and mixes of four clips."""
    clips = torch.randn(4, 3, frames, 15, persons, dtype=torch.float64)
    transform = PAGE.make_views(options or PAGE.options(), layout=layouts.get("sbu"))
    return transform(clips, torch.Generator().manual_seed(0))


def one_info_nce(query, key, bank, other=None):
    """InfoNCE of one embedding ``(d,)``, at the temperature 0.2."""
    rows = torch.cat([key[None], bank, *([] if other is None else [other[None]])])
    return -(rows @ query / 0.2).log_softmax(0)[0]


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_loss_is_that_of_whole_clips_and_of_both_sides(reduction):
    method = double(mixes_reduction=reduction)
    encoder, pool, head = method.contrast.query_branch
    query, key, *mixed = views()
    assert len(mixed) == 9
    keys, bank = unit(method.contrast.key_branch(key)), method.contrast.queue.bank
    whole = torch.stack(
        [one_info_nce(q, k, bank) for q, k in zip(unit(head(pool(encoder(query)))), keys, strict=True)]
    ).mean()
    regions = []
    for clips, partner, mask in zip(mixed[::3], mixed[1::3], mixed[2::3], strict=True):
        feature_map = encoder(clips)[:, 0]  # (n, c, t, v)
        for n in range(4):
            sides = [feature_map[n][:, where].mean(1) for where in (mask[n], ~mask[n])]
            pasted, rest = (unit(head(side[None]))[0] for side in sides)
            pair = one_info_nce(pasted, keys[partner[n]], bank, rest) + one_info_nce(rest, keys[n], bank, pasted)
            regions.append(pair / 2)
    region = torch.stack(regions).mean() * (3 if reduction == "sum" else 1)
    output = method(query, key, *mixed, ids=IDS)
    torch.testing.assert_close(output.metrics["region"], region.detach())
    torch.testing.assert_close(output.loss, whole + region)


def test_the_other_side_is_constant_as_released():
    gradients = []
    clips = views()
    for detach in (True, False):
        method = double(detach_negative=detach)
        method(*clips, ids=IDS).loss.backward()
        gradients.append(method.contrast.query_branch[0].blocks[0].temporal.weight.grad)
    assert not gradients[0].allclose(gradients[1])


@pytest.mark.parametrize("stream", ["joint", "bone"])
def test_a_mix_has_the_partners_stream_inside_its_region(stream):
    query, _, *mixed = views(options_of(PAGE.options, stream=stream, frames=16))
    for clips, partner, mask in zip(mixed[::3], mixed[1::3], mixed[2::3], strict=True):
        assert mask.any()
        assert not mask.all()
        inside = mask.repeat_interleave(4, dim=1)[:, None, :, :, None]
        torch.testing.assert_close(clips, torch.where(inside, query[partner], query))
        assert (partner != IDS).all()
    assert not mixed[0].equal(mixed[3])  # a draw for each mix
    if stream == "bone":
        assert (query[:, :, :, layouts.get("sbu").center] == 0).all()
        assert streams.convert(query, "joint", layout="sbu").equal(query)


def test_regions_are_of_a_clip_or_of_the_batch():
    masks = {swap: views(options_of(PAGE.options, swap=swap))[4] for swap in ("clip", "batch", "official")}
    assert any(not mask.equal(masks["clip"][0]) for mask in masks["clip"])
    for swap in ("batch", "official"):
        assert all(mask.equal(masks[swap][0]) for mask in masks[swap])


def test_the_defaults_are_those_of_the_released_configuration():
    options = PAGE.options()
    assert (options.data.frames, options.encoder.graph, options.contrast.head_norm) == (64, "agcn", True)
    assert (options.contrast.temperature, options.train.milestones, options.mixes) == (0.2, [], 3)
    assert options.mixes_reduction == "sum"


def test_no_mix_is_refused():
    with pytest.raises(ValueError, match="mixes: expected an integer >= 1, got 0; without mixes, train skeletonclr"):
        options_of(PAGE.options, mixes=0)


def test_the_small_recipe_goes_on_top_of_a_sets():
    options = parse_options(PAGE.options, ["--config", "utd_mhad", "--config=skelemixclr_small"])
    assert (options.data.layout, options.mixes, options.contrast.head_norm) == ("utd-mhad", 1, False)


@pytest.mark.parametrize(
    "changes",
    [
        {"mixes": 1, "swap": "batch", "stream": "motion", "exclude_own_keys": True},
        {"mixes": 2, "mixes_reduction": "mean", "swap": "official", "detach_negative": False, "frames": 18},
    ],
)
def test_every_option_trains(small, changes):
    result = PAGE.train(small(PAGE, **changes))
    assert np.isfinite(list(result.values())).all()
    assert {"loss", "contrast", "region", "knn", "linear"} <= set(result)
