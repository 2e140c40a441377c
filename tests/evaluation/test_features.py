import copy

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from skelblocks import layouts
from skelblocks.data import ArrayDataset, Preprocessing, person_mask
from skelblocks.encoders import STGCN, Pool, ReadoutEncoder, fold_batch_norm, pool
from skelblocks.evaluation import extract_features, nearest_neighbors
from skelblocks.evaluation.frozen import frozen


class Encoder(nn.Module):
    """A feature map (n, m, 4, t, v), with a BatchNorm and dropout that must not be in training mode."""

    def __init__(self, embed=False):
        super().__init__()
        self.conv = nn.Conv3d(3, 4, 1)
        self.norm = nn.BatchNorm3d(4)
        self.drop = nn.Dropout(0.5)
        self.embed = embed
        self.sizes = []
        nn.init.normal_(self.norm.running_mean)

    def forward(self, x):
        self.sizes.append(len(x))
        feature_map = self.drop(self.norm(self.conv(x))).permute(0, 4, 1, 2, 3)
        return pool(feature_map) if self.embed else feature_map


def clips(n=10, persons=2):
    x = torch.randn(n, 3, 6, 5, persons, generator=torch.Generator().manual_seed(0))
    x[::3, ..., 1:] = 0
    return x


def test_equals_pooling_the_encoder_in_evaluation_mode_whatever_the_batches():
    encoder, x = Encoder(), clips()
    expected = pool(encoder.eval()(x)).detach()
    encoder.train()
    for batch_size in (1, 3, 10, 256):
        torch.testing.assert_close(extract_features(encoder, x, batch_size=batch_size), expected)
    encoder.sizes.clear()
    extract_features(encoder, x, batch_size=4)
    assert encoder.sizes == [4, 4, 2]


def test_embeddings_are_taken_as_they_are():
    encoder, x = Encoder(embed=True), clips()
    torch.testing.assert_close(extract_features(encoder, x, pool=None), encoder.eval()(x).detach())


def test_every_submodule_has_its_flag_back_and_no_buffer_has_changed():
    encoder = Encoder()
    encoder.norm.eval()  # a frozen layer in an encoder that trains
    state = {name: value.clone() for name, value in encoder.state_dict().items()}
    extract_features(encoder, clips())
    assert [encoder.training, encoder.norm.training, encoder.drop.training] == [True, False, True]
    assert all(value.equal(state[name]) for name, value in encoder.state_dict().items())
    with pytest.raises(RuntimeError):
        extract_features(encoder, torch.randn(2, 7, 6, 5, 1))  # the convolution wants three channels
    assert [encoder.training, encoder.norm.training, encoder.drop.training] == [True, False, True]


def test_the_features_can_train_a_probe():
    features = extract_features(Encoder(), clips())
    assert not features.requires_grad
    head = nn.Linear(4, 2)
    head(features).sum().backward()  # an inference tensor would raise here
    assert head.weight.grad is not None


def test_loaders_and_other_iterables_give_the_same_as_the_tensor():
    encoder = Encoder()
    dataset = ArrayDataset(
        torch.randn(7, 3, 9, 20, 1).numpy(), layout="nw-ucla", preprocessing=Preprocessing(frames=8), labels=[0] * 7
    )
    x = dataset.as_tensor()
    expected = extract_features(encoder, x)
    for batches in (DataLoader(dataset, batch_size=3), dataset.batches(3), x.split(2), [[x, dataset.labels]]):
        torch.testing.assert_close(extract_features(encoder, batches), expected)


def test_transform_comes_before_the_encoder_and_after_the_search_for_persons():
    encoder, x = Encoder(), clips()
    shifted = extract_features(encoder, x, transform=lambda batch: batch + 1)
    torch.testing.assert_close(shifted, extract_features(encoder, x + 1))
    got = extract_features(encoder, x, transform=lambda batch: batch + 1, skip_absent=True)
    torch.testing.assert_close(got, pool(encoder.eval()(x + 1), person_mask(x)).detach())
    assert not torch.allclose(got, shifted)


@pytest.mark.parametrize("layout", layouts.available())
@pytest.mark.parametrize("persons", [1, 2])
def test_the_real_encoder_on_every_layout(layout, persons):
    encoder = STGCN(layout, in_channels=3, base_channels=4, out_channels=8, dropout=0.5)
    x = torch.randn(1, 3, 16, layouts.get(layout).num_joints, persons)
    assert extract_features(encoder, x).shape == (1, 8)


def test_autocast_is_the_callers_choice():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = extract_features(nn.Sequential(nn.Flatten(), nn.Linear(3 * 6 * 5 * 2, 8)), clips())
    assert features.dtype == torch.bfloat16


def test_an_encoder_without_parameters_works_where_the_clips_are():
    assert extract_features(nn.Flatten(), clips()).shape == (10, 180)


