import contextlib
import io
import pickle
import random
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from skelblocks.data import ClipFormatError, load_restricted

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def load(data):
    return load_restricted(io.BytesIO(data))


def same(a, b):
    if isinstance(b, np.ndarray) and b.dtype == object:
        return type(a) is np.ndarray and a.shape == b.shape and all(map(same, a.flat, b.flat))
    if isinstance(b, np.ndarray | np.generic):
        return type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape and bool(np.all(a == b))
    if isinstance(b, dict):
        return type(a) is dict and list(a) == list(b) and all(same(a[key], b[key]) for key in b)
    if isinstance(b, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


ragged = np.empty((2, 2), dtype=object)
ragged[:] = [[np.arange(3), "a"], [[1, None], {"k": np.float32(2)}]]
SOUND = {
    "containers": {"a": [1, (2.5, None)], ("b", 1): {1, 2}, b"c": frozenset({"x"}), 3: [], 4: (), 5: {}, 6: set()},
    "numbers": [0, -1, 255, 65536, -(2**31), 2**70, -(2**2100), True, False, 1e300, 1 + 2j, None],
    "texts": ["", "names é 漢字 🚶\n", "x" * 300, "y" * 70_000, b"", b"\x00\xff" * 200, bytearray(b"abc"), bytearray()],
    "label pair": ([f"S001C001P001R001A{i:03}.skeleton" for i in range(300)], list(range(300))),
    "annotation": [{"frame_dir": "a", "label": np.int64(3), "keypoint": np.ones((2, 4, 25, 3), np.float16)}] * 2,
    "kinds": [np.arange(6).astype(kind).reshape(2, 3) for kind in ("?", "i1", "u2", ">i4", "<i8", ">f8", "f2", "c16")],
    "strings": [np.array(["ab", "c"]), np.array([b"ab", b"c"]), np.array(["é"]).astype(">U3"), np.str_("a")],
    "orders": [np.arange(24).reshape(2, 3, 4).transpose(order) for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2))],
    "strided": np.arange(24.0)[::2],
    "shapes": [np.array(3.0), np.zeros((0, 5)), np.zeros((3, 0), ">f4"), np.array([], dtype="U4")],
    "objects": [ragged, np.array([None, "a", 1.5], dtype=object)],
    "scalars": [np.float32(1.5), np.int64(-3), np.bool_(True), np.complex128(1j), np.array([2.0], ">f8")[0]],
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", SOUND)
def test_gives_what_pickle_gives(name, protocol):
    data = pickle.dumps(SOUND[name], protocol=protocol)
    assert same(load(data), pickle.loads(data))
    old = data.replace(b"numpy._core", b"numpy.core")  # numpy 1's spelling, where the text is not counted
    if protocol < 4:
        assert same(load(old), pickle.loads(data))


def test_reads_what_python_2_wrote():
    numpy_1 = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\ntcnumpy\ndtype\n(S'f4'\nI0\nI1\n"
        b"tR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x00\\x00\\x80?\\x00\\x00\\x00\\xc0'\ntb."
    )
    assert same(load(numpy_1), np.array([1, -2], np.float32))
    assert load(b"(lp0\nS'a'\naL5L\na(dp1\nVb\nI01\nsa.") == ["a", 5, {"b": True}]


