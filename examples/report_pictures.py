"""The pictures of an evaluation: embedding, confusion, classes, and what the encoder looks at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from results import FUSED, Results
from run_pictures import feature_maps, first_clip, in_picture

from skelblocks.attention import energy_attention
from skelblocks.evaluation import classification_report
from skelblocks.viz import animate_clip, clip_attention, clip_strip, confusion_matrix, curves, embedding_scatter


def draw_embeddings(results: Results, out: Path) -> None:
    """embedding_STREAM.png of each stream of the first seed."""
    for (seed, stream), candidate in results.candidates.items():
        if seed == next(iter(results.rows)):
            figure = embedding_scatter(
                candidate.test, candidate.labels[1], class_names=candidate.class_names, title=f"{stream}, test clips"
            )
            figure.savefig(out / f"embedding_{stream}.png")


def draw_report(results: Results, out: Path, *, animation: bool) -> None:
    """The pictures of the first seed: what each stream gets wrong, and their fusion; how fine-tuning went; a clip."""
    draw_embeddings(results, out)
    seed, rows = next(iter(results.rows.items()))
    first = next(candidate for (s, _), candidate in results.candidates.items() if s == seed)
    for stream, row in rows.items():
        candidate = results.candidates.get((seed, stream), first)
        for protocol in ("linear", "finetune"):
            if protocol in row:
                (outcome,) = row[protocol]
                found = classification_report(
                    outcome.scores.scores, candidate.labels[1], class_names=candidate.class_names
                )
                title = f"{stream}, {protocol}: {outcome.accuracy:.1f} %"
                figure = confusion_matrix(found.confusion, class_names=candidate.class_names, title=title)
                figure.savefig(out / f"confusion_{protocol}_{stream}.png")
    losses = {
        stream: [epoch["loss"] for epoch in row["finetune"][0].details["history"]]
        for stream, row in rows.items()
        if stream != FUSED and "finetune" in row
    }
    if losses:
        curves(losses, ylabel="loss", title="Fine-tuning").savefig(out / "finetune_loss.png")
    clip, title = first_clip(first.sets)
    look: dict[str, Any] = {"layout": first.run.layout, "flip_vertical": in_picture(clip)}
    clip_strip(clip, title=title, **look).savefig(out / "clip.png")
    maps = feature_maps(first.run.encoder, first.sets, stream=first.run.stream)
    if maps.shape[-1] == first.run.layout.num_joints:  # BiGRU's map has no joints
        energy = energy_attention(maps[0]).mean(dim=-3)  # (m, t, v), which joints stand out in the channels' mean
        about = "Energy-based attention of the feature map (EADM)"
        limits = (float(energy.min()), float(energy.max()))  # it hardly varies
        figure = clip_attention(clip, energy, limits=limits, title=about, **look)
        figure.savefig(out / "energy.png")
    if animation:
        animate_clip(clip, out / "clip.gif", title=title, **look)
