"""Self-attention over the motion of a feature map: the part of MsM attention that has no weights.

Axes: b rows (samples x persons), r reduced channels, t frames, v joints (or parts, bodies).
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

from skelblocks._utils.checks import check_axes, check_choice, check_positive
from skelblocks.attention.motion_difference import motion_difference

NORMALIZATIONS = ("node", "token")
SIMILARITIES = ("dot", "cosine")


def motion_attention(
    z: Tensor,
    *,
    motion: str = "both",
    segment: int | None = None,
    normalization: str = "node",
    boundary: str = "zero_pad",
    scale: float | None = None,
    similarity: str = "dot",
) -> tuple[Tensor, Tensor]:
    r"""Let tokens attend to each other by their motion, with query, key and value the same.

    .. math:: M = \operatorname{flatten}(\operatorname{motion}(\operatorname{LN}(z))), \qquad
        W = \operatorname{softmax}\Big(\frac{M M^\top}{\sqrt d}\Big), \qquad a = W M

    There are no projections.

    Args:
        z: Features ``(b, r, t, v)``.
        motion: ``"both"``, ``"frame"`` or ``"node"``, see :func:`motion_difference`.
        segment: None: a row's tokens are its own t frames, with ``d = r * v`` ("flattened along the temporal
            dimension", MsMCLR section 3.2.2). A number, 8 in the released code: that many consecutive rows of the batch
            are the tokens, with ``d = r * t * v``, so that a clip sees its neighbours in the batch.
        normalization: ``"node"``: over the v nodes of each channel and frame, as in the released code of the full
            model. ``"token"``: over all d features of a token, as in its inter-frame ablation. Neither has weights.
            The paper only says "normalization".
        boundary: See :func:`motion_difference`.
        scale: Multiplies the similarity in place of its default: ``1 / sqrt(d)`` for ``"dot"``, 1 for ``"cosine"``.
        similarity: ``"dot"``, or ``"cosine"`` for tokens of unit length. ``MsMAttention`` says why one may want it.

    Returns:
        The attended motion ``a``, ``(b, r, t, v)``, and the attention matrices ``W``: ``(b, t, t)``, or
        ``(b / segment, segment, segment)``; the rows sum to one.

    Raises:
        ValueError: other axes, an unknown option, or rows that ``segment`` does not divide.

    Example:
        >>> import torch
        >>> attended, weights = motion_attention(torch.randn(2, 4, 13, 25))
        >>> attended.shape, weights.shape
        (torch.Size([2, 4, 13, 25]), torch.Size([2, 13, 13]))
    """
    check_axes(z, "b r t v", name="z")
    check_choice(normalization, NORMALIZATIONS, name="normalization")
    check_choice(similarity, SIMILARITIES, name="similarity")
    if scale is not None:
        check_positive(scale, name="scale")
    b, r, t, v = z.shape
    if segment is not None and (segment < 1 or b % segment):
        raise ValueError(
            f"z: with segment={segment}, that many rows (samples x persons) form a group, and {b} rows do not divide "
            "into groups; use another batch size (drop_last=True), or segment=None for a clip's own frames"
        )
    if normalization == "node":
        normalized = F.layer_norm(z, (v,))
    elif segment is None:
        normalized = F.layer_norm(z.transpose(1, 2), (r, v)).transpose(1, 2)
    else:
        normalized = F.layer_norm(z, (r, t, v))
    difference = motion_difference(normalized, motion=motion, boundary=boundary)
    if segment is None:
        tokens = difference.transpose(1, 2).reshape(b, t, r * v)
    else:
        tokens = difference.reshape(b // segment, segment, r * t * v)
    if similarity == "cosine":
        keys, factor = F.normalize(tokens, dim=-1), 1.0
    else:
        keys, factor = tokens, 1 / math.sqrt(tokens.shape[-1])
    # Scaled before the product: thousands of features would sum up beyond float16.
    queries = keys * (factor if scale is None else scale)
    weights = (queries @ keys.transpose(-1, -2)).softmax(dim=-1)
    attended = weights.to(tokens.dtype) @ tokens
    if segment is None:
        return attended.view(b, t, r, v).transpose(1, 2), weights
    return attended.view(b, r, t, v), weights
