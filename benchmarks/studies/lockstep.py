"""A method and its released code step by step: from the same weights, on the same augmented batches.

    python -m benchmarks.studies.lockstep --method aimclr --set nw-ucla --data DIR

Prints both losses of each step, in float64, by the recipe, with the options that make a method what its released code
does. Theirs is trained for an epoch of so many steps; ours then repeats it. `--epoch` chooses the stage: mining begins
after half of the epochs. It also takes the options of `skelblocks train METHOD`.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.studies import official_code, official_train, real_data, real_sets
from benchmarks.studies.official_fit import fit_model, fit_to, stand_in
from skelblocks import streams
from skelblocks.data import ArrayDataset
from skelblocks.interop import OfficialCheckpoint, OfficialStream, load_official
from skelblocks.layouts import SkeletonLayout
from skelblocks.training import derive_seed, load_page

AS_RELEASED = {  # its name for load_official, and the options
    "skeletonclr": ("SkeletonCLR", []),
    "aimclr": ("AimCLR", ["--drop=official"]),
    "msmclr": ("MsMCLR", ["--segment=8", "--nnm_epoch=half"]),
    "crossclr": ("CrosSCLR", ["--heads=official", "--moving_keys=official"]),
    "skelemixclr": ("SkeleMixCLR", ["--encoder.graph=agcn", "--contrast.head_norm=true"]),
    "hiclr": ("HiCLR", ["--mask=official"]),
}


class Recorded:
    """The first batches of a loader, kept; and for each, what theirs draws after them."""

    def __init__(self, loader: official_train.Batches, *, steps: int) -> None:
        self.loader, self.steps = loader, steps
        self.views: list[list[Tensor]] = []
        self.drawn: list[list[Any]] = []
        self.rates: list[float] = []

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Any]:
        for (views, labels), _ in zip(self.loader, range(self.steps), strict=False):
            flat = [each for view in views for each in (view if isinstance(view, list) else [view])]
            self.views.append([view.double() for view in flat if view.ndim > 1])
            self.drawn.append([])
            self.rates.append(self.loader.processor.lr)
            yield views, labels


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", required=True, choices=AS_RELEASED)
    parser.add_argument("--set", required=True, choices=tuple(real_sets.FILES))
    parser.add_argument("--data", required=True, help="folder of the sets' files")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--epoch", type=int, default=5, help="from 0; its learning rate, and its stage")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--official-cache", type=Path, default=Path("runs/official_code"))
    parser.add_argument("--official-source", type=Path, help="folder of copies of released code, in place of GitHub")
    given, more = parser.parse_known_args(arguments)
    code = official_code.fetch(given.method, cache=given.official_cache, source=given.official_source)
    if str(code) not in sys.path:  # released code imports its own files from there
        own = sys.argv[1:] if arguments is None else arguments
        command = [sys.executable, "-m", "benchmarks.studies.lockstep", *own]
        paths = os.pathsep.join([str(code), os.environ.get("PYTHONPATH", "")])
        raise SystemExit(subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}).returncode)

    name, changes = AS_RELEASED[given.method]
    options = real_data.protocol_options("recipe", set_name=given.set, method=given.method, changes=[*changes, *more])
    options = dataclasses.replace(
        options,
        data=dataclasses.replace(options.data, path=real_sets.data_file(given.data, given.set)),
        train=dataclasses.replace(options.train, seed=given.seed),
    )
    sets = real_sets.load(options.data).sets
    assert isinstance(sets.train, ArrayDataset)
    device = torch.device("cpu")
    stand_in(device)
    torch.Tensor.float = torch.Tensor.double  # type: ignore[method-assign]  # which theirs calls on each batch
    released = official_code.released_for(given.method, options)
    fit_to(sets.layout, persons=sets.persons, frames=options.data.frames, method=given.method)
    processor = official_train.make_processor(released, given.method, options, device=device)
    fit_model(processor.model.double(), layout=sets.layout)
    feeder = official_train.make_feeder(released.feeder, sets.train, shear_amplitude=options.contrast.shear_amplitude)
    stream = "joint" if given.method in official_train.CONVERTS_ITSELF else options.data.stream
    batches = official_train.Batches(feeder, processor, options, layout=sets.layout, stream=stream)
    recorded = Recorded(batches, steps=given.steps)
    processor.data_loader = {"train": recorded}
    for owner, function in ((processor, "mask_gen"), (processor.model, "ske_swap")):
        if hasattr(owner, function):
            vars(owner)[function] = kept(getattr(owner, function), recorded)

    method = load_page(given.method).build(options, layout=sets.layout, persons=sets.persons).double()
    take_weights(method, load_official(processor.model.state_dict(), source=name, layout=sets.layout))

    theirs: list[float] = []
    processor.show_iter_info = lambda: theirs.append(loss_of(given.method, processor.iter_info))
    seed = derive_seed(given.seed, "official", given.epoch)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002, theirs is this one
    processor.meta_info["epoch"] = given.epoch + 1
    processor.train(given.epoch + 1)

    print("| step | released | ours |\n|---|---|---|")
    views = [
        ordered(given.method, *each, options, layout=sets.layout)
        for each in zip(recorded.views, recorded.drawn, strict=True)
    ]
    ours = repeat(method, views, recorded.rates, options, given.epoch)
    for step, (their, our) in enumerate(zip(theirs, ours, strict=True)):
        print(f"| {step + 1} | {their:.10f} | {our:.10f} |")


def kept(draw: Callable[..., Any], recorded: Recorded) -> Callable[..., Any]:
    """The same function, whose results are recorded with the batch that they were drawn for."""

    def drawing(*arguments: Any) -> Any:
        found = draw(*arguments)
        recorded.drawn[-1].append(found)
        return found

    return drawing


def loss_of(method: str, told: Any) -> float:
    """The loss that theirs takes the gradient of; CrosSCLR reports its summands, one a stream."""
    names = ["loss", "loss_motion", "loss_bone"] if method == "crossclr" else ["loss"]
    return sum(told[name] for name in names if name in told)


def ordered(
    method: str, views: list[Tensor], drawn: list[Any], options: Any, *, layout: SkeletonLayout
) -> list[Tensor]:
    """From the views that their loader gives, and what theirs draws afterwards, to the views that our method takes."""
    if method == "crossclr":
        return [streams.convert(view, stream, layout=layout) for stream in options.streams for view in views]
    if method == "skelemixclr":
        mixed = [(clips, partner, mask.expand(len(clips), -1, -1)) for partner, clips, mask in drawn]
        return [*views, *(tensor for each in mixed for tensor in each)]
    if method == "hiclr":
        (mask,) = drawn  # (n, t, m, v, c), zero where a joint is hidden
        return [*views, mask[:, :, 0, :, 0] == 0]
    return views if len(views) == 2 else [views[1], views[0], views[2]]  # theirs has the strong one first


def take_weights(method: Any, weights: OfficialCheckpoint) -> None:
    """Put the released model's weights and bank into ours."""
    if len(weights.streams) > 1:
        for stream, contrast in method.contrasts().items():
            take_stream(contrast, weights.streams[stream])
        return
    take_stream(method.contrast, weights.streams[weights.stream])
    if weights.joint_mask is not None:
        method.joint_mask.load_state_dict(weights.joint_mask.state_dict())
    if isinstance(getattr(method, "attention", None), nn.Module):
        method.attention.load_state_dict(weights.attention.state_dict())  # type: ignore[union-attr]


