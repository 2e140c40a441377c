"""The pair of files that the released preprocessing writes: ``*_position.npy`` or ``*_data.npy``, and ``*_label.pkl``.

Axes: n samples, c coordinates, t frames, v joints, b bodies.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.clips.raw_clips import RawClips
from skelblocks.data.formats.read_ntu_skeleton import parse_ntu_name
from skelblocks.data.formats.with_remedy import with_remedy
from skelblocks.data.pickles.restricted_pickle import load_restricted

_MOST_CLASSES = 100_000
_PKU = re.compile(r"(?:F(?P<video>\d{3})|A\d{3}N\d{3})V(?P<view>\d{3})C(?P<action>\d{3})L\d{3}")


class PositionPair(RawClips):
    """The clips of a pair of files. Each is read from disk on demand.

    A damaged clip raises :class:`~skelblocks.data.ClipFormatError` when it is read; the other clips can be read.

    Attributes:
        names: Names of the clips, without ``.skeleton``.
        labels: From 0, ``(n,)`` int64.
    """

    def __init__(self, position: Path, labels: Path, joints: int) -> None:
        self._call = position, labels, joints
        self.names, self.labels = read_position_labels(labels)
        self._clips = _open(position, joints)
        if len(self._clips) != len(self.names):
            raise ClipFormatError(position, f"{len(self._clips)} clips, and {labels.name} names {len(self.names)}")

    def __len__(self) -> int:
        return len(self.names)

    @with_remedy("write both files again by the preprocessing that made them")
    def read(self, index: int) -> RawClip:
        """One clip."""
        name = self.names[index]
        with np.errstate(over="ignore"):
            x = np.array(self._clips[index], dtype=np.float32, order="C")
        if not np.isfinite(x).all():
            raise ClipFormatError(self._call[0], f"NaN, infinite or too large coordinates in clip {name!r}")
        return RawClip(name, x, (x != 0).any(axis=(0, 2)), int(self.labels[index]), origin_of(name))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by the paths: a worker process maps the file again."""
        return PositionPair, self._call


@explain_arguments
@with_remedy("write both files again by the preprocessing that made them")
def read_position_pair(
    position: str | os.PathLike[str], *, labels: str | os.PathLike[str], joints: int = 25
) -> PositionPair:
    """Open the arrays of st-gcn's, CrosSCLR's and AimCLR's released preprocessing, mapped from disk.

    Args:
        position: ``*_position.npy`` or ``*_data.npy``, ``(n, 3, t, v, b)`` floating-point, padded with zeros.
        labels: ``*_label.pkl``, see :func:`read_position_labels`.
        joints: v; 25 in NTU RGB+D and PKU-MMD.

    Returns:
        A sequence of clips ``(3, t, v, b)`` with all t frames, padding included: the file does not say their length,
        and ``seen`` is where any coordinate of a body is not zero. Names of NTU RGB+D give ``setup``, ``camera``,
        ``subject``, ``replication`` and ``action``. Names of the released PKU-MMD scripts give ``view`` and ``action``
        and, in part I, ``video``. Other names give an empty origin.

    Raises:
        FileNotFoundError: One of the files does not exist.
        ClipFormatError: A file of another kind or shape, truncated, with another number of clips than the other, or
            with coordinates that are not finite (when that clip is read).

    Example:
        >>> import tempfile
        >>> from skelblocks.testing import write_position_pair
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     position, labels = write_position_pair(folder, clips=4)
        ...     clips = read_position_pair(position, labels=labels)
        ...     clip = clips[3]
        ...     del clips  # Windows removes no file that is mapped
        >>> clip.name, clip.x.shape, clip.label, clip.origin["camera"]
        ('S001C001P001R001A004', (3, 60, 25, 2), 3, 1)
    """
    return PositionPair(Path(position), Path(labels), joints)


@explain_arguments
@with_remedy("write both files again by the preprocessing that made them")
def read_position_labels(path: str | os.PathLike[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Read ``*_label.pkl``: the pickle of names and labels, through :func:`~skelblocks.data.load_restricted`.

    Returns:
        The names, without ``.skeleton``, and their labels from 0, ``(n,)``.

    Raises:
        FileNotFoundError: The file does not exist.
        ClipFormatError: Something else in it, two clips of one name, or a label that is no class number.

    Example:
        >>> import pickle, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "label.pkl").write_bytes(pickle.dumps((["a.skeleton", "b.skeleton"], [4, 0])))
        ...     read_position_labels(Path(folder, "label.pkl"))
        (('a', 'b'), array([4, 0]))
    """
    path = Path(path)
    loaded = load_restricted(path)
    if not isinstance(loaded, list | tuple) or len(loaded) != 2:
        raise ClipFormatError(path, f"expected a pair (names, labels), got {type(loaded).__name__}")
    names, labels = (_column(part, path) for part in loaded)
    if len(names) != len(labels) or not names:
        raise ClipFormatError(path, f"expected one label per name, got {len(names)} names and {len(labels)} labels")
    for name, label in zip(names, labels, strict=True):
        if not isinstance(name, str) or not 0 < len(name) <= 255:
            raise ClipFormatError(path, f"expected names of 1 to 255 characters, got {type(name).__name__}")
        check_label(label, path, name)
    shown = tuple(str(name).removesuffix(".skeleton") for name in names)
    if len(set(shown)) != len(shown):
        raise ClipFormatError(path, "two clips have the same name")
    return shown, np.array([int(label) for label in labels], dtype=np.int64)


def check_label(label: Any, path: Path, name: str) -> None:
    """Raise unless a label that came out of a pickle is a class number."""
    if isinstance(label, bool | np.bool_) or not isinstance(label, int | np.integer):
        raise ClipFormatError(path, f"clip {name!r}: expected an integer label, got {type(label).__name__}")
    if not 0 <= label < _MOST_CLASSES:
        raise ClipFormatError(path, f"clip {name!r}: expected a label in 0..{_MOST_CLASSES - 1}, got another number")


def origin_of(name: str) -> Mapping[str, int]:
    """The origin in the name of a clip of NTU RGB+D or of the released PKU-MMD scripts; empty for other names."""
    found = _PKU.fullmatch(name)
    if found is not None:
        return {key: int(value) for key, value in found.groupdict().items() if value is not None}
    try:
        return parse_ntu_name(name)
    except ValueError:
        return {}


def _column(part: Any, path: Path) -> list[Any]:
    if isinstance(part, np.ndarray) and part.ndim == 1:
        return list(part)
    if isinstance(part, list | tuple):
        return list(part)
    raise ClipFormatError(path, f"expected lists of names and of labels, got {type(part).__name__}")


def _open(path: Path, joints: int) -> NDArray[Any]:
    try:
        clips = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise
    except Exception as error:
        # The header is a literal of Python, and numpy lets through what its parser raises.
        raise ClipFormatError(path, f"not a whole .npy file of numbers: {str(error)[:120]}") from error
    if not np.issubdtype(clips.dtype, np.floating) or clips.ndim != 5 or 0 in clips.shape:
        raise ClipFormatError(path, f"expected floating-point (n, 3, t, v, b), got {clips.dtype} {clips.shape}")
    if clips.shape[1] != 3 or clips.shape[3] != joints:
        raise ClipFormatError(path, f"expected (n, 3, t, v={joints}, b), got shape {clips.shape}; give the joints")
    return clips
