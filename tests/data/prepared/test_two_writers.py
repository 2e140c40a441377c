"""Pairs of processes that write to one folder, some of which are killed: what is left is whole, and of one of them."""

import json
import random
import subprocess
import sys
import time

import pytest
import torch

from skelblocks.data import PreparedSet, Preprocessing, prepare
from skelblocks.encoders import STGCN
from skelblocks.evaluation import cached_features, extract_features
from skelblocks.interop import from_pretrained

PREPARE = """
import sys
from functools import partial
from pathlib import Path
from skelblocks.data import Preprocessing, prepare, read_nw_ucla

def sources(root):
    return [(path.stem, partial(read_nw_ucla, path)) for path in sorted(Path(root).glob("*.json"))]

if __name__ == "__main__":
    root, out, frames, workers = sys.argv[1:]
    options = {"layout": "nw-ucla", "preprocessing": Preprocessing(frames=int(frames), persons=1)}
    prepare(sources(root), out=out, **options, shard=2, workers=int(workers), overwrite=True)
"""
SAVE = """
import sys
import torch
from skelblocks.data import Preprocessing
from skelblocks.encoders import STGCN
from skelblocks.interop import save_pretrained

frames = int(sys.argv[2])
encoder = STGCN("nw-ucla", base_channels=4, out_channels=8)
with torch.no_grad():
    for parameter in encoder.parameters():
        parameter.fill_(frames)
for _ in range(20):
    save_pretrained(sys.argv[1], encoder=encoder, preprocessing=Preprocessing(frames=frames), overwrite=True)
"""
CACHE = """
import sys
import torch
from skelblocks.encoders import STGCN
from skelblocks.evaluation import cached_features

folder, seed = sys.argv[1], int(sys.argv[2])
torch.manual_seed(seed)
encoder = STGCN("nw-ucla", base_channels=4, out_channels=8)
torch.manual_seed(0)
clips = [torch.randn(4, 3, 8, 20, 1) for _ in range(12)]
for x in clips:
    cached_features(encoder, x, folder=folder)
"""


def run_pair(script, arguments, rng):
    """Run two processes at once, a third of which are killed; what they say on standard error."""
    processes = [
        subprocess.Popen([sys.executable, str(script), *map(str, each)], stderr=subprocess.PIPE, text=True)
        for each in arguments
    ]
    for process in processes:
        if rng.random() < 1 / 3:
            time.sleep(rng.uniform(1.0, 4.0))
            process.kill()
    return [process.communicate(timeout=120)[1] for process in processes]


def said_well(error):
    """No error but that the folder is in use; Python's own tracker may warn of what a killed parent held."""
    return "Traceback" not in error or "InUseError: " in error.strip().splitlines()[-1]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_preparations_of_one_folder(tmp_path):
    from skelblocks.testing import write_nw_ucla

    rng, script = random.Random(0), tmp_path / "run.py"
    script.write_text(PREPARE)
    write_nw_ucla(tmp_path / "raw", clips=40)
    namespace = {"__name__": "sources"}
    exec(PREPARE, namespace)
    expected = {}
    for frames in (4, 6):
        settings = Preprocessing(frames=frames, persons=1)
        sources = namespace["sources"](tmp_path / "raw")
        manifest = prepare(sources, out=tmp_path / f"set{frames}", layout="nw-ucla", preprocessing=settings, shard=2)
        expected[frames] = manifest["sha256"]
    whole = 0
    for i in range(50):
        out, other = tmp_path / f"out{i // 3}", rng.choice([4, 6])  # three pairs in a row on one folder
        calls = [(tmp_path / "raw", out, frames, rng.choice([1, 2])) for frames in (4, other)]
        assert all(map(said_well, run_pair(script, calls, rng)))
        if (out / "manifest.json").is_file():
            dataset = PreparedSet(out)
            dataset.verify()
            assert dataset.manifest["sha256"] == expected[dataset.preprocessing.frames]
            whole += 1
    assert whole > 25


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_that_save_to_one_pretrained_folder(tmp_path):
    pytest.importorskip("safetensors")
    rng, script, whole = random.Random(1), tmp_path / "run.py", 0
    script.write_text(SAVE)
    for i in range(50):
        out = tmp_path / f"encoder{i // 3}"
        assert all(map(said_well, run_pair(script, [(out, 4), (out, 6)], rng)))
        if (out / "config.json").is_file():
            found = from_pretrained(out)
            weights = {
                float(value) for parameter in found.encoder.parameters() for value in parameter.detach().unique()
            }
            assert weights == {float(found.preprocessing.frames)}
            assert json.loads((out / "config.json").read_text())["version"] == 2
            whole += 1
    assert whole > 25


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_that_keep_features_in_one_folder(tmp_path):
    rng, script, kept = random.Random(2), tmp_path / "run.py", 0
    script.write_text(CACHE)
    torch.manual_seed(0)
    clips = [torch.randn(4, 3, 8, 20, 1) for _ in range(12)]
    for i in range(50):
        folder = tmp_path / f"features{i // 5}"
        assert all(map(said_well, run_pair(script, [(folder, 0), (folder, rng.choice([0, 1]))], rng)))
        torch.manual_seed(0)
        encoder = STGCN("nw-ucla", base_channels=4, out_channels=8)
        x = rng.choice(clips)
        kept += len(list(folder.glob("*.npy"))) if folder.is_dir() else 0
        assert cached_features(encoder, x, folder=folder).allclose(extract_features(encoder, x), atol=1e-6)
    assert kept > 50
