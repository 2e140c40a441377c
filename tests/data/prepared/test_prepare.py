"""From the owners' files to a prepared set, against the same steps done by hand."""

import json
import os
import pickle
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader

from skelblocks import layouts
from skelblocks.data import (
    ArrayDataset,
    ClipFormatError,
    ClipPreparation,
    PreparedSet,
    Preprocessing,
    RawClip,
    align_view,
    center,
    choose_bodies,
    denoise_bodies,
    fill_gaps,
    find_clips,
    prepare,
    preprocess,
    read_ntu_skeleton,
    read_nw_ucla,
    read_pku_mmd,
    read_position_pair,
    resample,
    synthetic_motion,
)
from skelblocks.testing import write_ntu_skeleton, write_nw_ucla, write_pku_mmd, write_position_pair, write_pyskl

GOLDEN = Path(__file__).parents[2] / "golden"
NTU = layouts.get("ntu-rgb+d")


def write_ntu(folder, clips=9):
    """Subjects 1, 2, 3; cameras 1, 2, 3; setups 1, 2; the fifth is broken off, in the fourth is nobody."""
    folder.mkdir(parents=True)
    for i in range(clips):
        path = folder / f"S{i % 2 + 1:03}C{i % 3 + 1:03}P{i % 3 + 1:03}R001A{i + 1:03}.skeleton"
        write_ntu_skeleton(path, persons=0 if i == 3 else i % 3 + 1, frames=12 + i, seed=i, cut=0.5 if i == 4 else None)
    return folder


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def make(root, out, kind="ntu60", **options):
    found = find_clips(kind, root)
    return prepare(
        found.clips, out=out, layout=found.layout, **split({"shard": 4, "persons": found.persons, **options})
    )


def split(options):
    """Options with those of the preprocessing in their own object."""
    names = {field.name for field in fields(Preprocessing)} - {"missing"}  # the list of missing clips
    settings = {"persons": 2, **{name: value for name, value in options.items() if name in names}}
    rest = {name: value for name, value in options.items() if name not in names}
    return {**rest, "preprocessing": Preprocessing(**settings)}


def test_a_prepared_clip_is_what_the_steps_give_by_hand(tmp_path):
    clip = write_ntu_skeleton(
        tmp_path / "S001C001P001R001A001.skeleton", persons=3, frames=23, hidden={0: [22], 1: [3]}
    )
    for settings in (
        {},
        {"bodies": "first", "align": "official"},
        {"center": "head", "per": "clip", "origin": "first", "frames": 7, "persons": 3, "align": "clip"},
        {"center": None, "gaps": "hold"},
    ):
        options = {
            "frames": 50, "persons": 2, "bodies": "energy", "center": "spine_shoulder", "per": "frame", "origin": "own",
            "align": None, **settings,
        }  # fmt: skip
        x = choose_bodies(clip, persons=options["persons"], by=options["bodies"])[None]
        if "gaps" in settings:
            for person in range(2):
                for frame in np.flatnonzero(~x[0, :, :, :, person].any(axis=(0, 2))):
                    x[0, :, frame, :, person] = x[0, :, frame - 1, :, person] if frame < 22 else 0
        if options["center"]:
            joint = NTU.index(options["center"])
            x = center(x, joint=joint, per=options["per"], origin=options["origin"])
        x = resample(x, options["frames"])
        if options["align"]:
            left, right = NTU.index("shoulder_left"), NTU.index("shoulder_right")
            x = align_view(x, left=left, right=right, mode=options["align"])
        prepared = ClipPreparation("ntu-rgb+d", **split(settings))(clip)
        assert prepared.dtype == np.float32
        np.testing.assert_array_equal(prepared, x[0])


def test_denoising_comes_first_and_keeps_as_many_persons(tmp_path):
    path = tmp_path / "S001C001P001R001A001.skeleton"
    clip = write_ntu_skeleton(path, persons=4, frames=23, hidden={1: range(11, 23)})
    plain = ClipPreparation("ntu-rgb+d", preprocessing=Preprocessing(persons=3))
    prepared = ClipPreparation("ntu-rgb+d", preprocessing=Preprocessing(persons=3), denoise=True)(clip)
    np.testing.assert_array_equal(prepared, plain(denoise_bodies(clip, persons=3)))
    assert prepared.any(axis=(0, 1, 2)).all()
    assert not np.array_equal(prepared, plain(clip))


