import pytest
from hypothesis import given
from hypothesis import strategies as st

from skelblocks.data.recordings.window_bounds import window_bounds


@given(st.integers(1, 500), st.integers(1, 80), st.integers(1, 80))
def test_windows_have_one_length_and_cover_everything(frames, length, stride):
    bounds = window_bounds(frames, length=length, stride=stride)
    assert all(stop - start == min(length, frames) for start, stop in bounds)
    assert bounds == sorted(set(bounds))
    assert bounds[0][0] == 0
    assert bounds[-1][1] == frames
    covered = {frame for start, stop in bounds for frame in range(start, stop)}
    assert covered == set(range(frames)) or stride > length


def test_short_recordings_and_whole_ones():
    assert window_bounds(9, length=16, short="whole") == [(0, 9)]
    assert window_bounds(9, length=16, short="pad") == [(0, 16)]
    assert window_bounds(9, length=16, short="drop") == []
    assert window_bounds(9, length=None) == [(0, 9)]
    assert window_bounds(0, length=16, short="pad") == []
    assert window_bounds(64, length=16) == [(start, start + 16) for start in range(0, 49, 8)]


def test_wrong_arguments():
    with pytest.raises(ValueError, match="length: expected an integer >= 1, got 0"):
        window_bounds(9, length=0)
    with pytest.raises(TypeError, match="stride: expected an integer"):
        window_bounds(9, length=4, stride=1.5)
    with pytest.raises(ValueError, match="short: expected one of"):
        window_bounds(9, length=4, short="stretch")
