import json
import os
import subprocess
import sys
from pathlib import Path

import evaluate
import numpy as np
import pytest
import torch
import train_crossmoco
import train_msmclr
import train_skeletonclr
from candidate import load_candidate
from command_line import parse
from datasets import DataOptions, load_sets
from finetune import FinetuneOptions
from load_run import load_run
from protocols import ProtocolOptions, linear, structure
from small_run import SMALL, save_run, write_set

from skelblocks import layouts
from skelblocks.evaluation import (
    StreamScores,
    bootstrap_interval,
    fuse_scores,
    knn_accuracy,
    linear_probe,
    retrieval_scores,
)
from skelblocks.interop import from_pretrained

QUICK = ["--accelerator", "cpu", "--finetune.epochs", "1", "--finetune.batch_size", "4", "--draws", "2"]
QUICK += ["--semi.epochs", "1", "--semi.learning_rate", "0.01", "--finetune.learning-rate", "0.01"]


@pytest.fixture
def run(tmp_path):
    """Makes runs of an untrained encoder on one small set, by stream and seed."""
    data = write_set(tmp_path / "mine.npz")

    def make(stream="joint", seed=0, **changes):
        folder = tmp_path / f"{stream}_{seed}"
        settings = {"layout": "utd-mhad", "data": data, "stream": stream, "seed": seed, **changes}
        torch.manual_seed(seed)
        save_run(folder, train_skeletonclr, **settings)
        return str(folder)

    return make


def outcomes(found, place=0):
    return {each["protocol"]: each for each in found["runs"][place]["outcomes"]}


