"""The description of a skeleton: joints, bones, mirror image, and partitions into parts and bodies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal, NamedTuple, get_args

from typing_extensions import Self

from skelblocks._utils.checks import check_choice
from skelblocks._utils.did_you_mean import did_you_mean

Scale = Literal["joint", "part", "body"]
SCALES: tuple[Scale, ...] = get_args(Scale)


class JointGroup(NamedTuple):
    """A named group of joints, such as a hand, an upper arm or the torso."""

    name: str
    joints: tuple[int, ...]


@dataclass(frozen=True)
class SkeletonLayout:
    """The description of a skeleton, for all blocks that need joints. It is frozen and hashable.

    Joints are counted from 0. Left and right are from the person's point of view.

    Args:
        name: The name for ``layouts.get``.
        joints: The name of each joint, in the order of the data's joint axis.
        edges: Bones as pairs of joints. The graph must be connected. In a tree, a pair ``(child, parent)`` and its
            reverse mean the same.
        center: The joint at which graph distances and bones start, and on which clips are centered.
        swap: For each joint, its counterpart in the mirror image, or itself for a joint on the midline.
        parts: The fine partition, with 2 to 3 joints per part in MsMCLR's section 3.2.1. Every joint is in exactly one
            part. The order matters, because MsM attention uses differences between consecutive parts.
        bodies: The coarse partition into limbs and torso. Every joint is in exactly one body.

    Raises:
        ValueError: the arguments do not fit together. The message says which and where.
        TypeError: a joint is not an integer.

    Example:
        >>> arm = SkeletonLayout("arm", ("shoulder", "elbow", "hand"), ((1, 0), (2, 1)), 0, (0, 1, 2),
        ...     (JointGroup("upper", (0,)), JointGroup("lower", (1, 2))), (JointGroup("arm", (0, 1, 2)),))
        >>> arm.num_joints, arm.parents
        (3, (0, 0, 1))
        >>> SkeletonLayout.from_dict(arm.to_dict()) == arm
        True
    """

    name: str
    joints: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    center: int
    swap: tuple[int, ...]
    parts: tuple[JointGroup, ...]
    bodies: tuple[JointGroup, ...]

    def __post_init__(self) -> None:
        # Accept lists, for instance from JSON, and store hashable tuples.
        edges = tuple(tuple(map(_plain, edge)) for edge in self.edges)
        for field, value in {
            "joints": tuple(self.joints),
            "edges": edges,
            "center": _plain(self.center),
            "swap": tuple(map(_plain, self.swap)),
            "parts": _groups(self.parts, field="parts"),
            "bodies": _groups(self.bodies, field="bodies"),
        }.items():
            object.__setattr__(self, field, value)
        self._validate()

    @property
    def num_joints(self) -> int:
        """The number of joints."""
        return len(self.joints)

    @property
    def parents(self) -> tuple[int, ...]:
        """For each joint, its neighbor on the way to the center. The center is its own parent.

        In a graph with cycles, it is the first such neighbor in the order of :attr:`edges`.
        """
        neighbors: list[list[int]] = [[] for _ in self.joints]
        for a, b in self.edges:
            neighbors[a].append(b)
            neighbors[b].append(a)
        parent = {self.center: self.center}
        frontier = [self.center]
        while frontier:
            reached = []
            for joint in frontier:
                for other in neighbors[joint]:
                    if other not in parent:
                        parent[other] = joint
                        reached.append(other)
            frontier = reached
        return tuple(parent[joint] for joint in range(self.num_joints) if joint in parent)

    def groups(self, scale: Scale) -> tuple[JointGroup, ...]:
        """The partition at a scale: ``"joint"`` (one joint each), ``"part"`` or ``"body"``."""
        check_choice(scale, SCALES, name="scale")
        if scale == "joint":
            return tuple(JointGroup(name, (joint,)) for joint, name in enumerate(self.joints))
        return self.parts if scale == "part" else self.bodies

    def index(self, joint: str) -> int:
        """The index of a joint on the data's joint axis, by its name."""
        if joint not in self.joints:
            raise ValueError(
                f"joint: layout {self.name!r} has no joint {joint!r}{did_you_mean(joint, self.joints)}; "
                f"it has {', '.join(self.joints)}"
            )
        return self.joints.index(joint)

    def to_dict(self) -> dict[str, Any]:
        """The layout as strings, integers, lists and dicts, for JSON or YAML."""
        return {
            "name": self.name,
            "joints": list(self.joints),
            "edges": [list(edge) for edge in self.edges],
            "center": self.center,
            "swap": list(self.swap),
            "parts": {group.name: list(group.joints) for group in self.parts},
            "bodies": {group.name: list(group.joints) for group in self.bodies},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Create a layout from the result of :meth:`to_dict`. A missing or unknown key raises ``ValueError``."""
        expected = {"name", "joints", "edges", "center", "swap", "parts", "bodies"}
        missing, unknown = sorted(expected - set(values)), sorted(set(values) - expected)
        if missing or unknown:
            raise ValueError(
                f"layout: expected exactly the keys {sorted(expected)}; missing {missing}, unknown {unknown}"
            )
        return cls(**values)

    def _validate(self) -> None:
        where = f"layout {self.name!r}"
        count = self.num_joints
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"name: expected a non-empty string, got {self.name!r}")
        if not count or len(set(self.joints)) != count:
            raise ValueError(f"joints: expected distinct names, at least one, in {where}, got {self.joints}")
        for edge in self.edges:
            if len(edge) != 2 or edge[0] == edge[1]:
                raise ValueError(f"edges: expected pairs of two different joints in {where}, got {edge}")
        if any(len(group.joints) == 0 for group in self.parts + self.bodies):
            raise ValueError(f"parts, bodies: expected at least one joint in every group of {where}")
        used = {
            "edges": [joint for edge in self.edges for joint in edge],
            "center": [self.center],
            "swap": list(self.swap),
            "parts": [joint for group in self.parts for joint in group.joints],
            "bodies": [joint for group in self.bodies for joint in group.joints],
        }
        for argument, joints in used.items():
            for joint in joints:
                if isinstance(joint, bool) or not isinstance(joint, int):
                    raise TypeError(f"{argument}: expected joints as integers in {where}, got {joint!r}")
                if not 0 <= joint < count:
                    raise ValueError(f"{argument}: expected joints in 0..{count - 1} in {where}, got {joint}")
        if len(self.swap) != count or any(self.swap[self.swap[joint]] != joint for joint in range(count)):
            raise ValueError(
                f"swap: expected the mirror image of each of the {count} joints of {where}, got {self.swap}; if a "
                "joint becomes another, the other must become the first"
            )
        for argument, groups in (("parts", self.parts), ("bodies", self.bodies)):
            names = [group.name for group in groups]
            if len(set(names)) != len(names):
                raise ValueError(f"{argument}: expected distinct names of groups in {where}, got {names}")
            covered = sorted(used[argument])
            if covered != list(range(count)):
                missing = sorted(set(range(count)) - set(covered))
                twice = sorted({joint for joint in covered if covered.count(joint) > 1})
                raise ValueError(
                    f"{argument}: expected every joint of {where} in exactly one group; "
                    f"missing {missing}, twice {twice}"
                )
        if len(self.parents) != count:
            raise ValueError(
                f"edges: expected a connected graph in {where}; {self.joints[self.center]!r} does not reach all joints"
            )


def _groups(
    groups: Mapping[str, Sequence[int]] | Sequence[tuple[str, Sequence[int]]], *, field: str
) -> tuple[JointGroup, ...]:
    pairs = list(groups.items() if isinstance(groups, Mapping) else groups)
    for pair in pairs:
        if not isinstance(pair, Sequence) or len(pair) != 2 or not isinstance(pair[0], str):
            raise TypeError(
                f"{field}: expected a mapping of names to joints, or pairs (name, joints), got the entry {pair!r}; "
                'write {"arm": [0, 1], "hand": [2]}'
            )
    return tuple(JointGroup(name, tuple(map(_plain, joints))) for name, joints in pairs)


def _plain(joint: Any) -> Any:
    """A joint's number for JSON, which does not accept numpy's integers."""
    return joint if isinstance(joint, bool) or not isinstance(joint, Integral) else int(joint)
