"""Choose the persons among the tracked bodies of a clip.

Axes: c coordinates, t frames, v joints, b bodies, m persons.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.checks import check_choice, check_integer
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.raw_clip import RawClip

By = Literal["energy", "first"]
BY = get_args(By)


@explain_arguments
def body_energy(clip: RawClip) -> NDArray[np.float64]:
    r"""A measure of each body's motion and extent, from the released preprocessing of 2s-AGCN.

    With the standard deviation over the frames in which body b is seen and over all its joints together, or over the
    joints that are seen:

    .. math:: E_b = \sum_c \operatorname{std}_{t \in seen_b, v} x_{c t v b}

    Args:
        clip: The raw clip.

    Returns:
        ``(b,)``, 0 for a body that is never seen.

    Raises:
        ValueError: Arrays that do not belong together.

    Example:
        >>> x = np.zeros((3, 4, 25, 2), dtype=np.float32)
        >>> x[0, ::2, :, 1] = 1  # the second body goes back and forth
        >>> body_energy(RawClip("", x, np.ones((4, 2), dtype=bool), -1, {}))
        array([0. , 0.5])
    """
    check_clip(clip)
    energy = np.zeros(clip.x.shape[3])
    for body in np.flatnonzero(clip.seen_persons.any(axis=0)).tolist():
        x = clip.x[..., body][:, clip.seen[..., body]]  # (c, seen frames, v), or (c, seen joints of all frames)
        energy[body] = x.reshape(len(x), -1).std(axis=1, dtype=np.float64).sum()
    return energy


@explain_arguments
def choose_bodies(clip: RawClip, *, persons: int = 2, by: By = "energy") -> NDArray[np.float32]:
    """Make an array of a fixed number of persons from a clip of any number of bodies.

    Args:
        clip: The raw clip.
        persons: Number of persons, m. If there are fewer bodies, the rest is zero.
        by: ``"energy"``: bodies as the owner's tracker follows them, the most energetic first, see
            :func:`body_energy`; the earlier of equals. 2s-AGCN does so, among the first four of each frame's list.
            ``"first"``: in each frame the first m persons of the file's list, as in the released
            preprocessing of ST-GCN, on which SkeletonCLR, CrosSCLR, AimCLR and MsMCLR build. Where the list changes, a
            person changes body.

    Returns:
        ``(c, t, v, m)``; zero where no person is seen. All zero for a clip without bodies.

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
    return choose_persons(clip, persons=persons, by=by).x


def choose_persons(clip: RawClip, *, persons: int = 2, by: By = "energy") -> RawClip:
    """:func:`choose_bodies` of a whole clip: its ``seen`` and ``scores`` follow the persons.

    Args:
        clip: The raw clip.
        persons: How many, m.
        by: As for :func:`choose_bodies`.

    Returns:
        The clip with m bodies. ``seen`` tells of persons or of joints as in ``clip``; ``order`` is None.

    Raises:
        TypeError, ValueError: As for :func:`choose_bodies`.

    Example:
        >>> x = np.ones((3, 4, 25, 3), dtype=np.float32)
        >>> seen = np.arange(4)[:, None, None] < np.ones((25, 1)) * [4, 0, 2]
        >>> choose_persons(RawClip("", x, seen, -1, {}), by="first").seen.sum(axis=(0, 1))
        array([100,  50])
    """
    check_clip(clip)
    check_choice(by, BY, name="by")
    check_integer(persons, name="persons")
    if by == "energy":
        chosen = np.argsort(-body_energy(clip), kind="stable")[:persons]
        frame, place = np.nonzero(clip.seen_persons[:, chosen])
        body = chosen[place]
    else:
        order = file_order(clip)
        frame, body = np.nonzero((order >= 0) & (order < persons))
        place = order[frame, body]
    x = np.zeros((*clip.x.shape[:3], persons), dtype=clip.x.dtype)
    x[:, frame, :, place] = clip.x[:, frame, :, body]
    seen = np.zeros((*clip.seen.shape[:-1], persons), dtype=np.bool_)
    seen[frame, ..., place] = clip.seen[frame, ..., body]
    scores = None
    if clip.scores is not None:
        scores = np.zeros(x.shape[1:], dtype=clip.scores.dtype)
        scores[frame, :, place] = clip.scores[frame, :, body]
    return clip._replace(x=x, seen=seen, scores=scores, order=None)


def file_order(clip: RawClip) -> NDArray[np.int64]:
    """``clip.order``, or its default if it is None."""
    if clip.order is not None:
        return clip.order
    seen = clip.seen_persons
    return np.where(seen, np.cumsum(seen, axis=1) - 1, -1)


def check_clip(clip: RawClip) -> None:
    """Raise unless the arrays of a clip have the axes that :class:`RawClip` gives them."""
    if not isinstance(clip, RawClip):
        raise TypeError(f"clip: expected a RawClip, got {type(clip).__name__}")
    if clip.x.ndim != 4 or not np.issubdtype(clip.x.dtype, np.floating):
        raise ValueError(f"clip.x: expected floating-point numbers (c, t, v, b), got {clip.x.dtype} {clip.x.shape}")
    persons, joints = clip.x.shape[1::2], clip.x.shape[1:]
    _check_belongs("seen", clip.seen, np.bool_, {"(t, b)": persons, "(t, v, b)": joints})
    _check_belongs("order", clip.order, np.integer, {"(t, b)": persons})
    _check_belongs("scores", clip.scores, np.floating, {"(t, v, b)": joints})


def _check_belongs(name: str, array: NDArray[Any] | None, kind: Any, shapes: dict[str, tuple[int, ...]]) -> None:
    if array is None or (array.shape in shapes.values() and np.issubdtype(array.dtype, kind)):
        return
    expected = " or ".join(f"{axes} = {shape}" for axes, shape in shapes.items())
    raise ValueError(f"clip.{name}: expected {kind.__name__} {expected}, as in clip.x, got {array.dtype} {array.shape}")
