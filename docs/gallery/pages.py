"""Screenshots of the three pages that skelblocks writes, in the light theme: ``make pictures ONLY=pages``.

They need Chromium with its chromedriver, and ``pip install selenium``. Without ``ONLY=pages`` this script does not run:
a page looks different in every version of a browser, so no check compares these pictures.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import runpy
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from common import FOLDER, LAYOUT, save_small
from PIL import Image

from skelblocks import layouts
from skelblocks.cli import main as skelblocks
from skelblocks.data import synthetic_motion

HERE = Path(__file__).parent
FLAGS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars")
RUN = ("--data.frames=32", "--data.synthetic={classes: 6, subjects: 12, views: 2, frames: 32}", "--train.batch_size=16")
RUN += ("--train.learning_rate=0.02", "--encoder.base_channels=8", "--encoder.out_channels=32")
RUN += ("--contrast.queue_size=auto", "--evaluate.every=2", "--evaluate.probe=ridge", "--train.accelerator=cpu")
REPORT = ("--finetune.epochs=2", "--semi.epochs=2", "--untrained=false", "--animation=false")


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium in the light theme, with skeletons that stand still."""
    from selenium import webdriver

    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        raise SystemExit(
            "pages: expected Chromium and chromedriver, got none; apt-get install chromium chromium-driver"
        )
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in FLAGS:
        options.add_argument(flag)
    running = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    media = [
        {"name": "prefers-color-scheme", "value": "light"},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    running.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    try:
        yield running
    finally:
        running.quit()


def photograph(running: Any, page: Path, *, width: int, height: int, scale: float, act: str = "", top: str = "") -> Any:
    """A picture of a part of a page.

    Args:
        running: The browser.
        page: The HTML file.
        width: Of the window and of the picture, in pixels of the page.
        height: Of the picture, in pixels of the page.
        scale: Pixels of the picture for each pixel of the page.
        act: JavaScript to run first.
        top: CSS selector of the element that is at the top of the picture. Default: the top of the page.
    """
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    running.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    running.get(page.as_uri())
    running.set_script_timeout(60)
    ready = "document.documentElement.dataset.ready || !document.getElementById('scatter')"
    running.execute_async_script(
        f"const done = arguments[0]; (function wait() {{ {ready} ? done() : setTimeout(wait, 50) }})()"
    )
    if act:
        running.execute_script(act)
    running.execute_async_script("setTimeout(arguments[0], 500)")
    above = running.execute_script(
        "const found = arguments[0] && document.querySelector(arguments[0]);"
        "return found ? found.getBoundingClientRect().top + window.scrollY - 8 : 0",
        top,
    )
    clip = {"x": 0, "y": above, "width": width, "height": height, "scale": scale}
    taken = running.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    return Image.open(io.BytesIO(base64.b64decode(taken["data"]))).convert("RGB")


def explore(running: Any, folder: Path) -> Any:
    """The live page of docs/explore.md, with a pinned clip."""
    sys.argv = ["explore.py", str(folder)]
    runpy.run_path(str(HERE / "explore.py"), run_name="__main__")
    pin = (
        "const map = document.getElementById('scatter');"
        "for (const key of ['ArrowRight', 'ArrowDown', 'Enter'])"
        "  map.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));"
    )
    return photograph(running, folder / "explore.html", width=1222, height=1690, scale=1, act=pin)


def set_page(running: Any, folder: Path) -> Any:
    """A synthetic set, six of whose clips are copies across training and test."""
    motion = synthetic_motion(LAYOUT, classes=8, subjects=10, views=3, frames=48, seed=1)
    x, views = motion.x.numpy().copy(), np.asarray(motion.views)
    lengths = np.random.default_rng(0).integers(24, 49, len(x))
    subjects = np.asarray(motion.subjects)
    key = np.stack([motion.labels.numpy(), subjects], axis=1)
    last, before = (np.flatnonzero(views == number) for number in np.unique(views)[[-1, -2]])
    for place in last[:: len(last) // 6][:6]:
        source = next(other for other in before if (key[other] == key[place]).all())
        x[place], lengths[place] = x[source], lengths[source]
    for place, length in enumerate(lengths):
        x[place, :, length:] = 0
    np.savez(
        folder / "synthetic.npz",
        x=x,
        y=motion.labels.numpy(),
        subject=subjects,
        view=views,
        length=lengths,
        clip_name=[f"a{a:02}_s{s:02}_v{v}" for (a, s), v in zip(key, views, strict=True)],
        class_names=np.array(motion.class_names),
        joint_names=np.array(layouts.get(LAYOUT).joints),
    )
    run(folder, "inspect", "synthetic.npz", "--split", "cross-view", "--html", "set.html")
    return photograph(running, folder / "set.html", width=1060, height=1340, scale=0.85)


def report_page(running: Any, folder: Path) -> Any:
    """Two short runs of different methods."""
    for method, epochs in (("skeletonclr", 6), ("aimclr", 8)):
        run(folder, "train", method, f"--train.folder=runs/{method}", f"--train.epochs={epochs}", *RUN)
    run(folder, "evaluate", "report", "runs/skeletonclr", "runs/aimclr", "--html", "report.html", *REPORT)
    find = (
        "for (const heading of document.querySelectorAll('h2'))"
        "  if (heading.textContent.trim() === 'Options') heading.id = 'top';"
    )
    return photograph(running, folder / "report.html", width=690, height=1110, scale=1, act=find, top="#top")


def run(folder: Path, *words: str) -> None:
    """Run a command of skelblocks in a folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        if skelblocks(list(words)):
            raise SystemExit(f"pages: skelblocks {' '.join(words)} failed")
    finally:
        os.chdir(before)


PICTURES: dict[str, Callable[[Any, Path], Any]] = {
    "explore": explore,
    "set-page": set_page,
    "report-page": report_page,
}


def main() -> None:
    """Take the pictures that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=FOLDER, help="folder for the pictures (default: docs/pictures)")
    parser.add_argument("--only", nargs="+", choices=PICTURES, metavar="NAME", help=f"some of: {', '.join(PICTURES)}")
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    for name in options.only or PICTURES:
        with browser() as running, tempfile.TemporaryDirectory() as folder:
            save_small(PICTURES[name](running, Path(folder)), options.into / f"{name}.png")


if __name__ == "__main__":
    main()
