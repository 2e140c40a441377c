"""The harness of the real sets: what it writes, what it skips, and the numbers of its tables."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.studies import official_code, official_fit, real_data, real_evaluate, real_run, real_sets, real_tables
from skelblocks import layouts
from skelblocks.training import DataOptions
from skelblocks.training.renamed_options import RENAMED_OPTIONS

SMALL = {"epochs": 1, "frames": 16, "base_channels": 4, "out_channels": 16, "embedding": 8, "queue_size": 8}
SMALL |= {"batch_size": 8, "warmup_epochs": 0, "accelerator": "cpu"}
OPTIONS = [each for name, value in SMALL.items() for each in (f"--{RENAMED_OPTIONS[name]}", str(value))]
ROOT = Path(__file__).parents[1]
OFFICIAL = os.environ.get("OFFICIAL_SOURCE")  # a folder of copies of the released code


@pytest.fixture
def data(tmp_path):
    """A folder of two tiny sets in the format of the real ones, and the words that name it and the results."""
    rng = np.random.default_rng(0)
    for name, layout, clips in (("utd_mhad", "utd-mhad", 24), ("nw_ucla", "nw-ucla", 24)):
        joints = layouts.get(layout).joints
        label = np.arange(clips) % 3
        view = 1 + np.arange(clips) // 3 % 3
        copies = {"duplicate_of_other_view": (view == 3) & (np.arange(clips) < 9)} if name == "nw_ucla" else {}
        np.savez(
            tmp_path / f"{name}.npz",
            x=(rng.normal(size=(clips, 3, 20, len(joints), 1)) + label[:, None, None, None, None]).astype(np.float32),
            y=label,
            subject=1 + np.arange(clips) % 4,
            view=view,
            clip_name=np.array([f"clip {i}" for i in range(clips)]),
            joint_names=np.array(joints),
            **copies,
        )
    return ["--data", str(tmp_path), "--results", str(tmp_path / "results")]


def only(folder, pattern="*"):
    (found,) = Path(folder).glob(f"results/*/*/{pattern}/result.json")
    return found


def test_a_run_is_whole_then_skipped_and_done_again_where_half_of_it_is_there(data, tmp_path, capsys):
    command = ["run", "--method", "skeletonclr", "--set", "utd-mhad", *OPTIONS, *data]
    real_data.main(command)
    place = only(tmp_path)
    result = json.loads(place.read_text())
    assert result["method"] == "skeletonclr"
    assert result["side"] == "ours"
    assert result["training"]["epochs"] == 1
    assert result["clips"] == [f"clip {i}" for i in range(24) if i % 2]  # even subjects
    for measure, predicted in result["predictions"].items():
        right = np.mean(np.array(predicted) == result["labels"])
        assert result["accuracies"]["all"][measure] == pytest.approx(100 * right)
    with np.load(place.with_name("scores.npz")) as scores:
        assert scores["clips"].tolist() == result["clips"]
        assert scores["linear"].argmax(1).tolist() == result["predictions"]["linear"]
        assert scores["probe"].shape == (12, 3)

    capsys.readouterr()
    written = place.stat().st_mtime_ns
    real_data.main(command)
    assert "there already" in capsys.readouterr().out
    assert place.stat().st_mtime_ns == written

    with pytest.raises(ValueError, match=r"another train\.precision"):
        real_data.main([*command, "--precision", "bf16-mixed"])
    file = tmp_path / "utd_mhad.npz"
    arrays = dict(np.load(file))
    np.savez(file, **{**arrays, "x": 2 * arrays["x"]})
    with pytest.raises(ValueError, match="it was run on other clips"):
        real_data.main(command)
    np.savez(file, **arrays)

    log = place.parent / "run" / "log.jsonl"
    trained = log.read_text()
    place.write_text(place.read_text()[:100])  # as if killed while writing
    real_data.main(command)
    again = json.loads(place.read_text())
    assert again["predictions"] == result["predictions"]
    assert log.read_text() == trained  # from the checkpoint: nothing was trained anew


def test_a_run_that_fails_leaves_no_result_and_the_others_go_on(data, tmp_path, monkeypatch):
    def diverging(job, real):
        if job.options.train.seed == 0:
            raise RuntimeError("the loss is nan")
        return torch.randn(12, 5), torch.randn(12, 5), {"epochs": 1}

    monkeypatch.setitem(real_run.FEATURES, "aimclr", diverging)
    with pytest.raises(ValueError, match=r"1 runs have failed: .*seed0: the loss is nan"):
        real_data.main(["run", "--method", "aimclr", "--set", "utd-mhad", "--seeds", "0", "1", *data])
    assert json.loads(only(tmp_path).read_text())["seed"] == 1


def test_raw_coordinates_serve_both_splits_of_nw_ucla(data, tmp_path):
    real_data.main(["run", "--method", "raw", "--set", "nw-ucla", *data])
    plain = json.loads(only(tmp_path, "raw-plain*").read_text())
    assert only(tmp_path, "raw-aligned*").exists()
    assert sum(plain["parts"]["standard"]) == 6
    assert sum(plain["parts"]["clean"]) == 3  # clips 6, 7 and 8 are copies
    whole = DataOptions(path=str(tmp_path / "nw_ucla.npz"), frames=20, split="cross-view", train_ids=[1, 2])
    sets = real_sets.load(whole).sets
    train, test = (part.as_tensor().flatten(1).numpy() for part in sets)
    scores = real_evaluate.logistic(train, sets.train.labels.numpy(), test, classes=3)
    assert plain["predictions"]["linear"] == scores.argmax(1).tolist()


def test_untrained_encoders_come_in_both_initializations(data, tmp_path):
    real_data.main(["run", "--method", "untrained", "--set", "utd-mhad", "--seeds", "3", *OPTIONS, *data])
    made = {json.loads(path.read_text())["variant"] for path in tmp_path.rglob("result.json")}
    assert made == {"torch", "official"}


def test_protocols_are_read_for_every_method_and_set():
    pairs = [(set_name, "msmclr") for set_name in real_sets.FILES]
    pairs += [("sbu", method) for method in (*real_data.METHODS, "raw")]
    for protocol in ("recipe", "papers"):
        for set_name, method in pairs:
            made = real_data.protocol_options(protocol, set_name=set_name, method=method)
            assert layouts.get(made.data.layout).num_joints
    papers = real_data.protocol_options("papers", set_name="nw-ucla", method="msmclr", changes=["--train.epochs=7"])
    assert (papers.nnm_epoch, papers.contrast.key_momentum, papers.train.epochs, papers.data.train_ids) == (
        "half",
        0.999,
        7,
        [1, 2],
    )
    assert papers.train.milestones == [6]
    recipe = real_data.protocol_options("recipe", set_name="nw-ucla", method="msmclr")
    assert (recipe.data.align, recipe.contrast.key_momentum) == ("clip", 0.99)  # of examples/configs/nw_ucla.yaml
    extreme = real_data.protocol_options("recipe", set_name="nw-ucla", method="aimclr")
    assert (extreme.extreme, extreme.drop, extreme.data.align) == (
        "official",
        "official",
        "clip",
    )  # of aimclr_small.yaml
    crossed = real_data.protocol_options("recipe", set_name="nw-ucla", method="crossmoco")
    assert (crossed.augmentation, crossed.data.align) == ("weak", "clip")  # of crossmoco_small.yaml, after the set's


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--method", "crossmoco", "--side", "official"], "side: there is released code of"),
        (["--method", "raw", "--set", "sbu"], "there is no sbu_interaction.npz"),
        (["--method", "raw", "--protocol", "other"], "there is no 'other'; there are papers, recipe"),
    ],
)
def test_what_cannot_be_run_is_refused(changes, message, data):
    with pytest.raises((ValueError, OSError), match=message):
        real_data.main(["run", "--set", "utd-mhad", *changes, *data])


LABELS = {"a": 0, "b": 1, "c": 1, "d": 0}


def write_result(folder, predicted, *, clips="abcd", **changes):
    """A result of known predictions, all measures alike; the logistic regression is sure of them."""
    result = {"set": "sbu", "protocol": "recipe", "method": "msmclr", "variant": "", "side": "ours", "stream": "joint"}
    result |= {"changed": "", "fold": None, "seed": 0, "options": {"precision": "32-true"}, "versions": {"torch": "x"}}
    result |= {"training": {"epochs": 2, "loss": 1.5, "clips_per_second": 10.0}, "people": None}
    result |= {"clips": list(clips), "labels": [LABELS[clip] for clip in clips], "parts": {"all": [True] * len(clips)}}
    result |= {"predictions": dict.fromkeys(real_evaluate.MEASURES, predicted), **changes}
    folder = folder / str(len(list(folder.iterdir())))
    folder.mkdir()
    scores = np.eye(2, dtype=np.float32)[predicted]
    np.savez(folder / "scores.npz", clips=list(clips), linear=scores, probe=scores)
    (folder / "result.json").write_text(json.dumps(result))


def cells(text, line):
    (found,) = (row for row in text.splitlines() if row.startswith(f"| {line} |"))
    return [cell.strip() for cell in found.split("|")[2:-1]]


def test_a_table_has_means_deviations_and_paired_differences(tmp_path):
    write_result(tmp_path, [0, 1, 1, 0], seed=0)  # 4 of 4
    write_result(tmp_path, [0, 1, 0, 1], seed=1)  # 2 of 4
    write_result(tmp_path, [1, 1, 0, 1], seed=0, side="official")  # 1 of 4
    text = real_tables.tables(real_tables.read_results(tmp_path))
    assert "## sbu, protocol recipe\n" in text
    ours = cells(text, "msmclr ours joint")
    assert ours[:6] == ["0, 1", "4", *["75.0 ± 35.4"] * 4]  # of 100 and 50: 50 / sqrt(2)
    assert ours[-3:] == ["2", "1.50", "10.0"]
    assert cells(text, "msmclr official joint")[:3] == ["0", "4", "25.0"]
    found = cells(text, "msmclr ours joint − msmclr official joint")[0]
    assert found.startswith("+50.0 (")  # means of the clips 1, 1, .5, .5 against 0, 1, 0, 0
    low, high = (float(each) for each in found[7:-1].split(" to "))
    assert 0 <= low <= 25
    assert 75 <= high <= 100
    assert text.rstrip().endswith("Measured with torch x; trained in 32-true.")


def test_people_are_resampled_whole(tmp_path):
    for right, side in (([0, 1, 1, 0], "ours"), ([0, 1, 0, 1], "official")):
        write_result(tmp_path, right, side=side, people=[1, 1, 2, 2])
    found = cells(
        real_tables.tables(real_tables.read_results(tmp_path), people=True), "msmclr ours joint − msmclr official joint"
    )
    assert found == ["+50.0 (+0.0 to +100.0)"] * 2  # of two people, one alike on both sides


def test_folds_are_pooled_and_a_seed_without_one_is_left_out(tmp_path):
    write_result(tmp_path, [0, 0], clips="ab", fold=0, seed=0)  # 1 of 2
    write_result(tmp_path, [1, 0], clips="cd", fold=1, seed=0)  # 2 of 2
    write_result(tmp_path, [0, 1], clips="ab", fold=0, seed=1)
    assert cells(real_tables.tables(real_tables.read_results(tmp_path)), "msmclr ours joint")[:3] == ["0", "4", "75.0"]


def test_a_difference_says_what_seeds_do_to_it(tmp_path):
    for seed, right in enumerate(([0, 1, 1, 0], [0, 1, 0, 1], [0, 1, 1, 1])):  # 100, 50 and 75
        write_result(tmp_path, right, seed=seed)
    for seed, right in enumerate(([1, 1, 0, 1], [0, 1, 1, 1])):  # 25 and 75
        write_result(tmp_path, right, seed=seed, side="official")
    found = cells(real_tables.tables(real_tables.read_results(tmp_path)), "msmclr ours joint − msmclr official joint")
    assert found[0].startswith("+25.0 (")
    assert found[0].endswith("; seeds ± 57.7)")  # 2 sqrt(25**2 / 3 + 35.36**2 / 2)


def test_streams_are_fused_and_a_part_counts_its_own_clips(tmp_path):
    parts = {"standard": [True] * 4, "clean": [True, True, True, False]}
    predicted = {"joint": [0, 1, 0, 1], "bone": [0, 0, 1, 1], "motion": [1, 1, 1, 0]}  # votes: 0, 1, 1, 1
    for stream, each in predicted.items():
        write_result(tmp_path, each, stream=stream, parts=parts)
    text = real_tables.tables(real_tables.read_results(tmp_path))
    standard, clean = text.split("## ")[1:]
    assert cells(standard, "msmclr ours joint+bone+motion")[4] == "75.0"
    assert cells(clean, "msmclr ours joint+bone+motion")[4] == "100.0"
    assert cells(clean, "msmclr ours joint+bone+motion − msmclr ours joint")[1].startswith("+33.3 (")


@pytest.mark.parametrize("text", ["0", "-1"])
def test_folds_are_at_least_one(text, data):
    with pytest.raises(SystemExit):
        real_data.main(["run", "--set", "sbu", "--method", "raw", "--folds", text, *data])


def test_the_same_changes_have_one_name():
    found = {
        real_data.changed_as(changes)
        for changes in (
            ["--contrast.key-momentum", "0.9", "--train.epochs=3"],
            ["--train.epochs", "3", "--contrast.key_momentum=0.9"],
        )
    }
    assert found == {"contrast.key_momentum_0.9_train.epochs_3"}
    assert real_data.changed_as([]) == ""


def test_released_code_is_cloned_once(tmp_path, monkeypatch):
    code = tmp_path / "source" / "Levigty+AimCLR" / "repo"
    git = ["git", "-C", str(code), "-c", "user.name=n", "-c", "user.email=e"]
    code.mkdir(parents=True)
    (code / "network.py").write_text("")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "code"]):
        subprocess.run([*git, *command], check=True)
    commit = official_code.commit_of(code)
    at = official_code.RELEASED["aimclr"]._replace(commit=commit)
    monkeypatch.setitem(official_code.RELEASED, "aimclr", at)
    found = official_code.fetch("aimclr", cache=tmp_path / "cache", source=tmp_path / "source")
    assert [path.name for path in found.glob("*.py")] == ["network.py"]
    assert official_code.commit_of(found) == commit
    assert official_code.fetch("aimclr", cache=tmp_path / "cache", source=tmp_path / "source") == found
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["Levigty+AimCLR"]
    monkeypatch.setitem(official_code.RELEASED, "aimclr", at._replace(commit="0" * 40))
    with pytest.raises(ValueError, match="is not at commit 0000000; remove it"):
        official_code.fetch("aimclr", cache=tmp_path / "cache", source=tmp_path / "source")
    with pytest.raises(FileNotFoundError, match="no copy of LinguoLi/CrosSCLR"):
        official_code.fetch("skeletonclr", cache=tmp_path / "cache", source=tmp_path / "source")


def test_the_queue_of_released_code_takes_the_keys_where_its_pointer_is():
    model = torch.nn.Module()
    model.register_buffer("queue", torch.zeros(2, 6))
    model.register_buffer("queue_ptr", torch.tensor([2]))
    official_fit.enqueue(model, torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert model.queue.tolist() == [[0, 0, 1, 3, 0, 0], [0, 0, 2, 4, 0, 0]]


@pytest.mark.slow
@pytest.mark.skipif(not OFFICIAL, reason="OFFICIAL_SOURCE names no folder of copies of the released code")
@pytest.mark.parametrize("method", official_code.RELEASED)
def test_released_code_trains_and_goes_on_where_it_was_killed(method, data, tmp_path):
    command = ["run", "--set", "utd-mhad", "--method", method, "--side", "official", *OPTIONS, *data]
    command += ["--official-source", OFFICIAL, "--official-cache", str(tmp_path / "cache"), "--data.frames=32"]
    command += ["--train.epochs=2", "--seeds"]
    real_data.main([*command, "5"])
    place = only(tmp_path)
    whole = json.loads(place.read_text())
    place.unlink()
    run = place.parent / "run"
    (run / "checkpoint.pt").unlink()
    job = json.loads((run / "job.json").read_text())
    code = (
        "import sys\n"
        "from benchmarks.studies import official_train\n"
        "from skelblocks.training import RunFolder\n"
        "log = RunFolder.log\n"
        "RunFolder.log = lambda self, history: (log(self, history), sys.exit(9))\n"
        f"official_train.main({str(run / 'job.json')!r})\n"
    )
    path = os.pathsep.join([job["code"], str(ROOT), os.environ.get("PYTHONPATH", "")])
    killed = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path})
    assert killed.returncode == 9
    assert len((run / "log.jsonl").read_text().splitlines()) == 1
    assert job["options"]["train"]["epochs"] == 2
    real_data.main([*command, "5"])
    again = json.loads(place.read_text())
    assert again["predictions"] == whole["predictions"]
    assert again["training"]["loss"] == whole["training"]["loss"]


@pytest.mark.slow
@pytest.mark.skipif(not OFFICIAL, reason="OFFICIAL_SOURCE names no folder of copies of the released code")
@pytest.mark.parametrize("epoch", [0, 3])
@pytest.mark.parametrize("method", ["skeletonclr", "aimclr", "msmclr", "crossclr", "skelemixclr", "hiclr"])
def test_released_code_and_ours_take_the_same_steps(method, epoch, data, tmp_path):
    command = [
        sys.executable,
        "-m",
        "benchmarks.studies.lockstep",
        "--method",
        method,
        "--set",
        "utd-mhad",
        *data[:2],
        *OPTIONS,
        "--data.frames=32",
    ]
    batch = 8 if method == "msmclr" else 4  # its attention takes eight clips together
    command += ["--train.epochs=4", f"--epoch={epoch}", f"--train.batch_size={batch}"]
    command += ["--official-source", OFFICIAL, "--official-cache", str(tmp_path / "cache")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    lines = [line for line in printed if line[:2] == "| " and line[2].isdigit()]  # HiCLR's code prints besides
    theirs, ours = np.array([[float(cell) for cell in line.strip("| ").split("|")[1:]] for line in lines]).T
    assert len(ours) == len(set(ours)) == 12 // batch
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.skipif(not OFFICIAL, reason="OFFICIAL_SOURCE names no folder of copies of the released code")
@pytest.mark.parametrize("method", ["actclr", "pstl", "isc"])
def test_released_models_and_ours_take_the_same_steps(method, tmp_path):
    command = [sys.executable, "-m", "benchmarks.studies.lockstep_models", "--method", method, "--batch", "4"]
    command += ["--steps=3", "--official-source", OFFICIAL, "--official-cache", str(tmp_path / "cache")]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[2:]
    theirs, ours = np.array([[float(cell) for cell in line.strip("| ").split("|")[1:]] for line in lines]).T
    assert len(ours) == len(set(ours)) == 3
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
