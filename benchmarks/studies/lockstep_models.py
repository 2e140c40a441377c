"""A method and its released model step by step, for methods whose released trainer needs GPUs or many processes.

    python -m benchmarks.studies.lockstep_models --method actclr

Prints both losses of each step, in float64, on views of synthetic motion: the released model is called directly and
trained by SGD, and ours repeats its steps from the same weights, on the same views and draws. ActCLR's released code
normalizes an embedding along an axis of length 1, which leaves rounding errors in the place of its actionlet mask; here
that one axis is the right one.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from benchmarks.studies import official_code
from benchmarks.studies.lockstep import take_weights
from benchmarks.studies.official_fit import stand_in
from skelblocks import layouts
from skelblocks.data import synthetic_motion
from skelblocks.interop import load_official
from skelblocks.training import load_page

REPOSITORIES = {"actclr": ("LanglandsLin/ActCLR", "7c63e608a127dfd9b66a9dd4216b2747b0c2b5c0")}
LAYOUT = layouts.get("ntu-rgb+d")
BANK = 8192  # rows of the queue; the released code compares 8,192


class MendedFunctional:
    """``torch.nn.functional`` for the released model, with its cosine along the features of an embedding."""

    def __getattr__(self, name: str) -> Any:
        return getattr(F, name)

    @staticmethod
    def normalize(x: Tensor, dim: int = 1) -> Tensor:
        """Unit rows; of ``(n, d, 1, 1)``, too."""
        return F.normalize(x.flatten(1), dim=1)


class ActCLR:
    """The released model, and what it draws on the way, which ours takes as views."""

    def __init__(self, batch: int) -> None:
        importlib.import_module("net.st_gcn").F = MendedFunctional()  # type: ignore[attr-defined]
        kind = importlib.import_module("net.actclr").actclr
        self.released = kind("net.st_gcn.Model", queue_size=BANK, hidden_channels=8, hidden_dim=32, dropout=0.0)
        self.released.double()
        for name in ("ske_trans", "ske_swap"):
            setattr(self.released, name, self.recording(getattr(self.released, name)))
        self.drawn: list[Any] = []
        page = load_page("actclr")
        options = page.options(gain=1e8 / batch)  # the released loss is the mean over the batch, and so is its gradient
        encoder = dataclasses.replace(options.encoder, base_channels=8, out_channels=32, dropout=0.0)
        contrast = dataclasses.replace(options.contrast, queue_size=BANK)
        options = dataclasses.replace(options, encoder=encoder, contrast=contrast)
        self.method = page.build(options, layout=LAYOUT, persons=2).double()
        take_weights(self.method, load_official(self.released.state_dict(), source="AimCLR", layout=LAYOUT))
        self.views = page.make_views(options, layout=LAYOUT)

    def recording(self, function: Any) -> Any:
        """The same function, whose results are kept: the model writes into the clips that it returns."""

        def call(*args: Any) -> Any:
            result = function(*args)
            self.drawn.append(result.clone() if isinstance(result, Tensor) else result)
            return result

        return call

    def step(self, clips: Tensor, generator: torch.Generator) -> tuple[Tensor, list[Tensor]]:
        """The released loss, and the views that ours needs for the same."""
        views = self.views(clips, generator)
        normal, strong, weak, key = views[0], views[1], views[2], views[-1]
        self.drawn.clear()
        loss = self.released(strong, normal, weak.clone(), key, epoch=1)
        restyled, (_, restyled_mixed, _), (partner, mixed, mask) = self.drawn
        shown, covered = mask if isinstance(mask, tuple) else (mask, mask)
        own, other = ((1 - covered).expand(len(clips), -1, -1), shown.expand(len(clips), -1, -1))
        return loss, [normal, strong, weak, restyled, restyled_mixed, mixed, partner, own, other, key]


def losses(pair: ActCLR, *, steps: int, batch: int, seed: int) -> Iterator[tuple[float, float]]:
    """Both losses of each step."""
    clips = synthetic_motion(LAYOUT, classes=4, subjects=batch, views=1, frames=48, persons=2, seed=seed).x.double()
    generator = torch.Generator().manual_seed(seed)
    released, ours = (
        torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1, momentum=0.9, weight_decay=1e-4)
        for model in (pair.released, pair.method)
    )
    for step in range(steps):
        chosen = torch.randperm(len(clips), generator=generator)[:batch]
        their_loss, views = pair.step(clips[chosen], generator)
        output = pair.method(*views, ids=chosen)
        for loss, optimizer in ((their_loss, released), (output.loss, ours)):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        pair.method.update(output, step=step + 1, total_steps=steps)
        yield their_loss.item(), output.loss.item()


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the options, load the released code and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", required=True, choices=REPOSITORIES)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--official-cache", type=Path, default=Path("runs/official_code"))
    parser.add_argument("--official-source", type=Path, help="folder of copies of released code, in place of GitHub")
    chosen = parser.parse_args(arguments)
    repository, commit = REPOSITORIES[chosen.method]
    code = official_code.fetch_repository(
        repository, commit, cache=chosen.official_cache, source=chosen.official_source
    )
    sys.path.insert(0, str(code.resolve()))
    stand_in(torch.device("cpu"))
    torch.Tensor.float = torch.Tensor.double  # type: ignore[method-assign]  # which it calls on its mask
    random.seed(chosen.seed)
    torch.manual_seed(chosen.seed)
    with tempfile.TemporaryDirectory() as folder:
        dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=0, world_size=1)
        torch.set_default_dtype(torch.float64)
        pair = ActCLR(chosen.batch)
        print("| step | released | ours |\n|---|---|---|")
        for step, (released, ours) in enumerate(losses(pair, steps=chosen.steps, batch=chosen.batch, seed=chosen.seed)):
            print(f"| {step + 1} | {released:.10f} | {ours:.10f} |", flush=True)
        dist.destroy_process_group()


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as wrong:
        raise SystemExit(f"error: {wrong}") from None