def test_from_a_path_and_from_where_a_file_stands(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(b"head" + pickle.dumps([1]))
    with path.open("rb") as file:
        file.seek(4)
        assert load_restricted(file) == [1]
    with pytest.raises(ClipFormatError, match=r"a\.pkl: ") as caught:
        load_restricted(str(path))
    assert caught.value.path == path
    assert caught.value.line is None
    with pytest.raises(FileNotFoundError):
        load_restricted(tmp_path / "none.pkl")


TOUCHED = Path("touched-by-a-pickle")


def call(name, *args, protocol=4):
    """A pickle that calls a global by its dotted name."""
    module, _, attribute = name.rpartition(".")
    inner = pickle.dumps(args, protocol=protocol)[2:-1]
    inner = inner[9:] if inner[:1] == pickle.FRAME else inner
    return b"\x80\x04" + b"c" + module.encode() + b"\n" + attribute.encode() + b"\n" + inner + b"R."


def stacked(module, name):
    return b"\x80\x04" + pickle.dumps(module)[11:-1] + pickle.dumps(name)[11:-1] + b"\x93(tR."


def array(shape, raw, *, dtype=b"\x8c\x02f4", state=b"(K\x03\x8c\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"):
    array_state = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR"
    return array_state + b"(K\x01" + shape + b"cnumpy\ndtype\n(" + dtype + b"\x89\x88tR" + state + b"\x89" + raw + b"tb"


TOUCH = f"open({str(TOUCHED)!r}, 'w')"
OBJECTS = {"dtype": b"\x8c\x02O8", "state": b"(K\x03\x8c\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb"}
HUGE = b"(" + b"\x8a\x06" + (10**12).to_bytes(6, "little") + b"t"
EXECUTING = {
    "os.system": call("os.system", f"touch {TOUCHED}"),
    "posix.system": call("posix.system", f"touch {TOUCHED}"),
    "nt.system": call("nt.system", "x"),
    "subprocess": call("subprocess.check_output", ["touch", str(TOUCHED)]),
    "eval": call("builtins.eval", TOUCH),
    "exec": call("builtins.exec", TOUCH),
    "python 2's eval": call("__builtin__.eval", TOUCH),
    "open": call("builtins.open", str(TOUCHED), "w"),
    "getattr": call("builtins.getattr", "x", "__class__"),
    "import": call("builtins.__import__", "antigravity"),
    "compile": call("builtins.compile", TOUCH, "x", "exec"),
    "dotted": stacked("builtins", "eval.__call__"),
    "dotted from numpy": stacked("numpy", "ndarray.tofile"),
    "stack global": stacked("os", "getcwd"),
    "f2py": call("numpy.f2py.compile", "x"),
    "numpy.load": call("numpy.load", str(TOUCHED)),
    "numpy.savetxt": call("numpy.savetxt", str(TOUCHED), [1]),
    "numpy.fromfile": call("numpy.fromfile", "/etc/hostname"),
    "numpy.memmap": call("numpy.memmap", str(TOUCHED), "u1", "w+", 0, (4,)),
    "numpy runstring": call("numpy.testing._private.utils.runstring", TOUCH, {}),
    "numpy's own getattr": stacked("numpy", "os.system"),
    "codecs.open": call("codecs.open", str(TOUCHED), "w"),
    "codecs.decode": call("_codecs.decode", b"x", "zlib"),
    "another codec": call("_codecs.encode", "x", "zlib"),
    "partial": call("functools.partial", 1),
    "copyreg": call("copyreg._reconstructor", 1, 2, 3),
    "add_extension": call("copyreg.add_extension", "os", "system", 1),
    "attrgetter": call("operator.attrgetter", "system"),
    "methodcaller": call("operator.methodcaller", "system"),
    "pickle.loads": call("pickle.loads", b"cos\ngetcwd\n(tR."),
    "runpy": call("runpy.run_path", "x"),
    "webbrowser": call("webbrowser.open", "x"),
    "torch storage": call("torch.storage._load_from_bytes", b"x"),
    "instance": b"(S'touch x'\nios\nsystem\n.",
    "obj": b"(cos\nsystem\nS'x'\no.",
    "newobj": b"\x80\x04cnumpy\nndarray\n)\x81.",
    "newobj_ex": b"\x80\x04cbuiltins\nset\n)}\x92.",
    "persistent": b"Pos.system\n.",
    "persistent by value": b"K\x01Q.",
    "extension 1": b"\x80\x02\x82\x01.",
    "extension 4": b"\x80\x02\x84\x01\x00\x00\x00.",
    "next buffer": b"\x80\x05\x97.",
    "global alone": b"cnumpy\nndarray\n.",
    "global in an array of objects": array(b"K\x01\x85", b"]cos\nsystem\na", **OBJECTS) + b".",
    "call in an array of objects": array(b"K\x01\x85", b"]cos\nsystem\n(S'x'\ntRa", **OBJECTS) + b".",
    "state of a set": b"cbuiltins\nset\n(tR}b.",
    "state of a name": b"cnumpy\nndarray\n}S'__reduce__'\nK\x01sb.",
    "call of a number": b"K\x01(tR.",
    "ndarray called": b"cnumpy\nndarray\n(" + HUGE + b"tR.",
}
BOMBS = {
    "memo": b"]replace.",
    "memo, text": b"]p9999999999999\n",
    "bytes": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"x.",
    "negative bytes": b"\x80\x04\x8e" + struct.pack("<q", -1) + b"x.",
    "bytearray": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"x.",
    "text": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 40) + b"x.",
    "frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 40) + b"K\x01.",
    "long": b"\x80\x02\x8b" + struct.pack("<i", 1 << 30) + b"x.",
    "digits": b"L" + b"9" * 200_000 + b"L\n.",
    "get": b"g" + b"9" * 200_000 + b"\n.",
    "reconstructed": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + HUGE + b"C\x01btR.",
    "shape": array(HUGE, b"C\x04abcd") + b".",
    "shape of objects": array(HUGE, b"]", **OBJECTS) + b".",
    "negative shape": array(b"J\xff\xff\xff\xff\x85", b"C\x04abcd") + b".",
    "no item": array(HUGE, b"C\x00", dtype=b"\x8c\x02U0") + b".",
    "item": array(b"K\x01\x85", b"C\x04abcd", dtype=b"\x8c\x0aU999999999") + b".",
    "bytearray called": b"cbuiltins\nbytearray\n(J\x00\x00\x00\x7ftR.",
    "one content, many arrays": b"B" + struct.pack("<I", 100_000) + b"x" * 100_000 + b"q\x000("
    + array(b"J\xa8\x61\x00\x00\x85", b"h\x00") * 2_000 + b"t.",
    "one list, many sets": b"(" + b"K\x01" * 8_000 + b"lq\x000(" + b"cbuiltins\nset\n(h\x00tR" * 5_000 + b"t.",
    "empty sets": b"\x80\x04(" + b"\x8f" * 400_000 + b"t.",
    "memoized": b"\x80\x04]" + b"\x94" * 700_000 + b".",
    "deep": b"]" * 100_000 + b"a" * 99_999 + b".",
    "deep tuples": b")" + b"\x85" * 100_000 + b".",
    "deep through the memo": b"]q\x00" + b"]h\x00aq\x000h\x00" * 1_000 + b".",
    "deep key": b"})" + b"\x85" * 100_000 + b"K\x01s.",
    "holds itself": b"]q\x00h\x00a.",
    "laughs as a key": b"}K\x01" + b"2\x86" * 60 + b"K\x01s.",
    "long key": b"}(" + b"K\x01" * 1_000 + b"tK\x01s.",
    "arrays of objects in each other": array(
        b"K\x01\x85", b"]" + array(b"K\x01\x85", b"]Na", **OBJECTS) + b"a", **OBJECTS
    ) + b".",
}  # fmt: skip
BROKEN = {
    "empty": b"",
    "text": b"not a pickle",
    "binary": bytes(range(256)),
    "no stop": pickle.dumps([1, 2])[:-1],
    "no mark": b"t.",
    "no stack": b"a.",
    "no memo": b"h\x07.",
    "protocol": b"\x80\x7fK\x01.",
    "more": pickle.dumps([1]) + b"\x00",
    "odd items": b"}(K\x01u.",
    "no content": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR.",
    "filled twice": array(b"K\x01\x85", b"C\x04abcd") + b"(tb.",
    "structured": pickle.dumps(np.zeros(2, [("a", "f4")])),
    "dates": pickle.dumps(np.zeros(2, "M8[s]")),
    "metadata": pickle.dumps(np.zeros(2, np.dtype("f4", metadata={"a": 1})).astype("V4")),
    "append to a set": b"\x80\x04\x8fK\x01a.",
    "set on an array": array(b"K\x01\x85", b"C\x04abcd") + b"K\x00K\x01s.",
    "list as key": b"}]K\x01s.",
    "surrogates": b"X\x03\x00\x00\x00\xff\xfe\xfd.",
}


