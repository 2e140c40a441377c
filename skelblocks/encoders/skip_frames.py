"""Every s-th frame, in a form that trains and exports well."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def skip_frames(x: Tensor, stride: int) -> Tensor:
    """Frames 0, s, 2 s, ... of ``(n, c, t, v)``, for a 1 x 1 convolution to follow.

    The convolution does not skip them itself: backward of a strided one with few channels in channels_last writes
    outside its memory on CPU (torch 2.13, oneDNN 3.12).
    """
    if stride == 1:
        return x
    if hasattr(torch.compiler, "is_exporting") and torch.compiler.is_exporting():  # torch 2.6 has no such question
        # Of the shape of a pooling or a slice, torch 2.11 asserts that t is odd, or even, as the example's is; and a
        # list of frames, which ONNX calls Gather, is misread by pnnx. A convolution that copies is right everywhere.
        copies = x.new_ones(x.shape[1], 1, 1, 1)
        return F.conv2d(x, copies, stride=(stride, 1), groups=x.shape[1])
    # A pooling over one frame keeps channels_last, and is faster than a slice.
    return F.avg_pool2d(x, 1, (stride, 1))
