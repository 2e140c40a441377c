"""Read and write layouts as JSON files, for your own skeletons and for command lines."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks._utils.whole_file import whole_file
from skelblocks.layouts.registry import get
from skelblocks.layouts.skeleton_layout import SkeletonLayout

_SUFFIX = ".json"
_MEND = "skelblocks.layouts.save writes such files"
# The JSON type of each key. SkeletonLayout checks the contents.
_KINDS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "name": (str, "a string"),
    "joints": (list, "a list of names"),
    "edges": (list, "a list of pairs of joints"),
    "center": (int, "the number of a joint"),
    "swap": (list, "a list of joints"),
    "parts": (dict, "an object of names, each with a list of joints"),
    "bodies": (dict, "an object of names, each with a list of joints"),
}


@explain_arguments
def load(path: str | os.PathLike[str]) -> SkeletonLayout:
    """Read a layout from a JSON file with the dict of :meth:`SkeletonLayout.to_dict`. It is not registered.

    Args:
        path: The file, written by :func:`save`, by a training run (``layout.json``) or by hand.

    Returns:
        The layout.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not JSON or does not describe a layout. The message says where and why.

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
        values = json.loads(path.read_text(encoding="utf-8-sig"))  # some editors write a byte order mark
    except json.JSONDecodeError as error:
        raise ValueError(
            f"layout: {str(path)!r} is not JSON: {error}; use double quotes, no comments, and no comma after the last "
            f"entry; {_MEND}"
        ) from error
    except RecursionError as error:
        raise ValueError(
            f"layout: {str(path)!r}: expected an object {{...}}, got JSON nested too deep; {_MEND}"
        ) from error
    except ValueError as error:
        raise ValueError(f"layout: {str(path)!r} is not UTF-8 text; {_MEND}") from error
    if not isinstance(values, dict):
        raise ValueError(f"layout: {str(path)!r}: expected an object {{...}}, got {type(values).__name__}; {_MEND}")
    try:
        _check_kinds(values)
        return SkeletonLayout.from_dict(values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"layout: {str(path)!r}: {error}") from error


@explain_arguments
def save(layout: str | Mapping[str, Any] | SkeletonLayout, path: str | os.PathLike[str]) -> None:
    """Write a layout to a JSON file, one key per line, for :func:`load` and for command lines.

    Args:
        layout: A name, a dict or a layout.
        path: The file, with the suffix ``.json``. An existing file is replaced atomically.

    Raises:
        ValueError: another suffix, or an unknown layout.
        FileNotFoundError: the folder does not exist.
    """
    path, values = Path(path), get(layout).to_dict()
    if not is_file_name(str(path)):
        raise ValueError(f"path: expected a file that ends in {_SUFFIX}, got {path.name!r}; rename it")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path: there is no folder {str(path.parent)!r} to write {path.name!r} to; create it")
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())
    with whole_file(path) as place:
        place.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


@explain_arguments
def get_or_load(layout: str) -> SkeletonLayout:
    """Get the layout for a command-line argument: a file if it ends in ``.json``, or else a registered name.

    Blocks do not accept paths. In code, pass them the result of :func:`load`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file does not describe a layout, or the name is not registered.

    Example:
        >>> get_or_load("sbu").num_joints
        15
    """
    return load(layout) if is_file_name(layout) else get(layout)


def is_file_name(layout: str) -> bool:
    """Whether :func:`get_or_load` treats it as a file."""
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
