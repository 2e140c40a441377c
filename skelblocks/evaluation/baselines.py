"""Features that need no training: the baselines that an encoder has to beat.

Axes: n samples, c coordinates, t frames, v joints, m persons, k kernels.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from skelblocks._utils.checks import check_axes, check_floating, check_integer
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks._utils.optional import require

_LEAST_FRAMES = 9  # a kernel of MiniRocket has nine weights


@explain_arguments
def coordinate_features(clips: Tensor, *, frames: int = 25) -> Tensor:
    """Use the coordinates themselves as features, after resampling the clips to a few frames.

    Args:
        clips: ``(n, c, t, v, m)``, prepared as for an encoder: centered, and turned if the views differ.
        frames: Number of frames after linear resampling.

    Returns:
        ``(n, c * frames * v * m)``.

    Raises:
        TypeError: If the clips are not floating-point.
        ValueError: For other axes or no frame.

    Example:
        >>> coordinate_features(torch.randn(4, 3, 50, 25, 2), frames=10).shape
        torch.Size([4, 1500])
    """
    _check_clips(clips, name="clips")
    check_integer(frames, name="frames")
    series = rearrange(clips, "n c t v m -> n (c v m) t")
    return F.interpolate(series, size=frames, mode="linear", align_corners=frames > 1).flatten(1)


@explain_arguments
def mini_rocket_features(train: Tensor, test: Tensor, *, kernels: int = 10_000, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Describe clips by thousands of fixed convolutions over time (MiniRocket, Dempster et al., KDD 2021).

    The coordinates of all joints are the channels of a time series. Each kernel sees a few of them, drawn at random;
    a feature is the fraction of frames in which its response is above a threshold, which a training clip sets. Nothing
    is learned. With a ridge classifier on top it is hard to beat on small sets, so compare every encoder with it.

    The computation is sktime's ``MiniRocketMultivariate``; it needs the extra ``baselines``. The first call compiles
    it, which takes half a minute.

    Args:
        train: Training clips ``(n, c, t, v, m)``, from which the thresholds are taken.
        test: Test clips, for another n.
        kernels: Number of features, which sktime rounds down to a multiple of 84.
        seed: Random seed of the draws.

    Returns:
        Features of the training clips and of the test clips, ``(n, k)`` float32, on the CPU.

    Raises:
        ImportError: If the extra is not installed.
        TypeError: If the clips are not floating-point.
        ValueError: For wrong axes, clips of fewer than nine frames, or training and test clips of different shapes.

    Example:
        >>> train, test = mini_rocket_features(clips[:100], clips[100:])  # doctest: +SKIP
        >>> ridge_probe(train, labels[:100], test, labels[100:]).accuracy  # doctest: +SKIP
        0.93
    """
    _check_clips(train, name="train")
    _check_clips(test, name="test")
    check_integer(kernels, name="kernels", least=84)
    if test.shape[1:] != train.shape[1:]:
        raise ValueError(
            f"test: expected clips of the shape {tuple(train.shape[1:])} of the training clips, got "
            f"{tuple(test.shape[1:])}; prepare both in the same way"
        )
    if train.shape[2] < _LEAST_FRAMES:
        raise ValueError(
            f"train: expected at least {_LEAST_FRAMES} frames, got {train.shape[2]}; resample the clips to more frames"
        )
    require("numba", extra="baselines")
    rocket = require("sktime.transformations.panel.rocket", extra="baselines")
    transform: Any = rocket.MiniRocketMultivariate(num_kernels=kernels, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the libraries below warn about their own internals
        transform.fit(_series(train))
        first, second = (transform.transform(_series(part)) for part in (train, test))
    return torch.tensor(first.to_numpy(dtype="float32")), torch.tensor(second.to_numpy(dtype="float32"))


def _series(clips: Tensor) -> Any:
    return rearrange(clips.detach().cpu().float(), "n c t v m -> n (c v m) t").numpy()


def _check_clips(clips: Tensor, *, name: str) -> None:
    check_axes(clips, "n c t v m", name=name)
    check_floating(clips, name=name)
