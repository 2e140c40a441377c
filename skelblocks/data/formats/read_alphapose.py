"""AlphaPose's results: one list for all frames, or the forms ``cmu`` and ``open``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.escape import escape
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.data.formats.detections import Detections, PoseOptions, to_clip
from skelblocks.data.formats.frame_files import frame_number, order_frames
from skelblocks.data.formats.json_file import json_keys, json_start, read_json
from skelblocks.data.formats.keypoint_rows import check_row, describe, joints_and_scores
from skelblocks.data.formats.with_remedy import OTHER_FORMAT, with_remedy

MIN_SCORE = 0.4  # AlphaPose draws joints from this score on (DataWriter.vis_thres)
_LAYOUTS = {17: "coco-17", 26: "halpe-26", 136: "halpe-26"}  # of 136 joints, face and hands are left out
_IMAGE = re.compile(rb'\{\s*"(version|bodies|people)"')
_NAMED = re.compile(rb'"image_id"\s*:\s*"')
_FORMS = {"bodies": "joints", "people": "pose_keypoints_2d"}  # of cmu and open


def looks_like_alphapose(head: bytes) -> bool:
    """Whether a file's start is a result of AlphaPose.

    Example:
        >>> looks_like_alphapose(b'[{"image_id": "0.jpg", "category_id": 1, "keypoints": [')
        True
    """
    start, keys = json_start(head), json_keys(head)
    if start.startswith(b"["):
        return "image_id" in keys and (not keys.isdisjoint({"idx", "box"}) or _NAMED.search(start) is not None)
    return {"bodies", "joints"} <= keys or ("people" in keys and b'"AlphaPose' in start)


def is_alphapose_frame(head: bytes) -> bool:
    """Whether a file's start is one image of the form ``cmu`` or ``open``, as in the folder ``sep-json``."""
    return _IMAGE.match(json_start(head)) is not None


@with_remedy(f"write the file again with AlphaPose, {OTHER_FORMAT}")
def read_alphapose(paths: Sequence[Path], *, name: str, options: PoseOptions) -> list[RawClip]:
    """Read AlphaPose's results of one recording: 17 (COCO), 26 (Halpe) or 136 joints.

    Of 136 joints the first 26 are taken, without face and hands.

    Frames are counted from 0 by the number in ``image_id``, whatever the order of the list. Where the images are called
    by more than a number (``img_0005.jpg``), the first one is frame 0. The list leaves out frames without persons; the
    clip has them, without a visible person.

    ``idx`` is a person's id if AlphaPose tracked: an integer, or a list whose first number differs between persons.

    Args:
        paths: One file, such as ``alphapose-results.json``, or the files of the folder ``sep-json``.
        name: Name of the clip.
        options: What the caller knows about the files.

    Returns:
        One clip ``(2, t, v, b)`` in pixels, y down.

    Raises:
        ClipFormatError: With the file and the entry.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "alphapose-results.json")
        ...     _ = path.write_text('[{"image_id": "3.jpg", "keypoints": %s, "score": 2.7}]' % ([10, 20, 0.9] * 17))
        ...     clip = read_alphapose([path], name="walk", options=PoseOptions())[0]
        >>> clip.x.shape, clip.layout
        ((2, 4, 17, 1), 'coco-17')
    """
    if len(paths) > 1:
        return _read_images(paths, name, options)
    path = paths[0]
    content = read_json(path)
    if isinstance(content, list):
        return [_read_list(content, path, name, options)]
    if not isinstance(content, dict):
        raise ClipFormatError(path, f"expected a list of persons, or an object of images, got {describe(content)}")
    if not content.keys().isdisjoint(_FORMS):
        return _read_images(paths, name, options)
    images = list(content)
    rows, where, owner = [], [], []
    for image, value in content.items():
        for rank, row in enumerate(_bodies(value, path, f"image {escape(image, longest=60)!r}")):
            rows.append(row)
            where.append(f"image {escape(image, longest=60)!r}, person {rank}")
            owner.append(image)
    frames = image_frames(images, path)
    number = [frames[image] for image in owner]
    return [_clip(rows, where, number, None, max(frames.values(), default=-1) + 1, path, name, options, 18)]


