import csv
import json
import re

import numpy as np
import pytest

from skelblocks._utils.optional import require
from skelblocks.cli import main
from skelblocks.data import PreparedSet, Preprocessing
from skelblocks.encoders import STGCN, ProjectionHead
from skelblocks.interop import from_pretrained, save_pretrained
from skelblocks.layouts import get

pytest.importorskip("scipy")
STANDING = np.array(
    [
        [0, -3, 3, -6, 6, -15, 15, -20, 20, -22, 22, -10, 10, -11, 11, -11, 11],
        [0, -3, -3, -1, -1, 20, 20, 45, 45, 70, 70, 75, 75, 120, 120, 160, 160],
    ]
)  # COCO's joints in pixels


def run(*words):
    return main([str(word) for word in words])


def write_recording(path, *, frames=40, persons=2, seed=0, missing=0.05):
    """A recording in AlphaPose's form: persons who walk side by side, listed in random order, and a ghost."""
    rng = np.random.default_rng(seed)
    entries = []
    for t in range(frames):
        people = []
        for person in range(persons):
            x = STANDING + np.array([[150 * person + t], [300]]) + rng.normal(0, 1, (2, 17))
            score = np.where(rng.random(17) < missing, 0, 0.9)
            people.append(np.stack([*x, score], axis=1).round(2))
        if t == 5:
            people.append(np.concatenate([rng.uniform(0, 20, (17, 2)), np.full((17, 1), 0.41)], axis=1).round(2))
        entries += [
            {"image_id": f"{t}.jpg", "category_id": 1, "keypoints": people[place].ravel().tolist(), "score": 2.5}
            for place in rng.permutation(len(people))
        ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(entries), encoding="utf-8")


@pytest.fixture
def root(tmp_path):
    for number, name in enumerate(("day1/walk", "day1/sit", "day2/walk")):
        write_recording(tmp_path / "raw" / f"{name}.json", seed=number)
    return tmp_path / "raw"


def prepare(root, *more):
    return run("prepare", "poses", "--root", root, "--out", root.parent / "set", "--recorded-fps", 25, *more)


def write_labels(root, text):
    (root.parent / "labels.csv").write_text(text, encoding="utf-8")
    return "--labels", root.parent / "labels.csv"


def test_windows_of_persons_with_labels_and_parts(root, capsys):
    labels = write_labels(
        root,
        "file,start,end,label,subject\nday1/walk.json,0,40,walk,ann\nday1/sit,0,20,stand,bob\nday2/walk,0,40,walk,ann\n",
    )
    assert not prepare(
        root, "--window", 20, "--stride", 20, "--frames", 10, *labels, "--split", "recording", "--test", "day2*"
    )
    assert "10 of 12 clips have labels." in capsys.readouterr().out
    prepared = PreparedSet(root.parent / "set")
    assert prepared.names[:4] == (
        "day1/sit_00000-00020_p0",
        "day1/sit_00000-00020_p1",
        "day1/sit_00020-00040_p0",
        "day1/sit_00020-00040_p1",
    )
    assert prepared.shape == (2, 10, 17, 1)
    assert prepared.class_names == ("stand", "walk")
    assert prepared.labels.tolist() == [0, 0, -1, -1, *[1] * 8]
    assert prepared.origin_names == {"recording": ("day1/sit", "day1/walk", "day2/walk"), "subject": ("ann", "bob")}
    assert prepared.groups("stop_ms")[:3].tolist() == [800, 800, 1600]
    assert set(PreparedSet(root.parent / "set", part="test").groups("recording")) == {2}
    assert prepared.preprocessing.y == "down"
    assert prepared.preprocessing.scale == "bones"
    clip = prepared[0].clip
    head, hip = clip[1, :, 0], clip[1, :, 11]
    assert (head > hip).all()  # y goes up
    assert prepared[0].seen.float().mean() > 0.8


def test_people_together_by_subject(root):
    labels = write_labels(root, "file,label,subject\nday1/walk,walk,ann\nday1/sit,stand,bob\nday2/walk,walk,ann\n")
    more = ("--people", "together", "--window", "none", "--frames", 10, "--split", "subject", "--test", "bob")
    assert not prepare(root, *labels, *more)
    prepared = PreparedSet(root.parent / "set", part="train")
    assert prepared.names == ("day1/walk", "day2/walk")
    assert prepared.shape == (2, 10, 17, 2)
    assert (prepared[0].clip != 0).any(dim=(0, 1, 2)).all()


def test_for_an_encoder_of_another_skeleton(root, tmp_path):
    encoder = STGCN("ntu-rgb+d", in_channels=3, base_channels=4, out_channels=8)
    settings = Preprocessing(
        frames=16, scale="spine", to="ntu-rgb+d", missing="nearest", coordinates=3, source="coco-17"
    )
    save_pretrained(tmp_path / "encoder", encoder=encoder, preprocessing=settings)
    assert not prepare(root, "--for", tmp_path / "encoder")
    prepared = PreparedSet(root.parent / "set")
    assert prepared.shape == (3, 16, 25, 1)
    assert prepared.preprocessing.differences(settings, layout=prepared.layout) == []
    assert prepared.layout == get("ntu-rgb+d")
    assert not run("embed", tmp_path / "encoder", root.parent / "set", "--out", tmp_path / "out", "--device", "cpu")
    assert from_pretrained(tmp_path / "encoder").layout == prepared.layout


