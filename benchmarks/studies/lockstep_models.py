"""A method and its released model step by step, for methods whose released trainer cannot run by itself here.

    python -m benchmarks.studies.lockstep_models --method actclr

Prints both losses of each step, in float64, on views of synthetic motion. The released model is called directly, and
ours repeats its steps from the same weights, on the same views and draws. ActCLR's released code normalizes an
embedding along an axis of length 1, which leaves rounding errors in the place of its actionlet mask; here that one axis
is the right one. ISC's released encoders are not among the blocks: its released contrast trains copies of ours.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import importlib
import random
import sys
import tempfile
import types
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.studies import official_code
from benchmarks.studies.lockstep import take_weights
from benchmarks.studies.official_fit import stand_in
from skelblocks import layouts
from skelblocks.data import synthetic_motion
from skelblocks.interop import load_official
from skelblocks.training import load_page

REPOSITORIES = {
    "actclr": ("LanglandsLin/ActCLR", "7c63e608a127dfd9b66a9dd4216b2747b0c2b5c0"),
    "pstl": ("YujieOuO/PSTL", "da95ce19094231ab14a8816056cb2f9dfc78a58a"),
    "isc": ("fmthoker/skeleton-contrast", "bacd86ae17896b207ba1344b68b26ebaf556065f"),
}
LAYOUT = layouts.get("ntu-rgb+d")
BANK = 8192  # rows of the queue; ActCLR's released code compares 8,192
SIZES = {"hidden_channels": 8, "hidden_dim": 32, "dropout": 0.0}


class Pair(Protocol):
    """A released model, and ours with its weights."""

    released: nn.Module
    method: Any

    def step(self, clips: Tensor, generator: torch.Generator) -> tuple[Tensor, list[Tensor]]:
        """The released loss, and the views that ours needs for the same."""

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """What the released code trains with."""


def small_options(page: Any, **changes: Any) -> Any:
    """A page's options with the sizes of the released model here."""
    options = page.options(**changes)
    encoder = dataclasses.replace(options.encoder, base_channels=8, out_channels=32, dropout=0.0)
    contrast = dataclasses.replace(options.contrast, queue_size=BANK)
    return dataclasses.replace(options, encoder=encoder, contrast=contrast)


class MendedFunctional:
    """``torch.nn.functional`` for ActCLR's released model, with its cosine along the features of an embedding."""

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
        self.released = kind("net.st_gcn.Model", queue_size=BANK, **SIZES).double()
        for name in ("ske_trans", "ske_swap"):
            setattr(self.released, name, self.recording(getattr(self.released, name)))
        self.drawn: list[Any] = []
        page = load_page("actclr")
        options = small_options(page, gain=1e8 / batch)  # the released mask is of the mean over the batch
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
        views = self.views(clips, generator)
        normal, strong, weak, key = views[0], views[1], views[2], views[-1]
        self.drawn.clear()
        loss = self.released(strong, normal, weak.clone(), key, epoch=1)
        restyled, (_, restyled_mixed, _), (partner, mixed, mask) = self.drawn
        shown, covered = mask if isinstance(mask, tuple) else (mask, mask)
        own, other = ((1 - covered).expand(len(clips), -1, -1), shown.expand(len(clips), -1, -1))
        return loss, [normal, strong, weak, restyled, restyled_mixed, mixed, partner, own, other, key]

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        return torch.optim.SGD(trained, lr=0.1, momentum=0.9, weight_decay=1e-4)


