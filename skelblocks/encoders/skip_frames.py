"""Keep every s-th frame, in a form that trains and exports well."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def skip_frames(x: Tensor, stride: int) -> Tensor:
    """Frames 0, s, 2 s, ... of ``(n, c, t, v)``, to be followed by a 1 x 1 convolution.

    The convolution itself has no stride, because the backward of a strided convolution with few channels in
    channels_last writes outside its memory on the CPU (torch 2.13, oneDNN 3.12).
    """
    if stride == 1:
        return x
    if hasattr(torch.compiler, "is_exporting") and torch.compiler.is_exporting():  # torch 2.6 lacks is_exporting
        # With pooling or a slice, torch 2.11 fixes t to be odd or even, as in the example input. With a list of frames
        # (ONNX Gather), pnnx converts wrongly. A convolution that copies frames works everywhere.
        copies = x.new_ones(x.shape[1], 1, 1, 1)
        return F.conv2d(x, copies, stride=(stride, 1), groups=x.shape[1])
    # Pooling over one frame keeps channels_last and is faster than a slice.
    return F.avg_pool2d(x, 1, (stride, 1))
