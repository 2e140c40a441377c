import json

import pytest
import torch
from torch import nn

from skelblocks import layouts
from skelblocks.data import Preprocessing
from skelblocks.encoders import DSTA, STGCN, BiGRU, pool
from skelblocks.interop import export_onnx, export_program, save_program

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
    assert isinstance(sizes[0], str)
    assert isinstance(sizes[2], str) == (name == "stgcn")
    encoder.float().eval()
    for t in frames:
        for n in (1, 2, 7):
            x = clips(n, t, options)
            expected = pool(encoder(x)) if pooled else encoder(x)
            (found,) = session.run(None, {"clips": x.numpy()})
            difference = (torch.from_numpy(found) - expected).abs().max() / expected.abs().max()
            assert difference < 1e-5, (t, n, float(difference))


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
        (FileExistsError, "path: there is something", lambda: export_onnx(stgcn, tmp_path)),
        (FileNotFoundError, "path: the folder .* is not there", lambda: export_onnx(stgcn, tmp_path / "no" / "x.onnx")),
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
