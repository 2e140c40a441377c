"""Read poses from the files of any known pose estimator or motion capture system."""

from __future__ import annotations

import os
from typing import Literal

from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.raw_clip import RawClip
from skelblocks.data.formats.find_poses import OwnReader, find_poses
from skelblocks.data.formats.pose_formats import PoseFormatName
from skelblocks.layouts import SkeletonLayout


@explain_arguments
def read_poses(
    path: str | os.PathLike[str],
    *,
    format: PoseFormatName | Literal["auto"] | OwnReader = "auto",  # noqa: A002
    layout: str | SkeletonLayout | None = None,
    image_size: tuple[float, float] | None = None,
    fps: float | None = None,
    min_score: float | None = None,
) -> list[RawClip]:
    """Read the recordings in a file or a folder.

    A folder may hold one file for each frame, one file for each recording, or folders of these. Frames without persons,
    or without a file, stay frames, in which no person is seen.

    Args:
        path: The file or the folder.
        format: ``"auto"`` recognizes it by the files' content. A name reads the files as that format. A function reads
            files of your own: it takes a path and returns a :class:`~skelblocks.data.RawClip` or a list of them; for a
            folder, it is called with each file.
        layout: The skeleton, if it does not follow from the file.
        image_size: Width and height of the picture in pixels. Needed where coordinates are fractions of the picture:
            Ultralytics, MediaPipe's image landmarks, OpenPose's ``--keypoint_scale``.
        fps: Frames per second, which most files do not have.
        min_score: A joint with a lower score is not seen. Default: the score from which the tool draws a joint, 0.05
            for OpenPose, 0.4 for AlphaPose, 0.3 for MMPose, 0.5 for MediaPipe and Ultralytics, and 0.2 for COCO's
            results.

    Returns:
        The clips by name. Coordinates of pictures are pixels, y down. ``tracked`` is true where the file has ids.

    Raises:
        ClipFormatError: A file is of another format or damaged; with the file, the line or the frame, and the reason.
        FileNotFoundError: The file or folder does not exist, or holds nothing to read.
        OSError: A file cannot be read.
        ValueError: An argument has an invalid value.

    Example:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for number in range(3):
        ...         path = pathlib.Path(folder, f"walk_{number}_keypoints.json")
        ...         _ = path.write_text('{"people": [{"pose_keypoints_2d": %s}]}' % ([10, 20, 0.9] * 25))
        ...     clip = read_poses(folder, fps=30)[0]
        >>> clip.x.shape, clip.layout, clip.tracked
        ((2, 3, 25, 1), 'body-25', False)
    """
    sources = find_poses(path, format=format, layout=layout, image_size=image_size, fps=fps, min_score=min_score)
    return [clip for source in sources for clip in source.read()]
