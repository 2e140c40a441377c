from pathlib import Path

import numpy as np
import pytest
import torch

from skelblocks import layouts
from skelblocks.layouts import pooling_matrix

GOLDEN = Path(__file__).parents[1] / "golden"


def test_equals_the_official_parts_and_bodies():
    with np.load(GOLDEN / "msmclr_part_body_pool_f64.npz") as golden:
        x = torch.from_numpy(golden["x"])
        for scale in ("part", "body"):
            got = x @ pooling_matrix("ntu-rgb+d", scale=scale, dtype=torch.float64)
            torch.testing.assert_close(got, torch.from_numpy(golden[scale]), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", layouts.available())
@pytest.mark.parametrize("scale", ["joint", "part", "body"])
def test_is_the_mean_of_each_group(name, scale):
    layout = layouts.get(name)
    x = torch.randn(2, 3, layout.num_joints, dtype=torch.float64)
    expected = torch.stack([x[..., list(group.joints)].mean(dim=-1) for group in layout.groups(scale)], dim=-1)
    torch.testing.assert_close(x @ pooling_matrix(layout, scale=scale, dtype=torch.float64), expected)


def test_an_unknown_scale_is_refused():
    with pytest.raises(ValueError, match="scale: expected one of 'joint', 'part', 'body', got 'limb'"):
        pooling_matrix("sbu", scale="limb")
