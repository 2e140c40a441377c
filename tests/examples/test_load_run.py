import importlib
from pathlib import Path

import pytest
import torch
import train_crossmoco
import train_skeletonclr
from load_run import load_run
from run_folder import RunFolder
from small_run import SMALL, save_run, small_encoder, write_set

from skelblocks import layouts


@pytest.mark.parametrize(
    ("name", "changes", "place"),
    [
        ("skeletonclr", {}, "contrast.query_branch.0"),
        ("skeletonclr", {"encoder": "dsta", "stream": "bone"}, "contrast.query_branch.0"),
        ("skeletonclr", {"encoder": "bigru", "persons": 3}, "contrast.query_branch.0"),
        ("msmclr", {"graph": "agcn"}, "contrast.query_branch.0"),
        ("aimclr", {}, "contrast.query_branch.0"),
        ("aimclr", {"cross_stream": True, "stream": "motion"}, "streams.motion.contrast.query_branch.0"),
        ("skeattnclr", {"heads": 2}, "contrast.query_branch.0"),
        ("crossmoco", {"streams": ["bone", "joint"]}, "methods.joint.query.encoder"),
    ],
)
@pytest.mark.parametrize("coordinates", [2, 3])
def test_a_run_gives_its_encoder(tmp_path, name, changes, place, coordinates):
    sizes = {"persons": 1, "coordinates": coordinates}
    method = save_run(tmp_path, importlib.import_module(f"train_{name}"), **{**sizes, **changes})
    run = load_run(tmp_path)
    assert not run.encoder.training
    assert run.layout == layouts.get("sbu")
    assert run.stream == run.options["stream"] == changes.get("stream", "joint")
    x = torch.randn(2, coordinates, 16, 15, changes.get("persons", 1))
    with torch.no_grad():
        assert run.encoder(x).equal(method.get_submodule(place)(x))


@pytest.mark.parametrize("coordinates", [2, 3])
def test_of_several_streams_each_can_be_had(tmp_path, coordinates):
    streams = ["bone", "joint"]
    method = save_run(tmp_path, train_crossmoco, coordinates=coordinates, streams=streams, share_backbone=False)
    x = torch.randn(2, coordinates, 16, 15, 1)
    for stream in ("bone", "joint"):
        run = load_run(tmp_path, stream=stream)
        assert run.stream == stream
        with torch.no_grad():
            assert run.encoder(x).equal(method.encoders()[stream](x))
    with pytest.raises(ValueError, match="has no encoder of the stream 'motion'; it has bone, joint"):
        load_run(tmp_path, stream="motion")


def test_precision_is_kept_and_a_checkpoint_that_names_no_coordinates_has_three(tmp_path):
    made = train_skeletonclr.Options(**SMALL)
    method = train_skeletonclr.build(made, layout=layouts.get("sbu"), persons=1).double()
    folder = RunFolder(tmp_path, options=vars(made))
    folder.save({"method": method.state_dict()})
    folder.write_layout(layouts.get("sbu"), resume=False)
    weight = load_run(tmp_path).encoder.state_dict()["blocks.0.temporal.weight"]
    assert weight.equal(method.contrast.query_branch[0].blocks[0].temporal.weight)


def test_the_layout_of_a_run_that_saved_none_is_that_of_its_data(tmp_path):
    path = write_set(tmp_path / "mine.npz")
    save_run(tmp_path / "run", train_skeletonclr, layout="utd-mhad", data=path, with_layout=False)
    assert load_run(tmp_path / "run").layout == layouts.get("utd-mhad")
    Path(path).unlink()
    with pytest.raises(FileNotFoundError, match=r"has no layout.json, and its data .* are not there"):
        load_run(tmp_path / "run")


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no run's checkpoint.pt and no pretrained encoder in"):
        load_run(tmp_path)
    save_run(tmp_path, train_skeletonclr)
    with pytest.raises(ValueError, match="was trained on 'joint' alone, not on 'bone'"):
        load_run(tmp_path, stream="bone")
    RunFolder(tmp_path, options={"stream": "joint"}).save({"method": {"other.weight": torch.zeros(1)}})
    with pytest.raises(ValueError, match="has no encoder of a method of these examples"):
        load_run(tmp_path)


def test_a_pretrained_folder_will_do(tmp_path):
    pytest.importorskip("safetensors")
    from skelblocks.data import Preprocessing
    from skelblocks.interop import save_pretrained

    encoder = small_encoder().eval()
    given = Preprocessing(frames=16, persons=1)
    save_pretrained(tmp_path / "mine", encoder=encoder, preprocessing=given, stream="bone")
    run = load_run(tmp_path / "mine")
    assert (run.layout, run.stream) == (layouts.get("sbu"), "bone")
    assert run.options == {"stream": "bone", "frames": 16, "center": "layout", "align": None}
    x = torch.randn(2, 3, 16, 15, 1)
    with torch.no_grad():
        assert run.encoder(x).equal(encoder(x))
    with pytest.raises(ValueError, match="was trained on 'bone', not on 'joint'"):
        load_run(tmp_path / "mine", stream="joint")
    save_pretrained(tmp_path / "other", encoder=encoder, preprocessing=Preprocessing(per="clip"))
    with pytest.raises(ValueError, match="are preprocessed as in no example"):
        load_run(tmp_path / "other")


def test_a_pretrained_folder_without_an_input_has_the_runs(tmp_path):
    pytest.importorskip("safetensors")
    from skelblocks.interop import save_pretrained

    made = {"stream": "bone", "frames": 16, "align": "clip", "seed": 3}
    save_pretrained(tmp_path / "mine", encoder=small_encoder(), metadata={"options": made})
    run = load_run(tmp_path / "mine")
    assert (run.stream, run.options) == ("bone", made)
    save_pretrained(tmp_path / "other", encoder=small_encoder())
    with pytest.raises(ValueError, match="does not say how many frames its clips had"):
        load_run(tmp_path / "other")
