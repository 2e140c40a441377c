from skelblocks.clips.batches import batches
from skelblocks.clips.clip_dataset import ClipDataset
from skelblocks.clips.frame_mask import frame_mask
from skelblocks.clips.person_mask import person_mask
from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.clips.raw_clips import RawClips
from skelblocks.clips.sample import Sample

__all__ = [
    "ClipDataset",
    "ClipFormatError",
    "Preprocessing",
    "RawClip",
    "RawClips",
    "Sample",
    "batches",
    "frame_mask",
    "person_mask",
]
