"""Study: what each further loss or view changes beside SkeletonCLR, on NW-UCLA with the small-data recipe.

    python -m benchmarks.studies.added_terms --data nw_ucla.npz --out FOLDER --seeds 0 1 2
    python -m benchmarks.studies.added_terms --out FOLDER --table

Every variant is SkeletonCLR with one thing added, from the same seeds, with the settings of
`examples/configs/nw_ucla.yaml` but for `--epochs` and bfloat16. A row is a JSON file in FOLDER; rows that are there are
not computed again. Each encoder is judged on test clips of the third view by its nearest neighbor, by `ridge_probe`,
whose constant is chosen on training subjects, and by the effective rank of its features. Weights of the terms are 1; no
setting was chosen by the figures.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from skelblocks._utils.whole_file import whole_file
from skelblocks.augment import Compose, LayoutViews, RelativeTempo, recipes
from skelblocks.contrast import MomentumContrast, contrastive_logits
from skelblocks.encoders import Predictor, ProjectionHead
from skelblocks.evaluation import effective_rank, knn_predict, ridge_probe
from skelblocks.layouts import SkeletonLayout
from skelblocks.losses import (
    info_nce,
    nearest_neighbor_mining,
    negative_cosine_loss,
    relative_tempo_loss,
    similarity_distillation_loss,
    variance_covariance_loss,
)
from skelblocks.streams import Stream, convert
from skelblocks.training import (
    MethodOptions,
    Output,
    RunFolder,
    Sets,
    backbone_of,
    build_contrast,
    frozen_features,
    groups,
    load_sets,
    make_fabric,
    options_from_dict,
    pretrain,
)

VARIANTS = {
    "skeletonclr": "SkeletonCLR",
    "similarity_distillation": "and similarity distillation, with a motion encoder (CMD)",
    "negative_cosine": "and the negative cosine, with a predictor (BYOL)",
    "variance_covariance": "and variance and covariance (VICReg)",
    "neighbors_across_views": "and neighbors across views, second half (CrosNNCLR)",
    "relative_tempo": "and relative tempo, two heads (RVTCLR)",
    "layout_views": "and layout views (MS-CLR's idea)",
    "untrained": "an untrained encoder",
}
FIGURES = {"knn": "kNN-1", "linear": "linear", "rank": "effective rank"}
CONFIG = Path(__file__).parents[2] / "examples" / "configs" / "nw_ucla.yaml"


class _HeadBeside(nn.Module):
    """Encoder, pooling and two heads, whose embeddings lie side by side."""

    def __init__(self, branch: nn.Sequential) -> None:
        super().__init__()
        encoder, pool, head = branch
        assert isinstance(head, ProjectionHead)
        self.encoder, self.pool, self.head = encoder, pool, head
        sizes = {"hidden_features": head.layers[0].out_features, "out_features": head.out_features}
        self.second = ProjectionHead(head.in_features, **sizes)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.pool(self.encoder(x))
        return torch.cat((self.head(pooled), self.second(pooled)), dim=1)


class Variant(nn.Module):
    """SkeletonCLR with one thing added; a :class:`~skelblocks.training.Method`."""

    def __init__(self, name: str, contrasts: Sequence[MomentumContrast], *, features: int, half: int) -> None:
        super().__init__()
        self.name, self.half = name, half
        self.contrasts = nn.ModuleList(contrasts)
        self.predictor = Predictor(features) if name == "negative_cosine" else None

    def forward(self, *views: Tensor, ids: Tensor, epoch: int = 0) -> Output:
        contrast: MomentumContrast = self.contrasts[0]  # type: ignore[assignment]
        if self.name == "relative_tempo":
            return self._tempo(contrast, *views, ids=ids)
        if self.name == "similarity_distillation":
            return self._distill(*views, ids=ids)
        query, keys = contrast.query_branch(views[0]), contrast.keys(views[1], ids)
        logits = contrast.logits(query, keys)
        if self.name == "neighbors_across_views" and epoch >= self.half:
            bank, temperature = contrast.queue.bank, contrast.temperature
            back = contrastive_logits(keys.embeddings, query, bank, temperature=temperature)
            across = partial(nearest_neighbor_mining, neighbors="others")
            return Output((across(logits, [back]) + across(back, [logits])) / 2, [keys])
        loss = info_nce(logits)
        if self.predictor is not None:
            loss = loss + negative_cosine_loss(self.predictor(query), keys.embeddings)
        if self.name == "variance_covariance":
            weights = {"invariance_weight": 0.0, "variance_weight": 1.0, "covariance_weight": 1.0}
            loss = loss + variance_covariance_loss(query, contrast.query_branch(views[1]), **weights)
        return Output(loss, [keys])

    def _tempo(self, contrast: MomentumContrast, query: Tensor, key: Tensor, other: Tensor, *, ids: Tensor) -> Output:
        embedded = contrast.query_branch(query).chunk(2, dim=1)
        own, slower = (contrast.key_branch(view).chunk(2, dim=1) for view in (key, other))
        keys, others = contrast.as_keys(own[0], ids), contrast.as_keys(slower[0], ids)
        loss = info_nce(contrast.logits(embedded[0], keys)) + info_nce(contrast.logits(embedded[0], others))
        ranked = relative_tempo_loss(embedded[1], own[1], slower[1], temperature=contrast.temperature)
        return Output(loss + ranked, [others])  # the released code, too, enqueues the keys of the other tempo

    def _distill(self, *views: Tensor, ids: Tensor) -> Output:
        queries, keys, losses = [], [], []
        for contrast, query, key in zip(self.contrasts, views[::2], views[1::2], strict=True):
            assert isinstance(contrast, MomentumContrast)
            queries.append(contrast.query_branch(query))
            keys.append(contrast.keys(key, ids))
            losses.append(info_nce(contrast.logits(queries[-1], keys[-1])))
        banks: list[Any] = [contrast.queue.bank for contrast in self.contrasts]  # type: ignore[union-attr]
        for s, t in permutations(range(len(banks)), 2):
            losses.append(similarity_distillation_loss(queries[s], keys[t].embeddings, banks[s], banks[t]))
        return Output(torch.stack(losses).sum(), keys)

    def update(self, output: Output, *, step: int, total_steps: int) -> None:
        for contrast, keys in zip(self.contrasts, output.keys, strict=True):
            contrast.update(keys, step=step, total_steps=total_steps)  # type: ignore[operator]

    def encoders(self) -> dict[str, nn.Module]:
        contrast: MomentumContrast = self.contrasts[0]  # type: ignore[assignment]
        branch = contrast.query_branch
        return {"joint": branch.encoder if isinstance(branch, _HeadBeside) else backbone_of(contrast)}


def build(name: str, options: MethodOptions, *, layout: SkeletonLayout, persons: int) -> Variant:
    """A variant by its name."""
    count = 2 if name == "similarity_distillation" else 1
    contrasts = [build_contrast(options, layout=layout, persons=persons) for _ in range(count)]
    if name == "relative_tempo":
        (one,) = contrasts
        branch = _HeadBeside(one.query_branch)  # type: ignore[arg-type]
        settings = {"temperature": one.temperature, "momentum": options.contrast.key_momentum}
        contrasts = [MomentumContrast(branch, queue=one.queue, **settings)]  # type: ignore[arg-type]
    return Variant(name, contrasts, features=options.contrast.embedding, half=options.train.epochs // 2)


def make_views(name: str, *, layout: SkeletonLayout) -> Callable[[Tensor, torch.Generator], list[Tensor]]:
    """The views of a variant: two draws of crop and shear, and what the variant adds."""
    weak: nn.Module = recipes.weak()
    if name == "layout_views":
        weak = Compose([weak, LayoutViews(layout, through=[layout, "coco-17", "h36m-17"])])
    streams: tuple[Stream, ...] = ("joint", "motion") if name == "similarity_distillation" else ("joint",)
    tempos = RelativeTempo()

    def views(clips: Tensor, generator: torch.Generator) -> list[Tensor]:
        query, key = (weak(clips, generator=generator) for _ in range(2))
        if name == "relative_tempo":
            drawn = tempos.sample(clips.shape, device=clips.device, generator=generator)
            return [tempos.transform(query, drawn).own, *tempos.transform(key, drawn)]
        return [convert(view, stream, layout=layout) for stream in streams for view in (query, key)]

    return views


def judge(encoder: nn.Module, sets: Sets) -> dict[str, float]:
    """The figures of an encoder: percent of the test clips, and a rank."""
    train, test = frozen_features(encoder, sets, stream="joint")
    near = knn_predict(test, train, sets.train.labels, k=1)
    assert isinstance(near, Tensor)
    probe = ridge_probe(train, sets.train.labels, test, sets.test.labels, groups=groups(sets.train, "cross-subject"))
    right = {"knn": near == sets.test.labels, "linear": probe.logits.argmax(dim=1) == sets.test.labels}
    shares = {kind: 100 * float(hits.float().mean()) for kind, hits in right.items()}
    return {**shares, "rank": effective_rank(test)}


def run(name: str, *, data: Path, seed: int, epochs: int) -> dict[str, float]:
    """Train one variant and judge it."""
    values = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    values["data"]["path"] = str(data)
    options = options_from_dict(MethodOptions, values)
    sets = load_sets(options.data)
    with tempfile.TemporaryDirectory() as folder:
        train = replace(options.train, seed=seed, epochs=epochs, folder=folder, accelerator="cpu")
        train = replace(train, warmup_epochs=1, precision="bf16-mixed")
        options = replace(options, train=train, evaluate=replace(options.evaluate, every=0))
        torch.manual_seed(seed)
        method = build(name, options, layout=sets.layout, persons=sets.persons)
        (encoder,) = method.encoders().values()
        began = time.perf_counter()
        if name != "untrained":
            # Tempo views have half the frames, so that their clips have twice as many.
            longer = replace(options.data, frames=2 * (options.data.frames or 32))
            trained = load_sets(longer) if name == "relative_tempo" else sets
            with RunFolder(folder) as place:
                pretrain(
                    method,
                    fabric=make_fabric(options.train),
                    dataset=trained.train,
                    make_views=make_views(name, layout=sets.layout),
                    options=options,
                    folder=place,
                )
        return {**judge(encoder.eval(), sets), "seconds": time.perf_counter() - began, "epochs": epochs}


def table(out: Path) -> str:
    """The rows that are there: mean over seeds, deviation of single runs, and the mean difference to SkeletonCLR."""
    rows = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(out.glob("*.json"))}
    lines = [f"| | seeds | {' | '.join(FIGURES.values())} | seconds |", "|---" * (len(FIGURES) + 3) + "|"]
    for name, words in VARIANTS.items():
        seeds = [key.rpartition("-")[2] for key in rows if key.rpartition("-")[0] == name]
        if not seeds:
            continue
        cells = []
        for figure in FIGURES:
            found = [rows[f"{name}-{seed}"][figure] for seed in seeds]
            spread = f" ± {statistics.stdev(found):.1f}" if len(found) > 1 else ""
            paired = [seed for seed in seeds if f"skeletonclr-{seed}" in rows]
            gains = [rows[f"{name}-{seed}"][figure] - rows[f"skeletonclr-{seed}"][figure] for seed in paired]
            gain = f" ({statistics.mean(gains):+.1f})" if gains and name != "skeletonclr" else ""
            cells.append(f"{statistics.mean(found):.1f}{spread}{gain}")
        seconds = statistics.mean(rows[f"{name}-{seed}"]["seconds"] for seed in seeds)
        lines.append(f"| {words} | {len(seeds)} | {' | '.join(cells)} | {seconds:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Compute the rows that are missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="NW-UCLA's npz file")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--epochs", type=int, default=13, help="13 are 400 steps, the least that `small` takes")
    parser.add_argument("--table", action="store_true", help="only print the table of the rows that are there")
    chosen = parser.parse_args()
    if not chosen.table and chosen.data is None:
        parser.error("--data: expected NW-UCLA's npz file, got none; or pass --table")
    chosen.out.mkdir(parents=True, exist_ok=True)
    for seed in [] if chosen.table else chosen.seeds:
        for name in chosen.variants:
            file = chosen.out / f"{name}-{seed}.json"
            if file.exists():
                continue
            row = run(name, data=chosen.data, seed=seed, epochs=chosen.epochs)
            with whole_file(file) as place:
                place.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
            print(file.stem, row, flush=True)
    print(table(chosen.out))


if __name__ == "__main__":
    main()
