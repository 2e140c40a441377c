"""The pictures that the pages show are in the repository, and look as the gallery's scripts draw them."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "pictures"
GALLERY = ROOT / "docs" / "gallery"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs").glob("[!_]*/*.md"))]
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+\.(?:png|gif|svg|webp|jpg))\)")
SCREENSHOTS = {"explore", "report-page", "set-page"}  # of pages in a browser, by gallery/pages.py
SLOW = {path.stem for path in GALLERY.glob("*.py")} - {"common", "draw", "explore", "pages"}


def images():
    return [(page, *found) for page in PAGES for found in IMAGE.findall(page.read_text())]


def gallery(name):
    """A module of the gallery, which is a folder of scripts and no package."""
    spec = importlib.util.spec_from_file_location(f"gallery_{name}", GALLERY / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_show_pictures():
    assert len(images()) > 80


@pytest.mark.parametrize(("page", "text", "target"), images(), ids=lambda value: getattr(value, "stem", None))
def test_every_picture_of_a_page_is_there_and_described(page, text, target):
    assert (page.parent / target).resolve().is_file(), f"{page.name}: {target} is not in the repository"
    assert (page.parent / target).resolve().parent == FOLDER
    assert len(text.split()) >= 3, f"{page.name}: {target} needs a text that says what it shows"


def test_every_kept_picture_is_shown_and_they_are_small():
    kept = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert set(kept) == {Path(target).name for _, _, target in images()}
    assert sum(kept.values()) <= 3_000_000
    assert max(kept.values()) <= 200_000


def test_every_kept_picture_is_drawn_by_a_script_or_is_a_screenshot():
    drawn = {
        name
        for script in GALLERY.glob("*.py")
        for name in re.findall(r"^def (\w+)\(.*\) -> Figure:", script.read_text(), re.MULTILINE)
    }
    assert {path.stem for path in FOLDER.iterdir()} <= drawn | SCREENSHOTS


def test_the_results_of_the_road_are_those_of_the_results_page():
    script = (GALLERY / "road.py").read_text()
    figures = re.search(r"^RESULTS = \{(.*)\}", script, re.MULTILINE)[1]
    ucla = (ROOT / "docs" / "results.md").read_text().split("## NW-UCLA")[1].split("\n## ")[0]
    rows = {"raw coordinates": "the same, turned", "a random transform": "MiniRocket"}
    rows["adapted by MsMCLR"] = "adapted by MsMCLR | `mean`"
    for name, value in re.findall(r'"([^"]+)": ([\d.]+)', figures):
        (row,) = [line for line in ucla.splitlines() if line.startswith(f"| {rows[name]}")]
        assert row.split("|")[4].split()[0] == value, (name, row)


def test_a_picture_that_looks_otherwise_is_found(tmp_path):
    pytest.importorskip("PIL")
    from PIL import Image, ImageDraw

    draw = gallery("draw")
    first, other, narrow = tmp_path / "a.png", tmp_path / "b.png", tmp_path / "c.png"
    picture = Image.new("RGB", (800, 400), "white")
    ImageDraw.Draw(picture).line((0, 0, 800, 400), fill="black", width=3)
    picture.save(first)
    picture.rotate(0.1, fillcolor="white").save(other)
    assert draw.difference(first, other) is None  # smooth edges
    ImageDraw.Draw(picture).rectangle((100, 100, 200, 200), fill="red")
    picture.save(other)
    assert "of its area" in draw.difference(first, other)
    picture.crop((0, 0, 600, 400)).save(narrow)
    assert "600 by 400 pixels" in draw.difference(first, narrow)
    assert "is not in docs/pictures" in draw.difference(tmp_path / "missing.png", first)


def test_a_name_is_a_script_or_a_picture():
    draw = gallery("draw")
    assert draw.script_of("pool") == (GALLERY / "pool.py", [])
    assert draw.script_of("pool_persons") == (GALLERY / "pool.py", ["pool_persons"])
    assert draw.script_of("pages") == (GALLERY / "pages.py", [])
    assert GALLERY / "pages.py" not in draw.SCRIPTS
    with pytest.raises(SystemExit, match=r"name: expected a script .*, got 'pol'"):
        draw.script_of("pol")


def test_the_screenshots_have_a_script():
    text = (GALLERY / "pages.py").read_text()
    assert set(re.findall(r'^    "([\w-]+)": \w+,$', text, re.MULTILINE)) == SCREENSHOTS


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted(SLOW))
def test_the_pictures_look_as_they_are_drawn(script):
    for module in ("matplotlib", "sklearn"):
        pytest.importorskip(module)
    checked = subprocess.run(
        [sys.executable, GALLERY / "draw.py", "--check", script], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr[-2000:]
