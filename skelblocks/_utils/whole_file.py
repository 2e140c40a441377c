"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a name to write to, beside ``path`` and with its suffix, which becomes ``path`` once it is on the disk.

    After an error nothing is left of it, and what was at ``path`` before is as it was. Several processes may write the
    same file: the last one's stays.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with whole_file(Path(folder) / "table.json") as place:
        ...         _ = place.write_text("{}")
        ...     [path.name for path in Path(folder).iterdir()]
        ['table.json']
    """
    place = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        yield place
        with place.open("rb+") as file:
            os.fsync(file.fileno())
        place.replace(path)
    finally:
        place.unlink(missing_ok=True)
