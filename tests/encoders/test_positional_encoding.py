import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.encoders import positional_encoding


@given(channels=st.integers(1, 33), length=st.integers(1, 20))
@settings(max_examples=30, deadline=None)
def test_equals_the_formula(channels, length):
    encoding = positional_encoding(channels, length)
    assert encoding.shape == (channels, length)
    assert encoding.dtype == torch.float32
    for c in range(channels):
        wave = math.cos if c % 2 else math.sin
        row = [wave(p / 10000 ** ((c - c % 2) / channels)) for p in range(length)]
        torch.testing.assert_close(encoding[c], torch.tensor(row), rtol=0, atol=1e-7)


def test_positions_differ_and_sizes_below_one_are_refused():
    encoding = positional_encoding(8, 64)
    assert len(encoding.t().unique(dim=0)) == 64
    with pytest.raises(ValueError, match="channels: expected an integer >= 1, got 0"):
        positional_encoding(0, 4)
    with pytest.raises(ValueError, match="length: expected an integer >= 1, got 0"):
        positional_encoding(4, 0)
