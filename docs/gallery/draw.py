"""Draw the pictures of the documentation, or say which of them no longer look as they are drawn.

    python docs/gallery/draw.py                        # all pictures, into docs/pictures
    python docs/gallery/draw.py viz pool_persons       # the pictures of a script, or some pictures
    python docs/gallery/draw.py pages                  # screenshots of pages, which need Chromium and selenium
    python docs/gallery/draw.py --check                # draw into a temporary folder, and compare

``make pictures`` and ``make pictures ONLY="viz pool_persons"`` do the same.
"""

from __future__ import annotations

import argparse
import os
import re
import runpy
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
KEPT = HERE.parent / "pictures"
SCRIPTS = sorted(path for path in HERE.glob("*.py") if path.stem not in ("common", "draw", "explore", "pages"))
IN_A_BROWSER = HERE / "pages.py"  # runs only by its name, because a page looks different in every browser
SHRUNK = 8  # pixels a side that one pixel of a comparison stands for: fonts and smooth edges differ between machines
LEVELS = 40  # of 256, by which a shrunk pixel may differ
SHARE = 0.01  # of the shrunk pixels that may differ more
# A network has other features on another machine, so these pictures need only be of the same size and kind.
NETWORK_SHARE = 0.35
NETWORKS = {
    *("attention_map", "class_accuracy", "clip_attention", "clip_attention_mhsam", "confusion_matrix", "curves"),
    *("embedding_scatter", "mhsam_sharpness", "msm_attention_options", "msm_attention_scales", "occlusion_map_eadm"),
    "pool_persons",
}


def script_of(name: str) -> tuple[Path, list[str]]:
    """The script of this name, and no picture; or the script that draws the picture of this name, and the picture."""
    for script in (*SCRIPTS, IN_A_BROWSER):
        if script.stem == name:
            return script, []
    for script in SCRIPTS:
        if re.search(rf"^def {re.escape(name)}\(.*-> Figure:", script.read_text(), re.MULTILINE):
            return script, [name]
    raise SystemExit(
        f"name: expected a script of docs/gallery or a picture of docs/pictures, got {name!r}; "
        f"the scripts are {', '.join(script.stem for script in SCRIPTS)}"
    )


def draw(names: Sequence[str], folder: Path) -> None:
    """Run the named scripts, or all, with one process for each core."""
    jobs: dict[Path, list[str]] = {}
    for script, pictures in map(script_of, names):
        jobs[script] = [] if not pictures or jobs.get(script) == [] else [*jobs.get(script, []), *pictures]
    os.environ |= {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}  # the same sums on every machine; workers inherit it
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as workers:
        runs = [workers.submit(run, script, folder, jobs.get(script, [])) for script in jobs or SCRIPTS]
        for finished in runs:
            finished.result()


def run(script: Path, folder: Path, only: Sequence[str]) -> None:
    """Run a script as if from the command line."""
    sys.argv = [str(script), "--into", str(folder), *(("--only", *only) if only else ())]
    runpy.run_path(str(script), run_name="__main__")


def difference(kept: Path, drawn: Path) -> str | None:
    """How a picture differs from the kept one, or None if it looks the same; of a film, the first frame counts."""
    if not kept.is_file():
        return "is not in docs/pictures"
    with Image.open(kept) as one, Image.open(drawn) as other:
        sizes, network = (one.size, other.size), kept.stem in NETWORKS
        if any(abs(a - b) > 0.04 * max(a, b) for a, b in zip(*sizes, strict=True)):
            return f"has {sizes[1][0]} by {sizes[1][1]} pixels, in docs/pictures {sizes[0][0]} by {sizes[0][1]}"
        small = [max(1, side // SHRUNK) for side in one.size]
        first, second = (
            np.asarray(each.convert("RGB").resize(small, Image.Resampling.BOX), dtype=np.int16) for each in (one, other)
        )
    share = float((np.abs(first - second).max(axis=-1) > LEVELS).mean())
    if share > (NETWORK_SHARE if network else SHARE):
        return f"differs in {share:.1%} of its area"
    return None


def main() -> None:
    """Draw or compare, by the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a script or a picture (default: all)")
    parser.add_argument("--check", action="store_true", help="compare with docs/pictures, and write nothing there")
    options = parser.parse_args()
    if not options.check:
        draw(options.names, KEPT)
        return
    with tempfile.TemporaryDirectory() as folder:
        draw(options.names, Path(folder))
        pictures = sorted(Path(folder).iterdir())
        found = {path.stem: difference(KEPT / path.name, path) for path in pictures}
    for name, how in found.items():
        if how:
            print(f"{name} {how}. Look at it, then draw it: make pictures ONLY={name}")
    if any(found.values()):
        raise SystemExit(1)
    print(f"{len(found)} pictures look as in docs/pictures")


if __name__ == "__main__":
    main()
