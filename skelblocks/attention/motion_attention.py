"""Self-attention over the motion of a feature map, the part of MsM attention without weights.

Axes: b rows (samples x persons), r reduced channels, t frames, v joints (or parts, bodies), s rows of a segment,
g segments.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from skelblocks._utils.checks import (
    check_axes,
    check_choice,
    check_filled,
    check_floating,
    check_integer,
    check_positive,
)
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.attention.motion_difference import BOUNDARIES, MOTIONS, Boundary, Motion, motion_difference

Normalization = Literal["node", "token"]
Similarity = Literal["dot", "cosine"]
NORMALIZATIONS: tuple[Normalization, ...] = get_args(Normalization)
SIMILARITIES: tuple[Similarity, ...] = get_args(Similarity)


@explain_arguments
def motion_attention(
    z: Tensor,
    *,
    motion: Motion = "both",
    segment: int | None = None,
    normalization: Normalization = "node",
    boundary: Boundary = "zero_pad",
    scale: float | None = None,
    similarity: Similarity = "dot",
) -> tuple[Tensor, Tensor]:
    r"""Let tokens attend to each other by their motion, which is query, key and value.

    .. math:: M = \operatorname{flatten}(\operatorname{motion}(\operatorname{LN}(z))), \qquad
        W = \operatorname{softmax}\Big(\frac{M M^\top}{\sqrt d}\Big), \qquad a = W M

    There are no projections.

    Args:
        z: Features ``(b, r, t, v)``.
        motion: ``"both"``, ``"frame"`` or ``"node"``, see :func:`motion_difference`.
        segment: With None, a row's tokens are its own t frames, with ``d = r * v`` ("flattened along the temporal
            dimension", MsMCLR section 3.2.2). With a number (8 in the released code), groups of this many consecutive
            rows of the batch are the tokens, with ``d = r * t * v``, so a clip attends to its neighbors in the batch.
        normalization: ``"node"`` normalizes over the v nodes of each channel and frame, as in the released code of the
            full model. ``"token"`` normalizes over all d features of a token, as in its inter-frame ablation. Neither
            has weights. The paper only says "normalization".
        boundary: See :func:`motion_difference`.
        scale: Factor of the similarity. Default: ``1 / sqrt(d)`` for ``"dot"``, 1 for ``"cosine"``.
        similarity: ``"dot"``, or ``"cosine"`` for tokens of unit length, see :class:`MsMAttention`. A token of zeros
            has the cosine 0 to every token.

    Returns:
        The attended motion ``a``, ``(b, r, t, v)``, and the attention matrices ``W``, whose rows sum to one:
        ``(b, t, t)``, or ``(b / segment, segment, segment)``.

    Raises:
        TypeError: ``z`` is not a floating-point tensor, or ``segment`` is not an integer.
        ValueError: ``z`` has other axes, or no channel, frame or node; an option is unknown; or the number of rows is
            not a multiple of ``segment``.

    Example:
        >>> attended, weights = motion_attention(torch.randn(2, 4, 13, 25))
        >>> attended.shape, weights.shape
        (torch.Size([2, 4, 13, 25]), torch.Size([2, 13, 13]))
    """
    check_options(
        motion=motion,
        segment=segment,
        normalization=normalization,
        boundary=boundary,
        scale=scale,
        similarity=similarity,
    )
    check_axes(z, "b r t v", name="z")
    check_floating(z, name="z")
    check_filled(z, "b r t v", name="z", filled="r t v")
    b, r, t, v = z.shape
    if segment is not None and b % segment:
        raise ValueError(
            f"z: expected a multiple of segment={segment} rows (samples x persons), got {b}; "
            "use another batch size (drop_last=True), or segment=None for a clip's own frames"
        )
    if normalization == "node":
        normalized = F.layer_norm(z, (v,))
    elif segment is None:
        normalized = rearrange(F.layer_norm(rearrange(z, "b r t v -> b t r v"), (r, v)), "b t r v -> b r t v")
    else:
        normalized = F.layer_norm(z, (r, t, v))
    difference = motion_difference(normalized, motion=motion, boundary=boundary)
    if segment is None:
        tokens = rearrange(difference, "b r t v -> b t (r v)")
    else:
        tokens = rearrange(difference, "(g s) r t v -> g s (r t v)", s=segment)
    keys, factor = (_unit(tokens), 1.0) if similarity == "cosine" else (tokens, 1 / math.sqrt(tokens.shape[-1]))
    # Scale before the product: a sum over thousands of features can exceed the range of float16.
    queries = keys * (factor if scale is None else scale)
    weights = (queries @ keys.mT).softmax(dim=-1)
    attended = weights.to(tokens.dtype) @ tokens
    if segment is None:
        return rearrange(attended, "b t (r v) -> b r t v", r=r, v=v), weights
    return rearrange(attended, "g s (r t v) -> (g s) r t v", r=r, t=t, v=v), weights


def check_options(
    *,
    motion: object,
    segment: int | None,
    normalization: object,
    boundary: object,
    scale: float | None,
    similarity: object,
) -> None:
    """Check the options of :func:`motion_attention`."""
    check_choice(motion, MOTIONS, name="motion")
    check_choice(normalization, NORMALIZATIONS, name="normalization")
    check_choice(boundary, BOUNDARIES, name="boundary")
    check_choice(similarity, SIMILARITIES, name="similarity")
    if segment is not None:
        check_integer(segment, name="segment")
    if scale is not None:
        check_positive(scale, name="scale")


def _unit(tokens: Tensor) -> Tensor:
    """Scale tokens to unit length; tokens of zeros stay zero."""
    # Divide by the largest value first: the squares of very small or large features are zero or infinite.
    largest = tokens.detach().abs().amax(dim=-1, keepdim=True).clamp(min=torch.finfo(tokens.dtype).tiny)
    return F.normalize(tokens / largest, dim=-1, eps=1.0)