def test_equals_the_released_preprocessing():
    """Of sample 0; sample 1 has lost frames, for which that cuts the end off."""
    with np.load(GOLDEN / "preprocess_ntu.npz") as golden:
        x = golden["raw_head"][0].astype(np.float32)
        clip = RawClip("0", x, (x != 0).any(axis=(0, 2)), 0, {})
        for frames in (50, 64):
            prepared = ClipPreparation(
                "ntu-rgb+d", **split({"frames": frames, "bodies": "first", "align": "official"})
            )(clip)
            np.testing.assert_allclose(prepared, golden[f"t{frames}/sample0/position"], rtol=0, atol=3e-6)


def test_frames_are_never_cut_off_and_trailing_emptiness_is():
    x = np.zeros((3, 30, 25, 1), dtype=np.float32)
    x[:, :10] = 1 + np.arange(10)[:, None, None]
    x[:, 14:20] = 15 + np.arange(6)[:, None, None]
    clip = RawClip("a", x, (x != 0).any(axis=(0, 2)), 0, {})
    prepared = ClipPreparation("ntu-rgb+d", **split({"frames": 20, "center": None, "gaps": "interpolate"}))(clip)
    np.testing.assert_allclose(prepared[0, :, 0, 0], np.arange(1, 21), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"frames": 0}, ValueError, "frames: expected an integer >= 1"),
        ({"persons": 1.5}, TypeError, "persons: expected an integer"),
        ({"bodies": "best"}, ValueError, "bodies: expected one of 'energy', 'first'"),
        ({"gaps": "cut"}, ValueError, "gaps: expected one of"),
        ({"center": "tail"}, ValueError, "no joint 'tail'"),
        ({"align": "yes"}, ValueError, "align: expected one of None"),
        ({"align": "clip", "channels": 2}, ValueError, "align: .* got 2 .*align=None"),
        ({"layout": "cat"}, ValueError, "no layout is named 'cat'"),
    ],
)
def test_settings_that_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        ClipPreparation(**split({"layout": "ntu-rgb+d", **options}))


def test_clips_that_are_refused():
    good = np.ones((3, 5, 25, 1), dtype=np.float32)
    for x, message in [
        (good[:2], r"expected \(c=3, t, v=25, b\)"),
        (good[:, :, :20], r"got shape \(3, 5, 20, 1\)"),
        (good * np.nan, "not a finite number"),
        (good * 0, "contains no visible person"),
        (good[..., :0], "contains no visible person"),
    ]:
        with pytest.raises(ClipFormatError, match=message):
            ClipPreparation(layout="ntu-rgb+d")(RawClip("a", x, (x != 0).any(axis=(0, 2)), 0, {}))
    far = good * np.float32(3e38)
    far[:, ::2] *= -1
    with pytest.raises(ClipFormatError, match="too large"):
        ClipPreparation("ntu-rgb+d", preprocessing=Preprocessing(per="clip"))(
            RawClip("a", far, np.ones((5, 1), dtype=bool), 0, {})
        )


def test_ntu_end_to_end(tmp_path):
    root = write_ntu(tmp_path / "raw")
    odd = "mine\udcff" if sys.platform == "linux" else "mine"  # a byte that is no UTF-8
    write_ntu_skeleton(root / "S018C001P041R001A061.skeleton")
    (root / f"{odd}.skeleton").write_bytes(b"\x00\xff")
    found = find_clips("ntu60", root, protocol="xview")
    steps = []
    manifest = prepare(
        found.clips,
        out=tmp_path / "out",
        layout=found.layout,
        part=found.part,
        protocol="xview",
        missing=["S001C001P001R001A001"],
        shard=4,
        progress=steps.append,
        preprocessing=Preprocessing(frames=10),
    )
    assert json.loads((tmp_path / "out" / "manifest.json").read_text()) == manifest
    reasons = {entry["name"]: (entry["file"], entry["line"], entry["reason"]) for entry in manifest["rejected"]}
    assert sorted(reasons) == [
        *("S001C001P001R001A001", "S001C002P002R001A005", "S002C001P001R001A004", "S018C001P041R001A061", odd),
    ]
    assert reasons["S001C001P001R001A001"][2] == "in the list of missing clips"
    assert reasons["S001C002P002R001A005"][0] == "S001C002P002R001A005.skeleton"
    assert reasons["S001C002P002R001A005"][1] > 1
    assert reasons["S002C001P001R001A004"][2] == "contains no visible person"
    assert "action 61 is not of this set" in reasons["S018C001P041R001A061"][2]
    assert str(tmp_path) not in json.dumps(manifest)
    assert [step.done for step in steps] == list(range(1, 12))
    assert steps[-1] == (11, 11, 6, 5)
    assert manifest["clips"] == 6
    assert sorted(manifest["parts"].items()) == [("neither", 0), ("test", 1), ("train", 5)]
    dataset = PreparedSet(tmp_path / "out")
    for name, label, x in zip(dataset.names, dataset.labels, dataset.batch(range(6)).numpy(), strict=True):
        clip = read_ntu_skeleton(root / f"{name}.skeleton")
        assert label == clip.label
        np.testing.assert_array_equal(x, ClipPreparation("ntu-rgb+d", preprocessing=Preprocessing(frames=10))(clip))
    assert PreparedSet(tmp_path / "out", part="test").names == ("S001C001P001R001A007",)
    assert not (tmp_path / "out" / "unfinished").exists()


