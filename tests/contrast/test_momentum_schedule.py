from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skelblocks.contrast import cosine_momentum, scheduled_momentum

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "schedules.npz")


def test_equals_the_official_schedule():
    ours = [cosine_momentum(int(step), 1000, base=0.996) for step in GOLDEN["iters"]]
    np.testing.assert_allclose(ours, GOLDEN["byol_m0996_total1000"], rtol=1e-12)


def test_the_defaults_are_those_of_skeattnclr():
    assert [cosine_momentum(step, 4) for step in (0, 2, 4)] == pytest.approx([0.996, 0.998, 1.0], abs=1e-12)


@given(total=st.integers(1, 400), base=st.floats(0, 1), final=st.floats(0, 1))
def test_goes_from_base_to_final_without_turning_back(total, base, final):
    values = [cosine_momentum(step, total, base=base, final=final) for step in range(total + 1)]
    assert values[0] == pytest.approx(base)
    assert values[-1] == final
    sign = 1 if final >= base else -1
    assert all(sign * (b - a) >= -1e-15 for a, b in pairwise(values))
    assert min(base, final) - 1e-15 <= min(values)
    assert max(values) <= max(base, final) + 1e-15
    if total % 2 == 0:
        assert values[total // 2] == pytest.approx((base + final) / 2)


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ((101, 100), "step: expected 0 <= step <= total_steps=100, got 101"),
        ((-1, 100), "step: expected an integer >= 0, got -1"),
        ((0, 0), "total_steps: expected an integer >= 1, got 0"),
    ],
)
def test_a_step_outside_the_run_is_refused(given_, message):
    with pytest.raises(ValueError, match=message):
        cosine_momentum(*given_)


@pytest.mark.parametrize("which", ["base", "final"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_momentum_outside_its_range_is_refused(which, value):
    with pytest.raises(ValueError, match=f"{which}: expected a probability"):
        cosine_momentum(0, 10, **{which: value})


def test_a_schedule_by_name():
    assert scheduled_momentum(None, None) == 0.999
    assert scheduled_momentum(7, 5, base=0.5) == 0.5  # a constant has no end
    for step in (0, 3, 10):
        assert scheduled_momentum(step, 10, base=0.9, schedule="cosine") == cosine_momentum(step, 10, base=0.9)
    for step, total, missing in ((None, 10, "step"), (3, None, "total_steps")):
        with pytest.raises(ValueError, match=f"{missing}: expected an integer with the schedule 'cosine', got None"):
            scheduled_momentum(step, total, schedule="cosine")
    with pytest.raises(ValueError, match="schedule: expected one of 'constant', 'cosine', got 'linear'"):
        scheduled_momentum(0, 10, schedule="linear")
    with pytest.raises(ValueError, match="base: expected a probability"):
        scheduled_momentum(0, 10, base=2.0)


def test_steps_that_are_no_integers_are_refused():
    for given_, name in (((1.5, 10), "step"), ((1, 10.0), "total_steps")):
        with pytest.raises(TypeError, match=f"{name}: expected an integer"):
            cosine_momentum(*given_)
