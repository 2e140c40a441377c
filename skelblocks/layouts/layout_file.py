"""Layouts in JSON files, for skeletons of your own and for command lines."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skelblocks._utils.whole_file import whole_file
from skelblocks.layouts.registry import get
from skelblocks.layouts.skeleton_layout import SkeletonLayout

_SUFFIX = ".json"
_MEND = "skelblocks.layouts.save writes such files"
# What JSON has for each key; SkeletonLayout checks what is in them.
_KINDS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "name": (str, "a string"),
    "joints": (list, "a list of names"),
    "edges": (list, "a list of pairs of joints"),
    "center": (int, "the number of a joint"),
    "swap": (list, "a list of joints"),
    "parts": (dict, "an object of names, each with a list of joints"),
    "bodies": (dict, "an object of names, each with a list of joints"),
}


def load(path: str | os.PathLike[str]) -> SkeletonLayout:
    """Read a layout from a JSON file: the dict of :meth:`SkeletonLayout.to_dict`. It is not registered.

    Args:
        path: The file, by :func:`save` or by hand; the ``layout.json`` of a training run is one.

    Returns:
        The layout.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no JSON, or describes no layout; the message says where and why.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save("coco-17", f"{folder}/mine.json")
        ...     load(f"{folder}/mine.json") == get("coco-17")
        True
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"layout: there is no file {str(path)!r} (looked in {Path.cwd()}); {_MEND}")
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))  # some editors begin a file with a mark
    except json.JSONDecodeError as error:
        raise ValueError(
            f"layout: {str(path)!r} is no JSON: {error}; JSON wants double quotes, and has no comments and no comma "
            f"after the last entry; {_MEND}"
        ) from error
    except RecursionError as error:
        raise ValueError(
            f"layout: {str(path)!r}: expected an object {{...}}, got JSON nested too deep; {_MEND}"
        ) from error
    except ValueError as error:
        raise ValueError(f"layout: {str(path)!r} is no text in UTF-8; {_MEND}") from error
    if not isinstance(values, dict):
        raise ValueError(f"layout: {str(path)!r}: expected an object {{...}}, got {type(values).__name__}; {_MEND}")
    try:
        _check_kinds(values)
        return SkeletonLayout.from_dict(values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"layout: {str(path)!r}: {error}") from error


def save(layout: str | Mapping[str, Any] | SkeletonLayout, path: str | os.PathLike[str]) -> None:
    """Write a layout to a JSON file, one key on each line, for :func:`load` and for command lines.

    Args:
        layout: A name, a dict or a layout.
        path: The file, which ends in ``.json``. One that is there is replaced, whole or not at all.

    Raises:
        ValueError: another ending, or no layout.
        FileNotFoundError: there is no such folder.
    """
    path, values = Path(path), get(layout).to_dict()
    if not is_file_name(str(path)):
        raise ValueError(f"path: expected a file that ends in {_SUFFIX}, got {path.name!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path: there is no folder {str(path.parent)!r} to write {path.name!r} to")
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())
    with whole_file(path) as place:
        place.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def get_or_load(layout: str) -> SkeletonLayout:
    """The layout that a word on a command line stands for: a file where it ends in ``.json``, else a registered name.

    Blocks take no path; in code, pass them what :func:`load` gives.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it describes no layout, or the name is not registered.

    Example:
        >>> get_or_load("sbu").num_joints
        15
    """
    return load(layout) if is_file_name(layout) else get(layout)


def is_file_name(layout: str) -> bool:
    """Whether :func:`get_or_load` takes it for a file."""
    return layout.endswith(_SUFFIX)


def _check_kinds(values: Mapping[str, Any]) -> None:
    for key, (kind, said) in _KINDS.items():
        value = values.get(key)
        if key in values and not isinstance(value, kind):
            raise ValueError(f"{key}: expected {said}, got {json.dumps(value)[:50]}")
    inner = {"edges": values.get("edges", ())}
    inner |= {key: values.get(key, {}).values() for key in ("parts", "bodies")}
    for key, entries in inner.items():
        wrong = [each for each in entries if not isinstance(each, list)]
        if wrong:
            raise ValueError(f"{key}: expected {_KINDS[key][1]}, got {json.dumps(wrong[0])[:50]} among them")
    unnamed = [joint for joint in values.get("joints", ()) if not isinstance(joint, str)]
    if unnamed:
        raise ValueError(f"joints: expected {_KINDS['joints'][1]}, got {json.dumps(unnamed[0])[:50]} among them")
