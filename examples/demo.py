"""Pretrain on synthetic motion in a few minutes on a CPU, and see what it is worth. `make demo` runs this.

    python examples/demo.py --method aimclr

The settings are the documented small-data recipe, examples/configs/synthetic_small.yaml. Everything is written to
runs/demo (another method than MsMCLR: runs/demo_METHOD): results.json, the checkpoint, the log, and pictures of the
loss, the embedding and whatever the method has of its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import time
from pathlib import Path
from typing import Any

import torch
from accuracies import accuracies
from command_line import parse
from datasets import load_sets
from method import make_contrast

HERE = Path(__file__).parent
METHODS = {
    "msmclr": "MsMCLR",
    "aimclr": "AimCLR",
    "skeletonclr": "SkeletonCLR",
    "skeattnclr": "SkeAttnCLR",
    "crossmoco": "CrossMoCo",
}
RECIPES = {"crossmoco": ["crossmoco_small"]}  # after synthetic_small


def main() -> None:
    """Evaluate two untrained encoders, train, evaluate again, print and save."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--method", choices=METHODS, default="msmclr")
    method, others = parser.parse_known_args()
    started = time.perf_counter()
    example = importlib.import_module(f"train_{method.method}")
    folder = HERE.parent / "runs" / ("demo" if method.method == "msmclr" else f"demo_{method.method}")
    recipe = [
        f"--config={HERE / 'configs' / name}.yaml" for name in ["synthetic_small", *RECIPES.get(method.method, [])]
    ]
    options = parse(example.Options, [*recipe, "--folder", str(folder), *others])
    sets = load_sets(options)
    print(f"{len(sets.train)} training clips, {len(sets.test)} test clips of other subjects, {sets.layout.name}")
    results: dict[str, Any] = {"untrained": {}}
    for initialization in ("torch", "official"):
        torch.manual_seed(options.seed)
        fresh = make_contrast(
            dataclasses.replace(options, initialization=initialization),
            layout=sets.layout,
            persons=sets.persons,
            coordinates=sets.coordinates,
        )
        results["untrained"][initialization] = accuracies(fresh.query_branch[0], sets, options)
    trained = example.train(options, sets=sets)
    results["trained"] = {name: trained[name] for name in ("knn", "linear")}
    results["seconds"] = time.perf_counter() - started
    (Path(options.folder) / "results.json").write_text(json.dumps(results, indent=2) + "\n")

    rows = {
        "untrained, torch's initialisation": results["untrained"]["torch"],
        "untrained, the released code's N(0, 0.02)": results["untrained"]["official"],
        f"{METHODS[method.method]}, {options.epochs} epochs without labels": results["trained"],
    }
    print(f"\n{'accuracy on the test subjects, %':45}{'kNN':>8}{'linear':>8}")
    for name, row in rows.items():
        print(f"{name:45}{row['knn']:8.1f}{row['linear']:8.1f}")
    print(f"\n{results['seconds']:.0f} s. Figures, checkpoint and pictures are in {options.folder}")


if __name__ == "__main__":
    main()
