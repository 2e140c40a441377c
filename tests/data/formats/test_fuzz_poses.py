"""Damaged and hostile files of poses give a clip or ClipFormatError, whatever was changed in them."""

import copy
import json
import random
import warnings

import numpy as np
import pytest

from skelblocks.data import ClipFormatError, read_poses

QUICK, MANY = 200, 20_000
MOST_BYTES = 2**29


def row(joints, third=0.9):
    return [number for j in range(joints) for number in (10.5 + j, 20.25 + 2 * j, third)]


def landmark(x):
    return {"x": x, "y": 0.5, "z": -0.1, "visibility": 0.9}


def instance(track):
    return {"keypoints": [[1.5, 2.5]] * 17, "keypoint_scores": [0.9] * 17, "bbox": [[1, 2, 3, 4]], "track_id": track}


BODY = [landmark(j / 40) for j in range(33)]
IMAGES = [{"id": i, "file_name": f"v/{i:04}.jpg", "frame_id": i} for i in range(3)]
CASES = {
    "openpose": ("openpose", {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": row(25)}] * 2}),
    "alphapose": (
        "alphapose",
        [{"image_id": f"{i}.jpg", "keypoints": row(17), "score": 2.5, "idx": [float(i)]} for i in range(3)],
    ),
    "alphapose cmu": (
        "alphapose",
        {f"{i}.jpg": {"version": "AlphaPose", "bodies": [{"joints": row(18)}]} for i in range(2)},
    ),
    "mmpose demo": (
        "mmpose",
        {
            "meta_info": {"keypoint_id2name": {"0": "nose"}},
            "instance_info": [{"frame_id": i, "instances": [instance(3), instance(4)]} for i in (1, 2)],
        },
    ),
    "mmpose pictures": ("mmpose", [instance(1), instance(2)]),
    "coco annotations": (
        "coco-keypoints",
        {
            "images": IMAGES,
            "annotations": [{"image_id": i, "keypoints": row(17, 2), "track_id": 1, "iscrowd": 0} for i in range(3)],
            "categories": [{"id": 1}],
        },
    ),
    "coco results": ("coco-keypoints", [{"image_id": i, "keypoints": row(17), "score": 0.5} for i in range(3)]),
    "mediapipe": ("mediapipe", [{"keypoints": BODY}, {"keypoints": []}]),
    "mediapipe bodies": ("mediapipe", {"frames": [{"frame": i, "landmarks": [BODY, BODY]} for i in range(2)]}),
    "mediapipe numbers": ("mediapipe", {str(i): {str(j): point for j, point in enumerate(BODY)} for i in range(2)}),
    "mediapipe world": ("mediapipe-world", [{"pose_world_landmarks": BODY, "pose_landmarks": BODY}]),
    "ultralytics": ("ultralytics", "".join("0 0.5 0.5 0.2 0.4" + " 0.5 0.25 0.9" * 17 + f" {i}\n" for i in (1, 2))),
}
HOSTILE = (
    *(None, True, False, "", "x", "\x1b[31m", "9" * 30, [], {}, [[]], [{}], {"": {}}, [None], [[[[]]]]),
    *(0, -1, 1.5, 2, 1e30, -1e308, 10**18, 10**40, 2**62, 2**63, 2**64, float("nan"), float("inf")),
    *([1, 2], [1, 2, 3], [[1, 2]], {"x": 1}, {"x": {}, "y": []}, {"0": 1}, {"keypoints": 1}),
)
TOKENS = (
    *(b"NaN", b"Infinity", b"-1e999", b"1e308", b"99999999999999999999", b"null", b"true", b'""', b"[", b"]", b"{"),
    *(
        b"}",
        b",",
        b":",
        b'"',
        b"[" * 5000,
        b'{"a":' * 3000,
        b"\xff",
        b"\x00",
        b"\\",
        b"\\ud800",
        b"9" * 5000,
        b"_",
        b"\n",
        b" ",
    ),
)


def nodes(content, path=()):
    """The place of each value in a JSON document."""
    yield path
    for key in content if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ():
        yield from nodes(content[key], (*path, key))


def change_value(content, draw):
    """A document with another value, or without it, or with it twice, at a few places."""
    content = json.loads(json.dumps(content))
    for _ in range(draw.choice((1, 1, 2, 3))):
        places = list(nodes(content))
        depth = draw.choice([len(place) for place in places])
        *inner, key = draw.choice([place for place in places if len(place) == depth]) or (None,)
        if key is None:
            return copy.deepcopy(draw.choice(HOSTILE))
        parent = content
        for each in inner:
            parent = parent[each]
        action = draw.random()
        if action < 0.15:
            del parent[key]
        elif action < 0.25 and isinstance(parent, list):
            parent.insert(draw.randrange(len(parent) + 1), parent[key])
        elif action < 0.35 and isinstance(parent, dict):
            parent[draw.choice(("0", "x", "frame_id", "9" * 20, "-1"))] = parent.pop(key)
        else:
            parent[key] = copy.deepcopy(draw.choice(HOSTILE))
    return content


def change_bytes(data, draw):
    data = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 5))):
        start = draw.randrange(len(data) + 1)
        end = min(len(data), start + draw.choice((0, 1, 2, 8, 64)))
        data[start:end] = draw.choice((b"", draw.choice(TOKENS), draw.choice(TOKENS), bytes([draw.randrange(256)])))
    return bytes(data[: draw.randrange(len(data) + 1)] if draw.random() < 0.1 else data)


