from skelblocks.layouts.adjacency import adjacency
from skelblocks.layouts.from_hierarchy import from_hierarchy
from skelblocks.layouts.layout_file import get_or_load, load, save
from skelblocks.layouts.pooling_matrix import pooling_matrix
from skelblocks.layouts.recognize_layout import recognize_layout
from skelblocks.layouts.registry import available, get, register
from skelblocks.layouts.remap import remap
from skelblocks.layouts.restrict import restrict, shared_joints
from skelblocks.layouts.skeleton_layout import JointGroup, SkeletonLayout

__all__ = [
    "JointGroup",
    "SkeletonLayout",
    "adjacency",
    "available",
    "from_hierarchy",
    "get",
    "get_or_load",
    "load",
    "pooling_matrix",
    "recognize_layout",
    "register",
    "remap",
    "restrict",
    "save",
    "shared_joints",
]
