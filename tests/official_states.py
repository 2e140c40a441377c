"""State dicts with the names and shapes that released codes write, and random values."""

import json
from pathlib import Path

import torch

from skelblocks import layouts

GOLDEN = Path(__file__).parent / "golden"
AGCN = ("SkeAttnCLR", "SkeAttnCLR_linear_eval", "SkeleMixCLR_plus")


def leaves(tree, prefix=""):
    """(name, shape, dtype) of a nested dict; a leaf is a shape, or a shape and a dtype where that is not float32."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        elif value and isinstance(value[0], list):
            yield prefix + key, value[0], getattr(torch, value[1])
        else:
            yield prefix + key, value, torch.float32


MODELS = json.loads((GOLDEN / "state_dict_keys.json").read_text())


NARROW = {48: 6, 64: 8, 96: 12, 128: 16, 192: 24, 256: 32, 384: 48, 768: 96, 16: 2, 32: 4}


def official_state(model, *, seed=0, queue=None, dtype=torch.float32, narrow=False):
    """A checkpoint of ``model``; ``queue`` shortens the banks, ``narrow`` gives an eighth of the channels."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape, kind in leaves(MODELS[model]):
        last = name.rpartition(".")[2]
        shape = [NARROW.get(size, size) for size in shape] if narrow else shape
        if last == "A":
            strategy = "agcn" if model in AGCN else "spatial"
            state[name] = layouts.adjacency("ntu-rgb+d", strategy=strategy, dtype=dtype)
        elif kind == torch.int64:
            state[name] = torch.randint(0, queue or 100, shape, generator=generator)
        else:
            if queue and name.startswith("queue"):
                shape = [shape[0], queue]
            state[name] = torch.randn(shape, generator=generator, dtype=dtype)
    return state


def source_of(model):
    return {"SkeleMixCLR_plus": "SkeleMixCLR", "PSTL_encoder": "PSTL"}.get(model, model.partition("_")[0])
