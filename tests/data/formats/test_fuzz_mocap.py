"""Mutated files of motion capture, Azure Kinect and numpy are read, or refused with the one error."""

import io
import json
import random
import re

import numpy as np
import pytest

from skelblocks.clips.raw_clip import ClipFormatError
from skelblocks.data import read_amc, read_poses

pytest.importorskip("scipy")
from mocap_files import AmcCase, BvhCase

TOKENS = [
    *(b"nan", b"inf", b"-1", b"0", b"1e308", b"9" * 30, b"99999999", b"1_0", b"null", b'""', b"[" * 2000),
    *(b"{", b"}", b"[", b"]", b":", b"#", b" ", b"\n", b"\x00", b"\xff", b"\xef\xbb\xbf"),
    *(b"JOINT a\n{", b"begin\n", b"end\n"),
]
NUMBER = re.compile(rb"-?[0-9]+(\.[0-9]+)?")


def azure():
    body = {"body_id": 1, "joint_positions": [[1.0, 2.0, 3.0]] * 32, "joint_confidence": [2] * 32}
    frames = [{"frame_id": t, "timestamp_usec": 33333 * t, "num_bodies": 1, "bodies": [body]} for t in range(3)]
    return json.dumps({"bone_list": [], "frames": frames}).encode()


def numpy_file(kind):
    x, file = np.random.default_rng(0).normal(size=(4, 22, 3)).astype(np.float32), io.BytesIO()
    if kind == "npy":
        np.save(file, x)
    else:
        np.savez(file, x=x.transpose(2, 0, 1)[None, ..., None], y=np.array([3]), length=np.array([4]))
    return file.getvalue()


KINDS = {
    "bvh": lambda: BvhCase(1, joints=5, frames=3).text().encode(),
    "asf": lambda: AmcCase(1).asf().encode("latin-1"),
    "amc": lambda: AmcCase(1, frames=2).amc().encode("latin-1"),
    "azure-kinect": azure,
    "npy": lambda: numpy_file("npy"),
    "npz": lambda: numpy_file("npz"),
}


def mutate(data, rng):
    """One to four changes: bytes, spans that are cut, moved or repeated, tokens, and numbers that become others."""
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randrange(len(data) + 1), rng.choice([1, 2, 8, 60, 500])
        change = rng.randrange(6)
        if change == 0:
            data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        elif change == 1:
            data = data[:at] + data[at + length :]
        elif change == 2:
            data = data[:at] + data[at : at + length] * rng.choice([2, 3]) + data[at + length :]
        elif change == 3:
            data = data[:at] + rng.choice(TOKENS) + data[at:]
        elif change == 4:
            data = data[:at] if rng.random() < 0.3 else data[length:] + data[:length]
        elif (numbers := list(NUMBER.finditer(data))) != []:
            number = rng.choice(numbers)
            data = data[: number.start()] + rng.choice(TOKENS) + data[number.end() :]
    return data


def check(tmp_path, kind, count, seed=0):
    rng, original = random.Random(seed), KINDS[kind]()
    (tmp_path / "7.asf").write_bytes(AmcCase(1).asf().encode("latin-1"))
    (tmp_path / "7.amc").write_bytes(AmcCase(1, frames=2).amc().encode("latin-1"))
    suffix = {"azure-kinect": "json"}.get(kind, kind)
    path = tmp_path / f"7.{suffix}"
    name = {"asf": "amc", "npy": "array", "npz": "array"}.get(kind, kind)
    refused = longest = 0
    for number in range(count):
        path.write_bytes(mutate(original, rng))
        try:
            clips = read_amc(path.with_suffix(".amc")) if kind == "asf" else read_poses(path, format=name)
        except ClipFormatError as error:
            refused += 1
            longest = max(longest, len(str(error)))
        else:
            assert all(np.isfinite(clip.x).all() for clip in clips), number
    assert refused
    assert longest < 1500


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files_are_read_or_refused(tmp_path, kind):
    check(tmp_path, kind, 200)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_mutated_files_are_read_or_refused(tmp_path, kind):
    check(tmp_path, kind, 20_000, seed=1)
