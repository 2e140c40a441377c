"""Synthetic motion: articulated bodies that act, seen by a noisy sensor. For tests, demonstrations and experiments.

Axes: n samples, c coordinates (3), t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from einops import rearrange
from torch import Tensor

from skelblocks import layouts
from skelblocks._utils.checks import check_axes
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks._utils.hashed_draws import key
from skelblocks.data.synthetic.body_model import body_joints
from skelblocks.data.synthetic.synthetic_classes import motion_classes
from skelblocks.data.synthetic.synthetic_performance import RoleTables, perform, role_tables
from skelblocks.data.synthetic.synthetic_sensor import MOST_OCCLUDED, film, sense

_CHUNK = 256  # clips at a time, to bound the memory; no clip depends on it


class SyntheticClips(NamedTuple):
    """Clips ``x (n, 3, t, v, m)`` with, one each, ``labels``, ``subjects`` and ``views``, counted from 0."""

    x: Tensor
    labels: Tensor
    subjects: Tensor
    views: Tensor
    class_names: tuple[str, ...]

    def cross_subject(self) -> Tensor:
        """Mask ``(n)`` of the training clips: odd subjects train, even subjects test."""
        return self.subjects % 2 == 1

    def cross_view(self) -> Tensor:
        """Mask ``(n)`` of the training clips: all views but the last train."""
        return self.views < self.views.max()


@explain_arguments
def synthetic_motion(
    layout: str | Mapping[str, Any] | layouts.SkeletonLayout = "ntu-rgb+d",
    *,
    classes: int = 20,
    subjects: int = 20,
    views: int = 3,
    clips: int = 1,
    frames: int = 50,
    persons: int = 1,
    noise: float = 0.01,
    occlusion: float = 0.05,
    seed: int = 0,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> SyntheticClips:
    """Make clips of every class by every subject from every view.

    Args:
        layout: The skeleton: a name, a dict or a layout whose joints the body has, see ``body_joints``.
        classes: 2 to 60, the first of a fixed list.
        subjects: How many actors; each has limb lengths, a posture, a tempo and a stronger side of its own.
        views: How many cameras: straight ahead, 60 degrees to one side and to the other, then others in between.
        clips: How many performances of each class by each subject before each view. Views do not see the same ones.
        frames: Into which the few seconds of a performance are cut.
        persons: With 2, every sixth class has two actors; the others have an absent second body, all zero.
        noise: Standard deviation of the sensor, in meters; twice that in depth.
        occlusion: How large a part of the time a joint is lost and reported where it was last seen, 0 to 0.25.
        seed: The same seed gives the same clips, bit for bit on one kind of device. A clip does not depend on how many
            classes, subjects, views or clips there are.
        device: Where the clips are made and stay.
        dtype: Default: float32.

    Returns:
        The clips, in meters and Kinect axes (x to the side, y up, z away from the sensor), not centered. Ordered by
        label, then subject, view and repetition.

    Raises:
        ValueError: A number out of range, or a layout with joints that the body does not have.

    Example:
        >>> clips = synthetic_motion("nw-ucla", classes=4, subjects=2, views=2)
        >>> clips.x.shape, clips.class_names[0], int(clips.cross_subject().sum())
        (torch.Size([16, 3, 50, 20, 1]), 'raise forward, one arm, slowly', 8)
    """
    for name, value in (("subjects", subjects), ("views", views), ("clips", clips)):
        if value < 1:
            raise ValueError(f"{name}: expected an integer >= 1, got {value}")
    names = tuple(motion.name for motion in motion_classes(classes, persons=persons))
    numbers = torch.cartesian_prod(*(torch.arange(size, device=device) for size in (classes, subjects, views, clips)))
    parts = [
        sample_motion(
            *chunk.unbind(dim=1),
            layout=layout,
            frames=frames,
            persons=persons,
            noise=noise,
            occlusion=occlusion,
            seed=seed,
            dtype=dtype,
        )
        for chunk in torch.split(numbers, _CHUNK)
    ]
    labels, actors, cameras, _ = numbers.unbind(dim=1)
    return SyntheticClips(torch.cat(parts), labels, actors, cameras, names)


@explain_arguments
def sample_motion(
    labels: Tensor,
    subjects: Tensor,
    views: Tensor,
    repetitions: Tensor,
    *,
    layout: str | Mapping[str, Any] | layouts.SkeletonLayout = "ntu-rgb+d",
    frames: int = 50,
    persons: int = 1,
    noise: float = 0.01,
    occlusion: float = 0.05,
    seed: int = 0,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """The clips with these numbers: a batch of :func:`synthetic_motion`, or one that it never makes.

    Args:
        labels: ``(n)``, integers from 0 to 59; the clips are made on their device.
        subjects: ``(n)``, any integers from 0.
        views: ``(n)``, any integers from 0.
        repetitions: ``(n)``, any integers from 0. New ones are new performances, so that a training can draw on.
        layout: See :func:`synthetic_motion`, as for the other arguments.
        frames: As for :func:`synthetic_motion`.
        persons: As for :func:`synthetic_motion`.
        noise: As for :func:`synthetic_motion`.
        occlusion: As for :func:`synthetic_motion`.
        seed: As for :func:`synthetic_motion`.
        dtype: As for :func:`synthetic_motion`.

    Returns:
        ``(n, 3, frames, v, persons)``.

    Raises:
        ValueError: A number out of range, wrong axes, or a layout with joints that the body does not have.

    Example:
        >>> label, subject, view, repetition = torch.randint(20, (4, 8))
        >>> sample_motion(label, subject, view, repetition).shape
        torch.Size([8, 3, 50, 25, 1])
    """
    for name, value in {"labels": labels, "subjects": subjects, "views": views, "repetitions": repetitions}.items():
        check_axes(value, "n", name=name, n=labels.shape[0] if labels.ndim else 1)
        if value.is_floating_point() or (value.numel() and value.min() < 0):
            raise ValueError(f"{name}: expected integers from 0, got {value}")
    if frames < 1 or noise < 0:
        raise ValueError(f"frames, noise: expected at least 1 and 0, got {frames} and {noise}")
    if not 0 <= occlusion <= MOST_OCCLUDED:
        raise ValueError(f"occlusion: expected a part of the time in [0, {MOST_OCCLUDED}], got {occlusion}")
    joints = torch.tensor(body_joints(layouts.get(layout)), device=labels.device)
    catalogue = motion_classes(60, persons=persons)
    if labels.numel() and labels.max() >= len(catalogue):
        raise ValueError(f"labels: expected 0 to {len(catalogue) - 1}, got {int(labels.max())}")
    number = torch.float64 if dtype == torch.float64 else torch.float32  # half the bits are too few to compute in
    tables = role_tables(catalogue, persons, device=labels.device, dtype=number)
    clip = key(seed, 1, labels, subjects, views, repetitions)
    bodies = []
    for m in range(persons):
        role = RoleTables(*(table[m][labels] for table in tables))
        actor = key(seed, 2, subjects, m)
        body = perform(role, actor=actor, clip=clip, performance=key(clip, m), frames=frames)
        bodies.append(body.index_select(0, joints))  # (v, c, n, t)
    x = film(torch.stack(bodies), views, clip)
    x = sense(x, joints, clip, noise=noise, occlusion=occlusion)
    x = x * tables.present[:, labels][:, None, None, :, None]
    return rearrange(x, "m v c n t -> n c t v m").contiguous().to(dtype or torch.float32)
