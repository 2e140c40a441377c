"""Poses in numpy's files: HumanML3D, and arrays of your own.

Axes: n clips, c coordinates, t frames, v joints, b persons.
"""

from __future__ import annotations

import math
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from einops import rearrange
from numpy.typing import NDArray

from skelblocks._utils.escape import escape
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.data.formats.detections import PoseOptions
from skelblocks.data.formats.with_remedy import with_remedy
from skelblocks.layouts import SkeletonLayout
from skelblocks.layouts.recognize_layout import recognize_layout

_LARGEST = 1 << 32  # bytes, unpacked
_LARGEST_VALUE = 1e30
_HUMANML3D, _HUMANML3D_FPS = (22, 3), 20.0
_FEATURES = 263  # numbers in a frame of HumanML3D's other arrays
_OWN_KEY = "x"


def looks_like_pose_array(head: bytes) -> bool:
    r"""Whether a file's start is numpy's ``.npy`` or ``.npz``.

    Example:
        >>> looks_like_pose_array(b"\x93NUMPY\x01\x00v"), looks_like_pose_array(b"PK\x03\x04 word/document.xml")
        (True, False)
    """
    return head.startswith(b"\x93NUMPY") or (head.startswith(b"PK\x03\x04") and b".npy" in head[:300])


@with_remedy("save plain numbers with numpy.save or numpy.savez")
def read_pose_array(paths: Sequence[Path], *, name: str, options: PoseOptions) -> list[RawClip]:
    """Read joints' positions from a numpy file, which is never unpickled.

    Args:
        paths: A ``.npy`` file with ``(t, v, c)`` or ``(t, v, c, b)``, or a ``.npz`` file with one array of that kind,
            or with ``x (n, c, t, v, b)`` as the package's own sets have it, and ``y``, ``length``, ``clip_name`` and
            ``joint_names`` beside it. c is 2 or 3.
        name: Name of the clip.
        options: What the caller knows about the file.

    Returns:
        The clips in the file's unit. NaN is a joint that is not seen, and so is a person whose joints are all zero in a
        frame. In pictures, where c is 2, a joint at exactly ``(0, 0)`` is not seen either, unless it is there
        throughout, as the center of centered clips is. ``(t, 22, 3)`` is HumanML3D: the layout ``smpl-22``, 20 frames a
        second.

    Raises:
        ClipFormatError: Pickled objects, another shape, or a number that is infinite or too large.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(f"{folder}/012314.npy", np.ones((40, 22, 3)))
        ...     clip = read_pose_array([Path(folder, "012314.npy")], name="012314", options=PoseOptions())[0]
        >>> clip.x.shape, clip.layout, clip.fps
        ((3, 40, 22, 1), 'smpl-22', 20.0)
    """
    path = paths[0]
    arrays = _load(path)
    if len(arrays) != 1 or (_OWN_KEY in arrays and arrays[_OWN_KEY].ndim == 5):
        return _own_form(arrays, path, name, options)
    [(called, x)] = arrays.items()
    where = "" if called == "" else f"array {escape(called)!r}: "
    if x.ndim == 2 and x.shape[1] == _FEATURES:
        raise ClipFormatError(
            path,
            f"{where}expected positions (t, 22, 3), got HumanML3D's features {x.shape}; give the file in new_joints",
        )
    if x.ndim not in (3, 4) or x.shape[2] not in (2, 3) or 0 in x.shape:
        raise ClipFormatError(
            path,
            f"{where}expected (t, v, c) or (t, v, c, b) with c of 2 or 3, got {x.shape}; bring the axes into this "
            "order: frames, joints, coordinates, persons",
        )
    frames = rearrange(x if x.ndim == 4 else x[..., None], "t v c b -> c t v b")
    layout, fps = _layout(x.shape[1], x.shape[2], options, path)
    return [_clip(frames, path, name, layout, fps)]


