"""The stopping rule without labels."""

import importlib

import numpy as np
import pytest
import torch
from torch import nn

from skelblocks.data import ArrayDataset, Preprocessing
from skelblocks.training import keep_encoder
from skelblocks.training.keep_encoder import TOLERANCE, found_share, mixed


class Mean(nn.Module):
    """A feature per clip from its mean coordinates; with the bias far away, all clips have the same direction."""

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(3))
        self.register_buffer("steps", torch.tensor(0))

    def forward(self, x):
        return (x.mean(dim=(2, 3, 4)) + self.bias)[:, None, :, None, None]


@pytest.fixture
def clips():
    directions = np.random.default_rng(0).standard_normal((40, 3, 1, 1, 1)).astype(np.float32)
    x = np.broadcast_to(directions, (40, 3, 16, 15, 1)).copy()
    return ArrayDataset(x, layout="sbu", preprocessing=Preprocessing(frames=16, center=None))


def kept(clips, bias):
    encoder = Mean()
    start = {name: value.clone() for name, value in encoder.state_dict().items()}
    with torch.no_grad():
        encoder.bias.fill_(bias)
        encoder.steps.fill_(7)
    return encoder, keep_encoder(encoder, start, clips, shear_amplitude=0.0)


def test_a_training_that_spoils_nothing_is_kept(clips):
    encoder, result = kept(clips, 0.01)
    assert result.step == 0.5
    assert encoder.bias[0].item() == pytest.approx(0.005)
    assert result.found[0.5] >= result.found[0.0] - TOLERANCE


def test_a_training_that_spoils_everything_ends_at_the_start(clips):
    encoder, result = kept(clips, 1e6)
    assert result.step == 0.0
    assert list(result.found) == [0.0, 0.5, 0.25]
    assert encoder.bias.tolist() == [0.0] * 3
    assert encoder.steps == 0


def test_the_largest_step_that_is_good_enough_is_taken(clips, monkeypatch):
    shares = iter([0.9, 0.88, 0.895])
    module = importlib.import_module("skelblocks.training.keep_encoder")  # a function of the package has its name
    monkeypatch.setattr(module, "found_share", lambda *_: next(shares))
    encoder, result = kept(clips, 1.0)
    assert result.step == 0.25
    assert encoder.bias.tolist() == [0.25] * 3


def test_a_clip_is_found_by_the_direction_of_its_other_view():
    features = torch.tensor([[1.0, 0.0], [0.0, 5.0]])
    assert found_share(features, features * 3) == 1.0
    assert found_share(features, features.flip(0)) == 0.0


def test_integers_are_the_last_ones():
    start, last = ({"count": torch.tensor(count), "w": torch.tensor(float(count))} for count in (1, 3))
    assert mixed(start, last, step=0.5) == {"count": torch.tensor(3), "w": torch.tensor(2.0)}
