import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from skelblocks import interop, layouts
from skelblocks.data import Preprocessing
from skelblocks.encoders import STGCN, ProjectionHead
from skelblocks.interop import Pretrained, PretrainedFormatError, save_pretrained
from skelblocks.interop.pretrained import hub

huggingface_hub = pytest.importorskip("huggingface_hub")
pytest.importorskip("safetensors")


@pytest.fixture
def pretrained():
    return Pretrained(
        encoder=STGCN("coco-17", base_channels=2, out_channels=8).eval(),
        head=ProjectionHead(8, hidden_features=4, out_features=2),
        preprocessing=Preprocessing(frames=12, persons=1),
        metadata={"method": "MsMCLR"},
    )


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    def refused(*_, **__):
        raise AssertionError("this test must not look for a network")

    monkeypatch.setattr("socket.socket.connect", refused)


def check(model, pretrained):
    x = torch.randn(2, 3, 12, 17, 1)
    torch.testing.assert_close(model(x), pretrained.encoder(x), rtol=0, atol=0)
    assert not model.training
    found = model.pretrained
    assert (found.preprocessing, found.metadata, found.layout) == (
        pretrained.preprocessing,
        pretrained.metadata,
        layouts.get("coco-17"),
    )
    assert {name.split(".")[0] for name in model.state_dict()} == {"encoder", "head"}


def test_a_classifier_and_its_readout_are_kept(tmp_path):
    known = {"head": ProjectionHead(24, out_features=2, hidden_layers=0), "readout": "thirds"}
    encoder = STGCN("coco-17", base_channels=2, out_channels=8).eval()
    whole = Pretrained(encoder=encoder, metadata={"class_names": ["sit", "stand"]}, **known)
    hub.HubEncoder(whole).save_pretrained(tmp_path / "mine")
    found = hub.HubEncoder.from_pretrained(tmp_path / "mine").pretrained
    assert (found.readout, found.class_names) == ("thirds", ("sit", "stand"))
    x = torch.randn(2, 3, 12, 17, 1)
    assert found.head(found.features(x)).equal(whole.head(whole.features(x)))


def test_through_a_folder(pretrained, tmp_path):
    model = hub.HubEncoder(pretrained)
    for _ in range(2):  # the second time over the first
        model.save_pretrained(tmp_path / "mine")
    names = {path.name for path in (tmp_path / "mine").iterdir()}
    assert names == {"README.md", "config.json", "model.safetensors"}
    assert "skelblocks" in (tmp_path / "mine" / "README.md").read_text()
    check(hub.HubEncoder.from_pretrained(tmp_path / "mine"), pretrained)
    check(hub.HubEncoder.from_pretrained(str(tmp_path / "mine"), device="cpu"), pretrained)


def test_by_name_only_the_two_files_are_asked_for(pretrained, tmp_path, monkeypatch):
    save_pretrained(tmp_path / "snapshot", encoder=pretrained.encoder, head=pretrained.head,
                    preprocessing=pretrained.preprocessing, metadata=pretrained.metadata)  # fmt: skip
    asked = {}

    def snapshot_download(repo_id, **options):
        asked.update(options, repo_id=repo_id)
        return str(tmp_path / "snapshot")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    model = hub.HubEncoder.from_pretrained("owner/name", revision="abc", local_files_only=True, token="t")
    check(model, pretrained)
    assert asked["repo_id"] == "owner/name"
    assert sorted(asked["allow_patterns"]) == ["config.json", "model.safetensors"]
    assert (asked["revision"], asked["local_files_only"], asked["token"]) == ("abc", True, "t")


def test_pushing_uploads_a_pretrained_folder(pretrained, tmp_path, monkeypatch):
    uploaded = {}

    class Api:
        def __init__(self, *_, **__):
            pass

        def create_repo(self, repo_id, **_):
            return type("Repo", (), {"repo_id": repo_id})

        def upload_folder(self, *, repo_id, folder_path, **_):
            uploaded.update({path.name: path.read_bytes() for path in Path(folder_path).iterdir()}, repo_id=repo_id)

    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Api)
    hub.HubEncoder(pretrained).push_to_hub("owner/name")
    assert uploaded.pop("repo_id") == "owner/name"
    assert set(uploaded) == {"README.md", "config.json", "model.safetensors"}
    for name, content in uploaded.items():
        (tmp_path / name).write_bytes(content)
    check(hub.HubEncoder.from_pretrained(tmp_path), pretrained)


@pytest.mark.parametrize("content", ["[]", '{"self": 1, "pretrained": 2}', "{" * 10_000, '{"encoder": "os.system"}'])
def test_a_hostile_configuration_is_our_error(content, tmp_path):
    (tmp_path / "config.json").write_text(content)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(PretrainedFormatError):
        hub.HubEncoder.from_pretrained(tmp_path)


def test_pickle(pretrained):
    check(pickle.loads(pickle.dumps(hub.HubEncoder(pretrained).eval())), pretrained)


def test_no_other_attribute():
    assert interop.HubEncoder is hub.HubEncoder
    with pytest.raises(AttributeError, match="has no attribute 'HubDecoder'"):
        interop.HubDecoder  # noqa: B018
    with pytest.raises(AttributeError, match="has no attribute 'HubDecoder'"):
        hub.HubDecoder  # noqa: B018


def test_the_package_imports_without_the_extras():
    program = """
import sys
for name in ("huggingface_hub", "safetensors", "onnx", "onnxruntime", "onnxscript"):
    sys.modules[name] = None
import skelblocks.interop, skelblocks.interop.pretrained.hub, skelblocks.cli
from skelblocks.interop import *
try:
    skelblocks.interop.pretrained.hub.HubEncoder
except ImportError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "skelblocks[hub]" in result.stdout