def _load(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays that hold numbers or strings; a ``.npy`` file's is called ``""``."""
    mmap_mode: Literal["r"] | None = "r" if _is_npy(path) else None
    try:
        with warnings.catch_warnings():  # about headers that Python 2 wrote, which are read all the same
            warnings.simplefilter("ignore", UserWarning)
            loaded = np.load(path, allow_pickle=False, mmap_mode=mmap_mode)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        with loaded as file:
            _check_sizes(file.zip, path)
            return {name: file[name] for name in file.files}
    except ClipFormatError:
        raise
    except Exception as error:  # zipfile and numpy's parser of headers let much through, errors of the system too
        if "pickle" in str(error).lower() or "Python objects" in str(error):
            raise ClipFormatError(path, _pickled(path)) from None
        raise ClipFormatError(path, f"expected a whole numpy file: {escape(error, longest=200)}") from None


def _is_npy(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(6) == b"\x93NUMPY"


def _check_sizes(archive: zipfile.ZipFile, path: Path) -> None:
    """Reject an archive that unpacks to more than 4 GiB, and an array that claims more than is packed."""
    if sum(member.file_size for member in archive.infolist()) > _LARGEST:
        raise ClipFormatError(path, f"expected arrays of at most {_LARGEST >> 30} GiB")
    for member in archive.infolist():
        with archive.open(member) as file:
            if np.lib.format.read_magic(file) == (1, 0):
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            else:
                shape, _, dtype = np.lib.format.read_array_header_2_0(file)
        if not dtype.hasobject and math.prod(shape) * dtype.itemsize > member.file_size:
            raise ClipFormatError(
                path, f"array {escape(member.filename)!r}: expected the numbers of {shape}, got fewer"
            )


def _pickled(path: Path) -> str:
    why = "expected plain arrays, got pickled objects, which can run code when they are read"
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except Exception:  # zipfile raises errors of many types for damaged archives
        names = set()
    if names & {"positions_2d.npy", "positions_3d.npy"}:
        return (
            f"{why}; this is VideoPose3D's form: if you trust it, open it with numpy.load(..., allow_pickle=True) "
            "and save each subject's array (t, v, c) with numpy.save"
        )
    return f"{why}; save each clip as an array (t, v, c) of its own"


def _own_form(arrays: dict[str, NDArray[Any]], path: Path, name: str, options: PoseOptions) -> list[RawClip]:
    """``x (n, c, t, v, b)`` with what is known of the clips."""
    x = arrays.get(_OWN_KEY)
    if x is None or x.ndim != 5 or x.shape[1] not in (2, 3) or 0 in x.shape:
        listed = [f"{escape(called, longest=40)} {each.shape}" for called, each in sorted(arrays.items())[:10]]
        found = ", ".join(listed) or "no array"
        if {"poses", "betas"} <= arrays.keys():
            found += ", the parameters of a body model, as in AMASS: save the joints' positions instead"
        raise ClipFormatError(path, f"expected one array (t, v, c), or x (n, c, t, v, m), got {found}")
    n, c, t, v, _ = x.shape
    lengths = _column(arrays, "length", n, path, least=1, most=t)
    labels = _column(arrays, "y", n, path, least=-1, most=1 << 31)
    names = arrays.get("clip_name", np.array([f"{name}/{i}" for i in range(n)]))
    if names.shape != (n,) or len(set(map(str, names))) != n:
        raise ClipFormatError(path, f"array 'clip_name': expected {n} distinct names, got {names.shape}")
    layout, fps = _layout(v, c, options, path, joint_names=tuple(map(str, arrays.get("joint_names", ()))))
    clips = []
    for i in range(n):
        length = t if lengths is None else int(lengths[i])
        clip = _clip(x[i, :, :length], path, str(names[i]), layout, fps)
        clips.append(clip._replace(label=-1 if labels is None else int(labels[i])))
    return clips


def _column(
    arrays: dict[str, NDArray[Any]], key: str, n: int, path: Path, *, least: int, most: int
) -> NDArray[np.int64] | None:
    if key not in arrays:
        return None
    column = arrays[key]
    if column.shape != (n,) or column.dtype.kind not in "iu" or not ((column >= least) & (column <= most)).all():
        raise ClipFormatError(path, f"array {key!r}: expected {n} integers in {least}..{most}")
    return column.astype(np.int64)


def _layout(
    v: int, c: int, options: PoseOptions, path: Path, *, joint_names: tuple[str, ...] = ()
) -> tuple[str | SkeletonLayout | None, float | None]:
    """The skeleton and the frame rate, as far as they are known."""
    if options.layout is not None or joint_names:
        try:
            return recognize_layout(options.layout, num_joints=v, joint_names=joint_names), options.fps
        except ValueError as error:
            raise ClipFormatError(path, escape(error)) from None
    if (v, c) == _HUMANML3D:
        return "smpl-22", _HUMANML3D_FPS if options.fps is None else options.fps
    return None, options.fps


def _clip(x: NDArray[Any], path: Path, name: str, layout: str | SkeletonLayout | None, fps: float | None) -> RawClip:
    """A clip of ``(c, t, v, b)``."""
    if x.dtype.kind not in "fiu":
        raise ClipFormatError(path, f"expected numbers, got {x.dtype}")
    missing = np.isnan(x).any(axis=0)
    if np.isinf(x).any() or (np.abs(np.nan_to_num(x)) > _LARGEST_VALUE).any():
        raise ClipFormatError(path, f"expected numbers up to {_LARGEST_VALUE:g}, got one that is infinite or larger")
    values = np.where(missing, 0, x).astype(np.float32)
    seen = ~missing
    zero = (values == 0).all(axis=0)
    seen &= ~(zero & seen).all(axis=1, keepdims=True) | (x.shape[2] == 1)
    if len(x) == 2:
        seen &= ~zero | zero.all(axis=0, keepdims=True)
    return RawClip(name, np.where(seen, values, np.float32(0)), seen, -1, {}, layout=layout, fps=fps)
