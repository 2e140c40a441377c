import copy
import pickle

import pytest
import torch
from torch import nn

from skelblocks.contrast import MomentumContrast, MomentumQueue, contrastive_logits, cosine_momentum, unit_rows
from skelblocks.losses import info_nce
from skelblocks.testing import BlockTester


def make(*, size=16, **options):
    branch = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))
    queue = MomentumQueue(4, size=size, generator=torch.Generator().manual_seed(0))
    return MomentumContrast(branch, queue=queue, **options)


def state(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def test_forward_is_the_logits_of_both_branches_and_changes_nothing():
    contrast, (first, second) = make(temperature=0.2), torch.randn(2, 3, 6)
    before = state(contrast)
    logits, keys = contrast(first, second, ids=torch.arange(3))
    query, key = contrast.query_branch(first), contrast.query_branch(second).detach()
    torch.testing.assert_close(logits, contrastive_logits(query, key, contrast.queue.bank, temperature=0.2))
    assert keys.embeddings.equal(key)
    assert keys.exclude is None
    info_nce(logits).backward()
    assert all(p.grad is not None for p in contrast.query_branch.parameters())
    assert all(p.grad is None for p in contrast.key_branch.parameters())
    assert all(tensor.equal(before[name]) for name, tensor in contrast.state_dict().items())


def test_update_moves_the_key_branch_and_enqueues_the_keys():
    contrast = make(momentum=0.9)
    weight = contrast.key_branch.encoder[0].weight.detach().clone()
    bank = contrast.queue.bank.clone()
    keys = contrast.keys(torch.randn(3, 6), torch.tensor([4, 5, 6]))
    with torch.no_grad():
        contrast.query_branch[0].weight.add_(1.0)
    contrast.update(keys)
    torch.testing.assert_close(contrast.key_branch.encoder[0].weight.detach(), weight + 0.1)
    torch.testing.assert_close(contrast.queue.bank[:3], unit_rows(keys.embeddings))
    assert contrast.queue.bank[3:].equal(bank[3:])
    assert contrast.queue.ids[:4].tolist() == [4, 5, 6, -1]


def test_momentum_follows_the_cosine():
    contrast = make(momentum=0.5, momentum_schedule="cosine")
    query, key = contrast.query_branch[0].weight, contrast.key_branch.encoder[0].weight
    with torch.no_grad():
        query.add_(1.0)
    for step in range(1, 5):
        before = (query - key).mean().item()
        contrast.update(contrast.keys(torch.randn(2, 6)), step=step, total_steps=4)
        after = (query - key).mean().item()
        assert after / before == pytest.approx(cosine_momentum(step, 4, base=0.5), rel=1e-5)


@pytest.mark.parametrize("missing", ["step", "total_steps"])
def test_cosine_without_its_steps_changes_nothing(missing):
    contrast = make(momentum_schedule="cosine")
    before, keys = state(contrast), contrast.keys(torch.randn(2, 6))
    with pytest.raises(ValueError, match=f"{missing}: expected an integer with the schedule 'cosine', got None"):
        contrast.update(keys, **({"step": 1, "total_steps": 4} | {missing: None}))
    assert all(tensor.equal(before[name]) for name, tensor in contrast.state_dict().items())


def test_own_keys_are_excluded_if_asked():
    contrast = make(size=3, exclude_own_keys=True)
    contrast.queue.enqueue(torch.randn(3, 4), ids=torch.tensor([5, 6, 7]))
    views = torch.randn(2, 2, 6)
    logits, keys = contrast(*views, ids=torch.tensor([6, 9]))
    assert keys.exclude.tolist() == [[False, True, False], [False] * 3]
    assert logits.isinf().nonzero().tolist() == [[0, 2]]
    staged = contrast.as_keys(contrast.key_branch(views[1]), torch.tensor([6, 9]))
    assert staged.exclude.equal(keys.exclude)
    with pytest.raises(ValueError, match=r"ids: expected the clips' indices \(n,\) with exclude_own_keys=True, got"):
        contrast.keys(views[1])


class TestPromises(BlockTester):
    test_gradients = None  # keys have none
    test_dtypes = None  # logits are float32, and keys have the inputs' dtype

    def make(self):
        torch.manual_seed(0)
        return make()

    def inputs(self):
        return tuple(torch.randn(2, 3, 6))


def test_wrong_settings_are_refused():
    with pytest.raises(TypeError, match=r"queue: expected a MomentumQueue, got Tensor; pass MomentumQueue\(features"):
        MomentumContrast(nn.Linear(2, 2), queue=torch.zeros(4, 2))
    with pytest.raises(TypeError, match=r"expected 1 positional argument \(query_branch\), got 2; .* by name: queue="):
        MomentumContrast(nn.Linear(2, 2), MomentumQueue(2, size=4))
    with pytest.raises(ValueError, match="temperature: expected a number > 0"):
        make(temperature=0.0)
    with pytest.raises(ValueError, match="momentum: expected a number in"):
        make(momentum=1.5)
    with pytest.raises(ValueError, match="momentum_schedule: expected one of 'constant', 'cosine', got 'linear'"):
        make(momentum_schedule="linear")


def test_copies_resume_bit_for_bit():
    contrast = make(momentum=0.9)
    contrast.update(contrast.keys(torch.randn(3, 6), torch.arange(3)))
    resumed = make(momentum=0.9)
    resumed.load_state_dict(copy.deepcopy(contrast.state_dict()))
    keys = contrast.keys(torch.randn(3, 6), torch.arange(3))
    twins = [resumed, copy.deepcopy(contrast), pickle.loads(pickle.dumps(contrast))]
    contrast.update(keys)
    for twin in twins:
        twin.update(keys)
        assert all(tensor.equal(twin.state_dict()[name]) for name, tensor in contrast.state_dict().items())


def test_repr():
    assert "temperature=0.07, momentum_schedule='constant', exclude_own_keys=False" in repr(make())


def test_compiles_in_one_graph():
    contrast, views = make(), torch.randn(2, 3, 6)
    expected, _ = contrast(*views)
    logits, keys = torch.compile(contrast, backend="eager", fullgraph=True)(*views)
    torch.testing.assert_close(logits, expected)
    twin = copy.deepcopy(contrast)
    torch.compile(contrast.update, backend="eager")(keys)
    twin.update(keys)
    assert contrast.queue.bank.equal(twin.queue.bank)