@pytest.mark.parametrize(
    ("encoder", "batches", "message"),
    [
        (Encoder(), torch.zeros(2, 3, 6, 5), "clips: expected 5 axes"),
        (Encoder(), torch.zeros(0, 3, 6, 5, 1), "at least one, got none"),
        (Encoder(), iter(()), "at least one, got none"),
        (Encoder(), [torch.zeros(2, 3)], "clips: expected 5 axes"),
        (Encoder(), [(torch.zeros(3, 6, 5, 1), 0)], r"clips: expected 5 axes .*dataset\.as_tensor\(\) or a DataLoader"),
        (nn.Identity(), torch.zeros(2, 3, 6, 5, 1).expand(2, 3, 6, 5, 1), None),
        (nn.Flatten(0, 1), torch.zeros(2, 3, 6, 5, 1), "features from the encoder or pool: expected 2 axes"),
        (nn.Flatten(0, 3), torch.zeros(2, 3, 6, 5, 1), "axis 'n' is 180, not 2"),
    ],
)
def test_wrong_clips_and_features_say_what_was_expected(encoder, batches, message):
    if message is None:  # five axes count as a feature map
        assert extract_features(encoder, batches).shape == (2, 6)
        return
    with pytest.raises(ValueError, match=message):
        extract_features(encoder, batches)


def test_other_types_are_refused():
    with pytest.raises(TypeError, match=r"encoder: expected a torch\.nn\.Module, got function"):
        extract_features(lambda x: x, clips())
    with pytest.raises(TypeError, match=r"got a dict of \['clip'\]"):
        extract_features(Encoder(), [{"clip": clips()}])
    with pytest.raises(TypeError, match="clips: expected a tensor, got int"):
        extract_features(Encoder(), [(1, 2)])
    for batch_size in (2.5, "2", None, True):
        with pytest.raises(TypeError, match="batch_size: expected an integer >= 1, got"):
            extract_features(Encoder(), clips(), batch_size=batch_size)
    for batch_size in (0, -4):
        with pytest.raises(ValueError, match="batch_size: expected an integer >= 1, got"):
            extract_features(Encoder(), clips(), batch_size=batch_size)


def test_absent_persons_cannot_leave_what_is_pooled_already():
    with pytest.raises(ValueError, match=r"skip_absent: the encoder gives features of shape \(5, 180\), in which"):
        extract_features(nn.Flatten(), clips()[:5], skip_absent=True)


def trained_encoder(**options):
    """An encoder whose batch norms do something, and which trains."""
    torch.manual_seed(0)
    encoder = STGCN("sbu", base_channels=4, out_channels=16, **options)
    encoder(torch.randn(8, 3, 12, 15, 2) + 1)
    return encoder


class Named(STGCN):
    """A subclass, which may do something else than fold_batch_norm knows."""


def test_an_st_gcn_is_folded_inside_other_modules_too_and_stays_as_it_was():
    encoder, x = trained_encoder(), torch.randn(5, 3, 12, 15, 2)
    expected = pool(copy.deepcopy(encoder).eval()(x)).detach()
    state = copy.deepcopy(encoder.state_dict())
    for model in (encoder, ReadoutEncoder(encoder), nn.Sequential(encoder, nn.Sequential(Pool(), nn.Identity()))):
        parts = [part for part in frozen(model).modules() if isinstance(part, nn.BatchNorm2d)]
        assert not parts
        features = extract_features(model, x)
        assert (features - expected).abs().max() <= 1e-5 * expected.abs().max()
        assert model.training
        assert encoder.blocks[3].graph_norm.training
    assert all(value.equal(state[name]) for name, value in encoder.state_dict().items())


def test_what_folding_does_not_know_stays_as_it_is():
    hooked, forward, half, without, other = (trained_encoder() for _ in range(5))
    seen = []
    hooked.blocks[2].graph_norm.register_forward_hook(lambda *_: seen.append(1))
    forward.blocks[1].forward = forward.blocks[1].forward
    half.to(torch.bfloat16)
    without.blocks[0].temporal_norm = nn.BatchNorm2d(4, track_running_stats=False)
    other.__class__ = Named
    for encoder in (hooked, forward, half, without, other, nn.Linear(3, 3)):
        assert frozen(encoder) is encoder
    folded = fold_batch_norm(trained_encoder())
    assert frozen(folded) is folded
    extract_features(hooked, torch.randn(2, 3, 12, 15, 2))
    assert seen


def test_neighbors_are_those_of_the_encoder_itself():
    encoder, x = trained_encoder(), torch.randn(60, 3, 12, 15, 2)
    plain = pool(copy.deepcopy(encoder).eval()(x)).detach()
    both = (extract_features(encoder, x), plain)
    first, second = (nearest_neighbors(each, each, k=5, exclude_self=True)[1] for each in both)
    assert first.equal(second)


@pytest.mark.parametrize("kind", ["mean", "body", "blocks"])
def test_bfloat16_gives_features_in_float32_that_are_close(kind):
    encoder, x = ReadoutEncoder(trained_encoder(), kind), torch.randn(6, 3, 12, 15, 2)
    exact, half = extract_features(encoder, x), extract_features(encoder, x, precision="bf16")
    assert half.dtype == torch.float32
    assert not half.equal(exact)
    assert (half - exact).abs().max() <= 0.02 * exact.abs().max()


@pytest.mark.parametrize(("native", "half"), [("amx_bf16", True), (None, False)])
def test_auto_goes_by_the_device_and_leaves_double_precision_alone(monkeypatch, native, half):
    monkeypatch.setattr("skelblocks.evaluation.frozen.native_bfloat16", lambda device: native)
    encoder, x = trained_encoder(), torch.randn(4, 3, 12, 15, 1)
    expected = extract_features(encoder, x, precision="bf16" if half else "own")
    assert extract_features(encoder, x, precision="auto").equal(expected)
    encoder.double()
    assert extract_features(encoder, x.double(), precision="auto").dtype == torch.float64


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match=r"precision: expected .*own.*bf16.*auto"):
        extract_features(Encoder(), clips(), precision="fp8")
