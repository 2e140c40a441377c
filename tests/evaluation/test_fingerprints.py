import collections
import copy
import datetime
import decimal
import enum
import fractions
import functools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, Subset

from skelblocks.data import ArrayDataset, PreparedSet, Preprocessing, RawClip, prepare
from skelblocks.encoders import STGCN
from skelblocks.evaluation import data_fingerprint, weights_fingerprint
from skelblocks.evaluation.describe_value import describe_value
from skelblocks.testing import with_cuda


def encoder():
    torch.manual_seed(0)
    return STGCN("nw-ucla", base_channels=4, out_channels=8)


def split(names, origin):
    return [int(name) < 3 for name in names]


def prepared(folder, n=5, seed=0):
    x = np.random.default_rng(seed).standard_normal((n, 3, 8, 20, 1)).astype(np.float32)
    clips = [(str(i), lambda i=i: RawClip(str(i), x[i], np.ones((8, 1), dtype=bool), i % 2, {})) for i in range(n)]
    prepare(
        clips,
        out=folder,
        layout="nw-ucla",
        preprocessing=Preprocessing(frames=8, center=None),
        part=split,
        protocol="mine",
    )
    return folder


def test_every_weight_and_every_buffer_counts_down_to_its_last_bit():
    module = encoder()
    seen = {weights_fingerprint(module)}
    tensors = [*module.parameters(), *module.buffers()]
    for tensor in tensors:
        flat = tensor.data.view(-1).view(torch.uint8)
        flat[0] ^= 1
        seen.add(weights_fingerprint(module))
        flat[0] ^= 1
    assert len(seen) == 1 + len(tensors)
    assert weights_fingerprint(module) in seen


def test_copies_devices_modes_and_processes_do_not_count():
    module = encoder()
    expected = weights_fingerprint(module)
    assert weights_fingerprint(copy.deepcopy(module).eval()) == expected
    assert weights_fingerprint(module.requires_grad_(False)) == expected
    code = (
        "from torch import nn; from skelblocks.evaluation import weights_fingerprint; layer = nn.Linear(2, 2); "
        "nn.init.ones_(layer.weight); nn.init.ones_(layer.bias); print(weights_fingerprint(layer))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == weights_fingerprint(Told().layer)


class Told(nn.Module):
    def __init__(self, **attributes):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        nn.init.ones_(self.layer.weight)
        nn.init.ones_(self.layer.bias)
        vars(self).update(attributes)


class Other(Told):
    def __repr__(self):
        return super().__repr__().replace("Other", "Told")


def test_the_same_weights_in_another_architecture_are_another():
    modules = [
        Told(),
        Other(),
        Told(eps=1e-5),
        Told(eps=1e-6),
        Told(eps=1),
        Told(eps=True),
        Told(eps="1"),
        Told(_eps=1),
        Told(sizes=(1, 2)),
        Told(sizes=[1, 2]),
        Told(sizes=[2, 1]),
        Told(sizes={"a": 1}),
        Told(activation=torch.relu),
        Told(activation=torch.nn.functional.gelu),
        Told(kind=torch.float32),
        Told(kind=torch.float64),
        Told(scale=torch.ones(2)),
        Told(scale=torch.ones(2, 1)),
        Told(scale=np.ones(2)),
        Told(scale=np.zeros(2)),
        Told().double(),
        nn.Sequential(Told(), nn.ReLU()),
        nn.Sequential(Told(), nn.Dropout(0.1)),
        nn.Sequential(Told(), nn.Dropout(0.2)),
    ]
    assert len({weights_fingerprint(module) for module in modules}) == len(modules)
    assert weights_fingerprint(Told(sizes=[1, torch.ones(2)])) == weights_fingerprint(Told(sizes=[1, torch.ones(2)]))


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Plain:
    def __init__(self, value):
        self.value = value

    def __call__(self, x):
        return x + self.value


def hooked(hook):
    module = Told()
    module.layer.register_forward_hook(hook)
    return module


def adder(n):
    return lambda x: x + n


def cached(n):
    return functools.lru_cache(lambda x: x + n)


ALIKE = [  # by name, class or length
    (np.float32(1), np.float32(2), np.float64(1)),
    (np.int64(1), np.bool_(True), 1),
    (functools.partial(torch.clamp, min=0), functools.partial(torch.clamp, min=1), functools.partial(torch.relu)),
    (frozenset({1, 2}), frozenset({1, 3}), {1, 2}),
    (Color.RED, Color.BLUE),
    (slice(0, 2), slice(0, 3), slice(0, 2, 2)),
    (range(2), range(3), range(0, 2, 2)),
    (lambda x: x, lambda x: x + 1, lambda x, y=1: x, lambda x, y=2: x),
    (adder(1), adder(2)),
    (cached(1), cached(2)),
    (Plain(1), Plain(2), Plain(1.0)),
    (Plain(1).__call__, Plain(2).__call__),
    (Path("a"), Path("b")),
    (collections.deque([1]), collections.deque([2])),
    (collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1), {"a": 1, "b": 2}),
    (collections.defaultdict(int, a=1), collections.defaultdict(float, a=1)),
    (b"a", b"b", bytearray(b"a")),
    (decimal.Decimal("1.0"), decimal.Decimal("1.1")),
    (fractions.Fraction(1, 2), fractions.Fraction(1, 3)),
    (datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)),
    (torch.Size([1]), torch.Size([2]), (1,)),
    (np.array([None, 1]), np.array([None, 2])),
    (np.ma.masked_equal([1, 2], 1), np.ma.masked_equal([1, 2], 2), np.array([1, 2])),
    (torch.eye(2).to_sparse(), torch.ones(2, 2).to_sparse()),
    ([nn.Linear(2, 2).requires_grad_(False)], [nn.Linear(2, 2)]),
    ("one".upper, "two".upper),
    (torch.device("cpu"), torch.device("cuda")),
    (Told, Other),
]


