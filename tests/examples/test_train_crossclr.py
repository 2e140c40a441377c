import numpy as np
import pytest
import torch
from small_run import options_of, small_method

from skelblocks import layouts, streams
from skelblocks.training import load_page, parse_options

PAGE = load_page("crossclr")
STREAMS = ["joint", "motion", "bone"]
IDS = torch.arange(4)
unit = torch.nn.functional.normalize


def double(**changes):
    torch.manual_seed(0)
    return small_method(PAGE, **{"dropout": 0.0, "crossed_from": 1, **changes}).double()


def views(count):
    return [torch.randn(4, 3, 16, 15, 1, dtype=torch.float64) for _ in range(count)]


def similarities(method, clips):
    """Of each stream: query with key ``(n, 1)``, and query with bank ``(n, k)``."""
    found = []
    for i, contrast in enumerate(method.contrasts().values()):
        query, key = unit(contrast.query_branch(clips[2 * i])), unit(contrast.key_branch(clips[2 * i + 1]))
        found.append(((query * key).sum(1, keepdim=True), query @ contrast.queue.bank.T))
    return found


@pytest.mark.parametrize("chosen", [["joint", "motion"], STREAMS], ids=len)
def test_the_first_stage_is_the_sum_of_the_streams(chosen):
    method = double(streams=chosen)
    clips = views(2 * len(chosen))
    output = method(*clips, ids=IDS, epoch=0)
    logits = [torch.cat(each, 1) / 0.07 for each in similarities(method, clips)]
    torch.testing.assert_close(output.loss, sum(-each.log_softmax(1)[:, 0].mean() for each in logits))


@pytest.mark.parametrize("chosen", [["joint", "motion"], STREAMS], ids=len)
@pytest.mark.parametrize("context", [True, False])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_in_the_second_stage_streams_name_each_others_positives(chosen, context, reduction):
    method = double(streams=chosen, context=context, mining_reduction=reduction, top_k=2)
    clips = views(2 * len(chosen))
    near = similarities(method, clips)
    expected = torch.zeros((), dtype=torch.float64)
    for a, (positive, rows) in enumerate(near):
        for b, (_, others) in enumerate(near):
            if a == b:
                continue
            log_p = torch.cat([positive, rows, *[rows * others] * context], 1).div(0.07).log_softmax(1)
            for clip in range(4):
                named = [1 + row for row in others[clip].argsort(descending=True)[:2].tolist()]
                positives = [0, *named, *[column + 8 for column in named] * context]
                share = -log_p[clip, positives]
                expected = expected + (share.mean() if reduction == "mean" else share.sum()) / 4 / (len(near) - 1)
    output = method(*clips, ids=IDS, epoch=1)
    torch.testing.assert_close(output.loss, expected)
    output.loss.backward()
    assert all(p.grad is not None for name, p in method.named_parameters() if "key_branch" not in name)


def test_streams_keep_their_banks_in_step():
    method = double()
    for epoch, ids in ((0, [3, 1, 4, 2]), (1, [7, 6, 5, 8])):
        method.update(method(*views(6), ids=torch.tensor(ids), epoch=epoch), step=1, total_steps=10)
    for contrast in method.contrasts().values():
        assert contrast.queue.ids.tolist() == [3, 1, 4, 2, 7, 6, 5, 8]


def key_weights(method):
    """A weight of each stream's key encoder."""
    return {
        stream: contrast.key_branch.encoder[0].blocks[0].temporal.weight.clone()
        for stream, contrast in method.contrasts().items()
    }


@pytest.mark.parametrize(
    ("moving_keys", "epoch", "moved"),
    [("all", 1, STREAMS), ("official", 0, STREAMS), ("official", 1, ["motion"])],
)
def test_which_key_encoders_move(moving_keys, epoch, moved):
    method = double(moving_keys=moving_keys)
    output = method(*views(6), ids=IDS, epoch=epoch)
    with torch.no_grad():
        for name, p in method.named_parameters():
            if "query_branch" in name:
                p.add_(1.0)
    before = key_weights(method)
    method.update(output, step=1, total_steps=10)
    after = key_weights(method)
    for stream in STREAMS:
        torch.testing.assert_close(after[stream], before[stream] + (0.001 if stream in moved else 0))
    for contrast in method.contrasts().values():
        assert contrast.queue.ids[:4].tolist() == [0, 1, 2, 3]  # all queues are filled