def test_labels_of_windows_say_where_they_are(root, tmp_path):
    about = {"head": ProjectionHead(8, out_features=2, hidden_layers=0), "metadata": {"class_names": ["walk", "sit"]}}
    settings = Preprocessing(frames=16, scale="bones")
    encoder = STGCN("coco-17", in_channels=2, base_channels=4, out_channels=8)
    save_pretrained(tmp_path / "encoder", encoder=encoder, preprocessing=settings, **about)
    assert not prepare(root, "--for", tmp_path / "encoder", "--window", 30)
    found = ("--out", tmp_path / "found.csv", "--device", "cpu")
    assert not run("classify", tmp_path / "encoder", root.parent / "set", *found)
    with (tmp_path / "found.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    places = ("clip", "recording", "person", "start", "stop", "start_seconds", "stop_seconds")
    assert [rows[3][name] for name in places] == ["day1/sit_00010-00040_p1", "day1/sit", "1", "10", "40", "0.4", "1.6"]


def test_windows_without_a_label_are_left_out_of_an_evaluation(root, tmp_path, capsys):
    names = ("day1/walk", "day1/sit", "day2/walk")
    labels = write_labels(root, "\n".join(["file,start,end,label", *(f"{n},0,20,a\n{n},20,32,b" for n in names)]))
    save_pretrained(
        tmp_path / "encoder",
        encoder=STGCN("coco-17", in_channels=2, base_channels=4, out_channels=8),
        preprocessing=Preprocessing(frames=16, scale="bones"),
    )
    parts = ("--split", "recording", "--test", "day2*", "--window", 8, "--stride", 8)
    assert not prepare(root, *labels, *parts, "--for", tmp_path / "encoder")
    capsys.readouterr()
    assert not run("evaluate", "knn", tmp_path / "encoder", "--data.path", root.parent / "set", "--evaluate.k", 1)
    assert "6 of 30 clips of" in capsys.readouterr().err
    assert not prepare(root, *parts, "--for", tmp_path / "encoder", "--overwrite")
    assert run("evaluate", "knn", tmp_path / "encoder", "--data.path", root.parent / "set") == 1
    assert "expected labels, which an evaluation needs" in capsys.readouterr().err


def test_a_finished_set_is_left_and_one_of_other_settings_is_not_taken_for_it(root, capsys):
    assert not prepare(root, "--window", 20)
    index = (root.parent / "set" / "index.npy").stat().st_mtime_ns
    assert not prepare(root, "--window", 20)
    assert (root.parent / "set" / "index.npy").stat().st_mtime_ns == index
    assert prepare(root, "--window", 30) == 1
    assert "holds a prepared set with other source_settings (window); choose" in capsys.readouterr().err
    assert not prepare(root, "--window", 30, "--overwrite")


def test_labels_with_frame_rates_and_more_columns(root, capsys):
    labels = write_labels(root, "file,size,fps,label\nday1/walk,9,50,walk\nday1/sit,9,25,sit\nday2/walk,9,25,\n")
    assert not run("prepare", "poses", "--root", root, "--out", root.parent / "set", "--window", "none", *labels)
    printed = capsys.readouterr().out
    assert "labels.csv that are not read: size." in printed
    assert "The recordings have 25, 50 frames per second; --fps 25 brings all to one rate." in printed
    assert "2 recordings have clips of several persons" in printed
    prepared = PreparedSet(root.parent / "set")
    assert prepared.groups("stop_ms").tolist() == [1600, 1600, 800, 800, 1600, 1600]
    assert not prepare(root, *labels, "--fps", 25, "--persons", 1, "--overwrite")
    printed = capsys.readouterr().out
    assert "brings all to one rate" not in printed
    assert "several persons" not in printed


def test_a_set_from_pictures_is_shown_upright_and_with_names(root, capsys, monkeypatch):
    labels = write_labels(root, "file,label,subject\nday1/walk,walk,ann\nday1/sit,stand,bob\nday2/walk,walk,ann\n")
    assert not prepare(root, *labels, "--frames", 10)
    flips = []

    def draw(*_, flip_vertical, **__):
        flips.append(flip_vertical)
        return require("matplotlib.pyplot", extra="viz").figure(figsize=(1, 1))

    monkeypatch.setattr("skelblocks.cli.inspect.draw_skeleton", draw)
    page, picture = root.parent / "set.html", root.parent / "set.png"
    assert not run("inspect", root.parent / "set", "--draw", picture, "--html", page)
    assert not run("inspect", root / "day1" / "walk.json", "--draw", picture)  # as the estimator has written it
    assert flips == [False, False, False, True]
    assert "2: stand (2), walk (4)" in capsys.readouterr().out
    html = page.read_text(encoding="utf-8")
    assert ">bob<" in html
    assert "Clips by start" not in html


def test_recordings_of_two_skeletons_are_refused(root, capsys):
    for t in range(3):
        people = {"people": [{"pose_keypoints_2d": [float(i + t) for i in range(75)]}]}
        (root / f"run_{t:012}_keypoints.json").write_text(json.dumps(people))
    assert prepare(root) == 1
    message = "got 3 of alphapose with coco-17 in 2-D, such as 'day1/sit' and 1 of openpose with body-25 in 2-D"
    assert message in capsys.readouterr().err
    assert not (root.parent / "set").exists()
    assert not prepare(root, "--format", "alphapose")
    assert "coco-17" in (root.parent / "set" / "manifest.json").read_text()


def test_two_formats_with_one_skeleton_are_read(root):
    entries = json.loads((root / "day1" / "walk.json").read_text())
    frames = [{"image_id": t, "category_id": 1, "keypoints": entry["keypoints"]} for t, entry in enumerate(entries)]
    (root / "run.json").write_text(json.dumps(frames))
    (root / "broken.npz").write_text("no array")
    assert not prepare(root)
    manifest = json.loads((root.parent / "set" / "manifest.json").read_text())
    assert [entry["name"] for entry in manifest["rejected"]] == ["broken"]
    assert "run" in {name.split("_")[0] for name in PreparedSet(root.parent / "set").names}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "clip,label\nday1/sit,stand\n",
            "1 clips in .* are not in the set, such as 'day1/sit'; the set has clips such as 'day1/sit_00000-00020_p0'",
        ),
        (
            "file,start,end,label\nday1/sit,900,950,stand\n",
            "of 1 line in .*, such as line 2 of 'day1/sit'; check",
        ),
        ("file,person,label\nday1/sit,7,stand\nday1/walk,0,walk\n", "label of 1 line in .*, such as line 2 of"),
    ],
)
def test_labels_that_no_clip_has_are_named(root, text, message, capsys):
    assert not prepare(root, "--window", 20, "--frames", 10, *write_labels(root, text))
    assert re.search(message, capsys.readouterr().out)


