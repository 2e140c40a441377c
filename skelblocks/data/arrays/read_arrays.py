"""Read plain arrays from .npz and .npy files by their purpose."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.escape import escape
from skelblocks._utils.explain_arguments import explain_arguments

KEYS: Mapping[str, str] = {
    "clips": "x",
    "labels": "y",
    "lengths": "length",
    "seen": "seen",
    "names": "clip_name",
    "subjects": "subject",
    "views": "view",
    "train": "is_train",
    "class_names": "class_names",
    "joint_names": "joint_names",
}


@explain_arguments
def read_arrays(path: str | os.PathLike[str], *, keys: Mapping[str, str] | None = None) -> dict[str, NDArray[Any]]:
    """Read the arrays of a set, and rename them by their purpose.

    Files are never unpickled: a pickle can run code when it is opened.

    Args:
        path: A ``.npz`` file, or a ``.npy`` file that holds only the clips and is mapped from disk.
        keys: Names of the arrays in the file, by purpose: ``{"clips": "data", "labels": "target"}``. They add to the
            defaults ``clips: x``, ``labels: y``, ``lengths: length``, ``seen``, ``names: clip_name``,
            ``subjects: subject``, ``views: view``, ``train: is_train``, ``class_names`` and ``joint_names``.

    Returns:
        The arrays by purpose; other arrays keep their name in the file. Only ``"clips"`` is guaranteed to exist.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: Another kind of file, pickled objects in it, a purpose that is unknown, an array that ``keys`` names
            and the file lacks, or no clips.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/set.npz", data=np.ones((4, 3, 20, 25, 1)), y=np.arange(4))
        ...     sorted(read_arrays(f"{folder}/set.npz", keys={"clips": "data"}))
        ['clips', 'labels']
    """
    path = Path(path)
    unknown = sorted(set(keys or {}) - set(KEYS))
    if unknown:
        raise ValueError(f"keys: expected names among {sorted(KEYS)}, got {unknown}; correct them")
    if not path.is_file():
        raise FileNotFoundError(
            f"path: there is no file {escape(path)!r} (looked in {escape(Path.cwd())}); check the path"
        )
    if path.suffix == ".npy":
        if keys:
            raise ValueError("keys: a .npy file holds one array without a name; leave keys out")
        return {"clips": _load(path, mmap_mode="r")}
    if path.suffix != ".npz":
        raise ValueError(
            f"path: expected a .npz or .npy file, got {path.name!r}; save clips (n, c, t, v, m) with numpy.savez, or "
            "turn files of poses into a prepared set with skelblocks prepare"
        )
    with _load(path) as file:
        try:
            _check_sizes(file.zip, path)
            arrays = {name: file[name] for name in file.files}
        except Exception as error:
            raise _wrong(path, error) from error
    for purpose, name in {**KEYS, **(keys or {})}.items():
        if name in arrays:
            arrays[purpose] = arrays.pop(name)
        elif purpose == "clips" or purpose in (keys or {}):
            raise ValueError(f"keys: {_missing(path, name, purpose, arrays)}")
    return arrays


def _missing(path: Path, name: str, purpose: str, arrays: Mapping[str, Any]) -> str:
    there = ", ".join(map(escape, sorted(arrays))) or "no array"
    found = f"{escape(path.name)!r} has no array {escape(name)!r} for the {purpose}; it has {there}"
    if {"poses", "betas"} <= arrays.keys():
        return (
            f"{found}, the parameters of a body model, as in AMASS; compute the joints' positions with that model, and "
            "save them as x (n, c, t, v, m)"
        )
    return f"{found}; name the right one with keys={{{purpose!r}: ...}}"


def _load(path: Path, **options: Any) -> Any:
    try:
        return np.load(path, allow_pickle=False, **options)
    except Exception as error:  # zipfile and numpy's parser of headers let much through
        raise _wrong(path, error) from error


def _check_sizes(archive: zipfile.ZipFile, path: Path) -> None:
    """Reject an array that claims more numbers than the file has, before memory is allocated."""
    for member in archive.infolist():
        with archive.open(member) as file:
            try:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, dtype = read(file)
            except (ValueError, EOFError):  # not an array; numpy will report it
                continue
            claimed = math.prod(shape) * dtype.itemsize
            held = min(member.file_size, _DENSEST * member.compress_size) - file.tell()
            if not dtype.hasobject and claimed > held:
                raise ValueError(f"{escape(member.filename)} claims {claimed:,} bytes, and the file has {held:,}")


_DENSEST = 1100  # deflate packs at most 1032 bytes into one


def _wrong(path: Path, error: Exception) -> ValueError:
    if isinstance(error, MemoryError):
        return ValueError(f"path: {escape(path)!r} needs more memory than is available: {error}")
    if "pickle" not in str(error).lower():  # numpy has no type of its own for these
        return ValueError(f"path: {escape(path)!r} is not a whole numpy file: {escape(error)}")
    return ValueError(
        f"path: {escape(path)!r} is not a file of plain numbers and strings; pickled objects are not read, since they "
        "can run code: save each as an array of its own"
    )
