import copy
import pickle
import random
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skelblocks.data import ClipFormatError, choose_bodies, parse_ntu_name, read_ntu_skeleton
from skelblocks.testing import write_ntu_skeleton

GOLDEN = Path(__file__).parents[2] / "golden"
NAME = "S001C002P003R002A013.skeleton"


def reference(path):
    """One line at a time, bodies by id and count; no checks."""
    lines = iter(path.read_bytes().decode().split("\n"))
    frames = int(next(lines))
    columns, rows = {}, []
    for t in range(frames):
        ids = []
        for rank in range(int(next(lines))):
            ids.append(int(next(lines).split()[0]))
            key = ids[-1], ids.count(ids[-1])
            joints = [[float(value) for value in next(lines).split()[:3]] for _ in range(int(next(lines)))]
            rows.append((t, columns.setdefault(key, len(columns)), rank, joints))
    x = np.zeros((3, frames, 25, len(columns)), dtype=np.float32)
    order = np.full((frames, len(columns)), -1)
    for t, b, rank, joints in rows:
        x[:, t, :, b] = np.array(joints).T
        order[t, b] = rank
    return x, order


def check_equal(clip, x, order):
    np.testing.assert_array_equal(clip.x, x)
    np.testing.assert_array_equal(clip.order, order)
    np.testing.assert_array_equal(clip.seen, order >= 0)
    assert clip.x.dtype == np.float32
    assert clip.seen.dtype == np.bool_


