"""What the pieces of the papers change: each method with a piece and without, adapted from released weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.studies.small_sets.figures import Hits, averaged, difference, hits, load_hits, save_hits
from benchmarks.studies.small_sets.fit import chosen_options, fit
from benchmarks.studies.small_sets.joined import TARGET
from benchmarks.studies.small_sets.rows import describe
from benchmarks.studies.small_sets.sets import StudySet
from skelblocks.encoders.readout import Readout

READOUTS: tuple[Readout, ...] = ("mean", "mean_std", "grid")
COLUMNS = {"all": "linear", "kNN-1": "kNN-1"}
STEPS = 50
FRAMES = 50
_MARK = "claims, "  # before the variant in the name of a row


class Variant(NamedTuple):
    """A method with some of its options chosen.

    Attributes:
        method: Name of the method's page.
        arguments: Options that differ from ``adapt.yaml`` and from the method's defaults.
    """

    method: str
    arguments: tuple[str, ...] = ()


_SKEATTN = ("--encoder.base_channels", "16")  # of the released weights; 64 in its paper
_CROSS = ("--streams", "[joint]")
VARIANTS = {
    "msmclr": Variant("msmclr"),
    "msmclr, joints alone": Variant("msmclr", ("--scales", "[joint]")),
    "msmclr, no attention": Variant("msmclr", ("--attention", "none")),
    "aimclr": Variant("aimclr", ("--drop", "official")),
    "aimclr, no drop": Variant("aimclr", ("--drop", "none")),
    "skeattnclr": Variant("skeattnclr", _SKEATTN),
    # At almost no sharpness the mask is 1/2 everywhere. Its halves are equal then, so they must not repel each other.
    "skeattnclr, no mask": Variant("skeattnclr", (*_SKEATTN, "--sharpness", "1e-6", "--hard_negative", "false")),
    "crossmoco": Variant("crossmoco", (*_CROSS, "--augmentation", "occlusion")),
    "crossmoco, no occlusion": Variant("crossmoco", (*_CROSS, "--augmentation", "weak")),
}
PIECES = {
    "MsMCLR: attention, three scales": ("msmclr", "msmclr, no attention"),
    "MsMCLR: attention, joints alone": ("msmclr, joints alone", "msmclr, no attention"),
    "MsMCLR: parts and bodies": ("msmclr", "msmclr, joints alone"),
    "AimCLR: drop": ("aimclr", "aimclr, no drop"),
    "SkeAttnCLR: mask": ("skeattnclr", "skeattnclr, no mask"),
    "CrossMoCo: occlusion in place of shear and crop": ("crossmoco", "crossmoco, no occlusion"),
}
"""By piece, the variant that has it and the one that lacks it."""


def run_claims(place: StudySet, *, weights: Path, out: Path, seeds: int, steps: int | None) -> None:
    """Compute the figures of the variants that are missing.

    Args:
        place: The set.
        weights: Released weights.
        out: Folder of the study.
        seeds: How many. All variants have one before any has the next.
        steps: Length of each run. Default: ``STEPS``, a few epochs.
    """
    sets = place.clips(frames=FRAMES, to=TARGET, missing="nearest")
    train, test = sets.train.labels, sets.test.labels
    assert isinstance(train, torch.Tensor)
    assert isinstance(test, torch.Tensor)
    for seed in range(seeds):
        for name, variant in VARIANTS.items():
            files = {kind: _file(out, place, name, kind, seed) for kind in READOUTS}
            if all(path.exists() for path in files.values()):
                continue
            folder = (
                out / "runs" / "-".join([place.label, "claims", name.replace(", ", "-").replace(" ", "-"), str(seed)])
            )
            arguments = ["--config", "adapt", *variant.arguments, "--data.frames", str(FRAMES)]
            options = chosen_options(variant.method, arguments, seed=seed, folder=folder)
            encoder = fit(variant.method, options, sets, weights=weights, steps=steps or STEPS)
            features = describe(encoder, sets)
            for kind, path in files.items():
                save_hits(path, hits([features[kind]], train, test, groups=place.groups(sets), counts=()))
            print(place.label, "claims", name, seed, flush=True)


def what_pieces_change(out: Path) -> list[str]:
    """The lines of the table: for each piece the figures with it, without it, and the paired difference."""
    found: dict[tuple[str, str, str], list[Hits]] = {}
    for path in sorted((out / "hits").glob(f"*={_MARK}*.npz")):
        label, row, kind, _ = path.stem.split("=")
        found.setdefault((label, row.removeprefix(_MARK), kind), []).append(load_hits(path))
    if not found:
        return []
    heads = ["piece", "set", "readout", "seeds"]
    heads += [f"{name}, {what}" for name in COLUMNS.values() for what in ("with", "without", "difference")]
    lines = ["\n## What the pieces change\n", "Differences in points, with 95 % intervals over test clips.\n"]
    lines += [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for piece, (own, other) in PIECES.items():
        for label, kind in sorted({(label, kind) for label, _, kind in found}):
            pairs = list(zip(found.get((label, own, kind), []), found.get((label, other, kind), []), strict=False))
            if pairs:
                cells = [piece, label, kind, str(len(pairs)), *_cells(pairs)]
                lines.append(f"| {' | '.join(cells)} |")
    return lines


def _cells(pairs: list[tuple[Hits, Hits]]) -> Iterator[str]:
    """With a piece, without it and the difference, of each column; the seeds are averaged clip by clip."""
    own, other = (averaged([pair[side] for pair in pairs]) for side in (0, 1))
    for column in COLUMNS:
        yield from (f"{100 * float(each[column].mean()):.1f}" for each in (own, other))
        mean, low, high = difference(own, other, column)
        yield f"{mean:+.1f} ({low:+.1f}, {high:+.1f})"


def _file(out: Path, place: StudySet, name: str, kind: str, seed: int) -> Path:
    return out / "hits" / f"{place.label}={_MARK}{name}={kind}={seed}.npz"
