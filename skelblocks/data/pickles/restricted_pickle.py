"""Read pickles of arrays and builtin containers without running their code."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np

from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.raw_clip import ClipFormatError
from skelblocks.data.pickles.restricted_objects import ATOMS, MEND, RefusedError
from skelblocks.data.pickles.restricted_unpickler import BoundedReader, RestrictedUnpickler

_DEEPEST = 64


@explain_arguments
def load_restricted(file: str | os.PathLike[str] | IO[bytes]) -> Any:
    """Load a pickle that holds numpy arrays, builtin containers, numbers and strings, and refuse any other.

    The names that a pickle asks for are never looked up: the dozen that arrays and sets need stand for checks of our
    own, which build the object from what the file holds. Nothing that the file names is imported or called, and sizes
    that it claims are held against its length: objects take at most 32 bytes a byte of the file, and 16 MiB.

    Numbers of kind ``b i u f c S U`` are admitted and arrays of objects, filled by the same rules; structured types
    and dates are not, nor containers deeper than 64 or that hold themselves. Python 2's pickles are read as latin-1.

    Args:
        file: A path, or a binary file that can seek, read from where it stands to its end.

    Returns:
        What was pickled, in arrays that may be read-only.

    Raises:
        FileNotFoundError: The file does not exist.
        ClipFormatError: The file holds anything else; the message says what was refused and how to fix it.

    Example:
        >>> import io, pickle
        >>> load_restricted(io.BytesIO(pickle.dumps((["a", "b"], np.arange(2)))))
        (['a', 'b'], array([0, 1]))
        >>> load_restricted(io.BytesIO(pickle.dumps(print)))
        Traceback (most recent call last):
        ...
        skelblocks.clips.raw_clip.ClipFormatError: <file>: a pickle that asks for builtins.print, ... numpy.savez
    """
    if isinstance(file, str | os.PathLike):
        with Path(file).open("rb") as opened:
            return load_restricted(opened)
    name = getattr(file, "name", None)
    path = name if isinstance(name, str | Path) else "<file>"
    start = file.tell()
    size = file.seek(0, os.SEEK_END) - start
    file.seek(start)
    try:
        reader = BoundedReader(file, size)
        machine = RestrictedUnpickler(reader)
        loaded = machine.load()
        if reader.left:
            raise RefusedError(f"{reader.left} bytes after the end of the pickle; one object per file is read")
        _check_tree(loaded)
        if any(isinstance(created, np.ndarray) for created in machine.fresh.values()):
            raise RefusedError("an array without its content")
    except RefusedError as error:
        raise ClipFormatError(path, str(error)) from None
    except Exception as error:
        # Broken bytes surface in whichever handler comes upon them.
        raise ClipFormatError(path, f"not a whole pickle: {type(error).__name__}: {str(error)[:120]}") from error
    return loaded


def _check_tree(root: Any) -> None:
    """Reject what is left over of names, containers that hold themselves, and deep ones: the users' code recurses."""
    heights: dict[int, int] = {}
    trail: list[tuple[int, Any]] = [(0, iter((root,)))]
    tall, within = [0], set[int]()
    while trail:
        owner, children = trail[-1]
        for child in children:
            below = _children(child)
            if below is None:
                continue
            if id(child) in within or len(trail) > _DEEPEST:
                raise RefusedError(f"containers that hold themselves, or deeper than {_DEEPEST}")
            if id(child) not in heights:
                within.add(id(child))
                trail.append((id(child), iter(below)))
                tall.append(0)
                break
            tall[-1] = max(tall[-1], heights[id(child)] + 1)
        else:
            trail.pop()
            within.discard(owner)
            heights[owner] = tall.pop()
            if tall:
                tall[-1] = max(tall[-1], heights[owner] + 1)
            if heights[owner] > _DEEPEST + 1:
                raise RefusedError(f"containers deeper than {_DEEPEST}")


def _children(thing: Any) -> Iterable[Any] | None:
    if isinstance(thing, list | tuple):
        return thing
    if isinstance(thing, dict):
        return thing.values()
    if isinstance(thing, np.ndarray) and thing.dtype.hasobject:
        return thing.flat
    if isinstance(thing, (*ATOMS, set, frozenset, bytearray, np.ndarray, np.generic)):
        return None
    raise RefusedError(f"a pickle of {getattr(thing, 'name', type(thing).__name__)} itself; {MEND}")
