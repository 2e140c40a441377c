import dataclasses
import json

import pytest
import torch
from torch import nn

from skelblocks import layouts
from skelblocks.data import ArrayDataset, Preprocessing
from skelblocks.encoders import DSTA, READOUTS, STGCN, BiGRU, ProjectionHead, ReadoutEncoder, pool
from skelblocks.interop import GraphPreparation, Pretrained, export_onnx, export_program, save_program

ENCODERS = {
    "stgcn": (lambda: STGCN("coco-17", base_channels=2, out_channels=8), {}, [5, 6, 13, 50, 64]),
    "stgcn-agcn": (
        lambda: STGCN("coco-17", base_channels=2, out_channels=8, strategy="agcn", edge_importance=False),
        {"persons": 1},
        [7, 50],
    ),
    "dsta": (lambda: DSTA("coco-17", frames=9, layers=[(4, 8, 2, 2)]), {"persons": 3}, [9]),
    "bigru": (lambda: BiGRU("coco-17", hidden_features=4, num_layers=2), {"frames": 6}, [6]),
    "bigru-causal": (
        lambda: BiGRU("coco-17", hidden_features=4, num_layers=2, causal=True, persons=1),
        {"frames": 4, "persons": 1},
        [4],
    ),
}


def make(name):
    build, options, frames = ENCODERS[name]
    torch.manual_seed(0)
    encoder = build()
    for module in encoder.modules():  # running statistics that are not the identity
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return encoder, options, frames


def clips(n, frames, options):
    return torch.randn(n, 3, frames, 17, options.get("persons", 2))


@pytest.fixture(scope="module")
def stgcn():
    encoder, _, _ = make("stgcn")
    program = export_program(encoder)
    assert encoder.training  # it was copied
    return encoder.eval(), program


def check(graph, encoder, *, options, frames, pooled=True):
    for t in frames:
        for n in (1, 2, 7):
            x = clips(n, t, options).to(next(encoder.parameters()).dtype)
            expected = pool(encoder(x)) if pooled else encoder(x)
            torch.testing.assert_close(graph(x), expected, msg=lambda text, at=(t, n): f"t, n = {at}: {text}")


def test_the_program_is_the_encoder_at_every_length(stgcn):
    encoder, program = stgcn
    graph = program.module()
    check(graph, encoder, options={}, frames=[5, 6, 13, 50, 64])
    x = clips(2, 50, {})
    for wrong in (x[:, :, :4], x[..., :1], x[:, :, :, :16]):
        with pytest.raises((RuntimeError, AssertionError)):
            graph(wrong)


@pytest.mark.parametrize("name", ["stgcn-agcn", "dsta", "bigru", "bigru-causal"])
def test_the_program_of_other_encoders_without_pooling_in_float64(name):
    encoder, options, frames = make(name)
    encoder.double().eval()
    graph = export_program(encoder, pool=False, **options).module()
    check(graph, encoder, options=options, frames=frames, pooled=False)


def test_a_program_in_a_file(stgcn, tmp_path):
    encoder, program = stgcn
    path = tmp_path / "encoder.pt2"
    save_program(program, path, encoder=encoder, preprocessing=Preprocessing(), stream="motion")
    extra = {"skelblocks.layout": "", "skelblocks.stream": ""}
    again = torch.export.load(path, extra_files=extra)
    assert layouts.get(json.loads(extra["skelblocks.layout"])) == layouts.get("coco-17")
    assert json.loads(extra["skelblocks.stream"]) == "motion"
    check(again.module(), encoder, options={}, frames=[21])
    assert [each.name for each in tmp_path.iterdir()] == ["encoder.pt2"]


def test_a_file_that_is_there_is_replaced_on_demand_alone(tmp_path, monkeypatch):
    encoder, _, _ = make("stgcn")
    path = tmp_path / "encoder.pt2"
    path.write_text("before")
    monkeypatch.setattr(torch.export, "save", lambda _, file, **__: file.write_text("after"))
    with pytest.raises(FileExistsError, match="overwrite=True"):
        save_program(None, path, encoder=encoder)
    assert path.read_text() == "before"
    save_program(None, path, encoder=encoder, overwrite=True)
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("encoder.pt2", "after")]


