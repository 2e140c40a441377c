"""Draw a clip before and after augmentations.

Axes: c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from typing_extensions import Unpack

from skelblocks import layouts
from skelblocks._utils.checks import check_axes, check_floating, check_integer, check_positive
from skelblocks.layouts import SkeletonLayout
from skelblocks.viz._bodies import Look, LookOptions, frames_shown, see
from skelblocks.viz._strips import Strip, strips_figure
from skelblocks.viz._style import check_by_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def augmentation_strips(
    clip: Tensor,
    transforms: Mapping[str, Callable[..., Tensor]],
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    frames: int | Sequence[int] = 6,
    seed: int = 0,
    fps: float | None = None,
    title: str | None = None,
    **look: Unpack[LookOptions],
) -> Figure:
    """Draw a clip in the top row, and what each transform makes of it in a row below.

    All rows have one scale, and each is drawn around its own middle.

    Joints that a transform sets to zero are gray, at their place in the original clip. If the transform changes the
    number of frames, this place is unknown: the joints are then at zero, and the row has its own frames.

    Args:
        clip: ``(c, t, v, m)``. Persons and frames that are all zero are not drawn.
        transforms: Transforms by name: random modules of ``skelblocks.augment``, compositions of them, or functions of
            your own. Each is called as ``transform(clips, generator=generator)`` with clips ``(1, c, t, v, m)`` and
            returns clips.
        layout: The skeleton: a name, a dict or a layout.
        frames: Number of frames, spread evenly up to the last one with a person in it, or a list of frames.
        seed: Random seed. Each transform gets its own generator, so its draws do not depend on the other transforms.
        fps: Frames per second, to label the frames with times in seconds. Default: frame numbers.
        title: Title of the figure.
        **look: ``color_by``, ``axes``, ``view``, ``flip_vertical`` and ``image_size``, as in
            :func:`~skelblocks.viz.draw_skeleton`.

    Returns:
        The figure; ``figure.savefig(path)`` writes it. Nothing is shown.

    Raises:
        ImportError: Matplotlib is missing.
        TypeError: The clip is not a floating-point tensor, the transforms are not a dict, or a transform does not
            return such a tensor.
        ValueError: There is no transform, a transform changes channels, joints or persons, or what
            :func:`~skelblocks.viz.clip_strip` raises.

    Example:
        >>> from skelblocks.augment import RandomShear, RandomSpatialFlip
        >>> transforms = {"shear": RandomShear(), "flip": RandomSpatialFlip("ntu-rgb+d", p=1.0)}
        >>> figure = augmentation_strips(torch.randn(3, 50, 25, 1), transforms, layout="ntu-rgb+d", frames=4)
        >>> [figure.axes[row].get_ylabel() for row in (0, 4, 8)]
        ['original', 'shear', 'flip']
    """
    if fps is not None:
        check_positive(fps, name="fps")
    style = Look(layouts.get(layout), **look)
    check_axes(clip, "c t v m", name="clip", v=style.layout.num_joints)
    check_floating(clip, name="clip")
    check_integer(seed, name="seed", least=0)
    check_by_name(transforms, name="transforms", of="transforms", example="{'shear': RandomShear()}")
    if "original" in transforms:
        raise ValueError("transforms: expected other names than 'original', the clip's own row, got it; rename it")
    bodies = see(clip, style)
    strips = [Strip("original", bodies, frames_shown(frames, bodies.present))]
    for name, transform in transforms.items():
        after = _after(clip, transform, seed=seed, name=f"transforms[{name!r}]")
        if after.shape == clip.shape:
            hidden = (after == 0).all(dim=0) & (clip != 0).any(dim=0)
            bodies = see(torch.where(hidden, clip, after), style, hidden=hidden)
            strips.append(Strip(name, bodies, strips[0].frames))
        else:
            bodies = see(after, style, name=f"transforms[{name!r}](clip)")
            strips.append(Strip(name, bodies, frames_shown(frames, bodies.present)))
    return strips_figure(strips, style, fps=fps, title=title)


def _after(clip: Tensor, transform: Callable[..., Tensor], *, seed: int, name: str) -> Tensor:
    with torch.no_grad():
        # A copy: a function of the user's may write to what it gets.
        y = transform(clip.detach().clone()[None], generator=torch.Generator(clip.device).manual_seed(seed))
    if not isinstance(y, Tensor) or not y.is_floating_point():
        got = f"a tensor of {y.dtype}" if isinstance(y, Tensor) else type(y).__name__
        raise TypeError(
            f"{name}: expected a transform that gives clips, got {got}; of one that gives joints or a mask, draw the "
            f"mask with occlusion_map"
        )
    c, _, v, m = clip.shape
    check_axes(y, "n c t v m", name=f"{name}(clip)", n=1, c=c, v=v, m=m)
    return y[0]
