"""The augmentations of the methods, as compositions.

Each function returns a new :class:`~skelblocks.augment.compose.Compose`. The two functions ``*_swap``, which mix clips
of a batch, return a :class:`~skelblocks.augment.region_swap.RandomRegionSwap`. All of them work for every layout and
length, because numbers of joints or frames in the papers become ratios, and for two or three coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from skelblocks._utils.deprecated import renamed_arguments, warn_deprecated
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment.channel_mask import RandomChannelMask
from skelblocks.augment.compose import Compose
from skelblocks.augment.gaussian_blur import RandomGaussianBlur
from skelblocks.augment.gaussian_noise import RandomGaussianNoise
from skelblocks.augment.joint_mask import RandomJointMask
from skelblocks.augment.noise_joints import RandomNoiseJoints
from skelblocks.augment.region_swap import RandomRegionSwap
from skelblocks.augment.rotation import RandomRotation
from skelblocks.augment.scale import RandomScale
from skelblocks.augment.shear import RandomShear
from skelblocks.augment.spatial_flip import RandomSpatialFlip
from skelblocks.augment.tempo import RandomTempo
from skelblocks.augment.temporal_crop import RandomTemporalCrop
from skelblocks.augment.temporal_flip import RandomTemporalFlip
from skelblocks.layouts import SkeletonLayout, get

__all__ = [
    "aimclr_extreme",
    "aimclr_extreme_official",
    "msmclr_strong",
    "msmclr_strong_official",
    "picture_strong",
    "picture_weak",
    "skeattnclr_swap",
    "skelemix_swap",
    "weak",
]


@explain_arguments
def weak(*, shear_amplitude: float = 0.5, padding_ratio: int = 6) -> Compose:
    """The weak view, which SkeletonCLR, CrosSCLR, AimCLR, MsMCLR and SkeAttnCLR call normal augmentation.

    Args:
        shear_amplitude: Amplitude of the shear; 0.5 in their released configs and SkeAttnCLR's table 10.
        padding_ratio: Padding of the crop; 6 in their released configs and SkeAttnCLR's table 10.

    Returns:
        A transform of clips ``(n, c, t, v, m)``.

    Example:
        >>> [type(each).__name__ for each in weak().transforms]
        ['RandomTemporalCrop', 'RandomShear']
    """
    return Compose([RandomTemporalCrop(padding_ratio), RandomShear(shear_amplitude)])


@explain_arguments
def aimclr_extreme(
    layout: str | Mapping[str, Any] | SkeletonLayout, *, shear_amplitude: float = 0.5, padding_ratio: int = 6
) -> Compose:
    """The extreme augmentation of AimCLR's section 3.2: eight ops.

    In this order: crop, shear, spatial flip, rotation, Gaussian noise, Gaussian blur, channel mask ("axis mask" in the
    paper), temporal flip. The paper gives neither order nor numbers. The order follows the released code, in which the
    temporal flip is optional and last; the numbers are the defaults of the ops. The released configs run
    :func:`aimclr_extreme_official`.

    Args:
        layout: A name, a dict or a layout. The spatial flip swaps its left and right.
        shear_amplitude: Amplitude of the shear; 0.5 in the released configs.
        padding_ratio: Padding of the crop; 6 in the released configs.

    Returns:
        A transform of clips ``(n, c, t, v, m)`` that leaves absent persons zero.

    Raises:
        ValueError: an unknown layout.

    Example:
        >>> [type(each).__name__ for each in aimclr_extreme("ntu-rgb+d").transforms]
        ['RandomTemporalCrop', 'RandomShear', 'RandomSpatialFlip', 'RandomRotation',
         'RandomGaussianNoise', 'RandomGaussianBlur', 'RandomChannelMask', 'RandomTemporalFlip']
    """
    return Compose(
        [
            *weak(shear_amplitude=shear_amplitude, padding_ratio=padding_ratio).transforms,
            RandomSpatialFlip(layout),
            RandomRotation(),
            RandomGaussianNoise(),
            RandomGaussianBlur(),
            RandomChannelMask(),
            RandomTemporalFlip(),
        ]
    )


@explain_arguments
def aimclr_extreme_official(
    layout: str | Mapping[str, Any] | SkeletonLayout, *, shear_amplitude: float = 0.5, padding_ratio: int = 6
) -> Compose:
    """The extreme augmentation that AimCLR's released configs run: seven ops.

    It differs from section 3.2 (:func:`aimclr_extreme`): there is no temporal flip, which the released code has but no
    config turns on; absent persons get Gaussian noise too; and the blur's kernel is not normalized and pads with zeros.

    Args:
        layout: A name, a dict or a layout.
        shear_amplitude: Amplitude of the shear; 0.5 in the released configs.
        padding_ratio: Padding of the crop; 6 in the released configs.

    Returns:
        A transform of clips ``(n, c, t, v, m)``.

    Raises:
        ValueError: an unknown layout.

    Example:
        >>> len(aimclr_extreme_official("ntu-rgb+d").transforms)
        7
    """
    return Compose(
        [
            *weak(shear_amplitude=shear_amplitude, padding_ratio=padding_ratio).transforms,
            RandomSpatialFlip(layout),
            RandomRotation(),
            RandomGaussianNoise(on_absent_persons=True),
            RandomGaussianBlur(normalize=False, padding="zeros"),
            RandomChannelMask(),
        ]
    )


@explain_arguments
def msmclr_strong(
    layout: str | Mapping[str, Any] | SkeletonLayout | None = None,
    *,
    shear_amplitude: float = 0.5,
    padding_ratio: int = 6,
) -> Compose:
    """The strong augmentation that MsMCLR's section 3.3 lists: eight ops.

    In this order: crop, shear, rotation, Gaussian noise, Gaussian blur, joint mask, channel mask, and noise on 5 of 25
    joints. The paper gives no order, and no number except the 5 joints. The order follows the released code, with the
    joint mask before the channel mask as in the paper's list; the numbers are the defaults of the ops. The released
    code runs :func:`msmclr_strong_official`.

    Args:
        layout: A name, a dict or a layout. It is checked but not used, so that this recipe takes the same arguments as
            the released one.
        shear_amplitude: Amplitude of the shear; 0.5 in the released config.
        padding_ratio: Padding of the crop; 6 in the released config.

    Returns:
        A transform of clips ``(n, c, t, v, m)`` that leaves absent persons zero.

    Raises:
        ValueError: an unknown layout.

    Example:
        >>> len(msmclr_strong().transforms)
        8
    """
    if layout is not None:
        get(layout)
    return Compose(
        [
            RandomTemporalCrop(padding_ratio),
            RandomShear(shear_amplitude),
            RandomRotation(),
            RandomGaussianNoise(),
            RandomGaussianBlur(),
            RandomJointMask(),
            RandomChannelMask(),
            RandomNoiseJoints(5 / 25),
        ]
    )


@explain_arguments
def msmclr_strong_official(
    layout: str | Mapping[str, Any] | SkeletonLayout, *, shear_amplitude: float = 0.5, padding_ratio: int = 6
) -> Compose:
    """The strong augmentation that MsMCLR's released code runs.

    It differs from section 3.3 (:func:`msmclr_strong`): a spatial flip that only relabels joints replaces the joint
    mask; 1 of 25 joints gets noise instead of 5; absent persons get Gaussian noise too; and the blur's kernel is not
    normalized and pads with zeros. Its first seven ops are the same as in :func:`aimclr_extreme_official`.

    Args:
        layout: A name, a dict or a layout.
        shear_amplitude: Amplitude of the shear; 0.5 in the released config.
        padding_ratio: Padding of the crop; 6 in the released config.

    Returns:
        A transform of clips ``(n, c, t, v, m)``.

    Raises:
        ValueError: an unknown layout.

    Example:
        >>> [type(each).__name__ for each in msmclr_strong_official("ntu-rgb+d").transforms]
        ['RandomTemporalCrop', 'RandomShear', 'RandomSpatialFlip', 'RandomRotation',
         'RandomGaussianNoise', 'RandomGaussianBlur', 'RandomChannelMask', 'RandomNoiseJoints']
    """
    seven = aimclr_extreme_official(layout, shear_amplitude=shear_amplitude, padding_ratio=padding_ratio)
    return Compose([*seven.transforms, RandomNoiseJoints(1 / 25)])


@explain_arguments
def picture_weak(*, angle: float = 15.0, scale_amplitude: float = 0.2, padding_ratio: int = 6) -> Compose:
    """A weak view for 2-D keypoints: crop, rotation in the plane, scale.

    It is this package's own. The weak view of the papers shears, which in 2-D distorts the body as no camera does.

    Args:
        angle: Largest rotation to either side, in degrees, like a camera that is not held straight.
        scale_amplitude: Largest change of the size, as a ratio; 0.2 in pyskl's code for keypoints.
        padding_ratio: Padding of the crop; 6 in the papers' released configs.

    Returns:
        A transform of clips ``(n, c, t, v, m)``.

    Example:
        >>> [type(each).__name__ for each in picture_weak().transforms]
        ['RandomTemporalCrop', 'RandomRotation', 'RandomScale']
    """
    return Compose(
        [RandomTemporalCrop(padding_ratio), RandomRotation(angle, two_sided=True), RandomScale(scale_amplitude)]
    )


@explain_arguments
def picture_strong(
    layout: str | Mapping[str, Any] | SkeletonLayout,
    *,
    angle: float = 30.0,
    scale_amplitude: float = 0.2,
    shear_amplitude: float = 0.2,
    padding_ratio: int = 6,
) -> Compose:
    """A strong view for 2-D keypoints: nine ops.

    In this order: tempo, crop, rotation in the plane, scale of each axis, shear, mirror image, Gaussian noise, Gaussian
    blur, joint mask. It is this package's own. It has no channel mask, unlike the strong views of the papers, because
    the mask would hide one of only two coordinates.

    Args:
        layout: A name, a dict or a layout. The mirror image swaps its left and right.
        angle: Largest rotation to either side, in degrees.
        scale_amplitude: Largest change of the size along each axis, as a ratio.
        shear_amplitude: Amplitude of the shear; less than the papers' 0.5, which imitates other viewpoints in 3-D.
        padding_ratio: Padding of the crop; 6 in the papers' released configs.

    Returns:
        A transform of clips ``(n, c, t, v, m)`` that leaves absent persons zero.

    Raises:
        ValueError: an unknown layout.

    Example:
        >>> len(picture_strong("coco-17").transforms)
        9
    """
    return Compose(
        [
            RandomTempo(),
            RandomTemporalCrop(padding_ratio),
            RandomRotation(angle, two_sided=True),
            RandomScale(scale_amplitude, per_axis=True),
            RandomShear(shear_amplitude),
            RandomSpatialFlip(layout, mirror_axis=0),
            RandomGaussianNoise(),
            RandomGaussianBlur(),
            RandomJointMask(),
        ]
    )


@explain_arguments
@renamed_arguments(shared="same_on_batch")
def skelemix_swap(
    layout: str | Mapping[str, Any] | SkeletonLayout, *, same_on_batch: bool = False, on_absent_persons: bool = False
) -> RandomRegionSwap:
    """The data mixing of SkeleMixCLR's released config: 2 to 3 of 5 bodies, 7 to 11 of 16 blocks of 4 frames.

    Apply it after :func:`weak`; the released code applies it after the conversion to bones or motion. The config mixes
    each batch three times, with separate draws: call it three times.

    Args:
        layout: A name, a dict or a layout.
        same_on_batch: Use one region for the whole batch, as the released code does.
        on_absent_persons: Copy absent persons too, as the released code does.

    Returns:
        A module from clips ``(n, c, t, v, m)`` to :class:`~skelblocks.augment.region_swap.Mixed`.

    Raises:
        ValueError: an unknown layout.

    Example:
        >>> import torch
        >>> mixed = skelemix_swap("ntu-rgb+d")(torch.randn(4, 3, 64, 25, 2))
        >>> 7 <= int(mixed.mask[0].any(dim=1).sum()) <= 11
        True
    """
    return RandomRegionSwap(
        layout,
        body_ratio=(2 / 5, 3 / 5),
        block_ratio=(7 / 16, 11 / 16),
        same_on_batch=same_on_batch,
        on_absent_persons=on_absent_persons,
    )


@explain_arguments
@renamed_arguments(shared="same_on_batch")
def skeattnclr_swap(
    layout: str | Mapping[str, Any] | SkeletonLayout, *, same_on_batch: bool = False, on_absent_persons: bool = False
) -> RandomRegionSwap:
    """The extra augmentation of SkeAttnCLR's section 3.2: 3 to 4 of 5 bodies, 4 to 7 of 16 blocks of 4 frames.

    These numbers are the spatial and temporal l and u of its table 11, and the defaults of
    :class:`~skelblocks.augment.RandomRegionSwap`. Apply it to query clips after :func:`weak` and before the conversion
    to bones or motion; the key is not mixed.

    Args:
        layout: A name, a dict or a layout.
        same_on_batch: Use one region for the whole batch, as the released code does.
        on_absent_persons: Copy absent persons too, as the released code does.

    Returns:
        A module from clips ``(n, c, t, v, m)`` to :class:`~skelblocks.augment.region_swap.Mixed`.

    Raises:
        ValueError: an unknown layout.

    Example:
        >>> import torch
        >>> mixed = skeattnclr_swap("ntu-rgb+d")(torch.randn(4, 3, 64, 25, 2))
        >>> 4 <= int(mixed.mask[0].any(dim=1).sum()) <= 7
        True
    """
    return RandomRegionSwap(layout, same_on_batch=same_on_batch, on_absent_persons=on_absent_persons)


if not TYPE_CHECKING:  # so that type checkers report unknown names

    def __getattr__(name: str) -> Any:
        if name == "normal":
            warn_deprecated(f"{__name__}.normal is deprecated; use {__name__}.weak", skip=1)
            return weak
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
