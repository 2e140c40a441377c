"""Readers, preprocessing, synthetic motion, array-backed datasets."""

from skelblocks.data.align_view import align_view
from skelblocks.data.array_dataset import ArrayDataset, Sample
from skelblocks.data.center import center
from skelblocks.data.person_mask import person_mask
from skelblocks.data.read_arrays import read_arrays
from skelblocks.data.recognize_layout import recognize_layout
from skelblocks.data.resample import clip_lengths, resample
from skelblocks.data.splits import cross_subject, cross_view
from skelblocks.data.synthetic_motion import SyntheticClips, sample_motion, synthetic_motion

__all__ = [
    "ArrayDataset",
    "Sample",
    "SyntheticClips",
    "align_view",
    "center",
    "clip_lengths",
    "cross_subject",
    "cross_view",
    "person_mask",
    "read_arrays",
    "recognize_layout",
    "resample",
    "sample_motion",
    "synthetic_motion",
]
