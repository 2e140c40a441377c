"""The machine that :func:`~skelblocks.data.load_restricted` runs a pickle on: fewer opcodes, no names looked up."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from skelblocks.data.pickles.restricted_objects import (
    MAKERS,
    MEND,
    NAMES,
    Name,
    RefusedError,
    check_key,
    fill_array,
    fill_dtype,
    integer,
)

_PER_BYTE, _FREE = 32, 1 << 24  # what objects may cost: a container of one byte takes about 64 in memory


class BoundedReader:
    """A file that never allocates for more than is left of it."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.size, self.left = file, size, size

    def read(self, n: int) -> bytes:
        """Exactly n bytes."""
        if not 0 <= n <= self.left:
            raise RefusedError(f"the file ends too early: {n} bytes expected, {self.left} left of {self.size}")
        self.left -= n
        return self.file.read(n)

    def readline(self) -> bytes:
        """Up to the end of a line or of the file."""
        line = self.file.readline(self.left)
        self.left -= len(line)
        return line


# The C unpickler trusts the sizes and memo numbers of the file, and no opcode can be taken from it.
_Base: Any = pickle._Unpickler


class RestrictedUnpickler(_Base):  # type: ignore[misc]
    """An unpickler whose names stand for checks of our own and whose objects are paid for."""

    dispatch: dict[int, Callable[[Any], None]]

    def __init__(self, reader: BoundedReader) -> None:
        super().__init__(reader, encoding="latin1")
        self.budget = _PER_BYTE * reader.size + _FREE
        self.fresh: dict[int, Any] = {}  # made and not yet filled; holds them, so that ids stay theirs

    def find_class(self, module: str, name: str) -> Name:
        """Stand in for an admitted name; refuse any other."""
        if (module, name) not in NAMES:
            raise RefusedError(
                f"a pickle that asks for {module[:80]}.{name[:80]}, where only arrays, builtin containers and numbers "
                f"are read; {MEND}"
            )
        return Name(NAMES[module, name])

    def charge(self, n: int) -> None:
        """Count n bytes of memory."""
        self.budget -= n
        if self.budget < 0:
            raise RefusedError(f"the pickle would take more memory than {_PER_BYTE} times its size")

    def refuse(self) -> None:
        """Take the place of the opcodes that make or find objects of other classes."""
        raise RefusedError(f"a pickle with objects of other classes (persistent, extension or instance); {MEND}")

    def garbage(self) -> None:
        """Take the place of the codes that mean nothing."""
        raise RefusedError("not a pickle: it has an unknown opcode")

    def reduce(self) -> None:
        """Make one of the admitted objects."""
        args = self.stack.pop()
        called = self.stack[-1]
        if not isinstance(called, Name) or called.name not in MAKERS or type(args) is not tuple:
            raise RefusedError(f"a pickle that calls {getattr(called, 'name', type(called).__name__)}; {MEND}")
        self.stack[-1] = MAKERS[called.name](self, *args)

    def build(self) -> None:
        """Fill an array or a dtype that was made here, once."""
        state, created = self.stack.pop(), self.stack[-1]
        if self.fresh.pop(id(created), None) is None or type(state) is not tuple:
            raise RefusedError(f"a pickle that sets the state of {type(created).__name__}; {MEND}")
        if isinstance(created, np.ndarray):
            fill_array(self, created, *state)
        else:
            fill_dtype(created, *state)

    def add(self, kind: type, items: list[Any], put: Callable[[Any, list[Any]], Any]) -> None:
        """Add items to the container on top of the stack."""
        if type(self.stack[-1]) is not kind:
            raise RefusedError(f"a pickle that adds items to {type(self.stack[-1]).__name__}; {MEND}")
        put(self.stack[-1], items)

    def setitem(self) -> None:
        """SETITEM."""
        value, key = self.stack.pop(), self.stack.pop()
        self.add(dict, [key, value], _set_items)

    def dict_of_marked(self) -> None:
        """DICT."""
        self.charge(64)
        created: dict[Any, Any] = {}
        _set_items(created, self.pop_mark())
        self.append(created)

    def frozenset_of_marked(self) -> None:
        """FROZENSET."""
        self.charge(216)
        created = frozenset(map(check_key, self.pop_mark()))
        self.append(created)

    def decimal(self) -> None:
        """INT, LONG: the text protocol's numbers and truth values."""
        line = self.readline()[:-1]
        self.append(line == b"01" if line in (b"00", b"01") else integer(line.rstrip(b"L")))

    def get(self) -> None:
        """GET."""
        self.append(self.memo[integer(self.readline()[:-1])])

    def put(self) -> None:
        """PUT."""
        self.charge(64)
        self.memo[integer(self.readline()[:-1])] = self.stack[-1]

    def bytearray8(self) -> None:
        """BYTEARRAY8, whose handler would allocate before it reads."""
        self.append(bytearray(self.read(int.from_bytes(self.read(8), "little"))))


def _set_items(target: dict[Any, Any], items: list[Any]) -> None:
    target.update(zip(map(check_key, items[::2]), items[1::2], strict=True))


def _charged(handler: Callable[[Any], None], cost: int) -> Callable[[Any], None]:
    def run(machine: RestrictedUnpickler) -> None:
        machine.charge(cost)
        handler(machine)

    return run


_KEPT = {
    0: "PROTO FRAME STOP POP POP_MARK DUP NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 LONG4 FLOAT BINFLOAT "
    "STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 UNICODE BINUNICODE SHORT_BINUNICODE "
    "BINUNICODE8 EMPTY_TUPLE GLOBAL STACK_GLOBAL BINGET LONG_BINGET",
    64: "MARK EMPTY_LIST EMPTY_DICT LIST TUPLE TUPLE1 TUPLE2 TUPLE3 BINPUT LONG_BINPUT MEMOIZE",
    216: "EMPTY_SET",
}
_OWN: dict[str, Callable[[Any], None]] = {
    "REDUCE": RestrictedUnpickler.reduce,
    "BUILD": RestrictedUnpickler.build,
    "INT": RestrictedUnpickler.decimal,
    "LONG": RestrictedUnpickler.decimal,
    "GET": RestrictedUnpickler.get,
    "PUT": RestrictedUnpickler.put,
    "BYTEARRAY8": RestrictedUnpickler.bytearray8,
    "DICT": RestrictedUnpickler.dict_of_marked,
    "SETITEM": RestrictedUnpickler.setitem,
    "SETITEMS": lambda machine: machine.add(dict, machine.pop_mark(), _set_items),
    "APPEND": lambda machine: machine.add(list, [machine.stack.pop()], list.extend),
    "APPENDS": lambda machine: machine.add(list, machine.pop_mark(), list.extend),
    "ADDITEMS": lambda machine: machine.add(
        set, machine.pop_mark(), lambda to, items: to.update(map(check_key, items))
    ),
    "FROZENSET": RestrictedUnpickler.frozenset_of_marked,
}
_table: dict[int, Callable[[Any], None]] = dict.fromkeys(range(256), RestrictedUnpickler.garbage)
_table |= dict.fromkeys(_Base.dispatch, RestrictedUnpickler.refuse)
for _cost, _names in _KEPT.items():
    for _name in _names.split():
        _code = getattr(pickle, _name)[0]
        _table[_code] = _charged(_Base.dispatch[_code], _cost) if _cost else _Base.dispatch[_code]
RestrictedUnpickler.dispatch = _table | {getattr(pickle, name)[0]: handler for name, handler in _OWN.items()}