def take_stream(contrast: Any, weights: OfficialStream) -> None:
    """The weights and the bank of one stream. A head that is shared in part has the same tensors under other names."""
    for branch, encoder, head in (
        (contrast.query_branch, weights.encoder, weights.head),
        (contrast.key_branch.encoder, weights.key_encoder, weights.key_head),
    ):
        branch[0].load_state_dict(encoder.state_dict())  # type: ignore[union-attr]
        named = zip(branch[2].state_dict(), head.state_dict().values(), strict=True)  # type: ignore[union-attr]
        branch[2].load_state_dict(dict(named))
    contrast.queue.load_state_dict(weights.queue.state_dict())  # type: ignore[union-attr]


def repeat(
    method: nn.Module, batches: list[list[Tensor]], rates: list[float], options: Any, epoch: int
) -> Iterator[float]:
    """Our losses on the batches that theirs was trained on, at the same rates."""
    optimizer = torch.optim.SGD(
        method.parameters(), lr=0.0, momentum=options.train.sgd_momentum, weight_decay=options.train.weight_decay
    )
    method.train()
    for step, (views, rate) in enumerate(zip(batches, rates, strict=True)):
        optimizer.param_groups[0]["lr"] = rate
        output = method(*views, ids=torch.arange(len(views[0])), epoch=epoch)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        method.update(output, step=step + 1, total_steps=len(batches))  # type: ignore[operator]
        yield output.loss.item()


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as wrong:
        raise SystemExit(f"error: {wrong}") from None
