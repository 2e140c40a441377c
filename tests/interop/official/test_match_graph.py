import numpy as np
import pytest
import torch
from official_states import GOLDEN

from skelblocks import layouts
from skelblocks.interop import CheckpointError
from skelblocks.interop.official.match_graph import match_graph


@pytest.mark.parametrize("hop", [1, 2, 3])
@pytest.mark.parametrize(
    ("theirs", "ours"), [("ntu-rgb+d", "ntu-rgb+d"), ("nw-ucla", "nw-ucla"), ("openpose", "openpose-18")]
)
def test_the_released_graphs_are_found(theirs, ours, hop):
    with np.load(GOLDEN / "graph_stgcn.npz") as golden:
        matrices = torch.from_numpy(golden[f"{theirs}__spatial__hop{hop}__dil1"]).float()
    first, *others = match_graph(matrices)
    assert (first.layout.name, first.strategy, first.max_hop) == (ours, "spatial", hop)
    for graph in (first, *others):
        again = layouts.adjacency(graph.layout, strategy=graph.strategy, max_hop=graph.max_hop, dilation=graph.dilation)
        torch.testing.assert_close(again, matrices)


def test_the_other_graph_of_that_name_is_found():
    with np.load(GOLDEN / "graph_agcn_ntu.npz") as golden:
        matrices = torch.from_numpy(golden["spatial"])
    assert match_graph(matrices)[0][:2] == (layouts.get("ntu-rgb+d"), "agcn")


def test_a_small_change_is_not_overlooked():
    matrices = layouts.adjacency("ntu-rgb+d")
    matrices[1, 3, 2] += 1e-3
    with pytest.raises(CheckpointError, match=r"'spatial' of 'ntu-rgb\+d', max_hop=1, is off by 0.001; pass your"):
        match_graph(matrices)


def test_half_precision_is_enough():
    for dtype in (torch.float16, torch.bfloat16):
        halved = layouts.adjacency("ntu-rgb+d", dtype=dtype)
        assert match_graph(halved)[0].strategy == match_graph(halved.double())[0].strategy == "spatial"


@pytest.mark.parametrize("shape", [(3, 25), (3, 25, 24), (0, 25, 25), ()])
def test_wrong_shapes(shape):
    with pytest.raises(CheckpointError, match=r"A: expected a graph \(s, v, w\)"):
        match_graph(torch.ones(shape))
