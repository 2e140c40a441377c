"""Blocks copied into another package, as docs/embedding.md says: the files it names are all that they need."""

import ast
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import skelblocks

PACKAGE = Path(skelblocks.__file__).parent
PAGE = PACKAGE.parent / "docs" / "embedding.md"
SECTION = PAGE.read_text(encoding="utf-8").split("## Copying a block")[1]
# Block, its file, other files, whether it needs the layouts.
ROWS = re.findall(r"^\| `(\w+)` \| `(\S+)` \| (.+?) \| (yes|-) \|$", SECTION, flags=re.MULTILINE)
NEEDED = {"torch", "einops", "numpy", "typing_extensions"}  # the packages that the page names
UTILS = [
    f"_utils/{name}.py"
    for name in (
        "__init__",
        "checks",
        "autocast_off",
        "axis_remedies",
        "debug",
        "did_you_mean",
        "explain_arguments",
        "own_code",
    )
]
USES = {
    "MsMAttention": """
        joint, part, body = MsMAttention(16, layout="ntu-rgb+d")(torch.randn(2, 2, 16, 6, 25))
        assert (joint.shape[-1], part.shape[-1], body.shape[-1]) == (25, 10, 5)
        """,
    "EADM": "assert EADM()(torch.randn(2, 8, 6, 25)).shape == (2, 8, 6, 25)",
    "MHSAM": "assert MHSAM(16)(torch.randn(2, 16, 6, 25)).shape == (2, 16, 6, 25)",
    "RandomShear": "assert RandomShear(0.5)(torch.randn(2, 3, 8, 25, 1)).shape == (2, 3, 8, 25, 1)",
    "RandomRegionSwap": 'RandomRegionSwap("sbu")(torch.randn(4, 3, 64, 15, 1))',
    "SpatioTemporalOcclusion": 'SpatioTemporalOcclusion("sbu")(torch.randn(4, 3, 16, 15, 1))',
    "STGCN": """
        encoder = STGCN("coco-17", base_channels=4, out_channels=16)
        assert encoder(torch.randn(2, 3, 16, 17, 1)).shape == (2, 1, 16, 4, 17)
        """,
    "MomentumEncoder": "MomentumEncoder(torch.nn.Linear(3, 2)).update(torch.nn.Linear(3, 2))",
    "MomentumQueue": "MomentumQueue(4, size=8).enqueue(torch.randn(2, 4))",
    "InfoNCELoss": "assert InfoNCELoss()(torch.randn(2, 9)).isfinite()",
    "D3MLoss": "assert D3MLoss()([torch.randn(2, 9)], torch.randn(2, 9)).isfinite()",
    "NearestNeighborLoss": "assert NearestNeighborLoss()(torch.randn(2, 9), [torch.randn(2, 9)]).isfinite()",
}


def run(program, folder):
    program = 'import sys\nsys.modules["skelblocks"] = None  # an import of it fails\nimport torch\n' + program
    result = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def imported_packages(source):
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names


def use(block, module):
    return f"from {module} import {block}\n{textwrap.dedent(USES[block])}\n"


def test_the_page_has_a_row_for_every_block_that_is_tried():
    assert [block for block, *_ in ROWS] == list(USES)


def test_the_files_of_a_row_are_all_that_its_block_needs(tmp_path):
    """Each row in a package of its own, all of them in one interpreter, whose start is what takes time."""
    program, packages = "", set()
    for block, file, others, layouts in ROWS:
        package = f"mine_{block.lower()}.blocks"
        files = [*UTILS, file, *re.findall(r"`(\S+)`", others)]
        if layouts == "yes":
            files += [f"_utils/{name}.py" for name in ("escape", "lazy", "whole_file")]
            files += [f"layouts/{path.name}" for path in (PACKAGE / "layouts").glob("*.py*")]
        for name in files:
            copy = tmp_path / package.replace(".", "/") / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            (copy.parent / "__init__.py").touch()
            text = (PACKAGE / name).read_text(encoding="utf-8")
            packages |= imported_packages(text) - {"skelblocks"}
            copy.write_text(re.sub("(from|import) skelblocks", rf"\1 {package}", text), encoding="utf-8")
        program += use(block, f"{package}.{file.removesuffix('.py').replace('/', '.')}")
    run(program, tmp_path)
    assert packages <= NEEDED
    assert all(f"`{package}`" in SECTION for package in NEEDED)


@pytest.mark.skipif(not shutil.which("bash") or not shutil.which("sed"), reason="the commands are those of a shell")
def test_the_pages_commands_make_a_package_that_works(tmp_path):
    commands, line = (re.search(f"```{kind}\n(.*?)```", SECTION, flags=re.DOTALL)[1] for kind in ("bash", "python"))
    assert "SKELBLOCKS=path/to/checkout/skelblocks" in commands
    script = commands.replace("path/to/checkout/skelblocks", str(PACKAGE))
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, check=True)
    run(line + textwrap.dedent(USES["MsMAttention"]), tmp_path)
    assert (tmp_path / "mine" / "blocks" / "LICENSE").is_file()
    sources = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.py")]
    assert not any(re.search("(from|import) skelblocks", source) for source in sources)