def image_frames(images: Sequence[str | int], path: Path) -> dict[str | int, int]:
    """The frame of each image: its number, or, where images are called by more than a number, counted from the first.

    Raises:
        ClipFormatError: An image without a number, or two images with the same one.

    Example:
        >>> image_frames(["10.jpg", "9.jpg"], Path("a.json"))
        {'10.jpg': 10, '9.jpg': 9}
        >>> image_frames(["img_10.jpg", "img_9.jpg"], Path("a.json"))
        {'img_10.jpg': 1, 'img_9.jpg': 0}
    """
    numbers: dict[str | int, int] = {}
    taken: dict[int, str | int] = {}
    bare = True
    for image in dict.fromkeys(images):
        stem = str(image).replace("\\", "/").rpartition("/")[2]
        stem = stem.rpartition(".")[0] or stem
        number = image if isinstance(image, int) else frame_number(stem)
        if number is None or not 0 <= number < 2**62:
            raise ClipFormatError(path, f"image_id: expected an image called by its frame number, got {_shown(image)}")
        if number in taken:
            raise ClipFormatError(
                path,
                f"image_id: expected one image for frame {number}, got {_shown(taken[number])} and {_shown(image)}; "
                "write one file for each recording",
            )
        taken[number], numbers[image] = image, number
        bare &= isinstance(image, int) or (stem.isascii() and stem.isdigit())
    first = 0 if bare else min(taken, default=0)
    return {image: number - first for image, number in numbers.items()}


def _shown(image: str | int) -> str:
    return repr(escape(image, longest=60))


def _read_list(content: list[Any], path: Path, name: str, options: PoseOptions) -> RawClip:
    rows, where, images, idx = [], [], [], []
    for i, person in enumerate(content):
        if not isinstance(person, dict):
            raise ClipFormatError(path, f"entry {i}: expected an object, got {describe(person)}")
        image = person.get("image_id")
        if not isinstance(image, str | int) or isinstance(image, bool):
            raise ClipFormatError(path, f"entry {i}: image_id: expected a name or a number, got {describe(image)}")
        where.append(f"entry {i}")
        rows.append(check_row(person.get("keypoints"), path=path, where=f"entry {i}: keypoints"))
        images.append(image)
        idx.append(person.get("idx"))
    frames = image_frames(images, path)
    number = [frames[image] for image in images]
    return _clip(rows, where, number, _ids(idx), max(number, default=-1) + 1, path, name, options)


def _read_images(paths: Sequence[Path], name: str, options: PoseOptions) -> list[RawClip]:
    paths, numbers, frames = order_frames(paths)
    rows, where, number = [], [], []
    for path, frame in zip(paths, numbers, strict=True):
        for rank, row in enumerate(_bodies(read_json(path), path, "image")):
            rows.append(row)
            where.append(f"{escape(path.name)}, person {rank}")
            number.append(frame)
    return [_clip(rows, where, number, None, frames, paths[0], name, options, 18)]


def _bodies(image: Any, path: Path, where: str) -> list[list[float | None]]:
    form = next((key for key in _FORMS if key in image), None) if isinstance(image, dict) else None
    if form is None or not isinstance(image[form], list):
        raise ClipFormatError(path, f"{where}: expected an object with a list of bodies or people, got none")
    rows = []
    for rank, person in enumerate(image[form]):
        if not isinstance(person, dict):
            raise ClipFormatError(path, f"{where}, person {rank}: expected an object, got {describe(person)}")
        rows.append(check_row(person.get(_FORMS[form]), path=path, where=f"{where}, person {rank}: {_FORMS[form]}"))
    return rows


def _ids(idx: Sequence[Any]) -> NDArray[np.int64] | None:
    """The persons' ids, if these are ids: integers, or lists that begin with different numbers."""
    ids: list[int] = []
    listed = False
    for value in idx:
        while isinstance(value, list) and value:
            value, listed = value[0], True
        if type(value) not in (int, float) or not abs(value) < 2**62 or value != int(value):
            return None
        ids.append(int(value))
    if not ids or (listed and len(set(ids)) == 1):
        return None
    return np.array(ids, dtype=np.int64)


def _clip(
    rows: Sequence[Sequence[float | None]],
    where: Sequence[str],
    frame: Sequence[int],
    ids: NDArray[np.int64] | None,
    frames: int,
    path: Path,
    name: str,
    options: PoseOptions,
    form: int = 0,
) -> RawClip:
    known: Mapping[int, str] = {form: "openpose-18"} if form else _LAYOUTS
    layout, x, scores = joints_and_scores(rows, where=where, known=known, options=options, path=path, tool="AlphaPose")
    seen = scores >= (MIN_SCORE if options.min_score is None else options.min_score)
    found = Detections(np.array(frame, dtype=np.int64), x, seen, scores, ids, frames)
    return to_clip(found, path=path, name=name, layout=layout, fps=options.fps)
