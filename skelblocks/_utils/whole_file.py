"""Files that are there whole or not at all: the only writer of files that somebody may read meanwhile."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path, *, through: Path | None = None) -> Iterator[Path]:
    """Give a name to write to, with the suffix of ``path``, which becomes ``path`` once it is on the disk.

    After an error nothing is left of it, and ``path`` is as it was before. Several processes may write the same file:
    the last one's stays. A process that is killed leaves its partial file, see :func:`remove_partial_files`.

    Args:
        path: The file.
        through: The folder of the partial file, on the same disk. Default: that of ``path``.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with whole_file(Path(folder) / "table.json") as place:
        ...         _ = place.write_text("{}")
        ...     [path.name for path in Path(folder).iterdir()]
        ['table.json']
    """
    place = (through or path.parent) / f".{secrets.token_hex(4)}.{path.name}"
    try:
        yield place
        with place.open("rb+") as file:
            os.fsync(file.fileno())
        place.replace(path)
    finally:
        place.unlink(missing_ok=True)


def remove_partial_files(folder: Path) -> None:
    """Remove the partial files that killed processes left in a folder; call it while you hold the folder's lock.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, ".0123abcd.table.json").write_text("{")
        ...     remove_partial_files(Path(folder))
        ...     list(Path(folder).iterdir())
        []
    """
    for path in folder.glob(".*"):
        if re.match(r"\.[0-9a-f]{8}\.", path.name) and path.is_file():
            path.unlink(missing_ok=True)