class PSTL:
    """The released encoder, head and masks; ours takes the masked views."""

    def __init__(self, batch: int) -> None:
        experiment = types.SimpleNamespace(config=lambda function: function, capture=lambda function: function)
        sys.modules["sacred"] = types.ModuleType("sacred")
        sys.modules["sacred"].__dict__["Experiment"] = lambda *_, **__: experiment
        self.code: Any = importlib.import_module("model")
        encoder = importlib.import_module("module.gcn.st_gcn").Model(
            in_channels=3,
            graph_args={"layout": "ntu-rgb+d", "strategy": "spatial"},
            edge_importance_weighting=True,
            **SIZES,
        )
        self.released = nn.ModuleList([encoder, self.code.BTwins(hidden_size=32, lambd=2e-4, pj_size=64)]).double()
        page = load_page("pstl")
        options = small_options(page, projector_features=64)
        self.method = page.build(options, layout=LAYOUT, persons=2).double()
        weights = load_official(encoder.state_dict(), source="PSTL", layout=LAYOUT)
        self.method.encoder.load_state_dict(weights.encoder.state_dict())
        self.method.projector.layers.load_state_dict(self.released[1].projector.state_dict())
        self.augment = page.make_views(options, layout=LAYOUT).augment

    def step(self, clips: Tensor, generator: torch.Generator) -> tuple[Tensor, list[Tensor]]:
        encoder, head = self.released
        plain, temporal, spatial = (self.augment(clips, generator=generator) for _ in range(3))
        temporal = self.code.motion_att_temp_mask(temporal, mask_frame=10)
        hidden = self.code.central_spacial_mask(mask_joint=8)
        features = encoder(plain), encoder(temporal), encoder(spatial, hidden)
        kept = torch.tensor(sorted(set(range(LAYOUT.num_joints)) - set(hidden)))
        return head(*features[:2]) + head(features[0], features[2]), [plain, temporal, spatial, kept]

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(model.parameters(), lr=5e-3, weight_decay=1e-5)


class ISC:
    """The released crossed queues around copies of our branches."""

    def __init__(self, batch: int) -> None:
        sys.modules.setdefault("torchvision", types.ModuleType("torchvision"))
        page = load_page("isc")
        options = small_options(page, sequence_channels=32)
        self.method = page.build(options, layout=LAYOUT, persons=2).double()
        self.views = page.make_views(options, layout=LAYOUT)
        sequence, graph = self.method.sequence, self.method.graph
        code: Any = importlib.import_module("moco.builder_inter")
        code.weights_init_gru = lambda _: None
        code.BIGRU, code.AGCN = (partial(copy.deepcopy, each.query_branch) for each in (sequence, graph))
        self.released = code.MoCo("seq-based_and_graph-based", {}, {}, {}, dim=128, K=BANK).double()
        self.released.Queue_S1.copy_(sequence.queue.bank.T)
        self.released.Queue_S2.copy_(graph.queue.bank.T)

    def step(self, clips: Tensor, generator: torch.Generator) -> tuple[Tensor, list[Tensor]]:
        query, key = self.views(clips, generator)
        logits, labels = self.released(query, query, key, key)
        first, second = (F.cross_entropy(*each) for each in zip(logits, labels, strict=True))
        return first + second, [query, key]

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        return torch.optim.SGD(trained, lr=0.01, momentum=0.9, weight_decay=1e-4)


PAIRS: dict[str, type[Pair]] = {"actclr": ActCLR, "pstl": PSTL, "isc": ISC}


def losses(pair: Pair, *, steps: int, batch: int, seed: int) -> Iterator[tuple[float, float]]:
    """Both losses of each step."""
    clips = synthetic_motion(LAYOUT, classes=4, subjects=batch, views=1, frames=48, persons=2, seed=seed).x.double()
    generator = torch.Generator().manual_seed(seed)
    released, ours = pair.optimizer(pair.released), pair.optimizer(pair.method)
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
    torch.Tensor.float = torch.Tensor.double  # type: ignore[method-assign]  # which ActCLR calls on its mask
    random.seed(chosen.seed)
    torch.manual_seed(chosen.seed)
    with tempfile.TemporaryDirectory() as folder:
        dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=0, world_size=1)
        torch.set_default_dtype(torch.float64)
        pair = PAIRS[chosen.method](chosen.batch)  # type: ignore[call-arg]
        print("| step | released | ours |\n|---|---|---|")
        for step, (released, ours) in enumerate(losses(pair, steps=chosen.steps, batch=chosen.batch, seed=chosen.seed)):
            print(f"| {step + 1} | {released:.10f} | {ours:.10f} |", flush=True)
        dist.destroy_process_group()


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as wrong:
        raise SystemExit(f"error: {wrong}") from None
