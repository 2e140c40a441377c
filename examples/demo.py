"""Pretrain on synthetic motion in a few minutes on a CPU, and evaluate the features. ``make demo`` runs this.

    python examples/demo.py --method aimclr

The settings are the documented small-data recipe, configs/synthetic_small.yaml. The results are in runs/demo for
MsMCLR, and in runs/demo_METHOD for other methods: results.json, the checkpoint, the log, the encoder, pictures of the
loss, the embedding and the method's own pictures, and explore.html, which shows the test clips in motion.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import torch

from skelblocks.cli import main as skelblocks
from skelblocks.cli.errors import report
from skelblocks.training import accuracies, backbone_of, build_contrast, load_page, load_sets, parse_options
from skelblocks.training.pictures import accuracy_curves, save_picture

METHODS = {
    "msmclr": "MsMCLR",
    "aimclr": "AimCLR",
    "skeletonclr": "SkeletonCLR",
    "skeattnclr": "SkeAttnCLR",
    "crossmoco": "CrossMoCo",
    "crossclr": "CrosSCLR",
    "skelemixclr": "SkeleMixCLR",
    "hiclr": "HiCLR",
    "actclr": "ActCLR",
    "pstl": "PSTL",
    "isc": "ISC",
}
RECIPES = {  # applied after synthetic_small
    "crossmoco": ["crossmoco_small"],
    "crossclr": ["crossclr_small"],
    "skelemixclr": ["skelemixclr_small"],
    "actclr": ["actclr_small"],
    "pstl": ["pstl_small"],
    "isc": ["isc_small"],
}


def main() -> None:
    """Evaluate two untrained encoders, train, evaluate again, print and save."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--method", choices=METHODS, default="msmclr")
    args, others = parser.parse_known_args()
    started = time.perf_counter()
    page = load_page(args.method)
    folder = "runs/demo" if args.method == "msmclr" else f"runs/demo_{args.method}"
    recipe = [f"--config={name}" for name in ("synthetic_small", *RECIPES.get(args.method, []))]
    options = parse_options(page.options, [*recipe, "--train.folder", folder, *others])
    sets = load_sets(options.data)
    print(f"{len(sets.train)} training clips, {len(sets.test)} test clips of other subjects, {sets.layout.name}")
    results: dict[str, Any] = {"untrained": {}}
    for initialization in ("torch", "official"):
        encoder = dataclasses.replace(options.encoder, initialization=initialization)
        fresh = dataclasses.replace(options, encoder=encoder)
        torch.manual_seed(options.train.seed)
        contrast = build_contrast(fresh, layout=sets.layout, persons=sets.persons, coordinates=sets.coordinates)
        results["untrained"][initialization] = accuracies(
            backbone_of(contrast), sets, options.evaluate, stream=options.data.stream
        )
    trained = page.train(options, sets=sets)
    results["trained"] = {name: trained[name] for name in ("knn", "linear")}
    results["seconds"] = time.perf_counter() - started
    place = Path(options.train.folder or folder)
    (place / "results.json").write_text(json.dumps(results, indent=2) + "\n")

    rows = {
        "untrained, torch's initialization": results["untrained"]["torch"],
        "untrained, the released code's N(0, 0.02)": results["untrained"]["official"],
        f"{METHODS[args.method]}, {options.train.epochs} epochs without labels": results["trained"],
    }
    print(f"\n{'accuracy on the test subjects, %':45}{'kNN':>8}{'linear':>8}")
    for name, row in rows.items():
        print(f"{name:45}{row['knn']:8.1f}{row['linear']:8.1f}")
    print(f"\n{results['seconds']:.0f} s. Metrics, checkpoint, encoder and pictures are in {place}")
    levels = {
        "untrained, linear": results["untrained"]["torch"]["linear"],
        "untrained, kNN": results["untrained"]["torch"]["knn"],
    }
    history = [json.loads(line) for line in (place / "log.jsonl").read_text().splitlines()]
    save_picture(accuracy_curves(history, sets=sets, levels=levels), place / "accuracy.png")
    explored = place / "explore.html"
    if skelblocks(
        ["explore", str(place), "--out", str(explored), "--overwrite", "--title", f"Demo: {METHODS[args.method]}"]
    ):
        raise SystemExit(1)
    print(f"Open {explored} in a browser: the test clips, in motion, as the encoder sees them")


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # one line for errors that the user can fix
        raise SystemExit(report(error, debug=False)) from None
