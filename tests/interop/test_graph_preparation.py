"""The preparation as a graph: against the numpy steps, for every setting, with gaps, absent persons and padding."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks import layouts, streams
from skelblocks.clips import Preprocessing
from skelblocks.clips.preprocessing import ALIGNMENTS, ORIGINS, PER, SCALES
from skelblocks.data import preprocess
from skelblocks.interop import GraphPreparation
from skelblocks.testing import BlockTester


def recorded(layout="ntu-rgb+d", *, n=4, c=3, t=23, m=2, seed=0):
    """Clips with padding, gaps, a late person, an absent person, and a clip without anybody."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, c, t, layouts.get(layout).num_joints, m))
    x[0, :, 15:] = 0  # padding
    x[0, :, 5:8, :, 0] = 0  # a gap
    if m > 1:
        x[1, ..., 1] = 0  # absent
        x[2, :, :6, :, 0] = 0  # comes late
        x[2, ..., 12:, :, 1] = 0
    x[3] = 0  # nobody
    return x


def check(preprocessing, layout="ntu-rgb+d", *, stream="joint", x=None, target=None):
    x = recorded(layout) if x is None else x
    expected = torch.from_numpy(preprocess(x, layout=layout, preprocessing=preprocessing))
    own = preprocessing.layout_of(layout)
    expected = streams.convert(expected, stream, layout=own)
    module = GraphPreparation(preprocessing, layout=layout, channels=x.shape[1], stream=stream, target=target)
    found = module(torch.from_numpy(x))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("per", PER)
def test_centers_and_resamples_as_numpy_does(per, origin):
    check(Preprocessing(frames=50, per=per, origin=origin, persons=3))
    check(Preprocessing(frames=7, per=per, origin=origin, center="spine_base"))


@pytest.mark.parametrize("align", ALIGNMENTS)
def test_turns_as_numpy_does(align):
    check(Preprocessing(frames=20, align=align))


@pytest.mark.parametrize("scale", SCALES)
def test_scales_as_numpy_does(scale):
    check(Preprocessing(frames=20, scale=scale, align="frame"))


@pytest.mark.parametrize("stream", streams.STREAMS)
def test_streams(stream):
    check(Preprocessing(frames=20), stream=stream)


def test_keeps_frames_and_centers_on_demand():
    check(Preprocessing(frames=None, center=None))
    check(Preprocessing(frames=1))


def test_remaps_before_all_else():
    check(Preprocessing(frames=20, to="ntu-rgb+d", align="official", scale="spine", persons=2), "nw-ucla")
    check(Preprocessing(frames=20, to="h36m-17", missing="nearest"), "coco-17")


def test_pictures():
    x = recorded("coco-17", c=2)
    check(Preprocessing(frames=20, y="down", center=None, scale="bones"), "coco-17", x=x)
    check(Preprocessing(frames=20, y="down", coordinates=3, to="h36m-17"), "coco-17", x=x)
    check(Preprocessing(frames=20, coordinates=2, y="down"))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 30),
    st.integers(1, 40),
    st.sampled_from(PER),
    st.sampled_from(ORIGINS),
    st.sampled_from([None, *ALIGNMENTS]),
    st.integers(0, 1000),
)
def test_any_length_and_any_gaps(t, frames, per, origin, align, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, 3, t, 25, 2)) * (rng.random((2, 1, t, 1, 2)) < 0.6)
    check(Preprocessing(frames=frames, per=per, origin=origin, align=align), x=x)


def test_what_is_refused():
    with pytest.raises(ValueError, match="expected y='up' or 'down', got 'auto'"):
        GraphPreparation(Preprocessing(y="auto"), layout="coco-17")
    with pytest.raises(ValueError, match="align: expected 3 coordinates"):
        GraphPreparation(Preprocessing(align="clip"), layout="coco-17", channels=2)
    with pytest.raises(ValueError, match="stream: expected one of"):
        GraphPreparation(Preprocessing(), layout="coco-17", stream="pose")
    with pytest.raises(ValueError, match="clips: expected"):
        GraphPreparation(Preprocessing(), layout="coco-17")(torch.randn(2, 3, 9, 25, 1))


class TestGraphPreparation(BlockTester):
    def make(self):
        return GraphPreparation(Preprocessing(frames=6, align="frame", scale="bones", persons=1), layout="sbu")

    def inputs(self):
        return (torch.randn(2, 3, 9, 15, 1, generator=torch.Generator().manual_seed(0)),)

    def gradient_inputs(self):
        return (torch.randn(1, 3, 3, 15, 1, generator=torch.Generator().manual_seed(0)),)

    test_autocast = None  # coordinates stay in the precision that they come in