@pytest.mark.parametrize("values", ALIKE, ids=[type(values[0]).__name__ + str(i) for i, values in enumerate(ALIKE)])
def test_values_that_look_alike_are_told_apart(values):
    found = [describe_value(value) for value in values]
    assert len(set(found)) == len(values)
    assert found == [describe_value(value) for value in values]
    assert len({weights_fingerprint(Told(held=[value])) for value in values}) == len(values)


def test_hooks_count_and_so_does_their_code():
    modules = [Told(), hooked(lambda m, x, y: y), hooked(lambda m, x, y: 2 * y), hooked(lambda m, x, y: 3 * y)]
    before = Told()
    before.register_forward_pre_hook(lambda m, x: None)
    assert len({weights_fingerprint(module) for module in (*modules, before)}) == 5
    removed = Told()
    removed.layer.register_forward_hook(lambda m, x, y: 0).remove()
    assert weights_fingerprint(removed) == weights_fingerprint(Told())
    again = hooked(lambda m, x, y: 2 * y)
    assert weights_fingerprint(again) != weights_fingerprint(Told())


def test_an_object_that_holds_itself_has_an_end():
    held = Plain(1)
    held.value = [held]
    nested = []
    nested.append(nested)
    assert describe_value(held) != describe_value(nested)


def test_buffers_that_are_not_saved_count_and_so_does_the_order():
    def with_buffers(**buffers):
        module = nn.Identity()
        for name, values in buffers.items():
            module.register_buffer(name, torch.tensor(values), persistent=False)
        return weights_fingerprint(module)

    assert with_buffers(a=1.0) != with_buffers(a=2.0)
    assert with_buffers(a=1.0, b=2.0) != with_buffers(b=2.0, a=1.0)
    assert with_buffers(a=[]) != with_buffers(a=[[]])


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 9), cuts=st.lists(st.integers(1, 9), min_size=1, max_size=4), data=st.data())
def test_clips_count_by_content_whatever_the_batches(n, cuts, data):
    x = torch.randn(n, 2, 4, 3, 2, generator=torch.Generator().manual_seed(n))
    expected = data_fingerprint(x)
    for size in cuts:
        assert data_fingerprint(x.split(size)) == expected
        assert data_fingerprint([(part, torch.zeros(len(part))) for part in x.split(size)]) == expected
    place = data.draw(st.integers(0, x.numel() - 1))
    changed = x.clone()
    changed.view(-1)[place] = torch.nextafter(changed.view(-1)[place], torch.tensor(9.0))
    others = [changed, x.double(), x.transpose(1, 3), x.view(n, 2, 4, 6, 1), torch.cat((x, x[:1]))]
    assert len({expected, *map(data_fingerprint, others)}) == 6
    if n > 1:
        assert data_fingerprint(x.flip(0)) != expected


