"""How fast a page of ``skelblocks explore`` opens and moves, in headless Chromium without a GPU.

    python -m benchmarks.studies.page_speed --clips 2000
    python -m benchmarks.studies.page_speed --page runs/demo/explore.html

It prints one line of JSON: the size in megabytes; the milliseconds until the page is drawn, after the start of the
navigation, of five openings; and, while seven skeletons move and the arrow keys go from clip to clip, the milliseconds
between frames and those that the page's own scripts take for a frame. It needs Chromium, chromedriver and selenium.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from selenium import webdriver

from skelblocks.clips import Preprocessing
from skelblocks.data import ArrayDataset, synthetic_motion
from skelblocks.evaluation import coordinate_features
from skelblocks.pages import explore_page, neighbor_scores, write_page

READY = """
const done = arguments[0];
const wait = () => document.documentElement.dataset.ready ? done(Number(document.documentElement.dataset.ready)) :
  setTimeout(wait, 10);
wait();
"""
FRAMES = """
const done = arguments[0];
const scatter = document.getElementById("scatter");
const press = (key) => scatter.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
const ways = ["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"];
const [gaps, scripts] = [[], []];
press("ArrowRight");
press("Enter");
let last = performance.now();
const frame = (now) => {
  gaps.push(now - last);
  last = now;
  const start = performance.now();
  press(ways[gaps.length % 4]);
  playback.tick(now);
  scripts.push(performance.now() - start);
  if (gaps.length < 200) requestAnimationFrame(frame);
  else done([gaps.slice(20), scripts.slice(20)]);
};
requestAnimationFrame(frame);
"""


def synthetic_page(folder: Path, clips: int) -> Path:
    """A page of synthetic clips of one person, whose features are their coordinates."""
    motion = synthetic_motion("ntu-rgb+d", classes=20, subjects=-(-clips // 40), views=2, frames=64, seed=0)
    x = motion.x[:clips, ..., :1].numpy()
    labels, settings = motion.labels[:clips], Preprocessing(frames=64)  # the most frames that a page keeps
    dataset = ArrayDataset(x, layout="ntu-rgb+d", labels=labels, class_names=motion.class_names, preprocessing=settings)
    features = coordinate_features(dataset.batch(np.arange(clips)), frames=8)
    scores = neighbor_scores({"coordinates": features}, dataset.labels)
    return write_page(folder / "page.html", explore_page(dataset, features, maps=("pca",), scores=scores))


def measure(page: Path) -> dict[str, Any]:
    """Open a page five times, and move in it."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1280,900",
    ):
        options.add_argument(argument)
    driver = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    with webdriver.Chrome(options=options, service=driver) as browser:
        browser.set_script_timeout(120)
        opened = []
        for _ in range(5):
            browser.get(page.resolve().as_uri())
            opened.append(browser.execute_async_script(READY))
        gaps, scripts = browser.execute_async_script(FRAMES)
    return {
        "megabytes": round(page.stat().st_size / 1e6, 2),
        "milliseconds until drawn": opened,
        **{f"frame, {name}": _spread(values) for name, values in (("gap", gaps), ("scripts", scripts))},
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {f"{share}th": round(float(np.percentile(values, share)), 1) for share in (50, 95)}


def main() -> None:
    """Measure a page, or one of synthetic motion."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--clips", type=int, default=2000)
    given = parser.parse_args()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        page = given.page or synthetic_page(Path(folder), given.clips)
        print(json.dumps(measure(page)))


if __name__ == "__main__":
    main()