def test_other_owners_end_to_end(tmp_path):
    write_nw_ucla(tmp_path / "ucla", clips=6)
    write_pyskl(tmp_path / "pyskl", clips=6)
    write_pyskl(tmp_path / "flat", clips=3, flat=True)
    position, labels = write_position_pair(tmp_path / "pair", clips=5)
    skeletons, label_files, _ = write_pku_mmd(tmp_path / "pku", videos=1)
    expected = {
        ("nw-ucla", "ucla", "xview"): (6, 4, "nw-ucla"),
        ("pyskl", "pyskl", "xsub"): (6, 3, "ntu-rgb+d"),
        ("pyskl", "flat", "xsub"): (3, 1, "coco-17"),
        ("position", "pair", "given"): (5, 5, "ntu-rgb+d"),
        ("pku-mmd", "pku", "xview"): (9, 6, "ntu-rgb+d"),
    }
    for (kind, folder, protocol), (n, train, layout) in expected.items():
        found = find_clips(kind, tmp_path / folder, protocol=protocol)
        out = tmp_path / f"{folder}-out"
        prepare(
            found.clips,
            out=out,
            layout=found.layout,
            part=found.part,
            protocol=protocol,
            preprocessing=Preprocessing(frames=8),
            shard=2,
        )
        dataset = PreparedSet(out)
        assert (len(dataset), len(PreparedSet(out, part="train")), dataset.layout.name) == (n, train, layout)
        assert not dataset.manifest["rejected"]
        dataset.verify()
    steps = ClipPreparation("ntu-rgb+d", preprocessing=Preprocessing(frames=8))
    dataset = PreparedSet(tmp_path / "pair-out")
    for clip in read_position_pair(position, labels=labels):
        np.testing.assert_array_equal(dataset[dataset.names.index(clip.name)].clip, steps(clip))
    dataset = PreparedSet(tmp_path / "pku-out")
    for clip in read_pku_mmd(skeletons[2], labels=label_files[2]):
        place = dataset.names.index(clip.name)
        np.testing.assert_array_equal(dataset[place].clip, steps(clip))
        assert dataset.origin["view"][place] == 3
        assert dataset.labels[place] == clip.label


def test_keypoints_without_their_score_are_two_coordinates(tmp_path):
    path = write_pyskl(tmp_path / "flat", clips=3, flat=True)
    settings = Preprocessing(center=None, frames=8)
    for score, c in ((True, 3), (False, 2)):
        found = find_clips("pyskl", path, score=score)
        assert (found.channels, found.layout) == (c, "coco-17")
        out = tmp_path / f"out-{c}"
        prepare(found.clips, out=out, layout=found.layout, channels=found.channels, preprocessing=settings)
    whole, flat = PreparedSet(tmp_path / "out-3"), PreparedSet(tmp_path / "out-2")
    assert flat.shape == (2, 8, 17, 2)
    np.testing.assert_array_equal(flat.batch(range(3)), whole.batch(range(3))[:, :2])
    assert find_clips("pyskl", write_pyskl(tmp_path / "space", clips=2), score=False).channels == 3
    with pytest.raises(ValueError, match="score: 'nw-ucla' has none to leave out"):
        find_clips("nw-ucla", tmp_path, score=False)


