"""The stopping rule for a training that started from weights: it mixes the start's weights with the last ones.

The rule needs no labels. It tries to go halfway from the start's weights to the last ones, then a quarter of the way,
then not at all. It takes the largest of these steps at which two views of a training clip find each other among all
clips as often as with the start's weights.
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
"""The steps that the rule tries, largest first: never more than halfway (docs/start-from-weights.md)."""
TOLERANCE = 0.01
"""The largest accepted drop, against the start, in the fraction of views that find each other."""
_MOST_CLIPS = 512  # most clips that the rule looks at
_AT_ONCE = 128


class Kept(NamedTuple):
    """What the rule decided.

    Attributes:
        step: Position between the start's weights, at 0, and the last weights, at 1.
        found: For each step tried, the fraction of clips whose views find each other; step 0 is the start.
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
    """Apply the rule to an encoder, in place: load the mixture of its start and last weights that the rule selects.

    Averaging the weights before and after a training keeps much of what both have learned (Wortsman et al., "Robust
    fine-tuning of zero-shot models", CVPR 2022). The paper fixes the step; here unlabeled clips select it.

    Args:
        encoder: The encoder with the last weights; it maps clips ``(n, c, t, v, m)`` to feature maps.
        start: The state dict that the encoder started from.
        clips: Training clips; up to 512 of them, evenly spread over the set, are used.
        stream: The stream that the encoder takes.
        shear_amplitude: Shear amplitude of the two views, which are cropped and sheared as in training.
        seed: Random seed of the views.

    Returns:
        The step, and the measurements.

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
    """The fraction of clips whose own second view is the nearest of all second views, by cosine.

    Args:
        features: Features of one view of each clip ``(n, d)``.
        others: Features of another view of the same clips.

    Example:
        >>> round(found_share(torch.eye(3), torch.eye(3)[[0, 2, 1]]), 3)
        0.333
    """
    similarities = F.normalize(features, dim=1) @ F.normalize(others, dim=1).T
    return float((similarities.argmax(dim=1) == torch.arange(len(features), device=features.device)).float().mean())


def mixed(start: Mapping[str, Tensor], last: Mapping[str, Tensor], *, step: float) -> dict[str, Tensor]:
    """Interpolate between two state dicts. Integer tensors are taken from the last one.

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
