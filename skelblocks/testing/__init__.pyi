from skelblocks.testing.write_ntu_skeleton import write_ntu_skeleton
from skelblocks.testing.write_owner_formats import write_nw_ucla, write_pku_mmd, write_position_pair, write_pyskl

__all__ = [
    "write_ntu_skeleton",
    "write_nw_ucla",
    "write_pku_mmd",
    "write_position_pair",
    "write_pyskl",
]
