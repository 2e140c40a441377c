"""The stopping rule of a training that started from weights: how far along the way to the last weights it goes.

It needs no labels. Between the weights of the start and the last ones lie their mixtures. The rule goes halfway, a
quarter of the way, or not at all. It takes the largest of these steps at which two views of a training clip find each
other among the other clips as well as they did at the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelblocks import streams
from skelblocks.augment import recipes
from skelblocks.clips import ClipDataset
from skelblocks.encoders import pool
from skelblocks.encoders.present_persons import absent_of
from skelblocks.streams import Stream
from skelblocks.training.order import derive_seed

STEPS = (0.5, 0.25)
"""The steps that the rule tries, the largest first: never more than halfway (docs/start-from-weights.md)."""
TOLERANCE = 0.01
"""By how much the share of views that find each other may be lower than at the start."""
_MOST_CLIPS = 512  # that are looked at
_AT_ONCE = 128


class Kept(NamedTuple):
    """What the rule decided.

    Attributes:
        step: From the start's weights, at 0, to the last ones, at 1.
        found: By step that was tried, the share of clips whose views find each other; 0 is the start.
    """

    step: float
    found: dict[float, float]


def keep_encoder(
    encoder: nn.Module,
    start: Mapping[str, Tensor],
    clips: ClipDataset,
    *,
    stream: Stream = "joint",
    shear_amplitude: float = 0.5,
    seed: int = 0,
) -> Kept:
    """Put the mixture of an encoder's start and last weights that the rule takes into the encoder, in place.

    Averaging the weights before and after a training keeps much of what both know (Wortsman et al., "Robust
    fine-tuning of zero-shot models", CVPR 2022). Their step is fixed; here clips without labels choose it.

    Args:
        encoder: With the last weights; clips ``(n, c, t, v, m)`` to feature maps.
        start: The state dict that it started from.
        clips: Training clips, of which up to 512 are looked at, evenly over the set.
        stream: What the encoder takes.
        shear_amplitude: Of the two views, which are cropped and sheared as in training.
        seed: Of the views.

    Returns:
        The step, and what was measured.

    Example:
        >>> from skelblocks.data import ArrayDataset
        >>> from skelblocks.encoders import STGCN
        >>> clips = ArrayDataset(torch.randn(6, 3, 16, 15, 1).numpy(), layout="sbu")
        >>> encoder = STGCN("sbu", base_channels=2, out_channels=4)
        >>> keep_encoder(encoder, encoder.state_dict(), clips).step
        0.5
    """
    start = {name: value.clone() for name, value in start.items()}
    last = {name: value.clone() for name, value in encoder.state_dict().items()}
    views = _views(clips, stream=stream, shear_amplitude=shear_amplitude, seed=seed)
    encoder.load_state_dict(start)
    found = {0.0: found_share(*(_features(encoder, view) for view in views))}
    for step in STEPS:
        encoder.load_state_dict(mixed(start, last, step=step))
        found[step] = found_share(*(_features(encoder, view) for view in views))
        if found[step] >= found[0.0] - TOLERANCE:
            return Kept(step, found)
    encoder.load_state_dict(start)
    return Kept(0.0, found)


def found_share(features: Tensor, others: Tensor) -> float:
    """The share of clips whose other view is the nearest of all clips' other views, by cosine.

    Args:
        features: Of one view of each clip ``(n, d)``.
        others: Of another view of the same clips.

    Example:
        >>> round(found_share(torch.eye(3), torch.eye(3)[[0, 2, 1]]), 3)
        0.333
    """
    similarities = F.normalize(features, dim=1) @ F.normalize(others, dim=1).T
    return float((similarities.argmax(dim=1) == torch.arange(len(features), device=features.device)).float().mean())


def mixed(start: Mapping[str, Tensor], last: Mapping[str, Tensor], *, step: float) -> dict[str, Tensor]:
    """Tensors on the way from one state dict to another; what is no floating-point number is the last one's.

    Example:
        >>> mixed({"weight": torch.zeros(2)}, {"weight": torch.ones(2)}, step=0.25)["weight"]
        tensor([0.2500, 0.2500])
    """
    return {
        name: torch.lerp(start[name].to(value), value, step) if value.is_floating_point() else value
        for name, value in last.items()
    }


def _views(clips: ClipDataset, *, stream: Stream, shear_amplitude: float, seed: int) -> list[Tensor]:
    """Two views of each clip, on the CPU."""
    weak = recipes.weak(shear_amplitude=shear_amplitude)
    generator = torch.Generator().manual_seed(derive_seed(seed, "keep"))
    count = min(len(clips), _MOST_CLIPS)
    chosen = clips.batch([i * len(clips) // count for i in range(count)])
    views = (weak(chosen, generator=generator) for _ in range(2))
    return [streams.convert(view, stream, layout=clips.layout) for view in views]


@torch.no_grad()
def _features(encoder: nn.Module, clips: Tensor) -> Tensor:
    training, first = encoder.training, next(encoder.parameters())
    encoder.eval()
    features = torch.cat(
        [pool(encoder(part.to(first)), absent=absent_of(encoder)) for part in torch.split(clips, _AT_ONCE)]
    )
    encoder.train(training)
    return features.float()