@pytest.mark.parametrize(
    "name", ["stgcn", "dsta", *(pytest.param(name, marks=pytest.mark.slow) for name in ("bigru", "bigru-causal"))]
)
@pytest.mark.filterwarnings("ignore")
def test_onnx_runtime_gives_the_same(name, tmp_path, monkeypatch, request):
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    encoder, options, frames = make(name)
    path = tmp_path / "encoder.onnx"
    pooled = name != "dsta"
    chosen = {"opset": 19} if name == "dsta" else {}
    if name == "stgcn":  # its program takes long to make, and that of this encoder is there
        program = request.getfixturevalue("stgcn")[1]
        monkeypatch.setattr("skelblocks.interop.export.export_program", lambda _, **__: program)
    export_onnx(encoder.double(), path, pool=pooled, preprocessing=Preprocessing(frames=None), **options, **chosen)
    assert encoder.training
    assert next(encoder.parameters()).dtype == torch.float64
    assert [each.name for each in tmp_path.iterdir()] == ["encoder.onnx"]
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert {entry.domain: entry.version for entry in model.opset_import}[""] == chosen.get("opset", 18)
    held = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert layouts.get(held["skelblocks.layout"]) == layouts.get("coco-17")
    assert Preprocessing.from_dict(held["skelblocks.preprocessing"]).frames is None
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [each.name for each in (*session.get_inputs(), *session.get_outputs())] == ["clips", "features"]
    sizes = session.get_inputs()[0].shape
    assert sizes[0] == "clips"
    assert sizes[2] == ("frames" if name == "stgcn" else frames[0])
    if name == "stgcn":  # pnnx misreads a list of frames
        assert not [node.op_type for node in model.graph.node if "Gather" in node.op_type]
    encoder.float().eval()
    for t in frames:
        for n in (1, 2, 7):
            x = clips(n, t, options)
            expected = pool(encoder(x)) if pooled else encoder(x)
            (found,) = session.run(None, {"clips": x.numpy()})
            difference = (torch.from_numpy(found) - expected).abs().max() / expected.abs().max()
            assert difference < 1e-5, (t, n, float(difference))


SETTINGS = Preprocessing(frames=12, align="official", per="clip", scale="bones", persons=2)


def whole_way():
    """An encoder of another skeleton's clips, its classifier, the preparation, and what all three give together."""
    torch.manual_seed(0)
    encoder, head = STGCN("ntu-rgb+d", base_channels=2, out_channels=4), ProjectionHead(12, out_features=3)
    found = Pretrained(
        encoder=encoder.eval(), head=head.eval(), preprocessing=SETTINGS, stream="motion", readout="thirds"
    )
    settings = dataclasses.replace(SETTINGS, to="ntu-rgb+d")
    preparation = GraphPreparation(settings, layout="nw-ucla", stream="motion")

    def expected(x):
        prepared = ArrayDataset(x.numpy(), layout="nw-ucla", preprocessing=settings).as_tensor()
        with torch.no_grad():
            return head(found.features(found.finish(prepared))).softmax(dim=1)

    return encoder, head, preparation, expected