def test_bad_clips_of_a_video_do_not_take_the_others_along(tmp_path):
    skeletons, label_files, _ = write_pku_mmd(tmp_path / "raw", videos=1)
    label_files[0].write_text("1,1,20,2\n2,80,999,2\n3,30,50,2\n")
    label_files[1].unlink()
    manifest = make(tmp_path / "raw", tmp_path / "out", "pku-mmd", missing=["0002-R_2_1"])
    assert PreparedSet(tmp_path / "out").names == ("0002-L_1_0", "0002-L_3_2", "0002-R_1_0", "0002-R_3_2")
    rejected = {(entry["name"], entry["line"]) for entry in manifest["rejected"]}
    assert rejected == {("0002-L[1]", 2), ("0002-M", None), ("0002-R_2_1", None)}
    assert skeletons[0].is_file()


def test_the_bytes_are_the_same_for_any_number_of_workers_and_after_an_error(tmp_path):
    root = write_ntu(tmp_path / "raw")
    make(root, tmp_path / "one")
    make(root, tmp_path / "two", workers=2)
    assert content(tmp_path / "one") == content(tmp_path / "two")

    def stop(progress):
        if progress.done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(root, tmp_path / "stopped", progress=stop)
    with pytest.raises(FileNotFoundError, match="unfinished: run it again"):
        PreparedSet(tmp_path / "stopped")
    first = tmp_path / "stopped" / "clips-00000.npy"
    (tmp_path / "stopped" / "unfinished" / "clips-00001.npy.77").write_bytes(b"broken off")
    (tmp_path / "stopped" / "clips-00099.npy").write_bytes(b"of a set that was being overwritten")
    changed = first.stat().st_mtime_ns, first.stat().st_ino
    make(root, tmp_path / "stopped")
    assert (first.stat().st_mtime_ns, first.stat().st_ino) == changed, "a finished shard is kept"
    assert content(tmp_path / "stopped") == content(tmp_path / "one")


def test_a_folder_that_holds_something_else_is_not_written_to(tmp_path):
    root = write_ntu(tmp_path / "raw", clips=3)
    out = tmp_path / "out"
    manifest = make(root, out)
    before = content(out)
    assert make(root, out) == manifest
    with pytest.raises(ValueError, match=r"other settings \(preprocessing\); choose another folder"):
        make(root, out, frames=3)
    with pytest.raises(ValueError, match="other protocol"):
        make(root, out, protocol="mine")
    assert content(out) == before
    assert make(root, out, frames=3, shard=1, overwrite=True)["shape"] == [3, 3, 25, 2]
    assert len(content(out)) == 5
    make(root, out, overwrite=True)
    assert content(out) == before
    write_ntu_skeleton(root / "S001C001P001R001A001.skeleton", seed=9)
    make(root, out)
    assert content(out) == before, "what is finished is left as it is"

    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(root, out, overwrite=True, progress=stop)
    with pytest.raises(FileNotFoundError, match="unfinished: run it again"):
        PreparedSet(out)
    make(root, out)
    assert content(out).keys() == before.keys()
    assert content(out) != before
    with pytest.raises(ValueError, match="not a prepared set; choose another folder"):
        make(root, root)


def test_what_prepare_refuses(tmp_path):
    good = ("a", partial(RawClip, "a", np.zeros((3, 5, 25, 1), dtype=np.float32), np.zeros((5, 1), dtype=bool), 0, {}))
    for clips, options, error, message in [
        ([], {}, ValueError, "at least one"),
        ([good, good], {}, ValueError, "got 'a' 2 times"),
        ([("", good[1])], {}, ValueError, "names of 1 to 255"),
        ([good], {}, ValueError, "none of 1 could be prepared: a: contains no visible person"),
        ([good], {"workers": 0}, ValueError, "workers: expected an integer >= 1"),
        ([good], {"size": 3}, TypeError, "size"),
    ]:
        with pytest.raises(error, match=message):
            prepare(clips, out=tmp_path / "out", layout="ntu-rgb+d", **options)
    x = np.ones((3, 5, 25, 1), dtype=np.float32)
    clip = RawClip("a", x, np.ones((5, 1), dtype=bool), 0, {})
    with pytest.raises(ValueError, match=r"part: expected booleans or -1, 0, 1, shape \(1,\)"):
        prepare([("a", lambda: clip)], out=tmp_path / "a", layout="ntu-rgb+d", part=lambda names, origin: np.array([3]))

    def mistake():
        raise KeyError("a mistake in the caller's own code is not hidden")

    with pytest.raises(KeyError):
        prepare([("a", mistake)], out=tmp_path / "b", layout="ntu-rgb+d")


