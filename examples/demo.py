"""Pretrain MsMCLR on synthetic motion in a few minutes on a CPU, and see what it is worth. `make demo` runs this.

The settings are the documented small-data recipe, examples/configs/synthetic_small.yaml. Everything is written to
runs/demo: results.json, the checkpoint, the log, and pictures of the loss, the embedding and the attention.
"""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

from datasets import load_sets
from engine import parse
from evaluation import accuracies
from train_msmclr import Options, build, train

HERE = Path(__file__).parent


def main() -> None:
    """Evaluate two untrained encoders, train, evaluate again, print and save."""
    started = time.perf_counter()
    options = parse(
        Options,
        ["--config", str(HERE / "configs" / "synthetic_small.yaml"), "--folder", str(HERE.parent / "runs" / "demo")],
    )
    sets = load_sets(options)
    print(f"{len(sets.train)} training clips, {len(sets.test)} test clips of other subjects, {sets.layout.name}")
    results: dict[str, Any] = {"untrained": {}}
    for initialization in ("torch", "official"):
        fresh = build(dataclasses.replace(options, initialization=initialization), layout=sets.layout)
        results["untrained"][initialization] = accuracies(fresh.query_branch[0], sets, options)
    trained = train(options, sets=sets)
    results["trained"] = {name: trained[name] for name in ("knn", "linear")}
    results["seconds"] = time.perf_counter() - started
    folder = Path(options.folder)
    (folder / "results.json").write_text(json.dumps(results, indent=2) + "\n")

    rows = {
        "untrained, torch's initialisation": results["untrained"]["torch"],
        "untrained, the released code's N(0, 0.02)": results["untrained"]["official"],
        f"MsMCLR, {options.epochs} epochs without labels": results["trained"],
    }
    print(f"\n{'accuracy on the test subjects, %':45}{'kNN':>8}{'linear':>8}")
    for name, row in rows.items():
        print(f"{name:45}{row['knn']:8.1f}{row['linear']:8.1f}")
    print(f"\n{results['seconds']:.0f} s. Figures, checkpoint and pictures are in {folder}")


if __name__ == "__main__":
    main()