def test_recordings_that_cannot_be_read_are_listed(root, capsys):
    (root / "broken.json").write_text('[{"image_id": "0.jpg", "category_id": 1, "keypoints": [1, 2], "idx": 1}]')
    write_recording(root / "empty.json", frames=0)
    assert not prepare(root)
    printed = capsys.readouterr().out
    assert "2 clips left out" in printed
    assert "empty: expected a file of poses, got an empty list: the pose tool found no person" in printed
    manifest = json.loads((root.parent / "set" / "manifest.json").read_text())
    assert sorted(entry["name"] for entry in manifest["rejected"]) == ["broken", "empty"]


@pytest.mark.parametrize(
    ("labels", "more", "message"),
    [
        ("file,label\nday1/wlk,walk\n", (), "labels.csv, line 2: there is no recording 'day1/wlk'; there are day1/sit"),
        ("clip,label\nnight_00000-00064_p0,walk\n", (), "line 2: no recording has a clip 'night_00000-00064_p0'"),
        ("name,label\na,b\n", (), "line 1: expected a header such as"),
        (None, ("--window", "all"), "window: expected a number of frames or 'none', got 'all'"),
        (None, ("--window", "0"), "window: expected an integer >= 1, got 0"),
        (None, ("--test", "day1*"), "test: expected --split with --test, got none"),
        (None, ("--split", "recording"), "test: expected names of each recording to test on, got none"),
        (None, ("--split", "recording", "--test", "x"), "test: no recording is called 'x'; there are day1/sit"),
        (None, ("--split", "recording", "--test", "*"), "test: expected some recording that is left to train on"),
        (None, ("--split", "subject", "--test", "x"), "split: the labels tell no subject"),
        (None, ("--labels", "nowhere.csv"), "nowhere.csv"),
        (None, ("--for", "nowhere"), "nowhere"),
        (
            None,
            ("--for", "nowhere", "--frames", "9"),
            "for: expected --for without --frames",
        ),
        (None, ("--layout", "nowhere"), "nowhere"),
        (None, ("--to", "hand-21"), "to: "),
        (None, ("--fps", "-1"), "fps: expected a number > 0"),
        (None, ("--min-seen", "2"), "min_seen: expected"),
        (None, ("--least-size", "2"), "least_size: expected a probability"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_before_anything_is_written(root, labels, more, message, capsys):
    label_options = () if labels is None else write_labels(root, labels)
    assert prepare(root, *label_options, *more) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (root.parent / "set" / "manifest.json").exists()
    assert not list((root.parent / "set").glob("*.npy")) if (root.parent / "set").exists() else True
