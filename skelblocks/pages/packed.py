"""Data that a page carries: compressed, and written in letters that mean nothing to a browser."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.explain_arguments import explain_arguments

_DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32")  # for which JavaScript has typed arrays


class Packed(NamedTuple):
    """One piece of data of a page.

    Attributes:
        text: The bytes, deflated (RFC 1950), in base64, which has no character that ends an HTML element.
        dtype: The numpy dtype of an array, little-endian, or ``"json"``.
        shape: Shape of the array; empty for JSON.
    """

    text: str
    dtype: str
    shape: tuple[int, ...] = ()


@explain_arguments
def pack_json(value: Any) -> Packed:
    """Pack dicts, lists, strings, numbers and None. The scripts read it by ``readData(name)``.

    Args:
        value: What ``json.dumps`` takes.

    Returns:
        The packed value.

    Raises:
        TypeError: The value is not JSON.
        ValueError: A number is NaN or infinite, which JSON does not have.

    Example:
        >>> packed = pack_json({"names": ["</script>"]})
        >>> "<" in packed.text, unpack(packed)
        (False, {'names': ['</script>']})
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Packed(_deflated(text.encode("ascii")), "json")


@explain_arguments
def pack_array(array: NDArray[Any]) -> Packed:
    """Pack numbers. The scripts read them by ``readData(name)``, which gives ``{values, shape}``.

    Args:
        array: Of any shape, in one of JavaScript's types: integers of 8, 16 or 32 bits, or float32.

    Returns:
        The packed array.

    Raises:
        TypeError: The array has another dtype.

    Example:
        >>> unpack(pack_array(np.arange(3, dtype=np.int16)))
        array([0, 1, 2], dtype=int16)
    """
    name = array.dtype.name
    if name not in _DTYPES:
        raise TypeError(f"array: expected one of {', '.join(_DTYPES)}, got {name}; convert it, for instance to int32")
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return Packed(_deflated(little.tobytes()), name, tuple(array.shape))


@explain_arguments
def unpack(packed: Packed) -> Any:
    """Read what :func:`pack_json` or :func:`pack_array` packed.

    Args:
        packed: The packed value.

    Returns:
        The value or the array.
    """
    content = zlib.decompress(base64.b64decode(packed.text))
    if packed.dtype == "json":
        return json.loads(content)
    stored = np.dtype(packed.dtype).newbyteorder("<")
    return np.frombuffer(content, dtype=stored).astype(packed.dtype).reshape(packed.shape)


def _deflated(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, level=6)).decode("ascii")