def changed(content, draw):
    if isinstance(content, str):
        return change_bytes(content.encode(), draw)
    if draw.random() < 0.5:
        return json.dumps(change_value(content, draw)).encode()
    return change_bytes(json.dumps(content).encode(), draw)


def check_clip(clip):
    c, t, v, b = clip.x.shape
    assert c in (2, 3)
    assert clip.seen.shape == (t, v, b)
    assert np.isfinite(clip.x).all()
    assert not clip.x[:, ~clip.seen].any()
    assert clip.scores is None or (clip.scores.shape == (t, v, b) and np.isfinite(clip.scores).all())
    assert clip.x.nbytes <= MOST_BYTES


def fuzz(folder, case, times, seed):
    """Read ``times`` changed files; how many of them are still read."""
    kind, content = CASES[case]
    draw = random.Random(f"{case} {seed}")
    path = folder / ("walk_1.txt" if isinstance(content, str) else "walk_1.json")
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    check_clip(read_poses(path, format=kind, image_size=(640, 480))[0])
    refused: list[str] = []
    for i in range(times):
        data = changed(content, draw)
        path.write_bytes(data)
        options = {"image_size": (640, 480)} if draw.random() < 0.8 else {}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                for clip in read_poses(path, format=draw.choice((kind, "auto")), **options):
                    check_clip(clip)
        except ClipFormatError as error:
            refused.append(str(error))
        except BaseException as error:
            error.add_note(f"change {i} of {case!r}, seed {seed}: {data[:2000]!r}")
            raise
    assert not [message for message in refused if not message.isprintable()]
    return times - len(refused)


@pytest.mark.parametrize("case", CASES)
def test_changed_files(tmp_path, case):
    assert 0 < fuzz(tmp_path, case, QUICK, seed=0) < QUICK


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_many_changed_files(tmp_path, case):
    assert 0 < fuzz(tmp_path, case, MANY, seed=1) < MANY


@pytest.mark.parametrize("depth", [1000, 100_000])
@pytest.mark.parametrize("opening", ['{"people":[', "[[", '{"frames":', '[{"keypoints":[{"x":'])
def test_deep_nesting(tmp_path, opening, depth):
    path = tmp_path / "a.json"
    path.write_text(opening + "[" * depth + "]" * depth + "}")
    for kind in ("openpose", "alphapose", "mmpose", "coco-keypoints", "mediapipe", "auto"):
        with pytest.raises(ClipFormatError):
            read_poses(path, format=kind)


def test_a_crowd_and_a_long_recording_that_fit_no_memory(tmp_path):
    path = tmp_path / "a.json"
    crowd = [{"image_id": "0.jpg", "keypoints": row(17), "idx": None}] * 3000
    path.write_text(json.dumps([*crowd, {"image_id": "1000000.jpg", "keypoints": row(17), "idx": None}]))
    with pytest.raises(ClipFormatError, match="expected a clip of at most 134217728 numbers"):
        read_poses(path)
