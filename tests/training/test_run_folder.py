import pytest
import torch

from skelblocks.training import RunFolder, RunFolderError
from skelblocks.training.resume import FORMAT

CPU = torch.device("cpu")


def save(path, options, **state):
    RunFolder(path).path.mkdir(parents=True, exist_ok=True)
    RunFolder(path).save({"format": FORMAT, "history": [], "options": options, **state})


def load(path, options, *, fixed_length=False):
    return RunFolder(path).load_same_run(options, device=CPU, fixed_length=fixed_length)


def test_a_checkpoint_is_replaced_whole_or_not_at_all(tmp_path):
    folder = RunFolder(tmp_path)
    folder.save({"history": [1]})

    class Unpicklable:
        def __reduce__(self):
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="disk is full"):
        folder.save({"history": Unpicklable()})
    assert folder.load(device=CPU) == {"history": [1]}
    folder.write_config({"train": {"seed": 1}})
    assert (tmp_path / "config.yaml").read_text() == "train:\n  seed: 1\n"
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.pt", "config.yaml"}


def test_a_run_does_not_resume_with_other_options(tmp_path):
    save(tmp_path, {"data": {"stream": "joint"}, "train": {"epochs": 3}})
    with pytest.raises(
        ValueError,
        match=r"has other options: data.stream is 'joint' there and 'bone' here; choose another train.folder",
    ):
        load(tmp_path, {"data": {"stream": "bone"}, "train": {"epochs": 5}})
    longer = {"data": {"stream": "joint"}, "train": {"epochs": 5}}
    assert load(tmp_path, longer) is not None
    with pytest.raises(ValueError, match=r"has other options: train.epochs is 3 there and 5 here"):
        load(tmp_path, longer, fixed_length=True)


def test_steps_are_compared_by_the_epochs_that_they_lead_to(tmp_path):
    save(tmp_path, {"train": {"epochs": 3, "min_steps": 9}})
    assert load(tmp_path, {"train": {"epochs": 3, "steps": 9}}, fixed_length=True) is not None
    with pytest.raises(ValueError, match=r"has other options: train.epochs is 3 there and 4 here"):
        load(tmp_path, {"train": {"epochs": 4, "steps": 12}}, fixed_length=True)


def test_a_run_from_before_an_option_had_its_default(tmp_path):
    save(tmp_path, {"data": {"stream": "joint"}})
    assert load(tmp_path, {"data": {"stream": "joint", "y": "up"}}) is not None
    with pytest.raises(ValueError, match=r"data.y is 'up' there and 'down' here"):
        load(tmp_path, {"data": {"stream": "joint", "y": "down"}})
    with pytest.raises(ValueError, match=r"loss is None there and 'd3m' here"):  # of a method: its default is not known
        load(tmp_path, {"data": {"stream": "joint"}, "loss": "d3m"})


def test_evaluation_and_place_may_change(tmp_path):
    save(tmp_path, {"evaluate": {"neighbors": 20}, "train": {"timeout": 1.0}, "data": {"path": "a.npz"}, "loss": "d3m"})
    again = {"evaluate": {"neighbors": 5}, "train": {"timeout": 2.0}, "data": {"path": "b/a.npz"}, "loss": "d3m"}
    assert load(tmp_path, again) is not None


@pytest.mark.parametrize(
    "state",
    [
        {"options": {"epochs": 3, "stream": "joint"}, "history": [], "method": {}},  # as version 0.2.0 wrote it
        {"format": 1, "options": {}},
        {"format": FORMAT},
        {"weights": torch.ones(2)},
        [1, 2],
    ],
    ids=str,
)
def test_checkpoints_of_other_versions_are_refused(tmp_path, state):
    torch.save(state, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="was written by another version of skelblocks, or is not a checkpoint"):
        load(tmp_path, {"train": {"epochs": 3}})


@pytest.mark.parametrize("keep", [0, 10, 500, -10, -1])
def test_a_damaged_checkpoint_is_named(tmp_path, keep):
    save(tmp_path, {"train": {"epochs": 3}})
    whole = (tmp_path / "checkpoint.pt").read_bytes()
    (tmp_path / "checkpoint.pt").write_bytes(whole[:keep])
    with pytest.raises(RunFolderError, match=r"checkpoint.pt cannot be read .*Start again with train.resume=false"):
        load(tmp_path, {"train": {"epochs": 3}})


def test_an_earlier_checkpoint_is_set_aside(tmp_path):
    folder = RunFolder(tmp_path)
    folder.set_aside()
    folder.save({"history": [1]})
    folder.set_aside()
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.earlier.pt"}
    RunFolder(tmp_path, write=False).set_aside()


def test_one_process_at_a_time_writes_to_a_folder(tmp_path):
    with RunFolder(tmp_path / "run") as folder:
        folder.log([{"epoch": 1}])
        with (
            pytest.raises(RunFolderError, match=r"another process trains in .*run; wait until it ends"),
            RunFolder(tmp_path / "run"),
        ):
            pass
        with RunFolder(tmp_path / "run", write=False):  # a further process of the same run
            pass
    with RunFolder(tmp_path / "run"):
        pass
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["log.jsonl"]


def test_partial_files_of_a_killed_run_are_removed(tmp_path):
    (tmp_path / ".0123abcd.checkpoint.pt").write_bytes(b"half")
    (tmp_path / ".hidden").write_bytes(b"mine")
    with RunFolder(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".hidden"]


def test_a_refused_run_leaves_no_folder(tmp_path):
    with pytest.raises(ValueError, match="refused"), RunFolder(tmp_path / "run"):
        raise ValueError("refused")
    assert not (tmp_path / "run").exists()
