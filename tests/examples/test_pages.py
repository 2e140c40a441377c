"""Pages are short, import only torch and skelblocks, and work when they are copied alone."""

import ast
import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from small_run import METHODS, SMALL, in_groups

from skelblocks.training import load_page
from skelblocks.training.pages import copies, pages_folder

ROOT = Path(__file__).parents[2]
PAGES = sorted(pages_folder().glob("*.py"))
LONGEST = 220  # lines
FURTHER = {"lightning_msmclr": {"lightning"}}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_page_is_short_and_imports_only_torch_and_skelblocks(page):
    text = page.read_text()
    assert len(text.splitlines()) <= LONGEST
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level
            names.add(node.module.split(".")[0])
    assert names - sys.stdlib_module_names <= {"torch", "skelblocks", *FURTHER.get(page.stem, ())}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """An environment with nothing of skelblocks but its wheel; the packages it needs are those of this environment."""
    base = tmp_path_factory.mktemp("installed")
    quiet = {"check": True, "capture_output": True, "text": True}
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(base), str(ROOT)], **quiet)
    (wheel,) = base.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(base / "env")], **quiet)
    python = base / "env" / "bin" / "python"
    subprocess.run(
        [*pip, "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel)], **quiet
    )
    (site,) = (base / "env" / "lib").glob("python*/site-packages")
    # A line of a .pth file adds the folder, not what the .pth files in it name, such as a checkout.
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    found = run(python, "-c", "import skelblocks; print(skelblocks.__file__)", folder=base).stdout.strip()
    assert Path(found).is_relative_to(site)
    return base


def run(*command, folder):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, command)],
        cwd=folder,
        env={**environment, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def small_config(method, folder):
    """A file of options, so that an epoch takes a second."""
    (folder / "options.yaml").write_text(json.dumps(in_groups(load_page(method).options, {**SMALL, "epochs": 1})))
    return ["--config", "options.yaml"]


@pytest.mark.slow
def test_the_wheel_carries_the_pages_and_no_tests(installed):
    (wheel,) = installed.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for page in PAGES:
        assert f"skelblocks/_examples/{page.name}" in names
    assert "skelblocks/_examples/configs/synthetic_small.yaml" in names
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"skelblocks"}
    listed = run(installed / "env" / "bin" / "skelblocks", "copy", folder=installed).stdout.split()
    assert listed == copies()


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_method_trains_when_its_page_is_copied_alone(installed, tmp_path, method):
    tools = installed / "env" / "bin"
    run(tools / "skelblocks", "copy", method, ".", folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"train_{method}.py"]
    config = small_config(method, tmp_path)
    run(tools / "python", f"train_{method}.py", *config, "--train.folder", "one", folder=tmp_path)
    run(tools / "skelblocks", "train", f"train_{method}.py", *config, "--train.folder", "two", folder=tmp_path)
    run(tools / "python", "-m", "skelblocks", "train", method, *config, "--train.folder", "three", folder=tmp_path)
    logs = [json.loads((tmp_path / name / "log.jsonl").read_text())["loss"] for name in ("one", "two", "three")]
    assert logs[0] == logs[1] == logs[2]


@pytest.mark.slow
def test_the_other_pages_run_when_they_are_copied_alone(installed, tmp_path):
    tools = installed / "env" / "bin"
    for name in ("plain_torch", "evaluate_encoder", "own_skeleton", "lightning_msmclr"):
        run(tools / "skelblocks", "copy", name, ".", folder=tmp_path)
    run(tools / "python", "plain_torch.py", "--epochs", "1", folder=tmp_path)
    output = run(tools / "python", "evaluate_encoder.py", "runs/plain_torch/encoder", folder=tmp_path).stdout
    assert "kNN" in output
    run(tools / "python", "own_skeleton.py", "--method", "skeletonclr", "--epochs", "1", folder=tmp_path)
    run(tools / "python", "lightning_msmclr.py", "--epochs", "1", folder=tmp_path)
