from skelblocks.clips.batches import batches
from skelblocks.clips.clip_dataset import ClipDataset
from skelblocks.clips.person_mask import person_mask
from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.clips.sample import Sample
from skelblocks.data.arrays.array_dataset import ArrayDataset
from skelblocks.data.arrays.from_arrays import PaddedClips, from_arrays, from_axes, to_axes
from skelblocks.data.arrays.read_arrays import read_arrays
from skelblocks.data.formats.find_clips import find_clips
from skelblocks.data.formats.find_poses import PoseSource, find_poses
from skelblocks.data.formats.found_clips import FoundClips
from skelblocks.data.formats.read_amc import read_amc
from skelblocks.data.formats.read_bvh import read_bvh
from skelblocks.data.formats.read_ntu_skeleton import parse_ntu_name, read_ntu_skeleton
from skelblocks.data.formats.read_nw_ucla import read_nw_ucla
from skelblocks.data.formats.read_pku_mmd import PkuMmdSplit, PkuMmdVideo, read_pku_mmd, read_pku_mmd_split
from skelblocks.data.formats.read_poses import read_poses
from skelblocks.data.formats.read_position_pair import PositionPair, read_position_labels, read_position_pair
from skelblocks.data.formats.read_pyskl import PysklClips, from_pyskl, read_pyskl, to_pyskl
from skelblocks.data.near_copies import NearCopies, near_copies
from skelblocks.data.ntu_class_names import NTU60_CLASS_NAMES, NTU120_CLASS_NAMES
from skelblocks.data.pickles.restricted_pickle import load_restricted
from skelblocks.data.prepared.clip_preparation import ClipPreparation
from skelblocks.data.prepared.prepare import prepare
from skelblocks.data.prepared.prepare_shard import Progress
from skelblocks.data.prepared.prepared_set import PreparedSet
from skelblocks.data.recordings.clip_labels import ClipLabels, LabelRow
from skelblocks.data.recordings.find_recordings import FoundRecordings, find_recordings
from skelblocks.data.recordings.read_clip_labels import read_clip_labels
from skelblocks.data.recordings.recording_clips import recording_clips
from skelblocks.data.recordings.recording_options import RecordingOptions
from skelblocks.data.recordings.window_bounds import window_bounds
from skelblocks.data.splits import (
    cross_subject,
    cross_view,
    leave_one_subject_out,
    pku_mmd_split,
    protocol_split,
    read_missing_list,
)
from skelblocks.data.steps.align_spine import align_spine
from skelblocks.data.steps.align_view import align_view
from skelblocks.data.steps.center import center
from skelblocks.data.steps.choose_bodies import body_energy, choose_bodies
from skelblocks.data.steps.denoise_bodies import denoise_bodies, drop_short_bodies, drop_wide_bodies, merge_bodies
from skelblocks.data.steps.drop_ghosts import drop_ghosts
from skelblocks.data.steps.fill_gaps import fill_gaps
from skelblocks.data.steps.fill_joints import fill_joints
from skelblocks.data.steps.follow_persons import follow_persons
from skelblocks.data.steps.normalize_scale import body_length, normalize_scale
from skelblocks.data.steps.preprocess import preprocess
from skelblocks.data.steps.preprocess_mask import preprocess_mask
from skelblocks.data.steps.resample import clip_lengths, resample
from skelblocks.data.steps.resample_rate import resample_rate
from skelblocks.data.steps.split_persons import split_persons
from skelblocks.data.steps.track_persons import track_persons
from skelblocks.data.synthetic.mixed_motion import mixed_motion, motion_batches
from skelblocks.data.synthetic.synthetic_motion import SyntheticClips, sample_motion, synthetic_motion
from skelblocks.layouts.recognize_layout import recognize_layout

__all__ = [
    "NTU60_CLASS_NAMES",
    "NTU120_CLASS_NAMES",
    "ArrayDataset",
    "ClipDataset",
    "ClipFormatError",
    "ClipLabels",
    "ClipPreparation",
    "FoundClips",
    "FoundRecordings",
    "LabelRow",
    "NearCopies",
    "PaddedClips",
    "PkuMmdSplit",
    "PkuMmdVideo",
    "PoseSource",
    "PositionPair",
    "PreparedSet",
    "Preprocessing",
    "Progress",
    "PysklClips",
    "RawClip",
    "RecordingOptions",
    "Sample",
    "SyntheticClips",
    "align_spine",
    "align_view",
    "batches",
    "body_energy",
    "body_length",
    "center",
    "choose_bodies",
    "clip_lengths",
    "cross_subject",
    "cross_view",
    "denoise_bodies",
    "drop_ghosts",
    "drop_short_bodies",
    "drop_wide_bodies",
    "fill_gaps",
    "fill_joints",
    "find_clips",
    "find_poses",
    "find_recordings",
    "follow_persons",
    "from_arrays",
    "from_axes",
    "from_pyskl",
    "leave_one_subject_out",
    "load_restricted",
    "merge_bodies",
    "mixed_motion",
    "motion_batches",
    "near_copies",
    "normalize_scale",
    "parse_ntu_name",
    "person_mask",
    "pku_mmd_split",
    "prepare",
    "preprocess",
    "preprocess_mask",
    "protocol_split",
    "read_amc",
    "read_arrays",
    "read_bvh",
    "read_clip_labels",
    "read_missing_list",
    "read_ntu_skeleton",
    "read_nw_ucla",
    "read_pku_mmd",
    "read_pku_mmd_split",
    "read_poses",
    "read_position_labels",
    "read_position_pair",
    "read_pyskl",
    "recognize_layout",
    "recording_clips",
    "resample",
    "resample_rate",
    "sample_motion",
    "split_persons",
    "synthetic_motion",
    "to_axes",
    "to_pyskl",
    "track_persons",
    "window_bounds",
]
