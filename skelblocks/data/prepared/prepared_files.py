"""The files of a prepared set: what they are called, and how they are written so that none is ever there in part."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from skelblocks.clips.raw_clip import ClipFormatError

FORMAT, VERSION = "skelblocks prepared set", 1
MANIFEST, INDEX, UNFINISHED = "manifest.json", "index.npy", "unfinished"
SHARDS = "clips-[0-9]*.npy"
LONGEST_NAME = 255
ORIGIN = "origin_"
_LARGEST_JSON = 1 << 28


def shard_name(number: int) -> str:
    """The file of a shard.

    Example:
        >>> shard_name(3)
        'clips-00003.npy'
    """
    return f"clips-{number:05}.npy"


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> str:
    """Write a file under another name and rename it once it is on the disk; its sha256 comes back.

    The other name is in the folder ``unfinished`` beside it.
    """
    beside = path.parent if path.parent.name == UNFINISHED else path.parent / UNFINISHED
    beside.mkdir(exist_ok=True)
    temporary = beside / f"{path.name}.{os.getpid()}"
    with temporary.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    digest = sha256(temporary)
    temporary.replace(path)
    return digest


def write_array(path: Path, array: NDArray[Any]) -> str:
    """Write a ``.npy`` file; its sha256 comes back."""
    return write_whole(path, lambda file: np.lib.format.write_array(file, array, allow_pickle=False))


def write_json(path: Path, content: Mapping[str, Any]) -> str:
    """Write a ``.json`` file, keys in their order, which a layout's parts need; its sha256 comes back."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    return write_whole(path, lambda file: file.write(text.encode("utf-8")))


def read_json(path: Path) -> dict[str, Any]:
    """Read what :func:`write_json` wrote; ``ClipFormatError`` where that is not an object in JSON."""
    if path.stat().st_size > _LARGEST_JSON:
        raise ClipFormatError(path, f"expected less than {_LARGEST_JSON} bytes, got {path.stat().st_size}")
    try:
        content = json.loads(path.read_bytes().decode("utf-8"))
    except json.JSONDecodeError as error:
        raise ClipFormatError(path, f"broken json: {error.msg}", line=error.lineno) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ClipFormatError(path, f"json that is not read: {str(error)[:120]}") from error
    if not isinstance(content, dict):
        raise ClipFormatError(path, f"expected an object, got {type(content).__name__}")
    return content


def map_array(path: Path) -> NDArray[Any]:
    """Map a ``.npy`` file; ``ClipFormatError`` where it is not whole."""
    try:
        # A plain view: numpy looks each result of a memmap over, which costs more than the copy of a clip.
        return np.asarray(np.lib.format.open_memmap(path, mode="r"))
    except FileNotFoundError:
        raise ClipFormatError(path, "the manifest names it, and it is not there") from None
    except Exception as error:
        # The header is a literal of Python, and numpy lets through what its parser raises.
        raise ClipFormatError(path, f"not a whole .npy file of numbers: {str(error)[:120]}") from error


def sha256(path: Path) -> str:
    """That of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def joint_sha256(parts: Sequence[str]) -> str:
    """One number for several.

    Example:
        >>> joint_sha256(["a", "b"])[:8]
        '7e18f737'
    """
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def index_array(clips: Sequence[Mapping[str, Any]]) -> NDArray[Any]:
    """Records of ``name``, ``label``, ``part``, ``shard``, ``row`` and a column for each key of the origins.

    An origin that a clip does not tell is -1, and so are all parts.
    """
    keys = sorted({key for clip in clips for key in clip["origin"]})
    width = max(len(clip["name"]) for clip in clips)
    kinds: list[tuple[str, str]] = [("name", f"<U{width}"), ("label", "<i8"), ("part", "<i1")]
    kinds += [("shard", "<i8"), ("row", "<i8"), *((ORIGIN + key, "<i8") for key in keys)]
    index = np.zeros(len(clips), dtype=kinds)
    index["part"] = -1
    for column in ("name", "label", "shard", "row"):
        index[column] = [clip[column] for clip in clips]
    for key in keys:
        index[ORIGIN + key] = [clip["origin"].get(key, -1) for clip in clips]
    return index


def open_folder(folder: Path, plan: dict[str, Any], also: dict[str, Any], *, overwrite: bool) -> dict[str, Any] | None:
    """Make the folder ready to be written to; the manifest, if it is finished already.

    Of the plan depends what is in the shards, so that they can be gone on with; of ``also``, the rest.
    """
    unfinished, manifest = folder / UNFINISHED, folder / MANIFEST
    for path in (manifest, unfinished / "plan.json"):
        if not path.is_file():
            continue
        known = read_json(path)
        wanted = {**plan, **also} if path == manifest else plan
        other = [key for key, value in wanted.items() if known.get(key) != value]
        if not other and not (overwrite and path == manifest):
            if path == manifest:
                shutil.rmtree(unfinished, ignore_errors=True)
                return known
            for leftover in unfinished.glob("*.*.*"):
                leftover.unlink()
            return None
        if not overwrite:
            raise ValueError(
                f"out: {str(folder)!r} holds a prepared set with other {', '.join(other)}; choose another folder, or "
                "overwrite it"
            )
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        write_json(unfinished / "plan.json", plan)
        for old in (manifest, folder / INDEX, *folder.glob(SHARDS)):
            old.unlink(missing_ok=True)
        return None
    if folder.is_dir() and any(path != unfinished for path in folder.iterdir()):
        raise ValueError(f"out: {str(folder)!r} holds files that are no prepared set; choose another folder")
    unfinished.mkdir(parents=True, exist_ok=True)
    write_json(unfinished / "plan.json", plan)
    return None