@pytest.mark.parametrize(
    "data", [*EXECUTING.values(), *BOMBS.values(), *BROKEN.values()], ids=[*EXECUTING, *BOMBS, *BROKEN]
)
def test_refuses_and_runs_nothing(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(ClipFormatError):
            load(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert not TOUCHED.exists()
    assert list(tmp_path.iterdir()) == []
    assert peak < 60e6 + 150 * len(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (EXECUTING["os.system"], r"asks for os\.system, .*numpy\.savez"),
        (EXECUTING["dotted"], r"asks for builtins\.eval\.__call__"),
        (EXECUTING["persistent"], "objects of other classes"),
        (BOMBS["bytes"], "1099511627776 bytes expected, 2 left"),
        (BOMBS["shape"], "content is of another size"),
        (BOMBS["holds itself"], "hold themselves"),
        (BROKEN["more"], "1 bytes after the end"),
        (BROKEN["structured"], "plain numbers"),
        (BROKEN["text"], "not a"),
    ],
)
def test_says_what_was_refused(data, message):
    with pytest.raises(ClipFormatError, match=message):
        load(data)


def mutated(data, random_):
    data = bytearray(data)
    for _ in range(random_.randint(1, 4)):
        at = random_.randrange(len(data) or 1)
        kind = random_.randrange(5)
        if kind == 0:
            data[at : at + 1] = bytes([random_.randrange(256)])
        elif kind == 1:
            del data[at : at + random_.randint(1, 9)]
        elif kind == 2:
            data[at:at] = random_.choice([b"\xff\xff\xff\x7f", b"R", b"b", b"\x93", b"h\x00", b"t", b"0", b"\x8f"])
        elif kind == 3:
            data[at:at] = data[at : at + random_.randint(1, 40)]
        else:
            del data[at:]
    return bytes(data)


def survive(n, seed):
    random_ = random.Random(seed)
    sources = [pickle.dumps(SOUND[name], protocol=p) for name in SOUND if name != "texts" for p in PROTOCOLS]
    loaded = 0
    for _ in range(n):
        with contextlib.suppress(ClipFormatError):
            load(mutated(random_.choice(sources), random_))
            loaded += 1
    return loaded


def test_damaged_pickles_give_our_error_alone():
    assert survive(600, seed=0) > 0


@pytest.mark.slow
def test_many_damaged_pickles_give_our_error_alone():
    survive(30_000, seed=1)
