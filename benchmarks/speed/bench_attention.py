"""MsM attention, forward and backward: the library's against the usual form on (N, C, T, V) tensors.

The usual form gathers a group's joints one by one, pads and clones to shift, and rearranges around the products.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from benchmarks.speed.case import Case, Setting, largest_difference
from skelblocks.attention import MsMAttention

ROWS, CHANNELS, FRAMES, JOINTS = 16, 256, 13, 25


def mean_of_groups(x: Tensor, groups: Sequence[Sequence[int]]) -> Tensor:
    means = None
    for group in groups:
        joints = None
        for joint in group:
            one = x[..., joint].unsqueeze(-1)
            joints = one if joints is None else torch.cat((joints, one), dim=-1)
        assert joints is not None
        mean = joints.mean(dim=-1).unsqueeze(-1)
        means = mean if means is None else torch.cat((means, mean), dim=-1)
    assert means is not None
    return means


def following(z: Tensor, dim: int) -> Tensor:
    zeros = torch.zeros_like(z).narrow(dim, 0, 1)
    return torch.cat((z.clone().narrow(dim, 1, z.shape[dim] - 1), zeros), dim=dim)


def plain_attention(attend: MsMAttention, rows: Tensor) -> list[Tensor]:
    """One gated map ``(b, c, t, v')`` a scale, from the module's own parameters."""
    outputs = []
    for scale in attend.scales:
        x = rows if scale == "joint" else mean_of_groups(rows, [g.joints for g in attend.layout.groups(scale)])
        z = attend.conv_down(x)
        normalized = F.layer_norm(z, [z.shape[-1]])
        motion = (following(normalized, 2) - normalized) + (following(normalized, 3) - normalized)
        tokens = rearrange(torch.div(motion, 2), "b r t v -> b t (r v)")
        scores = torch.bmm(tokens, tokens.transpose(1, 2)) / math.sqrt(tokens.shape[-1])
        attended = torch.bmm(F.softmax(scores, dim=-1), tokens)
        attended = rearrange(attended, "b t (r v) -> b r t v", r=z.shape[1])
        outputs.append(torch.sigmoid(attend.conv_up(attended + z)) * x + x)
    return outputs


def _step(attend: MsMAttention, x: Tensor, forward: Callable[[], Sequence[Tensor]]) -> list[Tensor]:
    attend.zero_grad()
    x.grad = None
    outputs = forward()
    sum(each.mean(dim=(2, 3)).square().sum() for each in outputs).backward()  # type: ignore[union-attr]
    assert x.grad is not None
    return [*outputs, x.grad, *(p.grad for p in attend.parameters() if p.grad is not None)]


def cases(setting: Setting) -> Iterator[Case]:
    """Eight clips of two persons, as the encoder leaves them: channels-last for ours, channels first for the usual."""
    torch.manual_seed(0)
    rows, channels = (2, 16) if setting.small else (ROWS, CHANNELS)
    attend = MsMAttention(channels, layout="ntu-rgb+d").to(setting.device)
    last = torch.randn(rows, channels, FRAMES, JOINTS, device=setting.device).to(memory_format=torch.channels_last)
    last.requires_grad_()
    first = last.detach().contiguous().requires_grad_()

    def ours() -> list[Tensor]:
        return _step(attend, last, lambda: attend(last))

    def plain() -> list[Tensor]:
        return _step(attend, first, lambda: plain_attention(attend, first))

    difference = largest_difference([x.clone() for x in ours()], plain())
    sizes = f"joint, part, body of {tuple(last.shape)}, forward and backward"
    yield Case("attention", sizes, ours, plain, difference)