CASES = {
    "one": {},
    "two": {"persons": 2},
    "three, swapped": {"persons": 3, "swapped": [0, 3, 4]},
    "lost and found": {"persons": 2, "hidden": {0: [0, 4], 1: [2, 3]}},
    "frames without anybody": {"persons": 2, "hidden": {0: [0, 1, 5], 1: [0, 1, 2, 5]}},
    "one never seen": {"persons": 2, "hidden": {0: range(6)}},
    "nobody": {"persons": 0},
    "one frame": {"frames": 1},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("form", ["plain", "dos", "spaces", "no last newline"])
def test_reads_what_was_written(case, form, tmp_path):
    path = tmp_path / NAME
    truth = write_ntu_skeleton(path, **{"frames": 6, **CASES[case]})
    check_equal(truth, *reference(path))
    data = path.read_bytes()
    forms = {
        "plain": data,
        "dos": data.replace(b"\n", b"\r\n") + b"\r\n",
        "spaces": b"  " + data.replace(b" ", b" \t").replace(b"\n", b" \n "),
        "no last newline": data.rstrip(),
    }
    path.write_bytes(forms[form])
    clip = read_ntu_skeleton(str(path))
    check_equal(clip, truth.x, truth.order)
    assert clip.name == "S001C002P003R002A013"
    assert clip.label == 12
    assert clip.origin == {"setup": 1, "camera": 2, "subject": 3, "replication": 2, "action": 13} == truth.origin
    if case == "nobody":
        assert clip.x.shape == (3, 6, 25, 0)


@given(st.integers(1, 4), st.integers(0, 3), st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_pattern_of_sight(tmp_path, frames, bodies, data):
    some = st.sets(st.integers(0, frames - 1))
    hidden = {body: data.draw(some) for body in range(bodies)}
    truth = write_ntu_skeleton(tmp_path / NAME, persons=bodies, frames=frames, hidden=hidden, swapped=data.draw(some))
    check_equal(read_ntu_skeleton(tmp_path / NAME), truth.x, truth.order)


def test_golden_of_the_released_reader(tmp_path):
    path = tmp_path / "S001C001P001R001A001.skeleton"
    shutil.copy(GOLDEN / "synthetic_S001C001P001R001A001.skeleton", path)
    clip = read_ntu_skeleton(path)  # all its bodies have the same id, three of them in one frame
    assert clip.order.tolist() == [[0, -1, -1], [0, 1, 2], [0, 1, -1]]
    expected = np.load(GOLDEN / "read_xyz_ntu.npz")["xyz_CTVM"]
    np.testing.assert_array_equal(choose_bodies(clip, by="first"), expected.astype(np.float32))


def test_ids_that_differ_by_one_are_two_bodies(tmp_path):
    truth = write_ntu_skeleton(tmp_path / NAME, persons=2, frames=2, hidden={0: [1], 1: [0]})
    clip = read_ntu_skeleton(tmp_path / NAME)
    assert clip.seen.tolist() == truth.seen.tolist() == [[True, False], [False, True]]


def test_numbers_that_are_not_used_may_be_anything_that_is_text(tmp_path):
    truth = write_ntu_skeleton(tmp_path / NAME, frames=2)
    lines = (tmp_path / NAME).read_text().split("\n")
    lines[6] = " ".join([*lines[6].split()[:3], "-inf", "nan", "-1.#IND", *lines[6].split()[6:]])
    (tmp_path / NAME).write_text("\n".join(lines))
    np.testing.assert_array_equal(read_ntu_skeleton(tmp_path / NAME).x, truth.x)


def changed(line, old, new):
    def change(lines):
        assert old in lines[line - 1]
        return [*lines[: line - 1], lines[line - 1].replace(old, new, 1), *lines[line:]]

    return change


def first_of(line, new):
    return lambda lines: [*lines[: line - 1], " ".join([new, *lines[line - 1].split()[1:]]), *lines[line:]]


ID = "72057594037931101"
BAD = {  # of 3 frames with one body: what is done, the line, the reason
    "empty": (lambda lines: [], None, "empty"),
    "blank": (lambda lines: ["", " "], None, "empty"),
    "binary": (lambda lines: [*lines[:3], "\0\x01", *lines[3:]], 4, "ASCII, got the byte 0x00"),
    "accent": (lambda lines: [*lines[:5], "é", *lines[5:]], 6, "ASCII, got the byte 0xc3"),
    "no frames": (lambda lines: ["0"], 1, "expected frames after their count, got the end of the file"),
    "frame count of zero": (lambda lines: ["0", *lines[1:]], 1, "frames for 85 lines, got 0"),
    "more frames than lines": (first_of(1, "9" * 400), 1, "frames for 85 lines"),
    "one frame more": (first_of(1, "4"), 86, "expected frame 4 of 4, got the end"),
    "one frame less": (first_of(1, "2"), 58, "expected the end of the file after 2 frames"),
    "frames not a count": (first_of(1, "3.0"), 1, r"integer from 0, got '3\.0'"),
    "negative frames": (first_of(1, "-3"), 1, "integer from 0, got '-3'"),
    "more bodies than lines": (first_of(58, "2"), 58, "2 bodies of 27 lines, got 27 lines"),
    "bodies beyond any memory": (first_of(2, "9" * 99), 2, "lines to the end"),
    "no body": (first_of(2, "0"), 3, "count of bodies, one number, got 10"),
    "id not a number": (first_of(3, "x"), 3, "id of a body, an integer from 0, got 'x'"),
    "id too long": (first_of(3, str(2**64)), 3, "64 bits"),
    "header too short": (changed(3, f"{ID} ", ""), 3, "10 numbers, got 9"),
    "24 joints": (first_of(4, "24"), 4, "joint count, 25, got 1 of them: '24'"),
    "25 joints and more": (first_of(32, "25 1"), 32, "joint count, 25, got 2"),
    "a number less": (lambda lines: [*lines[:6], lines[6].rsplit(" ", 1)[0], *lines[7:]], 7, "12 numbers, got 11"),
    "a number more": (lambda lines: [*lines[:6], lines[6] + " 1", *lines[7:]], 7, "12 numbers, got 13"),
    "256 numbers more": (lambda lines: [*lines[:6], lines[6] + " 1" * 256, *lines[7:]], 7, "at most 500 characters"),
    "line lost": (lambda lines: [*lines[:9], *lines[10:]], 29, "12 numbers, got 1"),
    "line twice": (lambda lines: [*lines[:9], *lines[8:]], 30, "count of bodies"),
    "blank line": (lambda lines: [*lines[:9], "", *lines[9:]], 10, "12 numbers, got 0"),
    "nan": (first_of(10, "nan"), 10, "finite x in meters, got 'nan'"),
    "infinite": (first_of(33, "-inf"), 33, "finite x in meters, got '-inf'"),
    "infinite as float32": (first_of(33, "1e39"), 33, "finite x in meters, got '1e39'"),
    "infinite as float64": (first_of(33, "1e999"), 33, "finite x in meters, got '1e999'"),
    "underscore": (first_of(33, "1_0"), 33, "finite x in meters, got '1_0'"),
    "not a number": (first_of(85, "0.1.2"), 85, r"finite x in meters, got '0\.1\.2'"),
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_files_are_refused_by_line_and_reason(bad, tmp_path):
    path = tmp_path / NAME
    write_ntu_skeleton(path, frames=3)
    change, line, reason = BAD[bad]
    path.write_text("\n".join(change(path.read_text().splitlines())), encoding="utf-8")
    with pytest.raises(ClipFormatError, match=reason) as raised:
        read_ntu_skeleton(path)
    assert raised.value.path == path
    assert raised.value.line == line
    again = pickle.loads(pickle.dumps(raised.value))
    assert str(again) == str(raised.value) == str(copy.deepcopy(raised.value))


@pytest.mark.parametrize("cut", [0, 0.01, 0.3, 0.5, 0.77, 0.99])
def test_a_broken_copy_is_refused(cut, tmp_path):
    write_ntu_skeleton(tmp_path / NAME, persons=2, frames=5, cut=cut)
    with pytest.raises(ClipFormatError):
        read_ntu_skeleton(tmp_path / NAME)


def test_names():
    assert parse_ntu_name("S032C003P106R002A120")["action"] == 120
    for name in (
        "",
        "S001C002P003R002",
        "s001c002p003r002a013",
        "S001C002P003R002A013x",
        "S01C02P03R02A13",
        "S٠٠١C001P001R001A001",
    ):
        with pytest.raises(ValueError, match="name: expected the form"):
            parse_ntu_name(name)
    for name, key in (
        ("S033C001P001R001A001", "setup"),
        ("S001C000P001R001A001", "camera"),
        ("S001C001P001R003A001", "replication"),
    ):
        with pytest.raises(ValueError, match=f"name: expected a {key} in 1"):
            parse_ntu_name(name)


def test_a_file_with_another_name_is_refused_and_a_missing_one_is_missing(tmp_path):
    write_ntu_skeleton(tmp_path / NAME)
    (tmp_path / NAME).rename(tmp_path / "clip.skeleton")
    with pytest.raises(ClipFormatError, match="expected the form"):
        read_ntu_skeleton(tmp_path / "clip.skeleton")
    with pytest.raises(FileNotFoundError):
        read_ntu_skeleton(tmp_path / NAME)


def body(identity):
    return [f"{identity} 0 0 0 0 0 0 0 0 0", "25", *["0 0 0 0 0 0 0 0 0 0 0 0"] * 25]


HUGE = {
    "newlines": b"\n" * 400_000 + b"1",
    "frames without anybody": b"40000\n" + b"0\n" * 40_000,
    "many frames, many bodies": "\n".join(
        ["60300", *(line for i in range(300) for line in ["1", *body(i)]), *["0"] * 60_000]
    ).encode(),
    "many bodies in a frame": "\n".join(["1", "1500", *(line for i in range(1500) for line in body(i))]).encode(),
    "one line": b"1" * 400_000,
    "one long line of numbers": b"1 " * 400_000,
}


@pytest.mark.parametrize("kind", HUGE)
def test_memory_is_bounded_by_the_size_of_the_file(kind, tmp_path):
    path = tmp_path / NAME
    path.write_bytes(HUGE[kind])
    tracemalloc.start()
    try:
        read_ntu_skeleton(path)
    except ClipFormatError:
        assert kind not in ("frames without anybody", "many bodies in a frame")
    else:
        assert kind in ("frames without anybody", "many bodies in a frame")
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 40 * len(HUGE[kind])


# Mutations of a file's lines. Those of the first kind leave a file that can be read.


def joint_lines(lines):
    return [i for i, line in enumerate(lines) if len(line.split()) == 12]


def edit(lines, rng, change):
    line = rng.choice(joint_lines(lines))
    tokens = lines[line].split()
    change(tokens)
    lines[line] = " ".join(tokens)


def put(tokens, place, value):
    tokens[place] = value


HARMLESS = {
    "nothing": lambda lines, rng: None,
    "another coordinate": lambda lines, rng: edit(
        lines, rng, lambda t: put(t, rng.randrange(3), rng.choice(["0", "-0.0", "1e-5", "+7", ".5", "3.", "1E+2"]))
    ),
    "an unused number": lambda lines, rng: edit(
        lines, rng, lambda t: put(t, rng.randrange(3, 12), rng.choice(["nan", "-inf", "1e999", "-1.#IND", "x"]))
    ),
    "carriage returns": lambda lines, rng: put(lines, slice(None), [line + "\r" for line in lines]),
    "spaces": lambda lines, rng: put(lines, i := rng.randrange(len(lines)), "\t ".join(["", *lines[i].split(), ""])),
    "blank end": lambda lines, rng: lines.extend([" ", ""]),
    "another id": lambda lines, rng: put(
        lines,
        i := rng.choice([i for i, line in enumerate(lines) if len(line.split()) == 10]),
        " ".join([str(rng.randrange(2**64)), *lines[i].split()[1:]]),
    ),
    "a frame without anybody": lambda lines, rng: (put(lines, 0, str(int(lines[0]) + 1)), lines.insert(1, "0")),
}
HARMFUL = {
    "cut": lambda lines, rng: put(lines, slice(rng.randrange(len(lines)), None), []),
    "byte": lambda lines, rng: put(
        lines,
        i := rng.randrange(len(lines)),
        lines[i][: (j := rng.randrange(len(lines[i])))] + chr(rng.randrange(256)) + lines[i][j + 1 :],
    ),
    "line lost": lambda lines, rng: lines.pop(rng.randrange(len(lines))),
    "line twice": lambda lines, rng: lines.insert(i := rng.randrange(len(lines)), lines[i]),
    "lines swapped": lambda lines, rng: lines.insert(
        rng.randrange(len(lines) - 1), lines.pop(rng.randrange(len(lines)))
    ),
    "count": lambda lines, rng: put(
        lines,
        rng.choice([i for i, line in enumerate(lines) if len(line.split()) == 1]),
        rng.choice(["0", "-1", "1.5", "26", "9" * 30, "1e9", "nan", "", "0x10", "²"]),
    ),
    "not finite": lambda lines, rng: edit(
        lines,
        rng,
        lambda t: put(t, rng.randrange(3), rng.choice(["nan", "inf", "-inf", "1e39", "1e999", "1_0", "x", "--1"])),
    ),
    "number lost": lambda lines, rng: edit(lines, rng, lambda t: t.pop(rng.randrange(12))),
    "number more": lambda lines, rng: edit(lines, rng, lambda t: t.insert(rng.randrange(12), "1")),
    "noise": lambda lines, rng: lines.insert(rng.randrange(len(lines)), rng.randbytes(50).decode("latin1")),
    "long line": lambda lines, rng: edit(lines, rng, lambda t: t.extend(["1"] * 10 ** rng.randrange(1, 4))),
}


def mutate(folder, count, seed, *, compare_every):
    """Numbers of files read and refused, by the class of the mutation."""
    rng = random.Random(seed)
    path = folder / NAME
    sources = []
    for options in CASES.values():
        write_ntu_skeleton(path, **{"frames": 6, "seed": seed, **options, "persons": options.get("persons") or 1})
        sources.append(path.read_text().splitlines()[:])
    counts = {name: [0, 0] for name in {**HARMLESS, **HARMFUL}}
    for i in range(count):
        lines = list(rng.choice(sources))
        kinds = HARMLESS if rng.random() < 0.55 else HARMFUL
        name = rng.choice(list(kinds))
        kinds[name](lines, rng)
        path.write_bytes("\n".join(lines).encode("utf-8"))
        try:
            clip = read_ntu_skeleton(path)  # whatever else it raises ends the test
        except ClipFormatError:
            counts[name][1] += 1
            continue
        counts[name][0] += 1
        assert np.isfinite(clip.x).all()
        assert (clip.x[~np.broadcast_to(clip.seen[:, None], clip.x.shape)] == 0).all()
        if i % compare_every == 0:
            check_equal(clip, *reference(path))
    return counts


def check_counts(counts, total):
    assert sum(map(sum, counts.values())) == total
    assert sum(read for read, _ in counts.values()) >= total / 2
    for name in HARMLESS:
        assert counts[name][1] == 0, name  # such a file is always read
    for name in ("cut", "line lost", "line twice", "not finite", "number lost", "number more", "noise", "long line"):
        assert counts[name][0] == 0, name  # such a file is never read


def test_mutated_files_raise_nothing_else(tmp_path):
    check_counts(mutate(tmp_path, 600, 0, compare_every=1), 600)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_mutated_files_raise_nothing_else(tmp_path):
    check_counts(mutate(tmp_path, 100_000, 1, compare_every=20), 100_000)
