from pathlib import Path

import numpy as np
import pytest
import torch

from skelblocks import layouts
from skelblocks.layouts import adjacency

GOLDEN = Path(__file__).parents[1] / "golden"
OFFICIAL = {"ntu-rgb+d": "ntu-rgb+d", "nw-ucla": "nw-ucla", "openpose-18": "openpose"}


def reference(layout, strategy, max_hop):
    """The definition, pair by pair, with distances found by walking."""
    neighbors = {j: {a for e in layout.edges for a, b in (e, e[::-1]) if b == j} for j in range(layout.num_joints)}

    def distance(a, b):
        seen, ring, hops = {a}, {a}, 0
        while b not in seen:
            ring = {n for j in ring for n in neighbors[j]} - seen
            seen |= ring
            hops += 1
        return hops

    count = layout.num_joints
    subsets = {"uniform": 1, "distance": max_hop + 1, "spatial_bfs": 1 + 2 * max_hop}[strategy]
    matrix = torch.zeros(subsets, count, count, dtype=torch.float64)
    for target in range(count):
        near = [(source, distance(source, target)) for source in range(count) if distance(source, target) <= max_hop]
        for source, hop in near:
            closer = distance(source, layout.center) < distance(target, layout.center)
            subset = {"uniform": 0, "distance": hop, "spatial_bfs": 0 if hop == 0 else 2 * hop - 1 + closer}[strategy]
            matrix[subset, source, target] = 1 / len(near)
    return matrix


@pytest.mark.parametrize("name", OFFICIAL)
def test_equals_the_official_arrays(name):
    with np.load(GOLDEN / "graph_stgcn.npz") as golden:
        keys = [k for k in golden.files if k.startswith(OFFICIAL[name] + "__") and "__dil" in k]
        assert len(keys) == 15
        for key in keys:
            _, strategy, hop, dilation = key.split("__")
            got = adjacency(
                name, strategy=strategy, max_hop=int(hop[3:]), dilation=int(dilation[3:]), dtype=torch.float64
            )
            torch.testing.assert_close(got, torch.from_numpy(golden[key]), rtol=1e-9, atol=1e-10)
            torch.testing.assert_close(
                adjacency(name, strategy=strategy, max_hop=int(hop[3:]), dilation=int(dilation[3:])),
                torch.from_numpy(golden[key]).float(),
            )
        edges = {frozenset(edge) for edge in golden[OFFICIAL[name] + "__edge"].tolist() if edge[0] != edge[1]}
        assert {frozenset(edge) for edge in layouts.get(name).edges} == edges
        assert layouts.get(name).center == golden[OFFICIAL[name] + "__center"]


def test_agcn_equals_the_official_array():
    with np.load(GOLDEN / "graph_agcn_ntu.npz") as golden:
        got = adjacency("ntu-rgb+d", strategy="agcn", dtype=torch.float64)
        torch.testing.assert_close(got, torch.from_numpy(golden["spatial"]), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("strategy", ["uniform", "distance", "spatial_bfs"])
@pytest.mark.parametrize("max_hop", [1, 2])
@pytest.mark.parametrize("name", layouts.available())
def test_equals_the_slow_reference(name, max_hop, strategy):
    got = adjacency(name, strategy=strategy, max_hop=max_hop, dtype=torch.float64)
    torch.testing.assert_close(got, reference(layouts.get(name), strategy, max_hop))


@pytest.mark.parametrize("strategy", ["uniform", "distance", "spatial", "spatial_bfs"])
@pytest.mark.parametrize("name", layouts.available())
def test_each_target_takes_a_mean(name, strategy):
    matrix = adjacency(name, strategy=strategy, max_hop=3, dtype=torch.float64)
    torch.testing.assert_close(matrix.sum(dim=(0, 1)), torch.ones(layouts.get(name).num_joints, dtype=torch.float64))


def test_a_truncated_centre_distance_misplaces_sixteen_bones():
    cut, true = (adjacency("ntu-rgb+d", strategy=s) for s in ("spatial", "spatial_bfs"))
    assert int(((cut > 0) != (true > 0)).sum()) == 2 * 16  # each is missing in one subset and too many in another
    assert int((cut[2] > 0).sum()) == 8
    assert int((true[2] > 0).sum()) == 24


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strategy": "ones"}, "strategy: expected one of 'uniform', .* got 'ones'"),
        ({"max_hop": 0}, "max_hop: expected an integer >= 1, got 0"),
        ({"dilation": 0}, "dilation: expected an integer >= 1, got 0"),
        ({"strategy": "agcn", "max_hop": 2}, "expected 1, 1 with strategy 'agcn'"),
    ],
)
def test_wrong_arguments_say_what_was_expected(arguments, message):
    with pytest.raises(ValueError, match=message):
        adjacency("sbu", **arguments)


@pytest.mark.parametrize("name", ["max_hop", "dilation"])
@pytest.mark.parametrize("value", [1.5, 1.0, True, None, "1"])
def test_hops_are_integers(name, value):
    with pytest.raises(TypeError, match=f"{name}: expected an integer >= 1, got"):
        layouts.adjacency("ntu-rgb+d", **{name: value})
