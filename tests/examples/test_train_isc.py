import numpy as np
import pytest
import torch
from small_run import options_of, small_method

from skelblocks import layouts
from skelblocks.encoders import STGCN, BiGRU
from skelblocks.losses import cross_momentum_contrast
from skelblocks.training import load_page

PAGE = load_page("isc")


def double(**changes):
    torch.manual_seed(0)
    return small_method(PAGE, **{"dropout": 0.0, **changes}).double()


def test_the_loss_is_that_of_crossed_queues():
    method = double()
    query, key = torch.randn(2, 4, 3, 16, 15, 1, dtype=torch.float64)
    sequence, graph = method.sequence, method.graph
    output = method(query, key, ids=torch.arange(4))
    expected = cross_momentum_contrast(
        *(branch(query) for branch in (sequence.query_branch, graph.query_branch)),
        *(branch(key) for branch in (sequence.key_branch, graph.key_branch)),
        *(contrast.queue.bank.double() for contrast in (sequence, graph)),
        temperature=0.07,
        combine="sum_ce",
        positive_weights=(1.0, 1.0),
        negative_weights=(1.0, 1.0),
    )
    torch.testing.assert_close(output.loss, expected)
    torch.testing.assert_close(output.metrics["sequence"] + output.metrics["graph"], expected.detach())
    output.loss.backward()
    assert all(p.grad is not None for name, p in method.named_parameters() if "key_branch" not in name)


def test_each_queue_takes_its_own_keys():
    method = double()
    query, key = torch.randn(2, 4, 3, 16, 15, 1, dtype=torch.float64)
    output = method(query, key, ids=torch.tensor([3, 1, 4, 2]))
    expected = [each.key_branch(key) for each in (method.sequence, method.graph)]
    method.update(output, step=1, total_steps=10)
    for contrast, keys in zip((method.sequence, method.graph), expected, strict=True):
        torch.testing.assert_close(contrast.queue.bank[:4], torch.nn.functional.normalize(keys, dim=1))
        assert contrast.queue.ids[:4].tolist() == [3, 1, 4, 2]


@pytest.mark.parametrize(("keep", "kind"), [("graph", STGCN), ("sequence", BiGRU)])
def test_a_run_keeps_the_chosen_encoder(small, keep, kind):
    (encoder,) = double(keep=keep).encoders().values()
    assert isinstance(encoder, kind)
    assert encoder.out_channels == 16
    assert np.isfinite(list(PAGE.train(small(PAGE, keep=keep, stream="bone", exclude_own_keys=True)).values())).all()


def test_views_are_sheared_or_lack_joints():
    make_views = PAGE.make_views(options_of(PAGE.options), layout=layouts.get("ntu-rgb+d"))
    views = make_views(1 + torch.rand(64, 3, 16, 25, 1), torch.Generator().manual_seed(0))
    for view in views:
        hidden = (view == 0).flatten(3).permute(0, 3, 1, 2).flatten(2).all(dim=2).sum(dim=1)
        assert set(hidden.tolist()) == {0, 15}
        assert 16 < (hidden == 0).sum() < 48


def test_the_graph_is_no_sequence():
    with pytest.raises(ValueError, match=r"encoder\.kind: expected 'stgcn' or 'dsta' for the graph, got 'bigru'"):
        small_method(PAGE, kind="bigru")
