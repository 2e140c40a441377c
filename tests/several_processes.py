"""What each process of a run on several does: `torchrun --standalone several_processes.py ACTION FOLDER`.

Every process leaves FOLDER/RANK.json.
"""

import copy
import hashlib
import json
import math
import os
import signal
import sys
import traceback
from pathlib import Path

import numpy as np
import torch
from small_run import small_options
from torch.nn.modules.batchnorm import _BatchNorm

from skelblocks import layouts
from skelblocks.data import ArrayDataset, Preprocessing
from skelblocks.distributed import gather_keys, weigh_loss
from skelblocks.training import RunFolder, TrainOptions, load_page, make_fabric, pretrain

LAYOUT = layouts.get("sbu")
VIEWS = {"skeletonclr": 2, "msmclr": 3}
CLIPS, FRAMES = 16, 16


def digest(tensors):
    """Of names and bits."""
    whole = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        whole.update(name.encode() + tensor.detach().contiguous().cpu().numpy().tobytes())
    return whole.hexdigest()


def make(name, **changes):
    page = load_page(name)
    options = small_options(page, **{"layout": "sbu", "queue_size": 24, "batch_size": 8, **changes})
    torch.manual_seed(0)
    return page, options, page.build(options, layout=LAYOUT, persons=1)


def gradients(folder):
    """Shares of the processes against the whole batch in one, over several steps; the largest differences."""
    torch.set_default_dtype(torch.float64)  # to which Fabric casts what a forward returns
    fabric = make_fabric(TrainOptions(accelerator="cpu", precision="64-true"))
    rank, world = fabric.global_rank, fabric.world_size
    found = {}
    for name, views in VIEWS.items():
        _, _, method = make(name, dropout=0.0)
        alone = copy.deepcopy(method).double()
        sgd = [torch.optim.SGD([p for p in m.parameters() if p.requires_grad], lr=0.1) for m in (method, alone)]
        model, optimizer = fabric.setup(method, sgd[0])
        for module in (*method.modules(), *alone.modules()):
            if isinstance(module, _BatchNorm):
                module.eval()
        differences = {"gradients": 0.0, "queues": 0.0, "loss": 0.0}
        for step in range(4):
            # Even shares, then uneven ones: the first process has one clip more for each of the others.
            counts = [2] * world if step % 2 else [1 + world, *[1] * (world - 1)]
            generator = torch.Generator().manual_seed(step)
            whole = [
                torch.randn(sum(counts), 3, FRAMES, 15, 1, generator=generator, dtype=torch.float64)
                for _ in range(views)
            ]
            ids = torch.randperm(CLIPS, generator=generator)[: sum(counts)]
            first = sum(counts[:rank])
            mine = slice(first, first + counts[rank])
            output = model(*(view[mine] for view in whole), ids=ids[mine])
            loss = weigh_loss(output.loss, count=counts[rank])
            fabric.backward(loss)
            expected = alone(*whole, ids=ids)
            expected.loss.backward()
            pairs = zip(method.parameters(), alone.parameters(), strict=True)
            gaps = [
                ((ours.grad - theirs.grad).norm() / theirs.grad.norm().clamp(min=1e-12)).item()
                for ours, theirs in pairs
                if ours.requires_grad and theirs.grad is not None
            ]
            assert len(gaps) > 10
            differences["gradients"] = max(differences["gradients"], *gaps)
            mean = gather_keys(loss.detach()[None]).mean()
            differences["loss"] = max(differences["loss"], (mean - expected.loss).abs().item())
            for each in (optimizer, sgd[1]):
                each.step()
                each.zero_grad()
            method.update(output, step=step + 1, total_steps=4)
            # By hand, since `update` would gather this one's keys too.
            ours, theirs = method.contrast.queue, alone.contrast.queue
            alone.contrast.key_branch.update(alone.contrast.query_branch)
            theirs.enqueue(expected.keys[0].embeddings, ids=ids)
            assert ours.ids.equal(theirs.ids)
            differences["queues"] = max(differences["queues"], (ours.bank - theirs.bank).abs().max().item())
        found[name] = {**differences, "state": digest(method.state_dict())}
    return found


def train(folder, *, make_views=None, name="skeletonclr", **changes):
    """A run by the engine; what is shared, and what each process has for itself."""
    changes = {"epochs": 3, "timeout": 20.0, "folder": str(folder / "run"), **changes}
    page, options, method = make(name, **changes)
    fabric = make_fabric(options.train)
    clips = np.random.default_rng(0).standard_normal((CLIPS, 3, FRAMES, 15, 1)).astype(np.float32)
    names = [f"clip{i}" for i in range(CLIPS)]
    dataset = ArrayDataset(clips, layout="sbu", preprocessing=Preprocessing(frames=FRAMES), names=names)
    views = page.make_views(options, layout=LAYOUT)
    with RunFolder(options.train.folder, write=fabric.global_rank == 0) as run:
        history = pretrain(
            method,
            fabric=fabric,
            dataset=dataset,
            make_views=make_views(views, fabric.global_rank) if make_views else views,
            options=options,
            folder=run,
        )
    state = method.state_dict()
    own = {name: value for name, value in state.items() if "running" in name}
    return {
        "queue": digest({name: value for name, value in state.items() if ".queue." in name}),
        "weights": digest({name: value for name, value in state.items() if name not in own}),
        "own": digest(own),
        "losses": [row["loss"] for row in history],
    }


def at_step(number, *, rank, what):
    """Views that do something in one process, or in all of them (rank None), at a step counted from 1."""

    def make_views(views, here):
        calls = []

        def altered(clips, generator):
            calls.append(1)
            if len(calls) == number and rank in (None, here):
                clips = what(clips)
            return views(clips, generator)

        return altered

    return make_views


def send(which):
    return lambda clips: os.kill(os.getpid(), which) or clips


def interrupt(_):
    raise InterruptedError("cut")


ACTIONS = {
    "gradients": gradients,
    "train": train,
    "cut": lambda folder: train(folder, make_views=at_step(4, rank=None, what=interrupt)),
    "nan": lambda folder: train(folder, make_views=at_step(4, rank=1, what=lambda clips: clips * math.nan)),
    "kill": lambda folder: train(folder, make_views=at_step(4, rank=1, what=send(signal.SIGKILL))),
    "stop": lambda folder: train(folder, timeout=4.0, make_views=at_step(4, rank=1, what=send(signal.SIGSTOP))),
    "sync": lambda folder: train(folder, sync_batch_norm=True, accelerator="auto"),
}


def main():
    action, folder = sys.argv[1], Path(sys.argv[2])
    mine = folder / f"{os.environ['RANK']}.json"
    (folder / f"{os.environ['RANK']}.pid").write_text(str(os.getpid()))
    try:
        found = ACTIONS[action](folder)
    except Exception as error:
        mine.write_text(json.dumps({"error": type(error).__name__, "message": str(error)}))
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # an interpreter that waits for the backend's threads may outlive its error
    mine.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
