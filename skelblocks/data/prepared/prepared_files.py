"""The files of a prepared set: their names, and how they are read and written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.escape import escape
from skelblocks._utils.whole_file import remove_partial_files, whole_file
from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.clips.raw_clip import ClipFormatError

FORMAT, VERSION = "skelblocks prepared set", 2
READABLE = (1, 2)  # versions; 1 has the settings of the preprocessing one by one, and no digest of the plan
MANIFEST, INDEX, UNFINISHED, PLAN = "manifest.json", "index.npy", "unfinished", "plan.json"
LOCK = ".lock"
# What determines the content of the shards.
PLANNED = ("format", "version", "settings", "class_names", "shard", "sources")
_PLANNED_IF_THERE = ("origin_names", "source_settings")
SHARDS = "clips-[0-9]*.npy"
MASKS = "seen-[0-9]*.npy"  # packed bits of shards in which some clip tells of joints
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


def mask_name(number: int) -> str:
    """The file of the seen joints of a shard.

    Example:
        >>> mask_name(3)
        'seen-00003.npy'
    """
    return f"seen-{number:05}.npy"


def write_array(path: Path, array: NDArray[Any], *, through: Path) -> str:
    """Write a ``.npy`` file atomically, by way of the folder ``through``, and return its sha256."""
    with whole_file(path, through=through) as place:
        with place.open("wb") as file:
            np.lib.format.write_array(file, array, allow_pickle=False)
        return sha256(place)


def write_json(path: Path, content: Mapping[str, Any], *, through: Path) -> None:
    """Write a ``.json`` file atomically. Keys keep their order, on which a layout's parts depend."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    with whole_file(path, through=through) as place:
        place.write_bytes(text.encode("utf-8"))


def read_json(path: Path) -> dict[str, Any]:
    """Read what :func:`write_json` wrote; ``ClipFormatError`` where that is not an object in JSON."""
    if path.stat().st_size > _LARGEST_JSON:
        raise ClipFormatError(
            path, f"expected less than {_LARGEST_JSON} bytes, got {path.stat().st_size}; prepare the set again"
        )
    try:
        content = json.loads(path.read_bytes().decode("utf-8"))
    except json.JSONDecodeError as error:
        raise ClipFormatError(path, f"broken json: {error.msg}; prepare the set again", line=error.lineno) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ClipFormatError(path, f"json that is not read: {str(error)[:120]}; prepare the set again") from error
    if not isinstance(content, dict):
        raise ClipFormatError(path, f"expected an object, got {type(content).__name__}; prepare the set again")
    return content


def map_array(path: Path) -> NDArray[Any]:
    """Map a ``.npy`` file; ``ClipFormatError`` where it is not whole."""
    try:
        # A plain view: numpy checks each result of a memmap, which costs more than copying a clip.
        return np.asarray(np.lib.format.open_memmap(path, mode="r"))
    except FileNotFoundError:
        raise ClipFormatError(
            path, "the manifest names this file, but it does not exist; prepare the set again"
        ) from None
    except Exception as error:
        # The header is a literal of Python, and numpy lets through what its parser raises.
        raise ClipFormatError(
            path, f"not a whole .npy file of numbers: {str(error)[:120]}; prepare the set again"
        ) from error


def sha256(path: Path) -> str:
    """The digest of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def joint_sha256(parts: Sequence[str]) -> str:
    """One digest for several.

    Example:
        >>> joint_sha256(["a", "b"])[:8]
        '7e18f737'
    """
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def plan_sha256(content: Mapping[str, Any]) -> str:
    """The digest of a plan, or of the plan in a manifest."""
    plan = {key: content.get(key) for key in PLANNED}
    plan |= {key: content[key] for key in _PLANNED_IF_THERE if content.get(key) is not None}
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()


def index_array(clips: Sequence[Mapping[str, Any]]) -> NDArray[Any]:
    """Records of ``name``, ``label``, ``part``, ``shard``, ``row`` and a column for each key of the origins.

    An origin that a clip does not say is -1, and so are all parts.
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
    """Prepare a folder for writing, under its lock. Return the manifest if the set is already finished.

    Args:
        folder: An existing folder.
        plan: Determines the content of the shards, so that an unfinished run with the same plan can be resumed.
        also: Settings that do not affect the shards.
        overwrite: Whether to remove an existing set.
    """
    unfinished, manifest = folder / UNFINISHED, folder / MANIFEST
    if manifest.is_file():
        known = read_json(manifest)
        other = _differences(_later(known), {**plan, **also})
        if not other and not overwrite:
            shutil.rmtree(unfinished, ignore_errors=True)
            return known
        _refuse(folder, other, overwrite)
        _start_over(folder, plan)
    elif (unfinished / PLAN).is_file():
        known = read_json(unfinished / PLAN)
        other = _differences(known, plan)
        if other:
            _refuse(folder, other, overwrite)
            _start_over(folder, plan)
        remove_partial_files(unfinished)
    elif any(path.name not in (UNFINISHED, LOCK) for path in folder.iterdir()):
        raise ValueError(f"out: {escape(folder)!r} holds files that are not a prepared set; choose another folder")
    else:
        _start_over(folder, plan)
    return None


def _differences(known: Mapping[str, Any], plan: Mapping[str, Any]) -> list[str]:
    """The settings of a plan that a set does not have, such as ``"source_settings (window)"``."""
    other = []
    for key, value in plan.items():
        there = known.get(key)
        if there == value:
            continue
        if isinstance(there, dict) and isinstance(value, dict):
            names = sorted(name for name in {*there, *value} if there.get(name) != value.get(name))
            key = f"{key} ({', '.join(names)})"
        other.append(key)
    return other


def _refuse(folder: Path, other: Sequence[str], overwrite: bool) -> None:
    if not overwrite:
        raise ValueError(
            f"out: {escape(folder)!r} holds a prepared set with other {', '.join(other)}; choose another folder, or "
            "overwrite it with overwrite=True (--overwrite)"
        )


def _start_over(folder: Path, plan: dict[str, Any]) -> None:
    """Remove a set. The plan is written first, so an interruption leaves a set that has to be prepared again."""
    unfinished = folder / UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(exist_ok=True)
    write_json(unfinished / PLAN, plan, through=unfinished)
    for old in (folder / MANIFEST, folder / INDEX, *folder.glob(SHARDS), *folder.glob(MASKS)):
        old.unlink(missing_ok=True)


def _later(known: dict[str, Any]) -> dict[str, Any]:
    """A manifest as this version writes it, for comparison with a plan."""
    if known.get("version") != 1 or not isinstance(settings := known.get("settings"), dict):
        return known
    own = {name: settings.get(name) for name in ("layout", "channels", "denoise", "bodies", "gaps")}
    rest = {name: value for name, value in settings.items() if name not in own}
    with contextlib.suppress(TypeError, ValueError):
        own["preprocessing"] = Preprocessing.from_dict(rest).to_dict()
    return {**known, "version": VERSION, "settings": own}
