"""Read, preprocess and synthesize motion, and hold it in data sets."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    __file__,
    deprecated={
        "write_ntu_skeleton": "skelblocks.testing.write_ntu_skeleton",
        "write_nw_ucla": "skelblocks.testing.write_nw_ucla",
        "write_pku_mmd": "skelblocks.testing.write_pku_mmd",
        "write_position_pair": "skelblocks.testing.write_position_pair",
        "write_pyskl": "skelblocks.testing.write_pyskl",
    },
)
