"""Read untrusted JSON files with bounded memory and depth."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from skelblocks._utils.escape import escape
from skelblocks.clips.raw_clip import ClipFormatError

LARGEST_FILE = 1 << 29  # bytes
_MOST_MEMORY = 1 << 32  # bytes
_CONTAINER, _NUMBER = 100, 40  # bytes that Python needs for an empty list or dict and for a number, with its place
_KEY = re.compile(rb'"([A-Za-z0-9_ -]{1,40})"\s*:')


def read_json(path: Path) -> Any:
    """Read a file of JSON in UTF-8.

    ``NaN`` is read, since Python writes it for a missing joint. ``Infinity``, an object with the same name twice,
    and very deep nesting are refused.

    Args:
        path: The file.

    Returns:
        What it holds.

    Raises:
        ClipFormatError: It is no JSON, with the line, or it would take more than 4 GiB of memory.
        OSError: The file cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "frame.json")
        ...     _ = path.write_text('{"people": []}')
        ...     read_json(path)
        {'people': []}
    """
    data = read_bounded(path)
    memory = len(data) + _CONTAINER * (data.count(b"[") + data.count(b"{")) + _NUMBER * data.count(b",")
    if memory > _MOST_MEMORY:
        raise ClipFormatError(
            path, f"expected content that fits into 4 GiB of memory, got about {memory >> 30} GiB; cut the recording"
        )
    try:
        return json.loads(data.decode("utf-8-sig"), parse_constant=_constant, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise ClipFormatError(path, f"broken JSON: {error.msg}", line=error.lineno) from None
    except UnicodeDecodeError:
        raise ClipFormatError(path, "expected text in UTF-8, got other bytes") from None
    except RecursionError:
        raise ClipFormatError(path, "expected JSON with a few levels, got one that is nested too deeply") from None
    except (ValueError, MemoryError) as error:
        raise ClipFormatError(path, str(error)[:200] or "expected JSON that fits into memory") from None


def read_bounded(path: Path, *, largest: int = LARGEST_FILE) -> bytes:
    """The bytes of a regular file of at most ``largest`` bytes.

    Raises:
        ClipFormatError: It is larger.
        OSError: The file cannot be read.
    """
    size = path.stat().st_size
    if size > largest:
        raise ClipFormatError(
            path, f"expected a file of at most {largest >> 20} MiB, got {size >> 20}; cut the recording"
        )
    with path.open("rb") as file:
        return file.read(largest)


def json_keys(head: bytes) -> frozenset[str]:
    """The names of objects' members in the start of a JSON file; empty if it does not start as JSON.

    Example:
        >>> sorted(json_keys(b'{"version": 1.3, "people": [{"pose'))
        ['people', 'version']
    """
    if not json_start(head).startswith((b"{", b"[")):
        return frozenset()
    return frozenset(key.decode("ascii") for key in _KEY.findall(head))


def json_start(head: bytes) -> bytes:
    """The start of a file without a byte order mark and white space."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()


def _constant(token: str) -> float:
    if token != "NaN":
        raise ValueError(f"expected finite numbers, got {token}")
    return math.nan


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for i, key in enumerate(keys) if key in keys[:i])
        raise ValueError(f"expected each name once in an object, got {escape(twice, longest=40)!r} twice")
    return members
