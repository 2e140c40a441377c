from decimal import Decimal

import numpy as np
import pytest
import torch

from skelblocks._utils.missing import missing_entries, refuse_missing


class NAType:
    """As pandas names its own."""


class Series:
    def isna(self):
        return [False, True]


@pytest.mark.parametrize(
    "values",
    [
        [1, None],
        ["a", float("nan")],
        (1, np.float32("nan")),
        [1, NAType()],
        [Decimal(1), Decimal("nan")],
        np.array([1.0, np.nan]),
        np.array([1, None], dtype=object),
        np.array(["2020", "NaT"], dtype="datetime64[D]"),
        np.array([[1, 2], [3, np.nan]]),
        [[1, 2], [3, None]],
        np.ma.masked_equal([1, 7], 7),
        [1, np.ma.masked],
        torch.tensor([1.0, torch.nan]),
        Series(),
        [1 + 0j, complex("nan")],
    ],
)
def test_all_ways_to_write_a_missing_value(values):
    assert missing_entries(values).tolist() == [False, True]
    with pytest.raises(ValueError, match="subjects: expected a value for every clip, got none for clip 'b'"):
        refuse_missing(values, name="subjects", names=["a", "b"])


@pytest.mark.parametrize(
    "values", [[1, 2], ["a", ""], [0.0, -1.0], np.array([True, False]), torch.tensor([0, 1]), "ab"]
)
def test_values_that_are_there(values):
    assert not missing_entries(values).any()
    refuse_missing(values, name="subjects")