def test_what_find_clips_refuses(tmp_path):
    write_nw_ucla(tmp_path / "ucla", clips=2)
    write_pyskl(tmp_path / "bare", clips=2, split=False)
    write_pku_mmd(tmp_path / "pku", videos=1)
    write_position_pair(tmp_path / "pair", clips=2)
    write_ntu(tmp_path / "ntu" / "a", clips=2)
    write_ntu(tmp_path / "ntu" / "b", clips=1)
    for kind, folder, protocol, error, message in [
        ("kinetics", "ucla", None, ValueError, "kind: expected one of 'ntu60'"),
        ("ntu60", "none", None, FileNotFoundError, "there is no folder"),
        ("ntu60", "ucla", None, FileNotFoundError, r"no files \*\.skeleton"),
        ("ntu60", "ntu", None, ValueError, "two files for one clip"),
        ("nw-ucla", "ucla", "xsub", ValueError, "protocol: expected one of 'xview'"),
        ("pku-mmd", "pku", "xsub", ValueError, "got none"),
        ("pku-mmd", "ucla", None, FileNotFoundError, "0002-L"),
        ("pyskl", "bare", "xsub", ValueError, "got none"),
        ("pyskl", "ucla", None, FileNotFoundError, "got 0"),
        ("position", "ucla", None, FileNotFoundError, r"no \*_label\.pkl"),
        ("position", "pair", "xset", ValueError, "expected one of 'xsub', 'xview'"),
    ]:
        with pytest.raises(error, match=message):
            find_clips(kind, tmp_path / folder, protocol=protocol)


def test_mutated_files_never_stop_a_run(tmp_path):
    """Single bytes and cuts; the readers have tests of their own with many more."""
    rng = random.Random(0)
    whole = tmp_path / "S001C001P001R001A001.skeleton"
    write_ntu_skeleton(whole, frames=3)
    data = whole.read_bytes()
    (tmp_path / "raw").mkdir()
    for i in range(120):
        mutant = bytearray(data)
        for _ in range(rng.randrange(3)):
            mutant[rng.randrange(len(mutant))] = rng.choice(b"0129. -\n\xffenai")
        if i % 4 == 0:
            del mutant[rng.randrange(len(mutant)) :]
        (tmp_path / "raw" / f"S001C001P{i % 106 + 1:03}R00{i // 106 + 1}A001.skeleton").write_bytes(mutant)
    manifest = make(tmp_path / "raw", tmp_path / "out", frames=2, shard=50)
    assert manifest["clips"] + len(manifest["rejected"]) == 120
    assert manifest["clips"] > 30
    assert len(manifest["rejected"]) > 30
    assert PreparedSet(tmp_path / "out").batch(range(manifest["clips"])).isfinite().all()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path, workers):
    root = write_ntu(tmp_path / "raw", clips=40)
    make(root, tmp_path / "whole", shard=2)
    out = tmp_path / "out"
    program = (
        "import sys\nfrom pathlib import Path\nfrom skelblocks.data import find_clips, prepare\n"
        "if __name__ == '__main__':\n"
        f"    found = find_clips('ntu60', {str(root)!r})\n"
        f"    prepare(found.clips, out={str(out)!r}, layout=found.layout, shard=2, workers={workers})\n"
    )
    script = tmp_path / "run.py"
    script.write_text(program)
    killed = 0
    for shards in (1, 5, 12):
        process = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
        while process.poll() is None and len(list(out.glob("clips-*.npy"))) < shards:
            time.sleep(0.001)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
    assert killed, "every run had finished before it was to be killed"
    subprocess.run([sys.executable, str(script)], check=True)
    assert content(out) == content(tmp_path / "whole")


def test_another_split_of_the_same_clips_is_not_passed_over(tmp_path):
    paths = write_nw_ucla(tmp_path / "raw", clips=6)
    sources = [(path.stem, partial(read_nw_ucla, path)) for path in paths]

    def make(view, **options):
        part = None if view is None else lambda names, origin: np.asarray(origin["view"]) == view
        return prepare(sources, out=tmp_path / "set", layout="nw-ucla", protocol="mine", part=part, **options)

    first = make(1)
    assert make(1) == make(None) == first
    with pytest.raises(ValueError, match=r"part: .*set' holds these clips with another split"):
        make(2)
    assert make(2, overwrite=True)["parts"] == first["parts"]
    assert set(PreparedSet(tmp_path / "set", part="train").origin["view"]) == {2}


