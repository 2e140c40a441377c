from skelblocks.clips.frame_mask import frame_mask
from skelblocks.clips.person_mask import person_mask
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.clips.sample import Sample

__all__ = [
    "ClipFormatError",
    "RawClip",
    "Sample",
    "frame_mask",
    "person_mask",
]
