import pytest
import torch
from small_run import options_of, small_method

from skelblocks import layouts
from skelblocks.training import load_page

PAGE = load_page("pstl")


def correlation_loss(first, second, weight):
    """Barlow Twins, pair by pair of features."""
    a, b = ((z - z.mean(0)) / (z.var(0, unbiased=False) + 1e-5).sqrt() for z in (first, second))
    total = 0.0
    for i in range(a.shape[1]):
        for j in range(a.shape[1]):
            c = (a[:, i] * b[:, j]).mean()
            total = total + ((c - 1) ** 2 if i == j else weight * c**2)
    return total


@pytest.mark.parametrize("weight", [2e-4, 0.1])
def test_the_loss_is_that_of_two_pairs(weight):
    torch.manual_seed(0)
    method = small_method(PAGE, dropout=0.0, projector_features=6, off_diagonal_weight=weight).double()
    plain, spatial = torch.randn(2, 4, 3, 16, 15, 1, dtype=torch.float64)
    temporal, kept = torch.randn(4, 3, 10, 15, 1, dtype=torch.float64), torch.tensor([0, 2, 3, 7, 9])
    maps = method.encoder(plain), method.encoder(temporal), method.encoder(spatial, keep_joints=kept)
    whole, in_time, in_space = (method.projector(each.mean(dim=(1, 3, 4))) for each in maps)
    output = method(plain, temporal, spatial, kept.expand(4, 5), ids=torch.arange(4))
    of_time, of_space = correlation_loss(whole, in_time, weight), correlation_loss(whole, in_space, weight)
    torch.testing.assert_close(output.metrics["temporal"], of_time.detach())
    torch.testing.assert_close(output.metrics["spatial"], of_space.detach())
    torch.testing.assert_close(output.loss, of_time + of_space)
    output.loss.backward()
    assert all(parameter.grad is not None for parameter in method.parameters())


@pytest.mark.parametrize("same_on_batch", [False, True])
def test_views_lack_frames_and_joints(same_on_batch):
    options = options_of(PAGE.options, same_on_batch=same_on_batch, stream="motion")
    make_views = PAGE.make_views(options, layout=layouts.get("ntu-rgb+d"))
    plain, temporal, spatial, kept = make_views(torch.randn(4, 3, 50, 25, 2), torch.Generator().manual_seed(0))
    assert plain.shape == spatial.shape == (4, 3, 50, 25, 2)
    assert temporal.shape == (4, 3, 30, 25, 2)
    assert kept.shape[:-1] == (() if same_on_batch else (4,))
    assert kept.shape[-1] >= 17


def test_the_defaults_are_those_of_the_released_code():
    options = PAGE.options()
    assert (options.train.optimizer, options.train.learning_rate, options.train.weight_decay) == ("adam", 5e-3, 1e-5)
    assert (options.train.epochs, options.train.warmup_epochs, options.train.schedule) == (150, 10, "cosine")
    assert (options.projector_features, options.off_diagonal_weight) == (6144, 2e-4)


def test_other_encoders_are_refused():
    with pytest.raises(ValueError, match=r"encoder\.kind: expected 'stgcn', got 'dsta'; PSTL's spatial mask"):
        small_method(PAGE, kind="dsta")


def test_it_trains_with_adam(small):
    result = PAGE.train(small(PAGE, same_on_batch=True, initialization="official"))
    assert {"loss", "temporal", "spatial", "knn", "linear"} <= set(result)
    state = torch.load(small(PAGE).train.folder + "/checkpoint.pt", weights_only=True)["optimizer"]
    assert "exp_avg" in next(iter(state["state"].values()))
