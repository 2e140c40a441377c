from skelblocks.clips.person_mask import person_mask
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.clips.sample import Sample

__all__ = [
    "ClipFormatError",
    "RawClip",
    "Sample",
    "person_mask",
]