def test_help_has_the_comments_behind_the_options(capsys):
    with pytest.raises(SystemExit):
        evaluate.main(["report", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "--vote VOTE the k of kNN that is reported; default, the run's `neighbors` (type: int" in shown
    assert "--animation {true,false} of a test clip (type: bool" in shown
    assert "--finetune.batch_size BATCH_SIZE fewer labelled clips make one batch;" in shown


def test_an_encoder_that_has_no_untrained_one_is_refused_before_the_work(tmp_path):
    options = {"layout": "utd-mhad", "data": write_set(tmp_path / "mine.npz"), "share_backbone": False}
    save_run(tmp_path / "run", train_crossmoco, **options)
    with pytest.raises(ValueError, match=r"untrained: .*run' has two encoders side by side; give --untrained false"):
        evaluate.main(["report", str(tmp_path / "run"), *QUICK])
    assert not (tmp_path / "run" / "evaluation").exists()


def test_knn_and_linear_are_the_librarys_on_the_runs_features(run, capsys):
    folder = run(neighbors=2)
    found = outcomes(evaluate.main(["knn", folder, *QUICK]))["knn"]
    candidate = load_candidate(folder, ProtocolOptions(accelerator="cpu"))
    (train, test), (fit, judged) = candidate.labels, (candidate.train, candidate.test)
    expected = {k: 100 * knn_accuracy(fit, train, judged, test, k=k) for k in (1, 2, 5, 10)}
    assert found["by_neighbors"] == expected
    assert found["accuracy"] == expected[2]
    assert found["selected"] == "k = 2, set beforehand"
    probe = linear_probe(
        fit, train, judged, test, learning_rate=0.1, standardize=True, generator=torch.Generator().manual_seed(0)
    )
    both = outcomes(evaluate.main(["frozen", folder, *QUICK]))
    found = outcomes(evaluate.main(["linear", folder, *QUICK]))["linear"]
    assert both["linear"] == found
    assert list(both) == ["knn", "linear"]
    assert found["accuracy"] == 100 * probe.accuracy
    assert found["selected"] == "last epoch"
    low, high = found["interval_95"]
    assert low <= found["accuracy"] <= high
    assert f"| joint | {found['accuracy']:.1f} |" in capsys.readouterr().out


def test_features_are_extracted_once(run, monkeypatch):
    folder = run()
    first = evaluate.main(["linear", folder, *QUICK])
    monkeypatch.setattr("skelblocks.encoders.STGCN.forward", None)
    assert evaluate.main(["linear", folder, *QUICK]) == first


def test_what_was_selected_is_said(run):
    folder = run()
    by_test = outcomes(evaluate.main(["linear", folder, *QUICK, "--select", "test"]))["linear"]
    last = outcomes(evaluate.main(["linear", folder, *QUICK]))["linear"]
    assert by_test["selected"] == "best on the test set"
    assert by_test["accuracy"] >= last["accuracy"]
    apart = ["--select", "validation", "--validation-ids", "[1]"]
    for protocol in ("knn", "linear", "finetune"):
        found = outcomes(evaluate.main([protocol, folder, *QUICK, *apart]))[protocol]
        assert "best on the validation set" in found["selected"]
    candidate = load_candidate(folder, ProtocolOptions(accelerator="cpu", select="validation", validation_ids=[1]))
    subjects = candidate.sets.train.subjects
    assert (subjects[candidate.held] == 1).all()
    assert (subjects[candidate.fit] == 3).all()
    for select in ("last", "test"):
        with pytest.raises(ValueError, match=f"validation_ids: they select nothing with select='{select}'"):
            evaluate.main(["linear", folder, *QUICK, "--select", select, "--validation-ids", "[1]"])
    for wrong in ("[]", "[1,3]", "[2]"):
        with pytest.raises(ValueError, match=r"validation_ids: expected some of 1, 3, not all"):
            evaluate.main(["linear", folder, *QUICK, "--select", "validation", "--validation-ids", wrong])


def test_the_k_that_was_asked_for_or_an_error(run):
    folder = run()
    found = outcomes(evaluate.main(["knn", folder, *QUICK, "--vote", "4"]))["knn"]
    assert found["selected"] == "k = 4, set beforehand"
    for vote in (0, 13):  # 12 training clips
        with pytest.raises(ValueError, match=rf"k: expected .*got .*{vote}"):
            evaluate.main(["knn", folder, *QUICK, "--vote", str(vote)])


def test_nobody_is_tested_on_the_clips_that_were_learnt(run):
    folder = run(split="none")
    with pytest.raises(ValueError, match="split: expected one, got 'none'"):
        evaluate.main(["linear", folder, *QUICK])
    found = evaluate.main(["linear", folder, *QUICK, "--split", "cross-subject"])
    assert found["runs"][0]["pretrained_apart"] is False


def test_another_split_than_the_trainings_is_said_and_has_its_own_ids(run, tmp_path, monkeypatch):
    folder = run(train_ids=[2, 3])
    assert evaluate.main(["linear", folder, *QUICK])["runs"][0]["pretrained_apart"]
    assert "Pretrained with" not in (tmp_path / "joint_0" / "evaluation" / "linear.md").read_text()
    monkeypatch.chdir(tmp_path)  # the same file by another name
    assert evaluate.main(["linear", folder, *QUICK, "--data", "mine.npz"])["runs"][0]["pretrained_apart"]
    sets = load_candidate(folder, ProtocolOptions(accelerator="cpu", data="mine.npz")).sets
    assert set(sets.train.subjects.tolist()) == {2, 3}
    found = evaluate.main(["linear", folder, *QUICK, "--train-ids", "[3,4]"])
    assert found["runs"][0]["pretrained_apart"] is False
    text = (tmp_path / "joint_0" / "evaluation" / "linear.md").read_text()
    assert f"Pretrained with another split of these clips, perhaps on test clips: {folder}." in text
    arrays = dict(np.load(tmp_path / "mine.npz"))
    np.savez(tmp_path / "mine.npz", **arrays, view=1 + np.arange(24) % 3)
    sets = load_candidate(folder, ProtocolOptions(accelerator="cpu", split="cross-view")).sets
    assert set(sets.train.views.tolist()) == {1, 2}
    assert set(sets.test.views.tolist()) == {3}


def test_the_interval_is_over_people_whatever_the_split(run, tmp_path):
    folder = run()
    arrays = dict(np.load(tmp_path / "mine.npz"))
    np.savez(tmp_path / "mine.npz", **arrays, view=1 + np.arange(24) // 12)
    found = outcomes(evaluate.main(["linear", folder, *QUICK, "--split", "cross-view"]))["linear"]
    assert found["interval_over"] == "subjects"
    candidate = load_candidate(folder, ProtocolOptions(accelerator="cpu", split="cross-view"))
    hits = linear(candidate, ProtocolOptions()).scores.scores.argmax(dim=1) == candidate.labels[1]
    expected = bootstrap_interval(hits, groups=candidate.sets.test.subjects)
    assert found["interval_95"] == [100 * expected.low, 100 * expected.high]
    del arrays["subject"]
    np.savez(tmp_path / "mine.npz", **arrays, view=1 + np.arange(24) // 12)
    found = outcomes(evaluate.main(["linear", folder, *QUICK, "--split", "cross-view"]))["linear"]
    assert found["interval_over"] == "clips"


def test_a_class_of_the_test_set_alone(run, tmp_path):
    arrays = dict(np.load(write_set(tmp_path / "mine.npz")))
    arrays["y"][(arrays["subject"] == 2).nonzero()[0][:2]] = 3
    folder = run()
    np.savez(tmp_path / "mine.npz", **arrays)
    candidate = load_candidate(folder, ProtocolOptions(accelerator="cpu"))
    (train, test), bank = candidate.labels, candidate.train
    asked = test < 3
    assert asked.sum() == 10
    expected = retrieval_scores(candidate.test[asked], test[asked], bank, train, topk=(1, 5))
    found = structure(candidate)
    assert found["mean average precision"] == 100 * expected.mean_average_precision
    assert found["recall at 5"] == 100 * expected.recall[5]


def test_semi_draws_labels_class_by_class(run):
    found = evaluate.main(["semi", run(), *QUICK, "--fractions", "[0.3, 0.6]"])
    each = found["runs"][0]["outcomes"]
    assert [(outcome["protocol"], outcome["labelled_clips"]) for outcome in each] == [
        ("semi 30 %", 3),
        ("semi 30 %", 3),
        ("semi 60 %", 6),
        ("semi 60 %", 6),
    ]
    assert len(each[0]["history"]) == 1
    frozen = evaluate.main(["semi", run(), *QUICK, "--fractions", "[0.3]", "--semi-protocol", "linear"])
    first = frozen["runs"][0]["outcomes"][0]
    assert "history" not in first
    assert first["labelled_clips"] == 3
    with pytest.raises(ValueError, match="draws: expected an integer >= 1, got 0"):
        evaluate.main(["semi", run(), *QUICK, "--draws", "0"])


def test_streams_are_fused_seed_by_seed(run, monkeypatch):
    folders = [run(stream, seed) for seed in (0, 1) for stream in ("joint", "bone", "motion")]
    found = evaluate.main(["fuse", *folders, *QUICK])
    names = [(each["seed"], each["stream"]) for each in found["runs"]]
    assert names == [(seed, stream) for seed in (0, 1) for stream in ("joint", "bone", "motion", "fused")]
    scores = {}
    for folder in folders[3:]:
        candidate = load_candidate(folder, ProtocolOptions(accelerator="cpu"))
        probe = linear_probe(
            candidate.train,
            candidate.labels[0],
            candidate.test,
            candidate.labels[1],
            learning_rate=0.1,
            standardize=True,
            generator=torch.Generator().manual_seed(0),
        )
        scores[candidate.run.stream] = StreamScores(candidate.sets.test.names, probe.logits)
    fused = fuse_scores(scores).scores.argmax(dim=1)
    assert outcomes(found, 7)["linear"]["accuracy"] == 100 * (fused == candidate.labels[1]).double().mean().item()
    of_semi = evaluate.main(
        ["fuse", *folders[:2], *QUICK, "--protocol", "semi", "--fractions", "[0.3]", "--semi-protocol", "linear"]
    )
    assert [each["stream"] for each in of_semi["runs"]] == ["joint", "bone", "fused"]
    assert list(outcomes(of_semi, 2)) == ["semi 30 %"]
    monkeypatch.setattr(evaluate, "load_candidate", None)  # nothing is measured before it is refused
    with pytest.raises(ValueError, match="weights: no stream for 'motion'"):
        evaluate.main(["fuse", *folders[:2], *QUICK, "--weights", "{joint: 1, bone: 1, motion: 1}"])
    with pytest.raises(ValueError, match="of seed 0 there is only 'joint'"):
        evaluate.main(["fuse", folders[0], *QUICK])
    with pytest.raises(ValueError, match="a second run of the stream 'joint' with seed 0"):
        evaluate.main(["knn", folders[0], folders[0], *QUICK])


def test_a_report_has_everything(run, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn.manifold.TSNE.fit_transform", lambda self, x: x[:, :2].copy())  # seconds
    folders = [run(stream) for stream in ("joint", "bone")]
    out = tmp_path / "report"
    found = evaluate.main(["report", *folders, "--out", str(out), *QUICK])
    assert list(outcomes(found)) == ["knn", "linear", "semi 1 %", "semi 10 %", "finetune"]
    assert list(outcomes(found, 2)) == ["linear", "semi 1 %", "semi 10 %", "finetune"]
    assert set(found["others"]) == {
        f"{stream}, untrained, {name}"
        for stream in ("joint", "bone")
        for name in ("torch's initialisation", "N(0, 0.02)")
    }
    assert json.loads((out / "report.json").read_text()) == json.loads(json.dumps(found))
    text = (out / "report.md").read_text()
    assert text.startswith("| | knn | linear | semi 1 % | semi 10 % | finetune |")
    assert "| fused |  |" in text
    assert "NMI" in text
    pictures = {path.name for path in out.iterdir() if path.suffix in (".png", ".gif")}
    assert pictures == {
        *(f"embedding_{stream}.png" for stream in ("joint", "bone")),
        *(f"confusion_{how}_{name}.png" for how in ("linear", "finetune") for name in ("joint", "bone", "fused")),
        "finetune_loss.png",
        "clip.png",
        "clip.gif",
        "energy.png",
    }


def test_of_an_encoder_without_joints_there_is_no_picture_of_them(run, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn.manifold.TSNE.fit_transform", lambda self, x: x[:, :2].copy())
    out = tmp_path / "report"
    options = ["--untrained", "false", "--animation", "false", "--fractions", "[0.3]", "--semi-protocol", "linear"]
    evaluate.main(["report", run(encoder="bigru"), "--out", str(out), *QUICK, *options])
    assert (out / "clip.png").exists()
    assert not (out / "energy.png").exists()


def test_numbers_are_kept_where_a_picture_fails(run, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise ValueError("no such colour")

    monkeypatch.setattr(evaluate, "draw_embeddings", fails)
    with pytest.raises(ValueError, match="no such colour"):
        evaluate.main(["tsne", run(), "--out", str(tmp_path / "out"), *QUICK])
    assert json.loads((tmp_path / "out" / "tsne.json").read_text())["runs"]
    assert (tmp_path / "out" / "tsne.md").exists()


@pytest.mark.parametrize("method", ["aimclr", "msmclr", "skeattnclr", "crossmoco"])
def test_cost_of_every_method(method, tmp_path):
    sizes = ["--frames", "8", "--persons", "1", "--layout", "sbu", "--batch_size", "2"]
    found = evaluate.main(["cost", "--method", method, "--out", str(tmp_path), *sizes])
    assert found[f"{method}, torch"]["macs"] > found["encoder, torch"]["macs"] > 0
    assert (tmp_path / f"cost_{method}.json").exists()


def test_cost_is_table_9(tmp_path):
    found = evaluate.main(["cost", "--method", "skeletonclr", "--out", str(tmp_path)])
    assert found["skeletonclr, table9"]["macs"] == 128 * 2 * 569_670_104


def test_transfer_by_the_joints_that_both_have(tmp_path):
    here = write_set(tmp_path / "here.npz", "utd-mhad")
    there = write_set(tmp_path / "there.npz", "nw-ucla", seed=1)
    folder = tmp_path / "run"
    shared = layouts.shared_joints("utd-mhad", "nw-ucla")
    settings = {**SMALL, "data": here, "joints": "nw-ucla", "folder": str(folder), "epochs": 1, "stream": "bone"}
    train_skeletonclr.train(train_skeletonclr.Options(**settings))
    loaded = load_run(folder)
    assert loaded.layout == layouts.restrict("utd-mhad", shared)
    assert from_pretrained(folder / "encoder").preprocessing is None
    sets = load_candidate(str(folder), ProtocolOptions(accelerator="cpu", data=there)).sets
    assert sets.layout == loaded.layout
    direct = load_sets(DataOptions(data=there, frames=16, joints=list(shared)))
    assert sets.test.as_tensor().equal(direct.test.as_tensor())
    assert outcomes(evaluate.main(["finetune", str(folder), "--data", there, *QUICK]))["finetune"]["epoch"] == 1
    save_run(tmp_path / "whole", train_skeletonclr, layout="sbu")
    shared = ",".join(layouts.shared_joints("sbu", "nw-ucla"))
    with pytest.raises(ValueError, match=r"nw-ucla.* has no neck, torso") as refused:
        evaluate.main(["linear", str(tmp_path / "whole"), "--data", there, *QUICK])
    assert f"train with --joints [{shared}]" in str(refused.value)
    assert parse(train_skeletonclr.Options, ["--joints", f"[{shared}]"]).joints == shared.split(",")


def test_a_training_leaves_a_pretrained_encoder(tmp_path):
    data = write_set(tmp_path / "mine.npz")
    settings = {**SMALL, "data": data, "folder": str(tmp_path / "run"), "epochs": 1, "align": "clip", "seed": 7}
    train_msmclr.train(train_msmclr.Options(**settings, stream="motion"))
    saved, loaded = from_pretrained(tmp_path / "run" / "encoder"), load_run(tmp_path / "run")
    assert (saved.stream, saved.preprocessing.frames, saved.preprocessing.align) == ("motion", 16, "clip")
    state = loaded.encoder.state_dict()
    assert all(value.equal(state[name]) for name, value in saved.encoder.state_dict().items())
    place = str(tmp_path / "run" / "encoder")
    mine = outcomes(evaluate.main(["knn", place, "--data", data, *QUICK]))["knn"]
    theirs = outcomes(evaluate.main(["knn", str(tmp_path / "run"), *QUICK]))["knn"]
    assert all(mine["by_neighbors"][k] == theirs["by_neighbors"][k] for k in (1, 5, 10))
    assert load_run(place).seed == 7
    assert (
        tmp_path / "run" / "encoder_evaluation" / "knn_mine.json"
    ).exists()  # the folder itself stays as it was saved
    assert {path.name for path in (tmp_path / "run" / "encoder").iterdir()} == {"config.json", "model.safetensors"}
    with pytest.raises(ValueError, match="a pretrained encoder does not say which clips"):
        evaluate.main(["knn", place, *QUICK])


@pytest.mark.parametrize("protocol", ["linear", "finetune"])
def test_the_class_of_a_new_clip_as_the_page_says(protocol, tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    code = page.split("### The class of a new clip")[1].split("```python\n")[1].split("```")[0]
    names = np.array(["wave", "clap", "walk"])
    data = write_set(tmp_path / "mine.npz", class_names=names)
    monkeypatch.chdir(tmp_path)
    save_run(tmp_path / "runs" / "mine", train_skeletonclr, layout="utd-mhad", data=data, stream="bone")
    evaluate.main([protocol, "runs/mine", *QUICK])
    arrays = np.load(data)
    known = {"clips": arrays["x"][arrays["subject"] % 2 == 0]}
    exec(code.replace("linear_model", f"{protocol}_model"), known)
    short = FinetuneOptions(epochs=1, batch_size=4, learning_rate=0.01)
    options = ProtocolOptions(accelerator="cpu", finetune=short)
    expected = evaluate.PROTOCOLS[protocol](load_candidate("runs/mine", options), options).scores.scores
    torch.testing.assert_close(known["scores"], expected, rtol=1e-4, atol=1e-5)
    assert known["classes"] == names[expected.argmax(dim=1)].tolist()


def test_classifiers_of_several_runs_and_of_chosen_joints(run, tmp_path):
    evaluate.main(["linear", run(), run("bone"), *QUICK])
    there = tmp_path / "joint_0" / "evaluation"
    assert {path.name for path in there.glob("*_model*")} == {"linear_model_joint_0", "linear_model_bone_0"}
    assert from_pretrained(there / "linear_model_bone_0").stream == "bone"
    other = write_set(tmp_path / "kinect.npz", "nw-ucla", seed=1)  # other joints, which are chosen after centring
    evaluate.main(["linear", run(layout="utd-mhad", seed=1), "--data", other, *QUICK])
    assert from_pretrained(tmp_path / "joint_1" / "evaluation" / "linear_kinect_model").preprocessing is None


def test_a_stream_of_several_trained_together(tmp_path):
    import train_aimclr

    data = write_set(tmp_path / "mine.npz")
    save_run(tmp_path / "run", train_aimclr, layout="utd-mhad", data=data, cross_stream=True)
    found = evaluate.main(["linear", f"{tmp_path / 'run'}:bone", *QUICK])
    assert found["runs"][0]["stream"] == "bone"
    assert (tmp_path / "run" / "evaluation" / "linear_bone.json").exists()


def test_clips_without_labels_are_refused(tmp_path):
    path = tmp_path / "mine.npz"
    arrays = dict(np.load(write_set(path)))
    del arrays["y"]
    np.savez(path, **arrays)
    save_run(tmp_path / "run", train_skeletonclr, layout="utd-mhad", data=str(path))
    with pytest.raises(ValueError, match="has no labels, and nothing can be evaluated"):
        evaluate.main(["linear", str(tmp_path / "run"), *QUICK])


def test_a_run_on_ones_own_skeleton(tmp_path):
    data = write_set(tmp_path / "mine.npz", joint_names=None)
    own = layouts.SkeletonLayout.from_dict({**layouts.get("utd-mhad").to_dict(), "name": "of my own"})
    layouts.register(own)
    settings = {**SMALL, "data": data, "layout": "of my own", "folder": str(tmp_path / "run"), "epochs": 1}
    train_skeletonclr.train(train_skeletonclr.Options(**settings))
    program = f"import evaluate; evaluate.main(['knn', {str(tmp_path / 'run')!r}, '--accelerator', 'cpu'])"
    environment = {**os.environ, "PYTHONPATH": str(Path(evaluate.__file__).parent)}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_clips_that_were_moved_keep_the_runs_split(run, tmp_path):
    folder = run(train_ids=[1, 2])
    here = outcomes(evaluate.main(["knn", folder, *QUICK]))["knn"]["accuracy"]
    (tmp_path / "elsewhere").mkdir()
    moved = (tmp_path / "mine.npz").rename(tmp_path / "elsewhere" / "mine.npz")
    found = evaluate.main(["knn", folder, "--data", str(moved), *QUICK])
    assert outcomes(found)["knn"]["accuracy"] == here
    mine = found["runs"][0]
    assert [mine[name] for name in ("data", "split", "train_ids", "pretrained_apart")] == [
        str(moved),
        "cross-subject",
        [1, 2],
        True,
    ]


def test_results_that_differ_have_files_of_their_own(run, tmp_path):
    folder = run()
    other = write_set(tmp_path / "other.npz", seed=1)
    evaluate.main(["knn", folder, *QUICK])
    evaluate.main(["knn", folder, "--data", other, *QUICK])
    evaluate.main(["knn", folder, "--select", "test", *QUICK])
    files = {path.name for path in (tmp_path / "joint_0" / "evaluation").glob("*.json")}
    assert files == {"knn.json", "knn_other.json", "knn_test.json"}


def test_runs_on_other_clips_are_not_put_together(run, tmp_path):
    other = write_set(tmp_path / "other.npz", seed=1)
    for second in (run(seed=1, data=other), run("bone", data=other)):
        with pytest.raises(ValueError, match="is judged by other test clips than"):
            evaluate.main(["linear", run(), second, *QUICK])


def test_fractions_are_looked_at_before_the_work(run, tmp_path):
    with pytest.raises(ValueError, match=r"fractions: expected shares in \(0, 1\], got \[0\.1, 10\.0\]"):
        evaluate.main(["semi", run(), "--fractions", "[0.1, 10]", *QUICK])
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        evaluate.main(["knn", run(), "--out", str(tmp_path / "file"), *QUICK])
