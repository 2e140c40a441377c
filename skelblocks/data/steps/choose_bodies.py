"""Which of the bodies in a clip are its persons.

Axes: c coordinates, t frames, v joints, b bodies, m persons.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.checks import check_choice, check_integer
from skelblocks.clips.raw_clip import RawClip

By = Literal["energy", "first"]
BY = get_args(By)


def body_energy(clip: RawClip) -> NDArray[np.float64]:
    r"""How much each body moves and extends, by the released preprocessing of 2s-AGCN.

    With the standard deviation over the frames in which body b is seen and over all its joints together:

    .. math:: E_b = \sum_c \operatorname{std}_{t \in seen_b, v} x_{c t v b}

    Args:
        clip: As read.

    Returns:
        ``(b,)``, 0 for a body that is never seen.

    Raises:
        ValueError: arrays that do not belong together.

    Example:
        >>> x = np.zeros((3, 4, 25, 2), dtype=np.float32)
        >>> x[0, ::2, :, 1] = 1  # the second body goes back and forth
        >>> body_energy(RawClip("", x, np.ones((4, 2), dtype=bool), -1, {}))
        array([0. , 0.5])
    """
    check_clip(clip)
    energy = np.zeros(clip.x.shape[3])
    for body in np.flatnonzero(clip.seen.any(axis=0)).tolist():
        x = clip.x[..., body][:, clip.seen[:, body]]
        energy[body] = x.std(axis=(1, 2), dtype=np.float64).sum()
    return energy


def choose_bodies(clip: RawClip, *, persons: int = 2, by: By = "energy") -> NDArray[np.float32]:
    """Make an array of a fixed number of persons from a clip of any number of bodies.

    Args:
        clip: As read.
        persons: How many, m. Where there are fewer bodies, the rest is zero.
        by: ``"energy"``: bodies as the owner's tracker follows them, the most energetic first, see
            :func:`body_energy`; the earlier of equals. 2s-AGCN does so, among the first four of each frame's list.
            ``"first"``: in each frame the first m of the file's list, whoever they are, as in the released
            preprocessing of ST-GCN, on which SkeletonCLR, CrosSCLR, AimCLR and MsMCLR build. Where the list changes, a
            person changes body.

    Returns:
        ``(c, t, v, m)``; zero where nobody is seen. All zero for a clip without bodies.

    Raises:
        TypeError: ``persons`` is not an integer.
        ValueError: ``persons`` below 1, an unknown choice, or arrays that do not belong together.

    Example:
        >>> x = np.zeros((3, 4, 25, 3), dtype=np.float32)
        >>> x[0, ::2, :, 1], x[0, ::2, :, 2] = 1, 2
        >>> clip = RawClip("", x, np.ones((4, 3), dtype=bool), -1, {})
        >>> choose_bodies(clip)[0, 0, 0], choose_bodies(clip, by="first")[0, 0, 0]
        (array([2., 1.], dtype=float32), array([0., 1.], dtype=float32))
    """
    check_clip(clip)
    check_choice(by, BY, name="by")
    check_integer(persons, name="persons")
    c, t, v, _ = clip.x.shape
    out = np.zeros((c, t, v, persons), dtype=clip.x.dtype)
    if by == "energy":
        chosen = np.argsort(-body_energy(clip), kind="stable")[:persons]
        out[..., : len(chosen)] = np.where(clip.seen[:, None, chosen], clip.x[..., chosen], 0)
        return out
    order = file_order(clip)
    frame, body = np.nonzero((order >= 0) & (order < persons))
    out[:, frame, :, order[frame, body]] = clip.x[:, frame, :, body]
    return out


def file_order(clip: RawClip) -> NDArray[np.int64]:
    """``clip.order``, or what it stands for where it is None."""
    if clip.order is not None:
        return clip.order
    return np.where(clip.seen, np.cumsum(clip.seen, axis=1) - 1, -1)


def check_clip(clip: RawClip) -> None:
    """Raise unless the arrays of a clip have the axes that :class:`RawClip` gives them."""
    if not isinstance(clip, RawClip):
        raise TypeError(f"clip: expected a RawClip, got {type(clip).__name__}")
    arrays: dict[str, NDArray[Any] | None] = {"seen": clip.seen, "order": clip.order}
    if clip.x.ndim != 4 or not np.issubdtype(clip.x.dtype, np.floating):
        raise ValueError(f"clip.x: expected floating-point numbers (c, t, v, b), got {clip.x.dtype} {clip.x.shape}")
    for name, array in arrays.items():
        expected = clip.x.shape[1::2]
        kind = np.bool_ if name == "seen" else np.integer
        if array is not None and (array.shape != expected or not np.issubdtype(array.dtype, kind)):
            raise ValueError(
                f"clip.{name}: expected {kind.__name__} (t, b) = {expected}, as in clip.x, got {array.dtype} "
                f"{array.shape}"
            )
