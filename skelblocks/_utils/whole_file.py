"""Write files atomically, so that other processes never read a partial file."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path, *, through: Path | None = None) -> Iterator[Path]:
    """Yield a temporary file, with the suffix of ``path``, that replaces ``path`` when the block ends.

    After an error the temporary file is removed, and ``path`` is unchanged. If several processes write the same file,
    the last one wins. A process that is killed leaves its temporary file, see :func:`remove_partial_files`.

    Args:
        path: The file.
        through: The folder of the temporary file, on the same disk. Default: the folder of ``path``.

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
    """Remove temporary files that killed processes left in a folder. Hold the folder's lock when you call it.

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
