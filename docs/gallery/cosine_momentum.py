"""The momentum of SkeAttnCLR over a run."""

from __future__ import annotations

from common import write
from matplotlib.figure import Figure

from skelblocks import viz
from skelblocks.contrast import cosine_momentum


def cosine_momentum_curve() -> Figure:
    steps = range(0, 1001, 5)
    series = {f"base={base}": (steps, [cosine_momentum(t, 1000, base=base) for t in steps]) for base in (0.99, 0.996)}
    series["constant 0.999"] = (steps, [0.999] * len(steps))
    return viz.curves(series, xlabel="step", ylabel="momentum")


if __name__ == "__main__":
    write(cosine_momentum_curve)
