"""NW-UCLA as the json files that CTR-GCN and others distribute, one per clip.

Axes: c coordinates, t frames, v joints, b bodies.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from einops import rearrange

from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.data.formats.with_remedy import EXTRACT, with_remedy

_JOINTS = 20
_LARGEST = 1 << 26  # bytes; the owner's files have less than one million
_NAME = re.compile(r"a(?P<action>\d\d)_s(?P<subject>\d\d)_e(?P<replication>\d\d)_v(?P<view>\d\d)")
_ACTIONS = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)


@explain_arguments
@with_remedy(EXTRACT)
def read_nw_ucla(path: str | os.PathLike[str]) -> RawClip:
    """Read a clip of NW-UCLA: ``a01_s01_e00_v01.json`` with ``skeletons``, t x 20 x 3, and ``label``.

    Actions are numbered 1 to 6, 8, 9, 11 and 12 in the file names, and 1 to 10 in the lists of the released CTR-GCN
    loader. The class is the name's, from 0 in that order; the file's ``label`` must be one of those two numbers for it.

    Args:
        path: The file; its name says who did what, how many times and before which camera.

    Returns:
        A clip ``(3, t, 20, 1)``; ``seen`` is where any coordinate is not zero. The origin is ``action``, ``subject``,
        ``replication`` (the name's e, from 0) and ``view``.

    Raises:
        FileNotFoundError: The file does not exist.
        ClipFormatError: Another name, json that is broken (with its line) or holds something else, another number of
            joints, no frame, a number that is not finite, or a label or ``file_name`` that is not the name's.

    Example:
        >>> import tempfile
        >>> from skelblocks.testing import write_nw_ucla
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     clip = read_nw_ucla(write_nw_ucla(folder, clips=8)[7])
        >>> clip.name, clip.x.shape, clip.label, clip.origin["view"]
        ('a09_s01_e00_v02', (3, 27, 20, 1), 7, 2)
    """
    path = Path(path)
    found = _NAME.fullmatch(path.stem)
    origin = {} if found is None else {key: int(value) for key, value in found.groupdict().items()}
    if origin.get("action") not in _ACTIONS:
        raise ClipFormatError(path, f"expected a name such as a01_s01_e00_v01.json with an action of {_ACTIONS}")
    if path.stat().st_size > _LARGEST:
        raise ClipFormatError(path, f"expected a clip of less than {_LARGEST} bytes, got {path.stat().st_size}")
    content = _load(path)
    if not isinstance(content, dict) or not {"skeletons", "label"} <= set(content):
        raise ClipFormatError(path, "expected an object with skeletons and label")
    name = content.get("file_name", path.stem)
    if not isinstance(name, str) or name.removesuffix(".json") != path.stem:
        raise ClipFormatError(path, f"expected file_name to be {path.stem!r}, got another")
    label = _ACTIONS.index(origin["action"])
    if type(content["label"]) is not int or content["label"] not in (label + 1, origin["action"]):
        raise ClipFormatError(path, f"expected label {label + 1} or {origin['action']}, as in its name, got another")
    x = _coordinates(content["skeletons"], path)
    return RawClip(path.stem, x, (x != 0).any(axis=(0, 2)), label, origin)


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes().decode("utf-8"), parse_constant=_refuse, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise ClipFormatError(path, f"broken json: {error.msg}", line=error.lineno) from error
    except UnicodeDecodeError as error:
        raise ClipFormatError(path, "not a text file in UTF-8") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ClipFormatError(path, f"json that is not read: {str(error)[:120]}") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"expected finite numbers, got {constant}")


def _integer(digits: str) -> int:
    if len(digits) > 100:
        raise ValueError("an integer of more than 100 digits")
    return int(digits)


def _coordinates(frames: Any, path: Path) -> Any:
    if not isinstance(frames, list) or not frames:
        raise ClipFormatError(path, "expected skeletons to be a list of frames, not empty")
    for t, frame in enumerate(frames):
        if not isinstance(frame, list) or len(frame) != _JOINTS:
            got = len(frame) if isinstance(frame, list) else type(frame).__name__
            raise ClipFormatError(path, f"frame {t}: expected {_JOINTS} joints, got {got}")
        for joint in frame:
            if not isinstance(joint, list) or len(joint) != 3 or any(type(i) not in (int, float) for i in joint):
                raise ClipFormatError(path, f"frame {t}: expected three numbers per joint")
            if not all(abs(i) < 1e30 for i in joint):
                raise ClipFormatError(path, f"frame {t}: a coordinate that is not finite, or too large")
    return np.ascontiguousarray(rearrange(np.array(frames, dtype=np.float32), "t v c -> c t v 1"))
