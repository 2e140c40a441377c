from skelblocks.testing.block_tester import BlockTester
from skelblocks.testing.check_compiles import check_compiles
from skelblocks.testing.check_copies import check_deepcopy, check_pickle, check_state_dict, check_stateless
from skelblocks.testing.check_devices import check_cuda, check_meta, with_cuda
from skelblocks.testing.check_dtypes import check_autocast, check_dtypes
from skelblocks.testing.check_gradients import check_gradients, check_parameters_learn
from skelblocks.testing.check_inputs import check_inputs_unchanged, check_strides
from skelblocks.testing.check_vmap import check_vmap
from skelblocks.testing.no_float64 import NoFloat64, check_no_float64
from skelblocks.testing.write_ntu_skeleton import write_ntu_skeleton
from skelblocks.testing.write_raw_formats import write_nw_ucla, write_pku_mmd, write_position_pair, write_pyskl

__all__ = [
    "BlockTester",
    "NoFloat64",
    "check_autocast",
    "check_compiles",
    "check_cuda",
    "check_deepcopy",
    "check_dtypes",
    "check_gradients",
    "check_inputs_unchanged",
    "check_meta",
    "check_no_float64",
    "check_parameters_learn",
    "check_pickle",
    "check_state_dict",
    "check_stateless",
    "check_strides",
    "check_vmap",
    "with_cuda",
    "write_ntu_skeleton",
    "write_nw_ucla",
    "write_pku_mmd",
    "write_position_pair",
    "write_pyskl",
]
