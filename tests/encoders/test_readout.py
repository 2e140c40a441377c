"""Readouts: each against plain loops, with persons who are absent, and what every block promises."""

import pytest
import torch
from scipy.fft import dct

from skelblocks import layouts, pool
from skelblocks.encoders import DSTA, READOUTS, STGCN, BiGRU, ReadoutEncoder, ReadoutPool, readout
from skelblocks.encoders.readout import LAST_BLOCKS, OF_BLOCKS
from skelblocks.testing import BlockTester

LAYOUT = layouts.get("ntu-rgb+d")
OF_ONE_MAP = [kind for kind in READOUTS if kind not in OF_BLOCKS]


def feature_map(n=3, m=2, c=4, t=7, v=25):
    return torch.randn(n, m, c, t, v, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def describe(person, kind):
    """One person's ``(c, t, v)``, in plain loops."""
    c, t, _ = person.shape
    if kind == "mean":
        groups = [[person[i].mean() for i in range(c)]]
    elif kind in ("body", "part"):
        groups = [
            [sum(person[i, :, j].mean() for j in group.joints) / len(group.joints) for i in range(c)]
            for group in LAYOUT.groups(kind)
        ]
    elif kind == "thirds":
        bounds = [(k * t // 3, -(-(k + 1) * t // 3)) for k in range(3)]
        groups = [[person[i, start:stop].mean() for i in range(c)] for start, stop in bounds]
    elif kind == "mean_std":
        groups = [[person[i].mean() for i in range(c)]]
        groups.append([((person[i] - person[i].mean()) ** 2).mean().sqrt() for i in range(c)])
    else:
        groups = [[sum(float(value > 0) for value in person[i].flatten()) / person[i].numel() for i in range(c)]]
    return torch.tensor([[float(value) for value in group] for group in groups], dtype=torch.float64).flatten()


def describe_seen(person, seen, kind):
    """One person's ``(c, t, v)`` where ``(t, v)`` is seen, in plain loops; a group unseen is plain."""
    _, t, v = person.shape
    places = [(f, j) for f in range(t) for j in range(v)]
    if kind == "thirds":
        groups = [[p for p in places if k * t // 3 <= p[0] < -(-(k + 1) * t // 3)] for k in range(3)]
    elif kind in ("body", "part"):
        groups = [[p for p in places if p[1] in group.joints] for group in LAYOUT.groups(kind)]
    else:
        groups = [places]
    described = []
    for group in groups:
        values = torch.stack([person[:, f, j] for f, j in [p for p in group if seen[p]] or group], dim=1)
        if kind == "positive":
            values = (values > 0).double()
        described.append(values.mean(dim=1))
        if kind == "mean_std":
            described.append((values - values.mean(dim=1, keepdim=True)).square().mean(dim=1).sqrt())
    return torch.cat(described)


@pytest.mark.parametrize("kind", OF_ONE_MAP)
def test_joints_that_are_not_seen_do_not_count(kind):
    x = feature_map()
    seen = torch.rand(3, 14, 25, 2, generator=torch.Generator().manual_seed(1)) < 0.3
    seen[0, :, 4:12] = False  # arms that are never seen
    seen[1, :, :, 1] = False  # a person of whom nothing is seen
    of_map = seen.view(3, 7, 2, 25, 2).any(dim=2)
    described = torch.stack(
        [torch.stack([describe_seen(x[i, m], of_map[i, ..., m], kind) for m in range(2)]) for i in range(3)]
    )
    expected = torch.stack([described[0].mean(dim=0), described[1, 0], described[2].mean(dim=0)])
    got = readout(x, kind, layout=LAYOUT, seen=seen)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(ReadoutPool(kind, layout=LAYOUT).double()(x, seen=seen), expected)
    everything = torch.ones_like(seen)
    torch.testing.assert_close(readout(x, kind, layout=LAYOUT, seen=everything), readout(x, kind, layout=LAYOUT))


@pytest.mark.parametrize("kind", OF_ONE_MAP)
def test_equals_plain_loops(kind):
    x = feature_map()
    expected = torch.stack([torch.stack([describe(person, kind) for person in clip]).mean(dim=0) for clip in x])
    torch.testing.assert_close(readout(x, kind, layout=LAYOUT), expected)


@pytest.mark.parametrize("kind", OF_ONE_MAP)
def test_absent_persons_do_not_count(kind):
    x = feature_map()
    mask = torch.tensor([[True, False], [True, True], [True, False]])
    alone = readout(x[:, :1], kind, layout=LAYOUT)
    found = readout(x, kind, layout=LAYOUT, person_mask=mask)
    torch.testing.assert_close(found[[0, 2]], alone[[0, 2]])
    torch.testing.assert_close(found[1], readout(x[1:2], kind, layout=LAYOUT)[0])


def test_mean_is_pool():
    assert readout(feature_map()).equal(pool(feature_map()))


@pytest.mark.parametrize("kind", OF_ONE_MAP)
def test_module_knows_its_width(kind):
    module = ReadoutPool(kind, layout=LAYOUT)
    assert module(feature_map()).shape == (3, 4 * module.groups)


def test_thirds_of_fewer_than_three_frames_repeat_them():
    x = feature_map(t=1)
    assert readout(x, "thirds").equal(readout(x).repeat(1, 3))


def test_blocks_are_the_means_of_several_maps():
    maps = [feature_map(c=2, t=5), feature_map(c=3, t=4)]
    mask = torch.tensor([[True, False], [True, True], [False, True]])
    expected = torch.cat([readout(each, person_mask=mask) for each in maps], dim=1)
    assert readout(maps, "blocks", person_mask=mask).equal(expected)
    assert ReadoutPool("blocks")(maps, mask).equal(expected)


def test_blocks_std_adds_the_deviations_of_each_map():
    maps = [feature_map(c=2, t=5), feature_map(c=3, t=4)]
    mask = torch.tensor([[True, False], [True, True], [False, True]])
    expected = torch.cat([readout(each, "mean_std", person_mask=mask) for each in maps], dim=1)
    assert readout(maps, "blocks_std", person_mask=mask).equal(expected)
    assert ReadoutPool("blocks_std")(maps, mask).shape == (3, 5 * ReadoutPool("blocks_std").groups)


def test_blocks_want_several_maps_and_the_others_one():
    with pytest.raises(TypeError, match=r"'blocks' expected several maps, got Tensor; pass encoder\.block_maps"):
        readout(feature_map(), "blocks")
    with pytest.raises(TypeError, match="'blocks' expected several maps, got list"):
        readout([], "blocks")
    with pytest.raises(TypeError, match="'body' expected one map, got tuple"):
        readout((feature_map(), feature_map()), "body", layout=LAYOUT)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return STGCN("nw-ucla", base_channels=2, out_channels=4).eval()


def test_block_maps_end_with_the_encoders_map(encoder):
    x = torch.randn(2, 3, 9, 20, 2)
    seen = []
    hooks = [block.register_forward_hook(lambda *arguments: seen.append(arguments[2])) for block in encoder.blocks]
    expected = encoder(x)
    for hook in hooks:
        hook.remove()
    maps = encoder.block_maps(x)
    assert maps[-1].equal(expected)
    for found, inside in zip(maps, seen, strict=True):
        assert found.flatten(0, 1).equal(inside)
    with pytest.raises(ValueError, match="x: expected"):
        encoder.block_maps(x[:, :2])


@pytest.mark.parametrize("kind", READOUTS)
def test_an_encoder_with_its_readout(encoder, kind):
    x, mask = torch.randn(2, 3, 9, 20, 2), torch.tensor([[True, False], [True, True]])
    maps = encoder(x)
    if kind in OF_BLOCKS:
        maps = encoder.block_maps(x)[-(LAST_BLOCKS[kind] or 0) :]
    model = ReadoutEncoder(encoder, kind)
    assert model.kind == kind
    assert model(x, mask).equal(readout(maps, kind, layout="nw-ucla", person_mask=mask))


def test_blocks_need_an_encoder_that_has_them():
    with pytest.raises(TypeError, match="expected an encoder with a method block_maps, such as STGCN, got DSTA"):
        ReadoutEncoder(DSTA("nw-ucla", frames=8, layers=[(4, 4, 2, 1)]), "blocks")


@pytest.mark.parametrize("kind", ["body", "part", "grid"])
def test_layout_is_needed(kind):
    with pytest.raises(ValueError, match="expected the skeleton of the feature map, got None; pass layout"):
        readout(feature_map(), kind)
    with pytest.raises(ValueError, match="expected the skeleton of the feature map, got None; pass layout"):
        ReadoutPool(kind)


def test_joints_of_another_layout_are_an_error():
    with pytest.raises(ValueError, match="expected the 20 joints of the layout on the last axis, got 25"):
        readout(feature_map(), "body", layout="nw-ucla")


def test_a_clip_is_no_feature_map_and_kinds_are_named():
    with pytest.raises(ValueError, match="feature_map: expected 5 axes"):
        readout(torch.randn(3, 4, 7, 25), "mean")
    with pytest.raises(ValueError, match="kind: expected one of 'mean', 'body'"):
        readout(feature_map(), "median")
    with pytest.raises(TypeError, match="feature_map: expected a floating-point tensor"):
        readout(torch.ones(1, 1, 2, 3, 4, dtype=torch.int64))


def describe_cells(person, seen=None):
    """One person's ``(c, t, v)`` on the grid, in plain loops: two vectors of c x thirds x parts."""
    c, t, _ = person.shape
    found = [[], []]
    for i in range(c):
        for k in range(3):
            frames = range(k * t // 3, -(-(k + 1) * t // 3))
            for group in LAYOUT.groups("part"):
                cell = [(f, j) for f in frames for j in group.joints]
                cell = [place for place in cell if seen is None or seen[place]] or cell
                values = torch.stack([person[i, f, j] for f, j in cell])
                found[0].append(values.mean())
                found[1].append((values - values.mean()).square().mean().sqrt())
    return [torch.stack(each) for each in found]


def mixed(cells, *, channels):
    """SciPy's cosine transform over the channels of each cell."""
    return torch.from_numpy(dct(cells.view(channels, -1).numpy(), axis=0, norm="ortho")).flatten()


@pytest.mark.parametrize("hidden", [False, True])
def test_grid_equals_plain_loops(hidden):
    maps = [feature_map(n=2, c=2), 100 * feature_map(n=2, c=3, t=5) + 40]
    seen = torch.rand(2, 35, 25, 2, generator=torch.Generator().manual_seed(1)) < 0.1 if hidden else None
    if hidden:
        seen[0, :, 4:12] = False  # arms that are never seen
    expected = []
    for x in maps:
        t = x.shape[3]
        of_map = None if seen is None else seen.view(2, t, 35 // t, 25, 2).any(dim=2)
        rows = []
        for i in range(2):
            persons = [describe_cells(x[i, m], None if of_map is None else of_map[i, ..., m]) for m in range(2)]
            means = [torch.stack(each).mean(dim=0) for each in zip(*persons, strict=True)]
            rows.append(torch.cat([mixed(each / each.norm(), channels=x.shape[2]) for each in means]))
        expected.append(torch.stack(rows))
    expected = torch.cat(expected, dim=1)
    torch.testing.assert_close(readout(maps, "grid", layout=LAYOUT, seen=seen), expected)
    module = ReadoutPool("grid", layout=LAYOUT).double()
    torch.testing.assert_close(module(maps, seen=seen), expected)
    assert expected.shape[1] == 5 * module.groups


def test_grid_leaves_absent_persons_out_and_stays_finite():
    maps = [feature_map()]
    mask = torch.tensor([[True, False], [True, True], [True, False]])
    found = readout(maps, "grid", layout=LAYOUT, person_mask=mask)
    alone = readout([maps[0][:, :1]], "grid", layout=LAYOUT)
    torch.testing.assert_close(found[[0, 2]], alone[[0, 2]])
    nothing = torch.zeros(1, 1, 2, 4, 25, requires_grad=True)
    readout([nothing], "grid", layout=LAYOUT).sum().backward()
    assert nothing.grad.isfinite().all()


def test_grid_names_the_joints_and_the_maps_it_expects():
    with pytest.raises(TypeError, match=r"'grid' expected several maps, got Tensor; pass encoder\.block_maps\(x\) of"):
        readout(feature_map(), "grid", layout=LAYOUT)
    with pytest.raises(ValueError, match="expected the 20 joints of the layout on the last axis, got 25"):
        readout([feature_map()], "grid", layout="nw-ucla")


def test_grid_of_an_encoder_without_blocks_or_joints():
    dsta = DSTA("nw-ucla", frames=8, layers=[(4, 4, 2, 1)]).eval()
    x = torch.randn(2, 3, 8, 20, 1)
    assert ReadoutEncoder(dsta, "grid")(x).equal(readout([dsta(x)], "grid", layout="nw-ucla"))
    bigru = BiGRU("nw-ucla", hidden_features=4, num_layers=1, persons=1).eval()
    assert ReadoutEncoder(bigru, "grid")(x).shape == (2, 6 * 8)


class _Grid(ReadoutPool):
    def __init__(self):
        super().__init__("grid", layout="nw-ucla")

    def forward(self, feature_map):
        return super().forward([feature_map])


class ReadoutTester(BlockTester):
    """What every block promises, for one kind of readout."""

    kind = "mean"

    def make(self):
        return ReadoutPool(self.kind, layout="nw-ucla")

    def inputs(self):
        return (torch.randn(2, 2, 3, 6, 20, generator=torch.Generator().manual_seed(1)),)

    def gradient_inputs(self):
        return (torch.randn(1, 1, 1, 3, 20, generator=torch.Generator().manual_seed(1)),)


class TestBody(ReadoutTester):
    kind = "body"


class TestThirds(ReadoutTester):
    kind = "thirds"


class TestMeanStd(ReadoutTester):
    kind = "mean_std"


class TestGrid(ReadoutTester):
    def make(self):
        return _Grid()


class TestPositive(ReadoutTester):
    kind = "positive"
    test_gradients = None  # a share of positive values has none
    test_autocast = None


class TestReadoutEncoder(BlockTester):
    def make(self):
        torch.manual_seed(0)
        return ReadoutEncoder(STGCN("coco-17", base_channels=1, out_channels=2, dropout=0.0).eval(), "blocks")

    def inputs(self):
        return (torch.randn(2, 3, 6, 17, 1, generator=torch.Generator().manual_seed(1)),)

    test_gradients = None  # of the encoder and of the readouts, tested apart
