from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skelblocks.contrast import cosine_momentum

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
        ((-1, 100), "got -1; the first step is 0"),
        ((0, 0), "total_steps: expected an integer >= 1, got 0"),
    ],
)
def test_a_step_outside_the_run_is_refused(given_, message):
    with pytest.raises(ValueError, match=message):
        cosine_momentum(*given_)


@pytest.mark.parametrize("which", ["base", "final"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_momentum_outside_its_range_is_refused(which, value):
    with pytest.raises(ValueError, match=f"{which}: expected a momentum"):
        cosine_momentum(0, 10, **{which: value})
