"""The formats of pose estimators and motion capture that :func:`~skelblocks.data.read_poses` knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeAlias

from skelblocks.clips.raw_clip import RawClip
from skelblocks.data.formats.detections import PoseOptions
from skelblocks.data.formats.mocap_formats import looks_like_asf_or_amc, read_amc_pose, read_bvh_pose
from skelblocks.data.formats.read_alphapose import is_alphapose_frame, looks_like_alphapose, read_alphapose
from skelblocks.data.formats.read_azure_kinect import looks_like_azure_kinect, read_azure_kinect
from skelblocks.data.formats.read_bvh import looks_like_bvh
from skelblocks.data.formats.read_coco_keypoints import looks_like_coco_keypoints, read_coco_keypoints
from skelblocks.data.formats.read_mediapipe import is_mediapipe_frame, looks_like_mediapipe, read_mediapipe
from skelblocks.data.formats.read_mmpose import is_mmpose_frame, looks_like_mmpose, read_mmpose
from skelblocks.data.formats.read_openpose import looks_like_openpose, read_openpose
from skelblocks.data.formats.read_pose_array import looks_like_pose_array, read_pose_array
from skelblocks.data.formats.read_ultralytics import looks_like_ultralytics, read_ultralytics

HEAD = 1 << 16  # bytes of a file from which its format is recognized
PoseFormatName: TypeAlias = Literal[
    "openpose",
    "alphapose",
    "azure-kinect",
    "bvh",
    "amc",
    "array",
    "mmpose",
    "coco-keypoints",
    "mediapipe",
    "mediapipe-world",
    "ultralytics",
]  # the names in POSE_FORMATS


class ReadPose(Protocol):
    """Reads one file, or the files of one clip's frames."""

    def __call__(self, paths: Sequence[Path], *, name: str, options: PoseOptions) -> list[RawClip]:
        """Read the files as clips of this name."""


class PoseFormat(NamedTuple):
    """How a format is recognized and read.

    Attributes:
        looks_like: Whether the first 64 KiB of a file are of this format.
        read: Reads one file, or the files of one clip's frames.
        one_frame: Whether a file, by its start, holds one frame, so that its neighbors belong to the same clip.
        suffixes: Of its files, lower-case; a folder is searched for these.
    """

    looks_like: Callable[[bytes], bool]
    read: ReadPose
    one_frame: Callable[[bytes], bool]
    suffixes: tuple[str, ...]


def always(head: bytes) -> bool:
    """Every file holds one frame."""
    return True


def never(head: bytes) -> bool:
    """Every file holds a whole recording."""
    return False


# A file has the first format that it looks like.
POSE_FORMATS: Mapping[str, PoseFormat] = {
    "openpose": PoseFormat(looks_like_openpose, read_openpose, always, (".json",)),
    "alphapose": PoseFormat(looks_like_alphapose, read_alphapose, is_alphapose_frame, (".json",)),
    "azure-kinect": PoseFormat(looks_like_azure_kinect, read_azure_kinect, never, (".json",)),
    "bvh": PoseFormat(looks_like_bvh, read_bvh_pose, never, (".bvh",)),
    "amc": PoseFormat(looks_like_asf_or_amc, read_amc_pose, never, (".amc",)),
    "array": PoseFormat(looks_like_pose_array, read_pose_array, never, (".npy", ".npz")),
    "mmpose": PoseFormat(looks_like_mmpose, read_mmpose, is_mmpose_frame, (".json",)),
    "coco-keypoints": PoseFormat(looks_like_coco_keypoints, read_coco_keypoints, never, (".json",)),
    "mediapipe": PoseFormat(looks_like_mediapipe, read_mediapipe, is_mediapipe_frame, (".json",)),
    "mediapipe-world": PoseFormat(never, partial(read_mediapipe, kind="world"), is_mediapipe_frame, (".json",)),
    "ultralytics": PoseFormat(looks_like_ultralytics, read_ultralytics, always, (".txt",)),
}


def tell_format(head: bytes) -> str | None:
    """The format of a file that starts like this; None if it is unknown.

    Example:
        >>> tell_format(b'{"version":1.3,"people":[]}')
        'openpose'
    """
    return next((name for name, known in POSE_FORMATS.items() if known.looks_like(head)), None)


def read_head(path: Path) -> bytes:
    """The first 64 KiB of a file.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return file.read(HEAD)
