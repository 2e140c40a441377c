"""Keypoints in COCO's JSON: annotations, and lists of results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from skelblocks._utils.escape import escape
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.data.formats.detections import Detections, PoseOptions, to_clip
from skelblocks.data.formats.frame_files import group_frames
from skelblocks.data.formats.joint_names import layout_of_names
from skelblocks.data.formats.json_file import json_keys, json_start, read_json
from skelblocks.data.formats.keypoint_rows import check_row, describe, integer_ids, joints_and_scores
from skelblocks.data.formats.read_alphapose import image_frames
from skelblocks.data.formats.with_remedy import OTHER_FORMAT, with_remedy

MIN_SCORE = 0.2  # from which HRNet's evaluation on COCO counts a joint (IN_VIS_THRE)
_LABELED = 1  # of the flags 0 (not labeled), 1 (labeled, hidden) and 2 (labeled, visible)
_LAYOUTS = {17: "coco-17", 133: "coco-wholebody-133"}
_VIDEO_KEYS = ("video_id", "vid_id", "video", "sequence")


def looks_like_coco_keypoints(head: bytes) -> bool:
    """Whether a file's start is an object of images and annotations, or a list of results.

    Example:
        >>> looks_like_coco_keypoints(b'[{"image_id": 42, "category_id": 1, "keypoints": [1, 2, 0.9], "score": 0.8}]')
        True
    """
    keys = json_keys(head)
    if json_start(head).startswith(b"["):
        return {"image_id", "keypoints"} <= keys
    return "annotations" in keys or {"images", "file_name"} <= keys


@with_remedy(f"correct the file to COCO's form of annotations or results, {OTHER_FORMAT}")
def read_coco_keypoints(paths: Sequence[Path], *, name: str, options: PoseOptions) -> list[RawClip]:
    """Read a COCO keypoint file: ``images``, ``annotations`` and ``categories``, or a list of results.

    Images are frames: by ``frame_id``, or by the last number in ``file_name``. Images of different videos, folders or
    first words are different clips. In a list of results, ``image_id`` is the frame's number. ``track_id`` is a
    person's id. The layout follows from the keypoints' names in ``categories``, or from the number of joints.

    The third number of a joint is a score, or, where all are 0, 1 or 2, a flag: a joint is seen from 1 on, with
    ``min_score=2`` only if it is visible.

    Args:
        paths: One file.
        name: Name of the clip, or the start of the names of several clips.
        options: What the caller knows about the file.

    Returns:
        Clips ``(2, t, v, b)`` in pixels, y down.

    Raises:
        ClipFormatError: With the file and the annotation.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "results.json")
        ...     _ = path.write_text('[{"image_id": 0, "keypoints": %s, "score": 0.8}]' % ([10, 20, 0.9] * 17))
        ...     clip = read_coco_keypoints([path], name="results", options=PoseOptions())[0]
        >>> clip.x.shape, clip.layout
        ((2, 1, 17, 1), 'coco-17')
    """
    path = paths[0]
    content = read_json(path)
    if isinstance(content, list):
        images = [_image_of(entry, path, i, "entry") for i, entry in enumerate(content)]
        frames = image_frames(images, path)
        counted = max(frames.values(), default=-1) + 1
        return [_clip(content, [frames[i] for i in images], counted, path, name, options, _LAYOUTS, "entry")]
    if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
        raise ClipFormatError(path, "expected an object with lists of images and annotations, or a list of results")
    annotations = content["annotations"]
    known = _known(content.get("categories"), options, path)
    owner = [_image_of(entry, path, i, "annotation") for i, entry in enumerate(annotations)]
    clips = []
    videos = _videos(content.get("images"), path)
    frame_of = {image: (video, number) for video, frames in videos.items() for image, number in frames.items()}
    lost = next((i for i, image in enumerate(owner) if image not in frame_of), None)
    if lost is not None:
        raise ClipFormatError(path, f"annotation {lost}: expected the id of one of the images, got {owner[lost]!r}")
    places: dict[str, list[int]] = {video: [] for video in videos}
    for i, image in enumerate(owner):
        if not annotations[i].get("iscrowd"):
            places[frame_of[image][0]].append(i)
    for video, listed in places.items():
        frames = videos[video]
        start = min(frames.values())
        numbers = [frame_of[owner[i]][1] - start for i in listed]
        counted = max(frames.values()) - start + 1
        clip = name if len(videos) == 1 else f"{name}/{video}"
        entries = [annotations[i] for i in listed]
        clips.append(_clip(entries, numbers, counted, path, clip, options, known, f"{escape(video)}: annotation"))
    return clips


def _image_of(entry: Any, path: Path, i: int, what: str) -> str | int:
    image = entry.get("image_id") if isinstance(entry, dict) else None
    if not isinstance(image, str | int) or isinstance(image, bool):
        raise ClipFormatError(path, f"{what} {i}: expected an object with an image_id, got {describe(image)}")
    return image


def _videos(images: Any, path: Path) -> dict[str, dict[str | int, int]]:
    """The frame of each image, by video."""
    if not isinstance(images, list) or not images:
        raise ClipFormatError(path, "expected a list of images, not empty, got none")
    named: dict[str, list[tuple[str | int, str]]] = {}
    videos: dict[str, dict[str | int, int]] = {}
    taken: set[tuple[str, int]] = set()
    for i, image in enumerate(images):
        key = image.get("id") if isinstance(image, dict) else None
        if not isinstance(key, str | int) or isinstance(key, bool):
            raise ClipFormatError(path, f"image {i}: expected an object with an id, got {describe(key)}")
        file = str(image.get("file_name", key)).replace("\\", "/")
        video = next((str(image[k]) for k in _VIDEO_KEYS if isinstance(image.get(k), str | int)), None)
        if video is None:
            (folder, prefix, _), _ = next(iter(group_frames([Path(PurePosixPath(file))]).items()))
            video = "/".join(part for part in (folder.as_posix().strip("./"), prefix.rstrip("_-. ")) if part) or "0"
        number = image.get("frame_id")
        if type(number) is int and 0 <= number < 2**62:
            if (video, number) in taken:
                raise ClipFormatError(path, f"image {i}: frame_id: expected each frame once, got {number} twice")
            taken.add((video, number))
            videos.setdefault(video, {})[key] = number
        else:
            named.setdefault(video, []).append((key, file))
    for video, listed in named.items():
        frames = image_frames([file for _, file in listed], path)
        videos.setdefault(video, {}).update({key: frames[file] for key, file in listed})
    return videos


def _known(categories: Any, options: PoseOptions, path: Path) -> dict[int, str]:
    """The layout of each number of joints, or the one of the names that the file lists."""
    listed = (
        [one.get("keypoints") for one in categories if isinstance(one, dict)] if isinstance(categories, list) else []
    )
    names = next(
        (one for one in listed if isinstance(one, list) and one and all(isinstance(n, str) for n in one)), None
    )
    if names is None or options.layout is not None or len(names) == 133:
        return _LAYOUTS
    named = layout_of_names(names)
    if named is None:
        shown = ", ".join(escape(name, longest=30) for name in names[:3])
        raise ClipFormatError(
            path, f"expected the joints of a known layout, got {len(names)} others, {shown} and so on; pass layout="
        )
    return {len(names): named}


def _clip(
    entries: Sequence[Any],
    frame: Sequence[int],
    frames: int,
    path: Path,
    name: str,
    options: PoseOptions,
    known: dict[int, str],
    what: str,
) -> RawClip:
    where = [f"{what} {i}" for i in range(len(entries))]
    rows = [
        check_row(entry.get("keypoints"), path=path, where=f"{where[i]}: keypoints") for i, entry in enumerate(entries)
    ]
    layout, x, scores = joints_and_scores(rows, where=where, known=known, options=options, path=path, tool="COCO")
    flags = bool(np.isin(scores, (0, 1, 2)).all())
    least = options.min_score if options.min_score is not None else _LABELED if flags else MIN_SCORE
    seen = (scores >= least) & ((x != 0).any(axis=2) | (scores > 0))
    if len(scores) and flags and not scores.any() and options.min_score is None:
        raise ClipFormatError(
            path, "expected joints that are labeled, got the flag 0 for each; pass min_score=0 if these are no flags"
        )
    found = Detections(
        np.array(frame, dtype=np.int64),
        x,
        seen,
        None if flags else scores,
        integer_ids([entry.get("track_id") for entry in entries]),
        frames,
    )
    return to_clip(found, path=path, name=name, layout=layout, fps=options.fps)