def recorded(n, t):
    x = torch.randn(n, 3, t, 20, 1, generator=torch.Generator().manual_seed(t))
    x[:, :, t - t // 4 :] = 0
    return x


def test_a_program_from_recorded_clips_to_probabilities():
    encoder, head, preparation, expected = whole_way()
    program = export_program(encoder, persons=1, readout="thirds", classifier=head, preparation=preparation)
    for n, t in ((1, 2), (3, 9), (2, 40)):
        torch.testing.assert_close(program.module()(recorded(n, t)), expected(recorded(n, t)), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_onnx_of_an_encoder_that_skips_absent_persons(tmp_path):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    encoder = STGCN("coco-17", base_channels=2, out_channels=8, absent="skip").eval()
    path = tmp_path / "encoder.onnx"
    export_onnx(encoder, path, preprocessing=Preprocessing(frames=None))
    session = runtime.InferenceSession(path)
    x = clips(3, 16, {})
    x[0, ..., 1] = x[1, ..., 0] = x[2] = 0
    (got,) = session.run(None, {"clips": x.numpy()})
    torch.testing.assert_close(torch.from_numpy(got), ReadoutEncoder(encoder)(x), rtol=1e-4, atol=1e-5)


def test_onnx_from_recorded_clips_to_probabilities(tmp_path):
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    encoder, head, preparation, expected = whole_way()
    path, names = tmp_path / "whole.onnx", ["sit", "stand", "walk"]
    more = {"readout": "thirds", "classifier": head, "class_names": names, "preparation": preparation}
    export_onnx(encoder, path, persons=1, preprocessing=preparation.preprocessing, **more)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert not [node.op_type for node in model.graph.node if "Gather" in node.op_type]  # which pnnx misreads
    held = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert held["skelblocks.class_names"] == names
    assert layouts.get(held["skelblocks.layout"]) == layouts.get("nw-ucla")  # of the clips that it takes
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (graph_input,), (output,) = session.get_inputs(), session.get_outputs()
    assert (graph_input.name, graph_input.shape) == ("clips", ["clips", 3, "frames", 20, 1])
    assert (output.name, output.shape) == ("probabilities", ["clips", 3])
    for n, t in ((1, 2), (3, 9), (2, 40)):
        x = recorded(n, t)
        torch.testing.assert_close(
            torch.from_numpy(session.run(None, {"clips": x.numpy()})[0]), expected(x), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("kind", READOUTS)
@pytest.mark.slow
def test_every_readout_is_exported(kind, stgcn):
    encoder, _ = stgcn
    graph = export_program(encoder, readout=kind, persons=1).module()
    x = clips(3, 21, {"persons": 1})
    torch.testing.assert_close(graph(x), ReadoutEncoder(encoder, kind)(x))


def test_a_preparation_that_does_not_fit():
    encoder, head, preparation, _ = whole_way()
    with pytest.raises(ValueError, match="preparation: expected one that gives 3 coordinates of 'coco-17'"):
        export_program(STGCN("coco-17", base_channels=2), preparation=preparation)
    with pytest.raises(ValueError, match="persons: expected at most the 2 of the preparation, got 3"):
        export_program(encoder, preparation=preparation, persons=3)
    with pytest.raises(ValueError, match="pool: expected True with a classifier, got False"):
        export_program(encoder, classifier=head, pool=False)


def test_an_older_torch(stgcn, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.6.0+cu124")
    with pytest.raises(ImportError, match=r"export: expected torch 2\.11 or later, got 2\.6\.0\+cu124"):
        export_program(stgcn[0])


def test_what_is_refused(tmp_path):
    stgcn, dsta, bigru = (make(name)[0] for name in ("stgcn", "dsta", "bigru"))
    for error, message, call in [
        (TypeError, "encoder: expected an STGCN, DSTA or BiGRU, got Linear", lambda: export_program(nn.Linear(2, 2))),
        (TypeError, "persons: expected an integer", lambda: export_program(stgcn, persons=1.5)),
        (ValueError, "frames: expected an integer >= 1", lambda: export_program(stgcn, frames=0)),
        (ValueError, "frames: this DSTA is made for 9, got 50", lambda: export_program(dsta, frames=50)),
        (ValueError, "frames: a BiGRU is unrolled", lambda: export_program(bigru)),
        (ValueError, "persons: this BiGRU is made for 2, got 1", lambda: export_program(bigru, frames=4, persons=1)),
        (ValueError, "opset: expected an integer >= 18", lambda: export_onnx(stgcn, tmp_path / "x.onnx", opset=17)),
        (FileExistsError, "path: .* exists already", lambda: export_onnx(stgcn, tmp_path)),
        (FileNotFoundError, "expected an existing folder", lambda: export_onnx(stgcn, tmp_path / "no" / "x.onnx")),
    ]:
        with pytest.raises(error, match=message):
            call()
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_the_file_that_was_there(tmp_path, monkeypatch):
    encoder, _, _ = make("stgcn")
    path = tmp_path / "encoder.pt2"
    path.write_text("before")

    def full(_, file, **__):
        file.write_text("half")
        raise OSError("no space left on device")

    monkeypatch.setattr(torch.export, "save", full)
    with pytest.raises(OSError, match="no space"):
        save_program(None, path, encoder=encoder, overwrite=True)
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("encoder.pt2", "before")]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda():
    encoder, _, _ = make("stgcn")
    graph = export_program(encoder.cuda()).module()
    x = clips(3, 21, {}).cuda()
    torch.testing.assert_close(graph(x), pool(encoder.eval()(x)))
