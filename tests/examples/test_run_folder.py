import pytest
import torch
from run_folder import RunFolder


def test_a_checkpoint_is_replaced_whole_or_not_at_all(tmp_path):
    folder = RunFolder(tmp_path, options={"seed": 1})
    folder.save({"history": [1]})

    class Unpicklable:
        def __reduce__(self):
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="disk is full"):
        folder.save({"history": Unpicklable()})
    assert folder.load(device=torch.device("cpu")) == {"history": [1], "options": {"seed": 1}}
    folder.write_config()
    assert (tmp_path / "config.yaml").read_text() == "seed: 1\n"


def test_a_run_does_not_go_on_with_other_options(tmp_path):
    RunFolder(tmp_path, options={"stream": "joint", "epochs": 3}).save({"history": []})
    other = RunFolder(tmp_path, options={"stream": "bone", "epochs": 5})
    with pytest.raises(
        ValueError, match=r"has other options: stream 'joint' there, 'bone' here; choose another folder"
    ):
        other.load(device=torch.device("cpu"))
    assert not (tmp_path / "config.yaml").exists()  # a refused run leaves no trace
    for share in ({"schedule": "cosine"}, {"nnm_epoch": "half"}):
        RunFolder(tmp_path / "share", options={**share, "epochs": 3}).save({"history": []})
        longer = RunFolder(tmp_path / "share", options={**share, "epochs": 5})
        with pytest.raises(ValueError, match="has other options: epochs 3 there, 5 here"):
            longer.load(device=torch.device("cpu"))
    longer = RunFolder(tmp_path, options={"stream": "joint", "epochs": 5})
    assert longer.load(device=torch.device("cpu")) is not None


def test_what_judges_may_change(tmp_path):
    RunFolder(tmp_path, options={"neighbors": 20, "probe": "paper"}).save({"history": []})
    again = RunFolder(tmp_path, options={"neighbors": 5, "probe": "standardized"})
    assert again.load(device=torch.device("cpu")) is not None


def test_an_earlier_checkpoint_is_set_aside(tmp_path):
    folder = RunFolder(tmp_path, options={})
    folder.set_aside()
    folder.save({"history": [1]})
    folder.set_aside()
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.earlier.pt"}
    RunFolder(tmp_path, options={}, write=False).set_aside()
