import json

import pytest
import torch
from official_states import official_state
from saved_run import save_run
from small_run import write_set

from skelblocks import layouts
from skelblocks.clips import Preprocessing
from skelblocks.encoders import STGCN, SideBySide, build_encoder
from skelblocks.interop import save_pretrained
from skelblocks.protocols import open_encoder


def test_a_run_gives_its_encoder(tmp_path):
    encoder = save_run(tmp_path / "run", "clips.npz", stream="bone", seed=3, method="mine")
    found = open_encoder(tmp_path / "run")
    assert not found.encoder.training
    assert (found.method, found.stream, found.seed) == ("mine", "bone", 3)
    assert found.layout == layouts.get("utd-mhad")
    assert found.preprocessing == Preprocessing(frames=16)
    assert found.options["own"] == {"anything": [1, 2]}
    assert found.results_folder == tmp_path / "run" / "evaluation"
    x = torch.randn(2, 3, 16, 20, 1)
    with torch.no_grad():
        assert found.encoder(x).equal(encoder(x))


@pytest.mark.parametrize("kind", ["stgcn", "dsta", "bigru"])
def test_every_encoder_opens(tmp_path, kind):
    trained = build_encoder(kind, layout="utd-mhad", persons=1, frames=16, out_channels=16)
    save_run(tmp_path / "run", "clips.npz", encoder=trained.double())
    state = open_encoder(tmp_path / "run").encoder.state_dict()
    assert all(value.equal(state[name]) for name, value in trained.state_dict().items())  # in double precision


def test_two_encoders_side_by_side_open_as_one(tmp_path):
    parts = (STGCN("sbu", base_channels=4, out_channels=8) for _ in range(2))
    encoder = save_run(tmp_path / "run", "clips.npz", encoder=SideBySide(*parts))
    x = torch.randn(2, 3, 16, 15, 1)
    with torch.no_grad():
        assert open_encoder(tmp_path / "run").encoder(x).equal(encoder(x))


def test_of_several_streams_each_can_be_had(tmp_path):
    for stream in ("bone", "joint"):
        save_run(tmp_path, "c.npz", stream=stream, where=f"encoder_{stream}", data={"stream": "joint"})
    assert open_encoder(tmp_path).stream == "joint"  # the one that the run has evaluated
    assert open_encoder(f"{tmp_path}:bone").stream == open_encoder(tmp_path, stream="bone").stream == "bone"
    with pytest.raises(ValueError, match="has no encoder of the stream 'motion'; it has joint, bone"):
        open_encoder(f"{tmp_path}:motion")


def test_of_a_single_stream_no_other_can_be_had(tmp_path):
    save_run(tmp_path, "c.npz")
    with pytest.raises(ValueError, match=r"expected an encoder of the stream 'bone', but '.*' was trained on 'joint'"):
        open_encoder(tmp_path, stream="bone")


def test_a_pretrained_folder_opens(tmp_path):
    encoder = STGCN("sbu", base_channels=4, out_channels=16).eval()
    settings = Preprocessing(frames=16, per="clip", scale="bones")
    save_pretrained(tmp_path / "mine", encoder=encoder, preprocessing=settings, stream="bone")
    found = open_encoder(tmp_path / "mine")
    assert (found.method, found.stream, found.preprocessing, found.options) == (None, "bone", settings, {})
    assert found.results_folder == tmp_path / "mine_evaluation"


def test_what_is_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder '.*gone'"):
        open_encoder(tmp_path / "gone")
    with pytest.raises(ValueError, match=r"runs: .*clips\.npz"):
        open_encoder(write_set(tmp_path / "clips.npz"))
    with pytest.raises(FileNotFoundError, match=r"expected encoder/config.json or config.json in"):
        open_encoder(tmp_path)
    save_run(tmp_path / "runs" / "one", "c.npz")
    with pytest.raises(FileNotFoundError, match=r"expected an encoder, but '.*runs' has none itself; choose .*one$"):
        open_encoder(tmp_path / "runs")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "checkpoint.pt").write_bytes(b"")
    with pytest.raises(
        FileNotFoundError, match="has a checkpoint but no folder 'encoder': the run is not finished, or"
    ):
        open_encoder(tmp_path / "old")


@pytest.mark.parametrize(
    "run",
    [
        [],
        {"options": {"data": "clips.npz"}},  # not in groups, as earlier versions wrote them
        {"options": []},
        {"seed": "0"},
        {"seed": True},
        {"method": 3},
        {"stream": None},
    ],
)
def test_metadata_that_are_no_runs_are_refused(tmp_path, run):
    encoder = STGCN("sbu", base_channels=4, out_channels=16)
    save_pretrained(tmp_path / "mine", encoder=encoder, preprocessing=Preprocessing(), metadata={"run": run})
    with pytest.raises(ValueError, match=r"expected metadata of a run in '.*config.json': method"):
        open_encoder(tmp_path / "mine")


def test_an_older_pretrained_folder_opens(tmp_path):
    save_run(tmp_path / "run", "c.npz", stream="bone")
    path = tmp_path / "run" / "encoder" / "config.json"
    config = json.loads(path.read_text())
    config["metadata"] = {
        "options": {"stream": "bone", "seed": 7, "frames": 16}
    }  # flat, as earlier versions wrote them
    path.write_text(json.dumps(config))
    found = open_encoder(tmp_path / "run" / "encoder")
    assert (found.stream, found.seed, found.method, found.options) == ("bone", 7, None, {})


def test_a_released_file_opens(tmp_path):
    state = official_state("AimCLR_linear_eval", narrow=True)
    torch.save(state, tmp_path / "released.pt")
    found = open_encoder(tmp_path / "released.pt")
    assert (found.method, found.stream, found.is_run) == ("SkeletonCLR", "joint", False)
    assert found.preprocessing.align == "official"
    assert found.encoder.data_norm.weight.equal(state["encoder_q.data_bn.weight"])
    assert found.results_folder.name == "released.pt_evaluation"
    with pytest.raises(ValueError, match="import-official --stream bone"):
        open_encoder(f"{tmp_path / 'released.pt'}:bone")
    (tmp_path / "notes.pt").write_text("no weights")
    with pytest.raises(ValueError, match=r"runs: .*notes\.pt"):
        open_encoder(tmp_path / "notes.pt")