def test_heads_are_shared_as_released():
    apart, shared = double(), double(heads="official")
    joint, motion, bone = shared.contrasts().values()
    for branches in (
        [each.query_branch for each in (joint, motion, bone)],
        [each.key_branch.encoder for each in (joint, motion, bone)],
    ):
        assert branches[1][2][2] is branches[0][2] is branches[2][2][2]
    assert apart.contrasts()["motion"].query_branch[2] is not apart.contrasts()["joint"].query_branch[2]
    query, key = (list(each.parameters()) for each in (motion.query_branch, motion.key_branch.encoder))
    assert all(p.equal(other) for p, other in zip(query, key, strict=True))
    assert not any(p.requires_grad for p in key)
    output = shared(*views(6), ids=IDS, epoch=0)
    with torch.no_grad():
        joint.query_branch[2].layers[2].bias.add_(1.0)
    before = joint.key_branch.encoder[2].layers[2].bias.clone()
    shared.update(output, step=1, total_steps=10)
    moved = joint.key_branch.encoder[2].layers[2].bias
    torch.testing.assert_close(moved, before + 1 - 0.999**3)  # once for each stream


def test_a_shared_head_starts_as_the_options_say():
    for initialization, deviation in (("official", 0.02), ("torch", 16**-0.5 / 3**0.5)):
        method = double(heads="official", initialization=initialization)
        weight = method.contrasts()["bone"].query_branch[2][0].weight
        assert deviation / 1.3 < weight.std() < deviation * 1.3


@pytest.mark.parametrize("chosen", [["joint"], ["joint", "joint"], []])
def test_one_stream_or_the_same_twice_is_refused(chosen):
    with pytest.raises(ValueError, match=r"streams: expected two different streams or more, got .* skeletonclr"):
        options_of(PAGE.options, streams=chosen)


def test_crossing_starts_where_the_options_say():
    method = double(crossed_from="half", epochs=4)
    clips = views(6)
    losses = [method(*clips, ids=IDS, epoch=epoch).loss for epoch in range(4)]
    assert losses[0].equal(losses[1])
    assert losses[2].equal(losses[3])
    assert not losses[1].allclose(losses[2])
    assert double(crossed_from="never")(*clips, ids=IDS, epoch=3).loss.allclose(losses[0])


def test_all_streams_come_from_the_same_two_draws():
    layout = layouts.get("sbu")
    clips = torch.randn(3, 3, 16, 15, 1)
    result = PAGE.make_views(PAGE.options(), layout=layout)(clips, torch.Generator().manual_seed(0))
    assert len(result) == 6
    assert not result[0].equal(result[1])
    for i, stream in enumerate(STREAMS):
        for side in (0, 1):
            torch.testing.assert_close(result[2 * i + side], streams.convert(result[side], stream, layout=layout))


def test_the_small_recipe_goes_on_top_of_a_sets():
    options = parse_options(PAGE.options, ["--config", "utd_mhad", "--config=crossclr_small"])
    assert (options.data.layout, options.trained_streams()) == ("utd-mhad", ("joint", "motion"))


@pytest.mark.parametrize(
    "changes",
    [
        {"streams": ["motion", "bone"], "stream": "bone", "top_k": 3, "context": False},
        {"heads": "official", "moving_keys": "official", "crossed_from": 1, "exclude_own_keys": True},
    ],
)
def test_every_option_trains(small, changes):
    result = PAGE.train(small(PAGE, **changes))
    assert np.isfinite(list(result.values())).all()
    assert "knn_motion" in result
