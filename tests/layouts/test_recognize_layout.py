import pytest

from skelblocks import layouts
from skelblocks.data import recognize_layout

NTU = layouts.get("ntu-rgb+d").joints


@pytest.mark.parametrize("layout", [None, "ntu-rgb+d"])
def test_joints_in_another_order_are_told_to_restrict(layout):
    names = NTU[::-1]
    with pytest.raises(ValueError, match=r"in another order.*; pass layouts\.restrict\('ntu-rgb\+d', names\)"):
        recognize_layout(layout, num_joints=25, joint_names=names)
    mine = layouts.restrict("ntu-rgb+d", names)
    assert recognize_layout(mine, num_joints=25, joint_names=names) == mine


@pytest.mark.parametrize("layout", [None, "ntu-rgb+d"])
def test_a_part_of_a_skeleton_is_told_to_restrict(layout):
    with pytest.raises(
        ValueError,
        match=r"(without some of them|some of the joints of|a part of).*; pass layouts\.restrict\('ntu-rgb\+d', names",
    ):
        recognize_layout(layout, num_joints=13, joint_names=NTU[:13])


def test_another_known_order_is_named():
    order = layouts.get("utd-mhad").joints
    mine = layouts.restrict("utd-mhad", order[::-1], name="backwards")
    with pytest.raises(ValueError, match=r"in another order, .*; pass 'utd-mhad'"):
        recognize_layout(mine, num_joints=20, joint_names=order)


def test_names_that_nobody_knows():
    names = [f"marker {i}" for i in range(20)]
    with pytest.raises(ValueError, match=r"have joints with other names, .*'nw-ucla', 'utd-mhad'"):
        recognize_layout(num_joints=20, joint_names=names)
    assert recognize_layout("nw-ucla", num_joints=20, joint_names=names).name == "nw-ucla"


def test_names_do_not_write_on_the_terminal():
    order = ["a\x1b[31m", "b"]
    mine = {
        "name": "two", "joints": order, "edges": [[1, 0]], "center": 0, "swap": [0, 1], "parts": {"a": [0, 1]},
        "bodies": {"a": [0, 1]},
    }  # fmt: skip
    with pytest.raises(ValueError, match="another order") as caught:
        recognize_layout(mine, num_joints=2, joint_names=order[::-1])
    assert str(caught.value).isprintable()
