"""Estimator noise: simulate the errors of a pose estimator.

Axes: n samples, c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from einops import rearrange
from torch import Tensor
from typing_extensions import Unpack

from skelblocks._utils.checks import check_axes, check_integer, check_number, check_probability
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips, clip_sizes
from skelblocks.augment.base import DrawOptions, RandomTransform
from skelblocks.augment.fill_unseen import fill_unseen
from skelblocks.layouts import SkeletonLayout, get

_LARGEST = 2.0  # lengths of a mean bone


class EstimatorNoiseParams(NamedTuple):
    """Normal draws ``jitter (n, c, t, v, m)`` and ``bias (n, c, 1, v, m)``; uniform draws in [0, 1) for all others.

    ``missing`` is ``(n, 1, t, v, m)``, ``swapped`` and ``dropped`` are ``(n, 1, t, 1, m)``. ``start``, which shifts the
    runs of frames, and ``distance`` are ``(n, 1, 1, 1, m)``.
    """

    jitter: Tensor
    bias: Tensor
    missing: Tensor
    swapped: Tensor
    dropped: Tensor
    start: Tensor
    distance: Tensor


@explain_arguments
class EstimatorNoise(RandomTransform[EstimatorNoiseParams]):
    """Add the errors of a pose estimator to each clip: jitter, missing joints, swapped sides and dropped frames.

    Lengths are relative to the person's mean bone, so the unit of the clips does not matter. Missing joints are filled
    from other frames, as :func:`fill_unseen` does, because recordings are filled before an encoder uses them. Gaps and
    swaps last for runs of several frames.

    The default rates follow an OpenPose recording of one walking person (401 frames of BODY_25, mean bone 57 pixels):
    7.5 % of the joints are missing, in gaps of 5 frames on average, and a joint jitters by 0.5 pixels at the neck and
    by 1.3 pixels at wrists and ankles. Relative to their body, people who are farther away jitter more. The constant
    offset is about half the disagreement of people who mark the same joint by hand (the constants of COCO's keypoint
    evaluation). The rates of swapped sides and dropped frames are assumptions.

    Args:
        layout: The skeleton of the clips: a name, a dict or a layout.
        jitter: Standard deviation of a joint's noise in each frame, in mean bones, at a distance of one.
        bias: Standard deviation of a joint's constant offset in a clip, in mean bones.
        missing: Share of joints that are missing. Jitter, offsets and gaps increase along the bones from the center:
            they are three times as large at the ends of the limbs.
        swapped: Share of frames in which left and right are swapped.
        dropped: Share of frames in which a person is not found at all.
        run: Number of frames that a gap or a swap lasts.
        distance: Smallest and largest distance of a person, relative to the distance for which ``jitter`` holds. It is
            drawn for each person, log-uniformly.

    Shape:
        ``(n, c, t, v, m)`` with the layout's v to the same.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: a deviation that is negative or above 2, a share outside [0, 1], a run below 1, or distances that
            are not ``0 < smallest <= largest``.

    Example:
        >>> noise = EstimatorNoise("coco-17")
        >>> clips = torch.randn(4, 2, 50, 17, 1)
        >>> noise(clips, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([4, 2, 50, 17, 1])
    """

    def __init__(
        self,
        layout: str | Mapping[str, Any] | SkeletonLayout,
        *,
        jitter: float = 0.02,
        bias: float = 0.1,
        missing: float = 0.075,
        swapped: float = 0.02,
        dropped: float = 0.02,
        run: int = 5,
        distance: tuple[float, float] = (0.5, 4.0),
    ) -> None:
        super().__init__()
        for name, length in (("jitter", jitter), ("bias", bias)):
            check_number(length, name=name)
            if length > _LARGEST:
                raise ValueError(
                    f"{name}: expected at most {_LARGEST:g}, in lengths of a mean bone, got {length:g}; divide by the "
                    "length of a mean bone"
                )
        for name, share in (("missing", missing), ("swapped", swapped), ("dropped", dropped)):
            check_probability(share, name=name)
        check_integer(run, name="run")
        if not (isinstance(distance, Sequence) and len(distance) == 2 and 0 < distance[0] <= distance[1]):
            raise ValueError(
                f"distance: expected two numbers (smallest, largest) with 0 < smallest <= largest, got {distance!r}; "
                "for a fixed distance, pass it twice"
            )
        self.layout = get(layout)
        self.jitter = jitter
        self.bias = bias
        self.missing = missing
        self.swapped = swapped
        self.dropped = dropped
        self.run = run
        self.distance = (distance[0], distance[1])

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> EstimatorNoiseParams:
        """Draw for clips of this shape."""
        n, c, t, v, m = clip_sizes(shape)
        return EstimatorNoiseParams(
            jitter=torch.randn(n, c, t, v, m, **where),
            bias=torch.randn(n, c, 1, v, m, **where),
            missing=torch.rand(n, 1, t, v, m, **where),
            swapped=torch.rand(n, 1, t, 1, m, **where),
            dropped=torch.rand(n, 1, t, 1, m, **where),
            start=torch.rand(n, 1, 1, 1, m, **where),
            distance=torch.rand(n, 1, 1, 1, m, **where),
        )

    def transform(self, x: Tensor, params: EstimatorNoiseParams) -> Tensor:
        """Apply the errors of these draws."""
        check_clips(x, v=self.layout.num_joints)
        n, c, t, v, m = x.shape
        check_axes(params.jitter, "n c t v m", name="params.jitter", n=n, c=c, t=t, v=v, m=m)
        if x.numel() == 0:
            return x
        share = _shares(self.layout).to(x.device)[:, None]  # (v, 1), one on average
        swap = torch.tensor(self.layout.swap, device=x.device)
        exchanged = _in_runs(params.swapped, params.start, self.run) < self.swapped
        noisy = torch.where(exchanged, x.index_select(3, swap), x)
        low, high = self.distance
        distance = low * (high / low) ** params.distance
        noise = share * (self.jitter * distance * params.jitter + self.bias * params.bias)
        there = (x != 0).any(dim=3, keepdim=True).any(dim=1, keepdim=True)  # (n, 1, t, 1, m)
        noisy = noisy + torch.where(there, noise * _mean_bone(x, self.layout), 0).to(x.dtype)
        lost = _in_runs(params.missing, params.start, self.run) < self.missing * share
        found = there & ~(_in_runs(params.dropped, params.start, self.run) < self.dropped)
        found = torch.where(found.any(dim=2, keepdim=True), found, there)  # keep persons who are never found
        seen = (found & ~lost)[:, 0]
        return torch.where(there, fill_unseen(noisy, seen, layout=self.layout), x)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return (
            f"{self.layout.name!r}, jitter={self.jitter}, bias={self.bias}, missing={self.missing}, "
            f"swapped={self.swapped}, dropped={self.dropped}, run={self.run}, distance={self.distance}"
        )


def _shares(layout: SkeletonLayout) -> Tensor:
    """Factor of the noise of each joint, ``(v,)``: from 0.5 at the center to 1.5 at the far ends, with mean one."""
    steps = torch.zeros(layout.num_joints)
    for joint in range(layout.num_joints):
        above = joint
        while above != layout.center and layout.parents[above] != above:
            above = layout.parents[above]
            steps[joint] += 1
    weights = 0.5 + steps / steps.max().clamp(min=1)
    return weights / weights.mean()


def _mean_bone(x: Tensor, layout: SkeletonLayout) -> Tensor:
    """Each person's mean bone over the frames in which it is seen, ``(n, 1, 1, 1, m)``; zero for absent persons."""
    if not layout.edges:
        raise ValueError(
            f"layout: expected one with bones, got {layout.name!r}; noise is relative to bones: pass another layout"
        )
    ends = torch.tensor(layout.edges, device=x.device)
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    bones = wide.index_select(3, ends[:, 0]) - wide.index_select(3, ends[:, 1])
    lengths: Tensor = torch.linalg.vector_norm(bones, dim=1)  # (n, t, bones, m)
    seen = (x != 0).any(dim=3).any(dim=1)  # (n, t, m)
    mean = lengths.mean(dim=2).sum(dim=1) / seen.sum(dim=1).clamp(min=1)
    return rearrange(mean, "n m -> n 1 1 1 m")


def _in_runs(draws: Tensor, start: Tensor, run: int) -> Tensor:
    """The draws ``(n, 1, t, v, m)``, each held for a run of frames; the first run begins before the clip."""
    frame = rearrange(torch.arange(draws.shape[2], device=draws.device), "t -> t 1 1")
    early = (start * run).long()  # (n, 1, 1, 1, m)
    place = (torch.div(frame + early, run, rounding_mode="floor") * run - early).clamp(min=0)
    return draws.gather(2, place.expand(draws.shape))
