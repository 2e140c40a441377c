"""Released weights, fine-tuned on all labels: one stream, and three streams fused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.studies.small_sets.figures import save_hits
from benchmarks.studies.small_sets.rows import CLASSIFIERS, Study
from skelblocks._utils.whole_file import whole_file
from skelblocks.evaluation import FUSION_WEIGHTS
from skelblocks.streams import Stream


def run_finetuned(study: Study, *, out: Path, seeds: int, streams: Sequence[Stream]) -> None:
    """Compute the figures that are missing. The probabilities of the test clips are kept in OUT/scores.

    Args:
        study: The set and the weights.
        out: Folder of the study.
        seeds: How many.
        streams: The streams, which all start from the same weights. Several are also fused, with the papers' weights.
    """
    label = study.place.label
    labels = study.place.clips(frames=50).test.labels
    assert isinstance(labels, Tensor)
    for seed in range(seeds):
        found: dict[str, dict[str, Tensor]] = {}
        for stream in streams:
            file = out / "scores" / f"{label}=fine-tuned, {stream}={seed}.npz"
            if not file.exists():
                _save(file, study.finetuned(seed, stream=stream))
                print(label, "fine-tuned", stream, seed, flush=True)
            with np.load(file) as arrays:
                found[stream] = {name: torch.from_numpy(arrays[name]) for name in CLASSIFIERS}
        rows = {"fine-tuned" + ("" if each == "joint" else f", {each}"): {each: 1.0} for each in streams}
        if len(streams) > 1:
            rows["fine-tuned, three streams"] = {each: FUSION_WEIGHTS[each] for each in streams}
        for row, weights in rows.items():
            for name in CLASSIFIERS:
                total = torch.stack([weight * found[each][name] for each, weight in weights.items()]).sum(dim=0)
                right = (total.argmax(dim=1) == labels).float().numpy()
                save_hits(out / "hits" / f"{label}={row}=classifier: {name}={seed}.npz", {"all": right})


def _save(file: Path, scores: dict[str, Tensor]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as place, place.open("wb") as opened:
        np.savez(opened, **{name: each.numpy() for name, each in scores.items()})  # type: ignore[arg-type]  # as in figures
