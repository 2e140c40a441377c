"""Whatever is passed, an error names the argument and what was expected."""

import numpy as np
import pytest
import torch

from skelblocks import viz

pytest.importorskip("matplotlib")
F = torch.randn(20, 4)
Y = torch.arange(20) % 3
CLIP = torch.randn(3, 4, 25, 1)
NTU = {"layout": "ntu-rgb+d"}
HUGE = torch.tensor([1e308, -1e308], dtype=torch.float64)
CALLS = {
    "curves, huge": lambda: viz.curves({"a": HUGE}),
    "clip, huge": lambda: viz.draw_skeleton(CLIP.double() * 1e300, **NTU),
    "points, huge": lambda: viz.embedding_scatter(HUGE[None].repeat(4, 1), [0, 1, 0, 1], method=None),
    "frames str": lambda: viz.draw_skeleton(CLIP, **NTU, frames="all"),
    "frames f": lambda: viz.draw_skeleton(CLIP, **NTU, frames=2.5),
    "axes f": lambda: viz.draw_skeleton(CLIP, **NTU, axes=1),
    "axes fl": lambda: viz.draw_skeleton(CLIP, **NTU, axes=(0.0, 1.0)),
    "view": lambda: viz.draw_skeleton(CLIP, **NTU, axes=(0, 2, 1), view=30),
    "view nan": lambda: viz.draw_skeleton(CLIP, **NTU, axes=(0, 2, 1), view=(float("nan"), 0)),
    "clip None": lambda: viz.draw_skeleton(None, **NTU),
    "hidden list": lambda: viz.draw_skeleton(CLIP, **NTU, hidden=[1, 2]),
    "limits": lambda: viz.attention_map(np.eye(3), limits=(0,)),
    "limits2": lambda: viz.attention_map(np.eye(3), limits=0.5),
    "conf": lambda: viz.confusion_matrix(None),
    "conf dict": lambda: viz.confusion_matrix({"a": 1}),
    "curves tuple": lambda: viz.curves({"a": None}),
    "curves ragged": lambda: viz.curves({"a": ([1, 2], [1])}),
    "emb seed": lambda: viz.embedding_scatter(F, Y, seed=-1),
    "emb perp": lambda: viz.embedding_scatter(F, Y, perplexity="a"),
    "anim path": lambda: viz.animate_clip(CLIP, None, **NTU),
    "anim fps": lambda: viz.animate_clip(CLIP, "a.gif", **NTU, fps="a"),
    "occ": lambda: viz.occlusion_map(None, **NTU),
    "clipatt": lambda: viz.clip_attention(CLIP, None, **NTU),
    "aug seed": lambda: viz.augmentation_strips(CLIP, {"a": lambda x, generator: x}, **NTU, seed=1.5),
}


@pytest.mark.parametrize("name", CALLS)
def test_says_what_was_expected(name):
    with pytest.raises((TypeError, ValueError), match=r"^\w+(\[.*\])?(\.\w+)?: expected |^learning_rate: "):
        CALLS[name]()
