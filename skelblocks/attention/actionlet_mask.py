"""Actionlet mask (ActCLR): find the joints and frames that distinguish a clip from one without motion.

Axes: n samples, m persons, c channels, t frames, v joints, d embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import Tensor

from skelblocks._utils.checks import check_axes, check_filled, check_floating, check_positive
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.encoders._clips import check_no_clips
from skelblocks.layouts import SkeletonLayout, get, pooling_matrix
from skelblocks.layouts.skeleton_layout import Scale


@explain_arguments
def actionlet_mask(
    feature_map: Tensor,
    anchor: Tensor,
    embed: Callable[[Tensor], Tensor],
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    smooth: Scale = "body",
    gain: float | None = 1e8,
) -> Tensor:
    r"""Weight each position of a feature map by how much it moves the clip's embedding away from a static anchor.

    .. math:: s = \cos(h(f), a), \qquad
        \alpha_c = \tfrac{1}{tv} \sum_{t, v} \frac{\partial (1 - s)}{\partial f_{ctv}}, \qquad
        A_{tv} = \operatorname{clip}\Big(g \operatorname*{mean}_{u \in B(v)}
        \operatorname{ReLU}\big(\tfrac1c \textstyle\sum_c \alpha_c f_{ctu}\big), 0, 1\Big)

    This is Grad-CAM with the distance from the anchor in place of a class score. The anchor :math:`a` is the embedding
    of the average motion: the mean of a batch's clips, in which the motions cancel out. :math:`B(v)` is the group of
    joints that v belongs to, so that whole limbs are in the actionlet. Each person has its own weights.

    With the default gain, the mask is 1 wherever a limb's mean is 1e-8 or more. The released code normalizes the
    embedding along an axis of length 1, so its gradient and its mask are zero up to rounding. This function does the
    same along the correct axis.

    No gradient flows through the mask. The parameters of ``embed`` get none either, but a batch norm in ``embed``
    updates its running statistics in training mode.

    Args:
        feature_map: ``(n, m, c, t, v)``, from an encoder.
        anchor: ``(d,)`` or ``(1, d)`` for the batch, or ``(n, d)`` with one anchor per clip.
        embed: :math:`h`, a function from feature maps ``(n, m, c, t, v)`` to embeddings ``(n, d)``, such as pooling and
            head. It must process the clips independently.
        layout: A name, a dict or a layout of v joints.
        smooth: Groups over which the joints of a frame are averaged: ``"body"`` (the five bodies of the released code),
            ``"part"``, or ``"joint"`` for no averaging.
        gain: Factor applied to the map before it is clipped to [0, 1]; 1e8 in the released code. With None, each
            person's map is divided by its maximum instead.

    Returns:
        ``(n, m, 1, t, v)`` in [0, 1], without gradient.

    Raises:
        TypeError: a tensor that is not floating-point.
        ValueError: other axes, an embedding that is not ``(n, d)``, or a ``gain`` that is not positive.

    Example:
        >>> from skelblocks.encoders import Pool
        >>> feature_map = torch.zeros(1, 1, 2, 3, 25)
        >>> feature_map[:, :, 0], feature_map[:, :, 1, 1, 4:8] = 1.0, 5.0  # in the second frame the left arm moves
        >>> mask = actionlet_mask(feature_map, torch.tensor([1.0, 0.0]), Pool(), layout="ntu-rgb+d", gain=None)
        >>> mask.shape, mask[0, 0, 0, :, 5].tolist()
        (torch.Size([1, 1, 1, 3, 25]), [0.0, 1.0, 0.0])
    """
    layout = get(layout)
    if gain is not None:
        check_positive(gain, name="gain")
    check_axes(feature_map, "n m c t v", name="feature_map", v=layout.num_joints)
    check_floating(feature_map, name="feature_map")
    check_filled(feature_map, "n m c t v", name="feature_map", filled="m c t v")
    check_no_clips(feature_map, name="feature_map", instead="the persons one by one")
    check_floating(anchor, name="anchor")
    n = feature_map.shape[0]
    slope = _slope(feature_map, anchor, embed)
    importance = slope.mean(dim=(3, 4), keepdim=True)
    cam = (importance * feature_map.detach()).mean(dim=2, keepdim=True).relu()
    group = pooling_matrix(layout, scale=smooth, dtype=cam.dtype, device=cam.device)
    cam = einsum(cam, group, (group > 0).to(cam.dtype), "n m one t u, u p, v p -> n m one t v")
    if gain is None:
        largest = rearrange(cam, "n m one t v -> n m (one t v)").amax(dim=2)
        return cam / largest.clamp(min=torch.finfo(cam.dtype).tiny).view(n, -1, 1, 1, 1)
    return (cam * gain).clamp(0, 1)


def _slope(feature_map: Tensor, anchor: Tensor, embed: Callable[[Tensor], Tensor]) -> Tensor:
    """Gradient of each clip's distance from the anchor, with the shape of the map."""
    # Leave inference mode, whose tensors cannot have gradients. The copy is detached from the outer graph.
    with torch.inference_mode(mode=False), torch.enable_grad():
        probe = feature_map.detach().clone().requires_grad_()
        embedding = embed(probe)
        n = feature_map.shape[0]
        check_axes(embedding, "n d", name="embed(feature_map)", n=n)
        target = anchor.detach().clone().to(embedding.dtype)
        target = target[None] if target.ndim == 1 else target
        check_axes(target, "n d", name="anchor", n=1 if target.shape[0] == 1 else n, d=embedding.shape[1])
        distance = 1 - F.cosine_similarity(embedding, target, dim=1)
        # Use backward, because torch's FLOP counter (a module hook) raises inside autograd.grad.
        torch.autograd.backward(distance.sum(), inputs=[probe])
        slope = probe.grad
    return torch.zeros_like(probe) if slope is None else slope
