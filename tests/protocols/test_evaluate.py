import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from official_states import official_state
from saved_run import save_run
from small_run import METHODS, write_set
from torch.nn.functional import normalize

from skelblocks import layouts
from skelblocks.cli import evaluate_runs, main
from skelblocks.cli.evaluate_runs import evaluate
from skelblocks.clips import Preprocessing
from skelblocks.data import ArrayDataset, find_clips, prepare
from skelblocks.encoders import STGCN, ReadoutEncoder, SideBySide, build_encoder
from skelblocks.evaluation import (
    StreamScores,
    bootstrap_interval,
    coordinate_features,
    fuse_scores,
    knn_accuracy,
    linear_probe,
    paired_bootstrap,
    retrieval_scores,
    ridge_probe,
)
from skelblocks.interop import from_pretrained, save_pretrained
from skelblocks.protocols import (
    EvaluatedDataOptions,
    FinetuneOptions,
    MeasureOptions,
    ProtocolOptions,
    feature_structure,
    linear_protocol,
    load_evaluated_run,
    open_encoder,
)
from skelblocks.protocols.baselines import measure_baselines
from skelblocks.protocols.differences_table import differences_table
from skelblocks.protocols.evaluated_clips import chosen_data, evaluated_sets
from skelblocks.protocols.row_differences import row_differences
from skelblocks.protocols.run_protocols import PROTOCOLS, run_protocols
from skelblocks.testing import write_nw_ucla
from skelblocks.training import DataOptions, load_sets
from skelblocks.training.pages import copy_page

QUICK = ["--evaluate.accelerator", "cpu", "--finetune.epochs", "1", "--finetune.batch_size", "4", "--semi.draws", "2"]
QUICK += ["--semi.epochs", "1", "--semi.learning_rate", "0.01", "--finetune.learning-rate", "0.01"]


def loaded(folder, *, accelerator="cpu", select="last", **data):
    options = ProtocolOptions(
        data=EvaluatedDataOptions(**data), evaluate=MeasureOptions(accelerator=accelerator, select=select)
    )
    return load_evaluated_run(folder, options)


def results(found, place=0):
    return {each["protocol"]: each for each in found["runs"][place]["results"]}


