"""Readers, preprocessing, synthetic motion, array-backed datasets."""

from skelblocks.data.align_spine import align_spine
from skelblocks.data.align_view import align_view
from skelblocks.data.array_dataset import ArrayDataset
from skelblocks.data.center import center
from skelblocks.data.choose_bodies import body_energy, choose_bodies
from skelblocks.data.clip_preparation import ClipPreparation
from skelblocks.data.denoise_bodies import denoise_bodies, drop_short_bodies, drop_wide_bodies, merge_bodies
from skelblocks.data.fill_gaps import fill_gaps
from skelblocks.data.find_clips import find_clips
from skelblocks.data.found_clips import FoundClips
from skelblocks.data.from_arrays import PaddedClips, from_arrays, from_axes, to_axes
from skelblocks.data.normalize_scale import body_length, normalize_scale
from skelblocks.data.person_mask import person_mask
from skelblocks.data.prepare import prepare
from skelblocks.data.prepare_shard import Progress
from skelblocks.data.prepared_set import PreparedSet
from skelblocks.data.raw_clip import ClipFormatError, RawClip
from skelblocks.data.read_arrays import read_arrays
from skelblocks.data.read_ntu_skeleton import parse_ntu_name, read_ntu_skeleton
from skelblocks.data.read_nw_ucla import read_nw_ucla
from skelblocks.data.read_pku_mmd import PkuMmdSplit, PkuMmdVideo, read_pku_mmd, read_pku_mmd_split
from skelblocks.data.read_position_pair import PositionPair, read_position_labels, read_position_pair
from skelblocks.data.read_pyskl import PysklClips, from_pyskl, read_pyskl, to_pyskl
from skelblocks.data.recognize_layout import recognize_layout
from skelblocks.data.resample import clip_lengths, resample
from skelblocks.data.restricted_pickle import load_restricted
from skelblocks.data.sample import Sample
from skelblocks.data.splits import (
    cross_subject,
    cross_view,
    leave_one_subject_out,
    pku_mmd_split,
    protocol_split,
    read_missing_list,
)
from skelblocks.data.synthetic_motion import SyntheticClips, sample_motion, synthetic_motion
from skelblocks.data.write_ntu_skeleton import write_ntu_skeleton
from skelblocks.data.write_owner_formats import write_nw_ucla, write_pku_mmd, write_position_pair, write_pyskl

__all__ = [
    "ArrayDataset",
    "ClipFormatError",
    "ClipPreparation",
    "FoundClips",
    "PaddedClips",
    "PkuMmdSplit",
    "PkuMmdVideo",
    "PositionPair",
    "PreparedSet",
    "Progress",
    "PysklClips",
    "RawClip",
    "Sample",
    "SyntheticClips",
    "align_spine",
    "align_view",
    "body_energy",
    "body_length",
    "center",
    "choose_bodies",
    "clip_lengths",
    "cross_subject",
    "cross_view",
    "denoise_bodies",
    "drop_short_bodies",
    "drop_wide_bodies",
    "fill_gaps",
    "find_clips",
    "from_arrays",
    "from_axes",
    "from_pyskl",
    "leave_one_subject_out",
    "load_restricted",
    "merge_bodies",
    "normalize_scale",
    "parse_ntu_name",
    "person_mask",
    "pku_mmd_split",
    "prepare",
    "protocol_split",
    "read_arrays",
    "read_missing_list",
    "read_ntu_skeleton",
    "read_nw_ucla",
    "read_pku_mmd",
    "read_pku_mmd_split",
    "read_position_labels",
    "read_position_pair",
    "read_pyskl",
    "recognize_layout",
    "resample",
    "sample_motion",
    "synthetic_motion",
    "to_axes",
    "to_pyskl",
    "write_ntu_skeleton",
    "write_nw_ucla",
    "write_pku_mmd",
    "write_position_pair",
    "write_pyskl",
]