def test_every_label_needs_its_class_name(tmp_path):
    paths = write_nw_ucla(tmp_path / "raw", clips=4)
    sources = [(path.stem, partial(read_nw_ucla, path)) for path in paths]
    with pytest.raises(ValueError, match=r"class_names: expected a name for each of the labels 0\.\.3, got 2"):
        prepare(sources, out=tmp_path / "set", layout="nw-ucla", class_names=["pick up", "drop"])


def test_clips_that_a_file_lists_in_both_parts_are_named(tmp_path):
    path = write_pyskl(tmp_path, clips=4)
    content = pickle.loads(path.read_bytes())
    content["split"]["xsub_val"] += content["split"]["xsub_train"][:1]
    path.write_bytes(pickle.dumps(content))
    shared = content["split"]["xsub_train"][0]
    with pytest.raises(ValueError, match=f"protocol: expected parts without common names, got '{shared}' in both"):
        find_clips("pyskl", path, protocol="xsub")
    assert len(find_clips("pyskl", path).clips) == 4


def test_a_set_of_another_skeleton_in_a_picture(tmp_path):
    clips = synthetic_motion("nw-ucla", classes=2, subjects=2, frames=12, noise=0.0)
    x = clips.x.numpy()[:, :2] * np.array([1, -1], dtype=np.float32)[:, None, None, None]
    raws = [
        RawClip(f"clip{i}", each, np.ones((12, 1), dtype=bool), int(label), {})
        for i, (each, label) in enumerate(zip(x, clips.labels, strict=True))
    ]
    sources = [(raw.name, partial(RawClip, *raw)) for raw in raws]
    settings = Preprocessing(frames=8, persons=1, y="auto", to="ntu-rgb+d", coordinates=3)
    arguments = {"out": tmp_path / "set", "layout": "nw-ucla", "channels": 2, "preprocessing": settings}
    manifest = prepare(sources, **arguments)
    assert manifest["shape"] == [3, 8, 25, 1]
    prepared = PreparedSet(tmp_path / "set")
    assert prepared.layout == NTU
    assert (prepared.preprocessing.y, prepared.preprocessing.source) == ("down", "nw-ucla")
    expected = ArrayDataset(x, layout="nw-ucla", preprocessing=settings)
    assert prepared.preprocessing == expected.preprocessing
    assert prepared.batch(range(len(raws))).equal(expected.as_tensor())
    assert prepare(sources, **arguments) == manifest  # the finished set is left as it is
    with pytest.raises(ValueError, match="other settings"):
        prepare(sources, **{**arguments, "preprocessing": replace(settings, y="up")})


def recorded(seed, *, by_joints=True):
    """A walk of two persons in a picture; a tenth of the joints is not seen."""
    rng = np.random.default_rng(seed)
    clip = synthetic_motion("coco-17", classes=3, subjects=1, views=1, frames=30, occlusion=0.0, seed=seed)
    x = clip.x.numpy()[:2, :2, ..., 0].transpose(1, 2, 3, 0)
    seen = rng.random(x.shape[1:]) > 0.1
    seen[20:25, :, 1] = False
    if not by_joints:
        return RawClip(f"clip{seed}", x, np.ones((30, 2), bool), 0, {})
    return RawClip(f"clip{seed}", np.where(seen, x, 0), seen, 0, {})