def test_help_has_the_comments_behind_the_options(capsys):
    with pytest.raises(SystemExit):
        evaluate("report", ["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "--evaluate.k K number of neighbors to report; default: the run's evaluate.neighbors" in shown
    assert "--animation {true,false} also draw an animated test clip (type: bool" in shown
    assert "--finetune.batch_size BATCH_SIZE clips per step; an incomplete last batch is dropped" in shown


def test_knn_and_linear_are_the_librarys_on_the_runs_features(run, capsys):
    folder = run(evaluate={"neighbors": 2})
    found = results(evaluate("knn", [folder, *QUICK]))["knn"]
    evaluated = loaded(folder)
    (train, test), (fit, queries) = evaluated.labels, (evaluated.train, evaluated.test)
    expected = {k: 100 * knn_accuracy(fit, train, queries, test, k=k) for k in (1, 2, 5, 10)}
    assert found["by_neighbors"] == expected
    assert found["accuracy"] == expected[2]
    assert found["selected"] == "k = 2, set beforehand"
    probe = linear_probe(
        fit, train, queries, test, learning_rate=0.1, standardize=True, generator=torch.Generator().manual_seed(0)
    )
    both = results(evaluate("frozen", [folder, *QUICK]))
    found = results(evaluate("linear", [folder, *QUICK]))["linear"]
    assert both["linear"] == found
    assert list(both) == ["knn", "linear"]
    assert found["accuracy"] == 100 * probe.accuracy
    assert found["selected"] == "last epoch"
    low, high = found["interval_95"]
    assert low <= found["accuracy"] <= high
    assert f"| joint | {found['accuracy']:.1f} |" in capsys.readouterr().out


def test_a_readout_is_the_libraries_and_is_kept_with_the_classifier(run, tmp_path):
    folder = run()
    evaluate("linear", [folder, "--readout", "body", "--out", str(tmp_path / "out"), *QUICK])
    found = from_pretrained(tmp_path / "out/linear_body_model")
    assert (found.readout, found.head.in_features) == ("body", 5 * 16)
    again = loaded(tmp_path / "out/linear_body_model", path=str(tmp_path / "mine.npz"), split="cross-subject")
    assert again.readout == "body"
    features = ReadoutEncoder(found.encoder, "body")(again.sets.test.as_tensor())
    torch.testing.assert_close(again.test, features)
    evaluate("finetune", [folder, "--readout", "blocks", "--out", str(tmp_path / "out"), *QUICK])
    tuned = from_pretrained(tmp_path / "out/finetune_blocks_model")
    assert (tuned.readout, tuned.head.in_features) == ("blocks", 3 * 16)


def test_the_ridge_probe_takes_its_constant_from_groups_of_training_clips(run, tmp_path):
    found = evaluate("linear", [run(), "--evaluate.probe", "ridge", "--out", str(tmp_path / "out"), *QUICK])
    same = loaded(run())
    sets = same.train, same.labels[0], same.test, same.labels[1]
    expected = ridge_probe(*sets, groups=same.sets.train.groups("subject"))
    result = results(found)["linear"]
    assert result["accuracy"] == pytest.approx(100 * expected.accuracy)
    assert result["constant"] == expected.constant
    assert result["selected"] == "ridge, constant by cross-validation over subjects of the training part"
    head = from_pretrained(tmp_path / "out/linear_model").head  # its softmax gives probabilities
    torch.testing.assert_close(head(same.test), expected.logits / expected.temperature)


def test_the_saved_classifier_can_learn_from_all_clips(run, tmp_path, capsys):
    folder, out = run(), tmp_path / "out"
    ridge = [folder, *QUICK, "--evaluate.probe", "ridge", "--out", str(out)]
    measured = results(evaluate("linear", ridge))
    assert "learned from 12 training clips; --evaluate.fit all adds the 12 test clips" in capsys.readouterr().out
    assert results(evaluate("linear", [*ridge, "--evaluate.fit", "all"])) == measured
    assert "linear_all_model: learned from all 24 clips" in capsys.readouterr().out
    same = loaded(folder)
    subjects = np.concatenate([part.groups("subject") for part in same.sets])
    everything = torch.cat([same.train, same.test]), torch.cat(same.labels)
    expected = ridge_probe(*everything, same.test, same.labels[1], groups=subjects)
    head = from_pretrained(out / "linear_all_model").head
    torch.testing.assert_close(head(same.test), expected.logits / expected.temperature)


@pytest.mark.parametrize("command", ["knn", "frozen", "finetune"])
def test_only_linear_learns_from_all_clips(run, command):
    with pytest.raises(ValueError, match="got 'all', which only `skelblocks evaluate linear` takes"):
        evaluate(command, [run(), *QUICK, "--evaluate.fit", "all"])


def test_no_clips_are_left_to_select_on_if_the_classifier_learns_from_all(run):
    with pytest.raises(ValueError, match="got 'all', which leaves no clips to select on"):
        evaluate("linear", [run(), *QUICK, "--evaluate.fit", "all", "--evaluate.select", "test"])


def test_features_are_kept_in_the_results_folder(run, tmp_path):
    folder, out = run(), tmp_path / "out"
    evaluate("knn", [folder, *QUICK, "--out", str(out)])
    assert len(list((out / "features").glob("*.npy"))) == 2
    assert not (Path(folder) / "evaluation").exists()


def test_a_command_that_fails_leaves_no_folder(run, tmp_path, monkeypatch):
    folder, out = run(), tmp_path / "new" / "out"

    def fail(*_):
        assert out.is_dir()  # made before the work
        raise ValueError("no clips")

    monkeypatch.setitem(evaluate_runs._ON_RUNS, "knn", (ProtocolOptions, fail))
    with pytest.raises(ValueError, match="no clips"):
        evaluate("knn", [folder, *QUICK, "--out", str(out)])
    assert not out.parent.exists()
    assert tmp_path.exists()
    out.mkdir(parents=True)
    with pytest.raises(ValueError, match="no clips"):
        evaluate("knn", [folder, *QUICK, "--out", str(out)])
    assert out.is_dir()  # it is the user's


def test_features_are_extracted_once(run, monkeypatch):
    folder = run()
    first = evaluate("linear", [folder, *QUICK])
    monkeypatch.setattr("skelblocks.encoders.STGCN.forward", None)
    assert evaluate("linear", [folder, *QUICK]) == first


def test_what_was_selected_is_said(run):
    folder = run()
    by_test = results(evaluate("linear", [folder, *QUICK, "--evaluate.select", "test"]))["linear"]
    last = results(evaluate("linear", [folder, *QUICK]))["linear"]
    assert by_test["selected"] == "best on the test set"
    assert by_test["accuracy"] >= last["accuracy"]
    apart = ["--evaluate.select", "validation", "--data.validation-ids", "[1]"]
    for protocol in ("knn", "linear", "finetune"):
        found = results(evaluate(protocol, [folder, *QUICK, *apart]))[protocol]
        assert "best on the validation set" in found["selected"]
    evaluated = loaded(folder, select="validation", validation_ids=[1])
    subjects = evaluated.sets.train.subjects
    assert (subjects[evaluated.held] == 1).all()
    assert (subjects[evaluated.fit] == 3).all()
    for select in ("last", "test"):
        with pytest.raises(ValueError, match=f"data.validation_ids: expected none with evaluate.select='{select}'"):
            evaluate("linear", [folder, *QUICK, "--evaluate.select", select, "--data.validation-ids", "[1]"])
    for wrong in ("[]", "[1,3]", "[2]", "[1,7]"):
        with pytest.raises(ValueError, match=r"validation_ids: expected some but not all of 1, 3"):
            evaluate("linear", [folder, *QUICK, "--evaluate.select", "validation", "--data.validation-ids", wrong])


def test_the_k_that_was_asked_for_or_an_error(run):
    folder = run()
    found = results(evaluate("knn", [folder, *QUICK, "--evaluate.k", "4"]))["knn"]
    assert found["selected"] == "k = 4, set beforehand"
    for k in (0, 13):  # 12 training clips
        with pytest.raises(ValueError, match=rf"evaluate.k: expected .*got .*{k}"):
            evaluate("knn", [folder, *QUICK, "--evaluate.k", str(k)])


def test_nobody_is_tested_on_the_clips_that_were_learnt(run):
    folder = run(data={"split": "none"})
    with pytest.raises(ValueError, match=r"data.split: expected a split, got 'none'"):
        evaluate("linear", [folder, *QUICK])
    found = evaluate("linear", [folder, *QUICK, "--data.split", "cross-subject"])
    assert found["runs"][0]["pretrained_apart"] is False


def test_another_split_than_the_trainings_is_said_and_has_its_own_ids(run, tmp_path, monkeypatch):
    folder = run(data={"train_ids": [2, 3]})
    assert evaluate("linear", [folder, *QUICK])["runs"][0]["pretrained_apart"]
    assert "Pretrained with" not in (tmp_path / "joint_0" / "evaluation" / "linear.md").read_text()
    monkeypatch.chdir(tmp_path)  # the same file by another name
    assert evaluate("linear", [folder, *QUICK, "--data.path", "mine.npz"])["runs"][0]["pretrained_apart"]
    sets = loaded(folder, path="mine.npz").sets
    assert set(sets.train.subjects.tolist()) == {2, 3}
    found = evaluate("linear", [folder, *QUICK, "--data.train-ids", "[3,4]"])
    assert found["runs"][0]["pretrained_apart"] is False
    text = (tmp_path / "joint_0" / "evaluation" / "linear.md").read_text()
    assert f"Pretrained with another split of these clips, possibly on test clips: {folder}." in text
    arrays = dict(np.load(tmp_path / "mine.npz"))
    np.savez(tmp_path / "mine.npz", **arrays, view=1 + np.arange(24) % 3)
    sets = loaded(folder, split="cross-view").sets
    assert set(sets.train.views.tolist()) == {1, 2}
    assert set(sets.test.views.tolist()) == {3}


def test_the_interval_is_over_people_whatever_the_split(run, tmp_path):
    folder = run()
    arrays = dict(np.load(tmp_path / "mine.npz"))
    np.savez(tmp_path / "mine.npz", **arrays, view=1 + np.arange(24) // 12)
    found = results(evaluate("linear", [folder, *QUICK, "--data.split", "cross-view"]))["linear"]
    assert found["interval_over"] == "subjects"
    evaluated = loaded(folder, split="cross-view")
    hits = linear_protocol(evaluated, ProtocolOptions()).scores.scores.argmax(dim=1) == evaluated.labels[1]
    expected = bootstrap_interval(hits, groups=evaluated.sets.test.subjects)
    assert found["interval_95"] == [100 * expected.low, 100 * expected.high]
    del arrays["subject"]
    np.savez(tmp_path / "mine.npz", **arrays, view=1 + np.arange(24) // 12)
    found = results(evaluate("linear", [folder, *QUICK, "--data.split", "cross-view"]))["linear"]
    assert found["interval_over"] == "clips"


def test_a_class_of_the_test_set_alone(run, tmp_path):
    arrays = dict(np.load(write_set(tmp_path / "mine.npz")))
    arrays["y"][(arrays["subject"] == 2).nonzero()[0][:2]] = 3
    folder = run()
    np.savez(tmp_path / "mine.npz", **arrays)
    evaluated = loaded(folder)
    (train, test), bank = evaluated.labels, evaluated.train
    asked = test < 3
    assert asked.sum() == 10
    expected = retrieval_scores(evaluated.test[asked], test[asked], bank, train, topk=(1, 5))
    found = feature_structure(evaluated)
    assert found["mean average precision"] == 100 * expected.mean_average_precision
    assert found["recall at 5"] == 100 * expected.recall[5]


def test_semi_draws_labels_class_by_class(run):
    found = evaluate("semi", [run(), *QUICK, "--semi.fractions", "[0.3, 0.6]"])
    each = found["runs"][0]["results"]
    assert [(result["protocol"], result["labeled_clips"]) for result in each] == [
        ("semi 30 %", 3),
        ("semi 30 %", 3),
        ("semi 60 %", 6),
        ("semi 60 %", 6),
    ]
    assert len(each[0]["history"]) == 1
    frozen = evaluate("semi", [run(), *QUICK, "--semi.fractions", "[0.3]", "--semi.protocol", "linear"])
    first = frozen["runs"][0]["results"][0]
    assert "history" not in first
    assert first["labeled_clips"] == 3
    with pytest.raises(ValueError, match="draws: expected an integer >= 1, got 0"):
        evaluate("semi", [run(), *QUICK, "--semi.draws", "0"])


def test_streams_of_motion_and_acceleration_are_evaluated_and_fused_by_name(run):
    streams = ("joint", "bone_motion", "acceleration")
    found = evaluate("fuse", [*(run(stream) for stream in streams), *QUICK])
    assert [each["stream"] for each in found["runs"]] == [*streams, "fused"]
    (fused,) = (each for each in found["runs"] if each["stream"] == "fused")
    assert fused["results"][0]["weights"] == {"joint": 0.6, "bone_motion": 0.4, "acceleration": 0.4}


def test_streams_are_fused_seed_by_seed(run, monkeypatch):
    folders = [run(stream, seed) for seed in (0, 1) for stream in ("joint", "bone", "motion")]
    found = evaluate("fuse", [*folders, *QUICK])
    names = [(each["seed"], each["stream"]) for each in found["runs"]]
    assert names == [(seed, stream) for seed in (0, 1) for stream in ("joint", "bone", "motion", "fused")]
    scores = {}
    for folder in folders[3:]:
        evaluated = loaded(folder)
        probe = linear_probe(
            evaluated.train,
            evaluated.labels[0],
            evaluated.test,
            evaluated.labels[1],
            learning_rate=0.1,
            standardize=True,
            generator=torch.Generator().manual_seed(0),
        )
        scores[evaluated.trained.stream] = StreamScores(evaluated.sets.test.names, probe.logits)
    fused = fuse_scores(scores).scores.argmax(dim=1)
    assert results(found, 7)["linear"]["accuracy"] == 100 * (fused == evaluated.labels[1]).double().mean().item()
    of_semi = evaluate(
        "fuse",
        [*folders[:2], *QUICK, "--protocol", "semi", "--semi.fractions", "[0.3]", "--semi.protocol", "linear"],
    )
    assert [each["stream"] for each in of_semi["runs"]] == ["joint", "bone", "fused"]
    assert list(results(of_semi, 2)) == ["semi 30 %"]
    # Nothing is measured before it is refused.
    monkeypatch.setattr(sys.modules["skelblocks.protocols.run_protocols"], "load_evaluated_run", None)
    with pytest.raises(ValueError, match="weights: no stream for 'motion'"):
        evaluate("fuse", [*folders[:2], *QUICK, "--weights", "{joint: 1, bone: 1, motion: 1}"])
    with pytest.raises(ValueError, match="'mine' with seed 0 has only 'joint'"):
        evaluate("fuse", [folders[0], *QUICK])
    with pytest.raises(ValueError, match=r"runs: expected each run once, got '.*joint_0' 2 times"):
        evaluate("knn", [folders[0], folders[0], *QUICK])


def test_a_report_has_everything(run, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn.manifold.TSNE.fit_transform", lambda self, x: x[:, :2].copy())  # seconds
    folders = [run(stream) for stream in ("joint", "bone")]
    out = tmp_path / "report"
    found = evaluate("report", [*folders, "--out", str(out), *QUICK])
    assert list(results(found)) == ["knn", "linear", "semi 1 %", "semi 10 %", "finetune"]
    assert list(results(found, 2)) == ["linear", "semi 1 %", "semi 10 %", "finetune"]
    assert set(found["untrained"]) == {
        f"{stream}, untrained, {name}"
        for stream in ("joint", "bone")
        for name in ("torch's initialization", "N(0, 0.02)")
    }
    assert set(found["baselines"]) == {"coordinates, plain", "coordinates, turned"}
    differences = found["differences"]["joint"]
    assert set(differences) == {*found["baselines"], *found["untrained"]}
    for label, beside in {**found["baselines"], **found["untrained"]}.items():
        one = differences[label]["linear"]
        expected = results(found)["linear"]["accuracy"] - beside[0]["linear"][0]
        assert one["difference"] == pytest.approx(expected)
        assert one["low"] <= one["difference"] <= one["high"]
    assert all("ridge" in results(found, place)["linear"]["selected"] for place in (0, 1))
    assert json.loads((out / "report.json").read_text()) == json.loads(json.dumps(found))
    text = (out / "report.md").read_text()
    assert text.startswith("| | knn | linear | semi 1 % | semi 10 % | finetune |")
    assert "| fused |  |" in text
    assert "NMI" in text
    assert "| joint | coordinates, plain |" in text
    pictures = {path.name for path in out.iterdir() if path.suffix in (".png", ".gif")}
    assert pictures == {
        *(f"embedding_{stream}.png" for stream in ("joint", "bone")),
        *(f"confusion_{how}_{name}.png" for how in ("linear", "finetune") for name in ("joint", "bone", "fused")),
        "finetune_loss.png",
        "clip.png",
        "clip.gif",
        "energy.png",
    }


def test_baselines_are_the_librarys_features_of_the_clips_plain_and_turned(run):
    evaluated = loaded(run())
    options = ProtocolOptions(evaluate=MeasureOptions(probe="ridge", accelerator="cpu"))
    rows = measure_baselines(evaluated, options, baselines="coordinates", seeds=[0])
    for name, align in (("plain", None), ("turned", "official")):
        settings = Preprocessing(frames=16, align=align)
        sets = load_sets(DataOptions(path=evaluated.data.path, split="cross-subject"), preprocessing=settings)
        train, test = (coordinate_features(part.as_tensor()) for part in sets)
        labels = sets.train.labels, sets.test.labels
        expected = ridge_probe(train, labels[0], test, labels[1], groups=sets.train.groups("subject"))
        (row,) = rows[f"coordinates, {name}"]
        assert row["linear"][0].accuracy == pytest.approx(100 * expected.accuracy)
        assert row["linear"][0].classifier is None
        assert row["knn"][0].accuracy == pytest.approx(100 * knn_accuracy(train, labels[0], test, labels[1], k=3))


def whole_turned(evaluated):
    """All clips of a run, shoulders turned."""
    settings = Preprocessing(frames=16, align="official")
    sets = load_sets(DataOptions(path=evaluated.data.path, split="cross-subject"), preprocessing=settings)
    return [part.as_tensor() for part in sets]


def test_minirocket_has_a_row_for_each_seed(run, monkeypatch):
    drawn = []

    def features(train, test, *, seed):
        drawn.append(seed)
        return train.flatten(1), test.flatten(1)

    monkeypatch.setattr("skelblocks.protocols.baselines.mini_rocket_features", features)
    options = ProtocolOptions(evaluate=MeasureOptions(probe="ridge", accelerator="cpu"))
    rows = measure_baselines(loaded(run()), options, baselines="minirocket", seeds=[3, 5])
    assert drawn == [3, 5]
    assert len(rows["MiniRocket, turned"]) == 2
    evaluated = loaded(run())
    own = run_protocols([run()], ["linear"], options).rows
    (linear,) = next(iter(own.values()))["linear"]
    alone, together = (rows[f"MiniRocket, turned{name}"][1] for name in ("", ", and the encoder"))
    expected = alone["linear"][0].scores.scores + linear.scores.scores
    assert together["linear"][0].scores.scores.allclose(expected, atol=1e-5)
    assert together["linear"][0].classifier is None
    sides = zip((evaluated.train, evaluated.test), whole_turned(evaluated), strict=True)
    train, test = (torch.cat([normalize(a), normalize(b.flatten(1))], dim=1) for a, b in sides)
    labels = (part.labels for part in evaluated.sets)
    near = knn_accuracy(train, next(labels), test, next(labels), k=3)
    assert together["knn"][0].accuracy == pytest.approx(100 * near)
    assert measure_baselines(loaded(run()), options, baselines="none", seeds=[3]) == {}


def test_differences_are_paired_over_clips_with_seeds_averaged(run):
    options = ProtocolOptions(evaluate=MeasureOptions(probe="ridge", accelerator="cpu"))
    results = run_protocols([run(seed=seed) for seed in (0, 1)], ["knn", "linear"], options)
    first = next(iter(results.runs.values()))
    results.baselines = measure_baselines(first, options, baselines="coordinates", seeds=[0, 1])
    found = row_differences(results)["joint"]["coordinates, plain"]
    labels, people = first.sets.test.labels, first.sets.test.groups("subject")
    for protocol in ("knn", "linear"):
        hits = [(row[protocol][0].scores.scores.argmax(1) == labels).double() for row in results.rows.values()]
        (beside,) = results.baselines["coordinates, plain"]
        other = (beside[protocol][0].scores.scores.argmax(1) == labels).double()
        expected = paired_bootstrap(sum(hits) / 2, other, groups=people)
        assert found[protocol].difference == pytest.approx(100 * expected.difference)
        assert found[protocol].low == pytest.approx(100 * expected.low)
    table = differences_table(results)
    assert f"| joint | coordinates, plain | {found['knn'].difference:+.1f} [" in table
    results.baselines = {}
    assert differences_table(results) == ""


def test_clips_that_cannot_be_turned_have_one_baseline(tmp_path, run):
    folder = run()
    trained = open_encoder(folder)
    flat = loaded(folder, path=write_set(tmp_path / "other.npz", seed=1), split="cross-subject")
    silent = dataclasses.replace(flat, trained=dataclasses.replace(trained, preprocessing=None))
    options = ProtocolOptions(evaluate=MeasureOptions(probe="ridge", accelerator="cpu"))
    assert list(measure_baselines(silent, options, baselines="coordinates", seeds=[0])) == ["coordinates, as prepared"]


def test_of_an_encoder_without_joints_there_is_no_picture_of_them(run, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn.manifold.TSNE.fit_transform", lambda self, x: x[:, :2].copy())
    out = tmp_path / "report"
    options = ["--untrained", "false", "--animation", "false", "--semi.fractions", "[0.3]", "--semi.protocol", "linear"]
    evaluate(
        "report",
        [
            run(encoder=build_encoder("bigru", layout="utd-mhad", persons=1, frames=16, out_channels=16)),
            "--out",
            str(out),
            *QUICK,
            *options,
        ],
    )
    assert (out / "clip.png").exists()
    assert not (out / "energy.png").exists()


def test_numbers_are_kept_where_a_picture_fails(run, tmp_path, monkeypatch, capsys):
    def fails(*_, **__):
        raise RuntimeError("no such color")

    monkeypatch.setattr("skelblocks.protocols.report_pictures.embedding_scatter", fails)
    out = tmp_path / "out"
    with pytest.raises(
        ValueError,
        match=r"tsne.json, but some pictures failed: embedding_joint.png could not be drawn: .*no such color",
    ):
        evaluate("tsne", [run(), "--out", str(out), *QUICK])
    assert json.loads((out / "tsne.json").read_text())["runs"]
    assert (out / "tsne.md").exists()
    options = ["--untrained", "false", "--animation", "false", "--semi.fractions", "[0.3]", "--semi.protocol", "linear"]
    evaluate("report", [run(), "--out", str(out), *QUICK, *options])
    assert "Warning: embedding_joint.png could not be drawn: RuntimeError: no such color" in capsys.readouterr().out
    assert (out / "clip.png").exists()


@pytest.mark.parametrize("method", METHODS)
def test_cost_of_every_method(method, tmp_path):
    sizes = ["--frames", "8", "--persons", "1", "--layout", "sbu", "--batch_size", "2"]
    found = evaluate("cost", ["--method", method, "--out", str(tmp_path), *sizes])
    assert found[f"{method}, torch"]["macs"] > found["encoder, torch"]["macs"] > 0
    assert (tmp_path / f"cost_{method}.json").exists()


def test_cost_is_table_9(tmp_path):
    found = evaluate("cost", ["--method", "skeletonclr", "--out", str(tmp_path)])
    assert found["skeletonclr, table9"]["macs"] == 128 * 2 * 569_670_104


def test_transfer_by_the_joints_that_both_have(tmp_path):
    here = write_set(tmp_path / "here.npz", "utd-mhad")
    there = write_set(tmp_path / "there.npz", "nw-ucla", seed=1)
    shared = layouts.shared_joints("utd-mhad", "nw-ucla")
    folder = tmp_path / "run"
    restricted = layouts.restrict("utd-mhad", shared)
    save_run(folder, here, layout=restricted, stream="bone", data={"joints": "nw-ucla"})
    assert from_pretrained(folder / "encoder").preprocessing is None
    sets = loaded(folder, path=there).sets
    assert sets.layout == restricted
    direct = load_sets(DataOptions(path=there, frames=16, joints=list(shared)))
    assert sets.test.as_tensor().equal(direct.test.as_tensor())
    assert results(evaluate("finetune", [str(folder), "--data.path", there, *QUICK]))["finetune"]["epoch"] == 1
    save_run(tmp_path / "whole", here, layout="sbu")
    shared = ",".join(layouts.shared_joints("sbu", "nw-ucla"))
    with pytest.raises(ValueError, match=r"nw-ucla.* has no neck, torso") as refused:
        evaluate("linear", [str(tmp_path / "whole"), "--data.path", there, *QUICK])
    assert f"train with --data.joints [{shared}]" in str(refused.value)


def test_the_pretrained_folder_of_a_run_is_evaluated_as_the_run_is(run, tmp_path):
    folder = run("motion", 7)
    place = f"{folder}/encoder"
    mine = results(evaluate("knn", [place, *QUICK]))["knn"]
    folder_result = results(evaluate("knn", [folder, *QUICK]))["knn"]
    assert mine == folder_result
    assert (tmp_path / "motion_7" / "encoder_evaluation" / "knn.json").exists()  # the folder stays as it was saved
    assert {path.name for path in Path(place).iterdir()} == {"config.json", "model.safetensors"}


def test_a_pretrained_folder_of_no_run_is_told_the_clips(tmp_path):
    data, encoder = write_set(tmp_path / "mine.npz"), STGCN("utd-mhad", base_channels=4, out_channels=16)
    place = str(tmp_path / "mine")
    save_pretrained(place, encoder=encoder, preprocessing=Preprocessing(frames=16), stream="bone")
    with pytest.raises(ValueError, match=r"data.path: '.*mine' does not record which clips its encoder was trained on"):
        evaluate("knn", [place, *QUICK])
    found = evaluate("knn", [place, "--data.path", data, *QUICK])["runs"][0]
    assert (found["name"], found["method"], found["stream"]) == ("pretrained", None, "bone")


@pytest.mark.parametrize("protocol", ["linear", "finetune"])
def test_the_class_of_a_new_clip_as_the_page_says(protocol, tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    code = page.split("### The class of a new clip")[1].split("```python\n")[1].split("```")[0]
    names = np.array(["wave", "clap", "walk"])
    data = write_set(tmp_path / "mine.npz", class_names=names)
    monkeypatch.chdir(tmp_path)
    save_run(tmp_path / "runs" / "mine", data, stream="bone")
    evaluate(protocol, ["runs/mine", *QUICK])
    arrays = np.load(data)
    known = {"clips": arrays["x"][arrays["subject"] % 2 == 0]}
    exec(code.replace("linear_model", f"{protocol}_model"), known)
    short = FinetuneOptions(epochs=1, batch_size=4, learning_rate=0.01)
    options = ProtocolOptions(evaluate=MeasureOptions(accelerator="cpu"), finetune=short)
    expected = PROTOCOLS[protocol](load_evaluated_run("runs/mine", options), options).scores.scores
    # Evaluation folds batch normalization into convolutions. The probe standardizes features, which magnifies rounding.
    torch.testing.assert_close(known["scores"], expected, rtol=1e-3, atol=2e-3)
    assert known["classes"] == names[expected.argmax(dim=1)].tolist()


def test_classifiers_of_several_runs_and_of_chosen_joints(run, tmp_path):
    evaluate("linear", [run(), run("bone"), *QUICK])
    there = tmp_path / "joint_0" / "evaluation"
    assert {path.name for path in there.glob("*_model*")} == {"linear_model_joint_0", "linear_model_bone_0"}
    saved = from_pretrained(there / "linear_model_bone_0")
    assert saved.stream == "bone"
    assert saved.preprocessing.frames == 16
    assert saved.metadata["run"]["method"] == "mine"
    other = write_set(tmp_path / "kinect.npz", "nw-ucla", seed=1)  # other joints, which are chosen after centering
    evaluate("linear", [run(seed=1), "--data.path", other, *QUICK])
    assert from_pretrained(tmp_path / "joint_1" / "evaluation" / "linear_kinect_model").preprocessing is None


def test_a_stream_of_several_trained_together(tmp_path):
    data = write_set(tmp_path / "mine.npz")
    for stream in ("joint", "bone"):
        save_run(tmp_path / "run", data, stream=stream, where=f"encoder_{stream}")
    found = evaluate("linear", [f"{tmp_path / 'run'}:bone", *QUICK])
    assert found["runs"][0]["stream"] == "bone"
    assert (tmp_path / "run" / "evaluation" / "linear_bone.json").exists()


def test_two_encoders_side_by_side_go_the_whole_way(run, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn.manifold.TSNE.fit_transform", lambda self, x: x[:, :2].copy())  # seconds
    pair = SideBySide(*(STGCN("utd-mhad", base_channels=4, out_channels=8) for _ in range(2)))
    out = tmp_path / "out"
    options = ["--animation", "false", "--semi.fractions", "[0.3]", "--semi.protocol", "linear", "--out", str(out)]
    found = evaluate("report", [run(encoder=pair), *options, *QUICK])
    assert len(found["untrained"]) == 2
    evaluate("linear", [run(encoder=pair), *QUICK])
    saved = from_pretrained(tmp_path / "joint_0" / "evaluation" / "linear_model")
    assert saved.head.out_features == 3


def test_clips_without_labels_are_refused(tmp_path):
    path = tmp_path / "mine.npz"
    arrays = dict(np.load(write_set(path)))
    del arrays["y"]
    np.savez(path, **arrays)
    save_run(tmp_path / "run", str(path))
    with pytest.raises(ValueError, match="expected labels, which an evaluation needs"):
        evaluate("linear", [str(tmp_path / "run"), *QUICK])


def test_a_run_on_ones_own_skeleton(tmp_path):
    data = write_set(tmp_path / "mine.npz", joint_names=None)
    own = layouts.SkeletonLayout.from_dict({**layouts.get("utd-mhad").to_dict(), "name": "of my own"})
    save_run(tmp_path / "run", data, layout=own, data={"layout": "of my own"})
    assert "of my own" not in layouts.available()
    assert evaluate("knn", [str(tmp_path / "run"), *QUICK])["runs"]


def test_clips_that_were_moved_keep_the_runs_split(run, tmp_path):
    folder = run(data={"train_ids": [1, 2]})
    here = results(evaluate("knn", [folder, *QUICK]))["knn"]["accuracy"]
    (tmp_path / "elsewhere").mkdir()
    moved = (tmp_path / "mine.npz").rename(tmp_path / "elsewhere" / "mine.npz")
    found = evaluate("knn", [folder, "--data.path", str(moved), *QUICK])
    assert results(found)["knn"]["accuracy"] == here
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
    evaluate("knn", [folder, *QUICK])
    evaluate("knn", [folder, "--data.path", other, *QUICK])
    evaluate("knn", [folder, "--evaluate.select", "test", *QUICK])
    files = {path.name for path in (tmp_path / "joint_0" / "evaluation").glob("*.json")}
    assert files == {"knn.json", "knn_other.json", "knn_test.json"}


def test_runs_on_other_clips_are_not_put_together(run, tmp_path):
    other = write_set(tmp_path / "other.npz", seed=1)
    for second in (run(seed=1, path=other), run("bone", path=other)):
        with pytest.raises(ValueError, match="expected the same test clips for all runs"):
            evaluate("linear", [run(), second, *QUICK])


def test_options_are_looked_at_before_the_work(run, tmp_path):
    with pytest.raises(
        ValueError, match=r"semi.fractions: expected at least one fraction in \(0, 1\], without repeats, got"
    ):
        evaluate("semi", [run(), "--semi.fractions", "[0.1, 10]", *QUICK])
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError, match=r"out: expected a folder, but '.*file' is a file; choose another name"):
        evaluate("knn", [run(), "--out", str(tmp_path / "file"), *QUICK])


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("evaluate.k", "0", "evaluate.k: expected an integer >= 1, got 0"),
        ("evaluate.neighbors", "[]", "evaluate.neighbors: expected at least one"),
        ("evaluate.neighbors", "[5, -1]", "evaluate.neighbors: expected an integer >= 1, got -1"),
        ("evaluate.seed", "-1", "evaluate.seed: expected an integer >= 0, got -1"),
        ("evaluate.seed", str(10**20), "evaluate.seed: expected an integer below"),
        ("finetune.learning_rate", ".nan", "finetune.learning_rate: expected a finite number, got nan"),
        ("finetune.epochs", "-3", "finetune.epochs: expected an integer >= 1, got -3"),
        ("semi.weight_decay", ".inf", "semi.weight_decay: expected a finite number, got inf"),
        ("weights", "{joint: .nan}", "weights: expected finite numbers > 0, got"),
        ("weights", "{joint: 0}", "weights: expected finite numbers > 0, got"),
        ("names", "[a, b]", "names: expected one name for each of the 1 runs, got 2"),
        ("nonsense", "1", "nonsense"),
    ],
)
def test_what_a_user_can_mend_is_one_line(run, capsys, option, value, message):
    assert main(["evaluate", "linear", run(), *QUICK, f"--{option}", value]) == 1
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1


def test_a_loss_that_is_not_finite_is_one_line(run, capsys):
    settings = [*QUICK, "--finetune.learning_rate", "1e30", "--finetune.epochs", "9"]
    assert main(["evaluate", "finetune", run(), *settings]) == 1
    printed = capsys.readouterr().err
    assert "error: the loss is " in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("name", ["sk|el<b>", "a\x1b[31m", "two\nlines"])
def test_names_are_escaped_in_tables_and_on_the_terminal(run, tmp_path, capsys, name):
    folders = [run(method=name, folder="a"), run("bone", folder="b")]
    evaluate("knn", [*folders, *QUICK])
    table = (tmp_path / "a" / "evaluation" / "knn.md").read_text()
    assert name not in table
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert table.strip() in shown
    line = next(line for line in table.splitlines() if "joint" in line)
    assert line.replace("\\|", "").count("|") == 3  # a label and a column


def test_methods_are_compared_line_by_line(run, tmp_path):
    folders = [
        run(stream, seed, method=method, folder=f"{method}_{stream}_{seed}")
        for method in ("one", "two")
        for seed in (0, 1)
        for stream in ("joint", "bone")
    ]
    found = evaluate("fuse", [*folders, *QUICK])
    names = [(each["name"], each["seed"], each["stream"]) for each in found["runs"]]
    assert names == [
        (name, seed, stream) for name in ("one", "two") for seed in (0, 1) for stream in ("joint", "bone", "fused")
    ]
    table = (tmp_path / "one_joint_0" / "evaluation" / "fuse.md").read_text()
    labels = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
    assert labels == ["", *(f"{name}, {stream}" for name in ("one", "two") for stream in ("joint", "bone", "fused"))]
    alone = evaluate("fuse", [*folders[:2], *QUICK])
    assert results(alone, 2) == results(found, 2)


def test_two_runs_of_one_method_and_seed_are_two_lines(run):
    folders = [run(folder="a"), run(folder="b", evaluate={"neighbors": 2})]
    found = evaluate("knn", [*folders, *QUICK])
    assert [each["name"] for each in found["runs"]] == [f"mine ({folder})" for folder in folders]
    found = evaluate("knn", [*folders, "--names", "[few, many]", *QUICK])
    assert [each["name"] for each in found["runs"]] == ["few", "many"]
    with pytest.raises(ValueError, match="names: two runs named 'same' have the stream 'joint' and the seed 0"):
        evaluate("knn", [*folders, "--names", "[same, same]", *QUICK])


def test_methods_with_other_preprocessing_are_compared_on_the_same_clips(run):
    found = evaluate("knn", [run(), run(method="other", folder="long", data={"frames": 24}), *QUICK])
    assert [each["name"] for each in found["runs"]] == ["mine", "other"]


@pytest.mark.parametrize(
    ("settings", "difference"),
    [
        ({}, None),
        ({"frames": 20}, "frames=20, not 16"),
        ({"per": "clip"}, "per='clip', not 'frame'"),
        ({"align": "clip"}, "align='clip', not None"),
        ({"scale": "bones"}, "scale='bones', not None"),
    ],
)
def test_a_prepared_set_must_have_the_encoders_preprocessing(run, tmp_path, settings, difference):
    write_nw_ucla(tmp_path / "raw", clips=24, seed=0)
    found = find_clips("nw-ucla", tmp_path / "raw", protocol="xview")
    preprocessing = Preprocessing(**{"frames": 16, **settings})
    folder = str(tmp_path / "set")
    prepare(
        found.clips, out=folder, layout=found.layout, protocol="xview", part=found.part, preprocessing=preprocessing
    )
    arguments = [run(layout=found.layout), "--data.path", folder, *QUICK]
    if difference is None:
        assert evaluate("knn", arguments)["runs"]
        return
    with pytest.raises(ValueError, match=f"data.path: .*{difference}.* in '.*set'"):
        evaluate("knn", arguments)


def test_clips_of_another_skeleton_and_unit(tmp_path):
    data = write_set(tmp_path / "clips.npz", "nw-ucla")
    with np.load(data) as file:
        arrays = dict(file)
    arrays["x"] = arrays["x"] / 5  # torsos of half a meter
    np.savez(data, **arrays)
    encoder = STGCN("ntu-rgb+d", base_channels=4, out_channels=16)
    save_pretrained(tmp_path / "mine", encoder=encoder, preprocessing=Preprocessing(frames=16, unit="meters"))
    arguments = [str(tmp_path / "mine"), "--data.path", data, "--data.split", "cross-subject", *QUICK]
    with pytest.raises(ValueError, match=r"data\.joints: expected the encoder's joints .* --data\.to ntu-rgb\+d"):
        evaluate("knn", arguments)
    assert evaluate("knn", [*arguments, "--data.to", "ntu-rgb+d"])["runs"]
    np.savez(data, **{**arrays, "x": 1000 * arrays["x"]})
    with pytest.raises(ValueError, match="clips: expected meters"):
        evaluate("knn", [*arguments, "--data.to", "ntu-rgb+d"])
    np.savez(data, **arrays)
    flipped = arrays["x"] * np.array([1, -1, 1], np.float32)[:, None, None, None]
    there = str(tmp_path / "flipped.npz")
    np.savez(there, **{**arrays, "x": flipped})
    mine = open_encoder(str(tmp_path / "mine"))
    both = [
        evaluated_sets(
            mine,
            chosen_data(mine, EvaluatedDataOptions(path=path, split="cross-subject", to="ntu-rgb+d", y=y)),
            layout=None,
            tell=False,
        )[0]
        for path, y in ((data, None), (there, "down"))
    ]
    assert both[0].test.as_tensor().equal(both[1].test.as_tensor())
    assert both[1].test.preprocessing.y == "down"


@pytest.mark.parametrize("settings", [{"per": "clip"}, {"scale": "bones"}, {"origin": "first"}, {"align": "clip"}])
def test_clips_are_preprocessed_as_the_encoders(tmp_path, settings):
    data = write_set(tmp_path / "mine.npz")
    encoder = STGCN("utd-mhad", base_channels=4, out_channels=16)
    preprocessing = Preprocessing(frames=16, **settings)
    save_pretrained(tmp_path / "mine", encoder=encoder, preprocessing=preprocessing, stream="joint")
    clips = loaded(tmp_path / "mine", path=data).sets.test.as_tensor()
    whole = ArrayDataset.from_file(data, preprocessing=preprocessing)
    assert clips.equal(whole.as_tensor()[whole.subjects % 2 == 0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "runs: expected at least one, got none"),
        (["gone"], "runs: there is no folder 'gone'"),
        (["RUN", "--data.path", "gone.npz"], "gone.npz"),
        (["RUN", "--data.split", "fold"], "data.split: "),
        (["RUN", "--data.split", "cross-view"], "data.split: "),
        (["RUN", "--evaluate.accelerator", "abacus"], "evaluate.accelerator: 'abacus' is not available"),
        (["RUN", "--config", "gone.yaml"], "config: expected a YAML file, got 'gone.yaml'"),
    ],
)
def test_what_is_not_there_is_one_line(run, tmp_path, capsys, arguments, message):
    words = [run() if each == "RUN" else each for each in arguments]
    assert main(["evaluate", "knn", *words]) == 1
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("method", "nope", "page: expected a file or one of"),
        ("batch_size", "0", "batch_size: expected an integer >= 1, got 0"),
        ("frames", "-8", "frames: expected an integer >= 1, got -8"),
        ("coordinates", "4", "coordinates: expected 2 or 3, got 4"),
        ("layout", "nope", "nope"),
        ("recipe", "[gone.yaml]", "config: expected a YAML file, got 'gone.yaml'"),
    ],
)
def test_what_cost_cannot_count_is_one_line(tmp_path, capsys, option, value, message):
    assert main(["evaluate", "cost", "--out", str(tmp_path / "out"), f"--{option}", value]) == 1
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
    assert "Traceback" not in printed


def test_cost_of_a_page_of_ones_own(tmp_path):
    page = copy_page("skeletonclr", tmp_path)
    sizes = ["--frames", "8", "--persons", "1", "--layout", "sbu", "--batch_size", "2", "--out", str(tmp_path / "out")]
    found = evaluate("cost", ["--method", str(page), *sizes])
    assert found["skeletonclr, torch"]["macs"] > found["encoder, torch"]["macs"] > 0


def test_a_released_file_is_fine_tuned_from_start(tmp_path):
    state = official_state("AimCLR_linear_eval", narrow=True)
    state = {name: value.abs() if "running_var" in name else value for name, value in state.items()}
    torch.save(state, tmp_path / "released.pt")
    x = 0.15 * np.random.default_rng(0).standard_normal((24, 3, 20, 25, 1)).astype(np.float32)  # torsos of meters
    clips = write_set(tmp_path / "clips.npz", "ntu-rgb+d", x=x)
    for i, start in enumerate((["--start", str(tmp_path / "released.pt")], [f"--start={tmp_path / 'released.pt'}"])):
        out = ["--out", str(tmp_path / f"out{i}"), "--data.path", clips, "--data.split", "cross-subject"]
        found = evaluate("finetune", [*start, *out, "--finetune.start_rate", "0", *QUICK])
        assert list(results(found)) == ["finetune"]
        tuned = from_pretrained(tmp_path / f"out{i}" / "finetune_clips_model").encoder
        assert tuned.data_norm.weight.equal(state["encoder_q.data_bn.weight"])