def test_strides_and_gradients_do_not_count():
    x = torch.randn(4, 3, 8, 20, 2)
    strided = x.permute(0, 2, 3, 4, 1).contiguous().permute(0, 4, 1, 2, 3).requires_grad_()
    assert not strided.is_contiguous()
    assert data_fingerprint(strided) == data_fingerprint(x)


def test_datasets_and_loaders_count_as_the_clips_that_they_give():
    dataset = ArrayDataset(
        np.random.default_rng(0).standard_normal((7, 3, 9, 20, 1)),
        layout="nw-ucla",
        preprocessing=Preprocessing(frames=8),
    )
    expected = data_fingerprint(dataset.as_tensor())
    before = torch.get_rng_state()
    assert data_fingerprint(dataset) == expected
    assert data_fingerprint(Subset(dataset, range(7))) == expected
    assert torch.get_rng_state().equal(before)
    assert data_fingerprint(DataLoader(dataset, batch_size=3)) == expected
    assert data_fingerprint(dataset.subset([1, 0, 2, 3, 4, 5, 6])) != expected


def test_a_prepared_set_counts_by_its_manifest_and_part(tmp_path):
    first, again, other = prepared(tmp_path / "a"), prepared(tmp_path / "b"), prepared(tmp_path / "c", seed=1)
    assert data_fingerprint(PreparedSet(first)) == data_fingerprint(PreparedSet(again))
    sets = [PreparedSet(first), PreparedSet(first, "train"), PreparedSet(first, "test"), PreparedSet(other)]
    assert len({*map(data_fingerprint, sets)}) == 4

    class Doubled(PreparedSet):
        def batch(self, indices):
            return 2 * super().batch(indices)

    assert data_fingerprint(Doubled(first)) == data_fingerprint(2 * PreparedSet(first).batch(range(5)))


@pytest.mark.parametrize(
    ("clips", "error", "message"),
    [
        (
            iter([torch.zeros(2, 3, 4, 5, 1)]),
            TypeError,
            "clips: expected clips that can be read twice, got an iterator",
        ),
        ([{"clip": 1}], TypeError, "clips: expected a tensor, got dict"),
        (torch.zeros(2, 3, 4, 5), ValueError, "clips: expected 5 axes"),
        ([torch.zeros(2, 3)], ValueError, "clips: expected 5 axes"),
        ([], ValueError, "clips: expected at least one, got none"),
        (torch.zeros(0, 3, 4, 5, 1), ValueError, "clips: expected at least one, got none"),
        (
            [torch.zeros(2, 3, 4, 5, 1), torch.zeros(2, 3, 4, 5, 2)],
            ValueError,
            r"clips: expected .*\(3, 4, 5, 1\), got",
        ),
    ],
)
def test_wrong_clips_say_what_was_expected(clips, error, message):
    with pytest.raises(error, match=message):
        data_fingerprint(clips)


def test_only_modules_have_weights():
    with pytest.raises(TypeError, match=r"encoder: expected a torch\.nn\.Module, got function"):
        weights_fingerprint(lambda x: x)


@with_cuda
def test_the_device_does_not_count():
    x = torch.randn(3, 3, 8, 20, 2)
    assert data_fingerprint(x.cuda()) == data_fingerprint(x)
    assert weights_fingerprint(encoder().cuda()) == weights_fingerprint(encoder())
