"""How much of MsM attention looks at itself, on the features of a trained run: the mean diagonal of its softmax.

    make demo && .venv/bin/python -m benchmarks.studies.attention_diagonal runs/demo

Prints, for each scale, the mean weight that a frame gives to itself, with the paper's similarity and with the options
that soften it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import yaml

from skelblocks import streams
from skelblocks.attention import MsMAttention
from skelblocks.training import backbone_of, load_page, load_sets, options_from_dict

VARIANTS = {
    "paper (dot product, 1 / sqrt(d))": {},
    "released code (segment=8)": {"segment": 8},
    "scale = 1 / d": {"scale": "1/d"},
    "cosine, scale 1": {"similarity": "cosine"},
    "cosine, scale 10": {"similarity": "cosine", "scale": 10.0},
}


def main(run: Path) -> None:
    """Measure on the test clips of the run's set."""
    page = load_page("msmclr")
    options = options_from_dict(page.options, yaml.safe_load((run / "config.yaml").read_text()))
    sets = load_sets(options.data)
    clips = streams.convert(sets.test.as_tensor()[:128], options.data.stream, layout=sets.layout)
    state = torch.load(run / "checkpoint.pt", weights_only=True)["method"]
    for title, trained in (("trained", True), ("untrained", False)):
        method = page.build(options, layout=sets.layout, persons=sets.persons)
        if trained:
            method.load_state_dict(state)
        if not isinstance(method.attention, MsMAttention):
            raise SystemExit(f"{run} was trained without attention")
        method.eval()
        with torch.no_grad():
            features = backbone_of(method.contrast)(clips)
        frames, reduced = features.shape[3], method.attention.channels // method.attention.reduction
        print(f"{title}; {frames} frames, so an even look would give {1 / frames:.3f} to each")
        for name, changes in VARIANTS.items():
            means = []
            for scale in method.attention.scales:
                nodes = len(sets.layout.groups(scale))
                settings = {k: 1 / (reduced * nodes) if v == "1/d" else v for k, v in changes.items()}
                attend = MsMAttention(method.attention.channels, layout=sets.layout, scales=(scale,), **settings)
                attend.load_state_dict(method.attention.state_dict())
                with torch.no_grad():
                    _, (weights,) = attend.eval()(features, return_attention=True)
                means.append(weights.diagonal(dim1=-2, dim2=-1).mean().item())
            shown = ", ".join(f"{s} {m:.3f}" for s, m in zip(method.attention.scales, means, strict=True))
            print(f"  {name:34} {shown}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
