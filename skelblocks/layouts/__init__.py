"""What a skeleton is: layouts with their partitions, a registry, adjacency and pooling matrices."""

from skelblocks.layouts.adjacency import adjacency
from skelblocks.layouts.pooling_matrix import pooling_matrix
from skelblocks.layouts.registry import available, get, register
from skelblocks.layouts.restrict import restrict, shared_joints
from skelblocks.layouts.skeleton_layout import JointGroup, SkeletonLayout

__all__ = [
    "JointGroup",
    "SkeletonLayout",
    "adjacency",
    "available",
    "get",
    "pooling_matrix",
    "register",
    "restrict",
    "shared_joints",
]