def test_seen_joints_go_into_the_set(tmp_path):
    raws = [recorded(seed, by_joints=seed != 2) for seed in range(5)]
    sources = [(raw.name, partial(RawClip, *raw)) for raw in raws]
    settings = Preprocessing(frames=15, persons=2, center="hip_left", scale="bones")
    arguments = {"layout": "coco-17", "channels": 2, "preprocessing": settings, "bodies": "first", "shard": 2}
    prepare(sources, out=tmp_path / "set", **arguments)
    prepared = PreparedSet(tmp_path / "set")
    prepared.verify()
    assert sorted(path.name for path in (tmp_path / "set").glob("seen*")) == [
        "seen-00000.npy",
        "seen-00001.npy",
        "seen-00002.npy",
    ]
    for i, raw in enumerate(raws):
        filled = fill_gaps(raw.x, raw.seen, layout="coco-17")[None]
        mask = raw.seen_joints[None]
        expected = preprocess(filled, layout="coco-17", preprocessing=settings, seen=mask)
        np.testing.assert_allclose(prepared[i].clip, expected[0], rtol=1e-5, atol=1e-6)
        assert np.array_equal(prepared[i].seen, mask[0, 1::2])  # the nearest frames
    sample = next(prepared.batches(5))
    assert sample.seen.shape == (5, 15, 17, 2)
    assert sample.seen[3].equal(prepared[3].seen)
    loaded = next(iter(DataLoader(prepared.subset([3, 0]), batch_size=2)))
    assert loaded.seen.equal(sample.seen[[3, 0]])
    assert pickle.loads(pickle.dumps(prepared)).seen([4]).equal(sample.seen[4:])
    before = content(tmp_path / "set")
    prepare(sources, out=tmp_path / "set", **arguments)
    assert content(tmp_path / "set") == before
    plain = [(raw.name, partial(RawClip, *raw)) for raw in [recorded(2, by_joints=False)]]
    prepare(plain, out=tmp_path / "set", overwrite=True, **arguments)
    assert PreparedSet(tmp_path / "set").seen([0]) is None
    assert not list((tmp_path / "set").glob("seen*"))


def test_a_mask_that_is_damaged(tmp_path):
    raw = recorded(0)
    arguments = {"layout": "coco-17", "channels": 2, "preprocessing": Preprocessing(frames=15, persons=2)}
    prepare([(raw.name, partial(RawClip, *raw))], out=tmp_path, **arguments)
    mask = np.load(tmp_path / "seen-00000.npy")
    np.save(tmp_path / "seen-00000.npy", ~mask)
    with pytest.raises(ClipFormatError, match="not what was written"):
        PreparedSet(tmp_path).verify()
    np.save(tmp_path / "seen-00000.npy", mask[:, :-1])
    with pytest.raises(ClipFormatError, match=r"seen-00000.npy: expected uint8 \(1, 64\), the bits of the seen joints"):
        PreparedSet(tmp_path)
    (tmp_path / "seen-00000.npy").unlink()
    with pytest.raises(ClipFormatError, match="the manifest names this file"):
        PreparedSet(tmp_path)


def test_a_clip_with_too_little_seen_is_refused_with_its_share(tmp_path):
    good, bad = recorded(0), recorded(1)
    seen = bad.seen & (np.arange(17) < 5)[:, None]
    bad = bad._replace(seen=seen)
    manifest = prepare(
        [(raw.name, partial(RawClip, *raw)) for raw in (good, bad)],
        out=tmp_path,
        layout="coco-17",
        channels=2,
        min_seen=0.5,
        max_gap=3,
    )
    (rejected,) = manifest["rejected"]
    assert rejected["name"] == "clip1"
    assert re.fullmatch(r"2\d\.\d% of the joints are seen, less than min_seen=50\.0%; lower .*", rejected["reason"])
    assert manifest["settings"]["max_gap"] == 3
    assert ClipPreparation.from_dict(manifest["settings"]).min_seen == 0.5
    for share in (-0.1, 1.5, True, "half"):
        with pytest.raises(ValueError, match="min_seen: expected a share from 0 to 1"):
            ClipPreparation("coco-17", min_seen=share)


def test_the_direction_of_y_is_decided_by_joints_that_are_seen(tmp_path):
    raw = recorded(0)
    seen = raw.seen.copy()
    seen[3:, 5:7] = False  # both shoulders, which the file has at zero
    x = np.where(seen, raw.x + np.array([0, 5], np.float32)[:, None, None, None], 0)
    source = (raw.name, partial(RawClip, *raw._replace(x=x, seen=seen)))
    settings = Preprocessing(persons=2, y="auto")
    manifest = prepare([source], out=tmp_path, layout="coco-17", channels=2, preprocessing=settings)
    assert PreparedSet(tmp_path).preprocessing.y == "up"
    assert "y" not in manifest["settings"]["preprocessing"]


def test_repeated_frames_keep_their_mask():
    raw = recorded(0)
    seen = raw.seen.copy()
    seen[12:] = False
    settings = Preprocessing(frames=30, persons=2, center=None)
    preparation = ClipPreparation("coco-17", channels=2, gaps="repeat", bodies="first", preprocessing=settings)
    mask = preparation.prepare(raw._replace(seen=seen)).seen
    assert np.array_equal(mask[:24], np.concatenate([seen[:12], seen[:12]]))
