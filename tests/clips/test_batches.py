import numpy as np
import pytest
import torch

from skelblocks.clips import ClipDataset, batches
from skelblocks.data import ArrayDataset


@pytest.fixture
def dataset():
    return ArrayDataset(np.random.default_rng(0).standard_normal((11, 3, 6, 20, 1)), layout="nw-ucla")


def test_the_defaults_are_those_of_a_training_where_there_is_a_seed(dataset):
    assert isinstance(dataset, ClipDataset)
    plain = [batch.index.tolist() for batch in batches(dataset, 4)]
    assert plain == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    seeded = [batch.index.tolist() for batch in batches(dataset, 4, seed=3, epoch=1)]
    assert [len(each) for each in seeded] == [4, 4]
    assert seeded == [batch.index.tolist() for batch in dataset.batches(4, seed=3, epoch=1)]
    assert seeded != [batch.index.tolist() for batch in batches(dataset, 4, seed=3, epoch=2)]
    kept = batches(dataset, 4, seed=3, shuffle=False, drop_last=False)
    assert [batch.index.tolist() for batch in kept] == plain


def test_a_generator_draws_the_order(dataset):
    def order(seed):
        generator = torch.Generator().manual_seed(seed)
        return [i for batch in batches(dataset, 4, shuffle=True, generator=generator) for i in batch.index.tolist()]

    assert order(1) == order(1) != order(2)
    assert sorted(order(1)) == list(range(11))


def test_ranks_share_each_step_and_a_start_goes_on(dataset):
    alone = [batch.index.tolist() for batch in batches(dataset, 6, seed=1, drop_last=False)]
    ranks = [
        [b.index.tolist() for b in batches(dataset, 3, seed=1, drop_last=False, rank=r, world_size=2)] for r in (0, 1)
    ]
    assert [a + b for a, b in zip(*ranks, strict=True)] == alone
    later = [batch.index.tolist() for batch in batches(dataset, 6, seed=1, drop_last=False, start=1)]
    assert later == alone[1:]
    for batch in batches(dataset, 4, seed=5):
        assert batch.clip.equal(dataset.batch(batch.index.numpy()))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size: expected an integer >= 1, got 0"),
        ({"batch_size": -4}, ValueError, "batch_size: expected an integer >= 1, got -4"),
        ({"batch_size": 2.5}, TypeError, "batch_size: expected an integer"),
        ({"batch_size": True}, TypeError, "batch_size: expected an integer"),
        ({"rank": 1}, ValueError, r"rank: expected 0\.\.0, got 1"),
        ({"seed": 1, "generator": torch.Generator()}, ValueError, "seed: expected a seed or a generator, got both"),
        ({"shuffle": True, "world_size": 2}, ValueError, "seed: expected an integer .* got None"),
        ({"shuffle": True, "start": 1}, ValueError, "seed: expected an integer .* got None"),
        ({"batch_size": 12, "drop_last": True}, ValueError, "expected 12 clips for a step, got a set of 11"),
        ({"start": 4}, ValueError, r"start: expected 0\.\.3"),
        ({"seed": -1}, ValueError, "seed: expected an integer >= 0"),
    ],
)
def test_what_is_refused_before_the_first_batch(dataset, options, error, message):
    with pytest.raises(error, match=message):
        batches(dataset, **{"batch_size": 4, **options})
