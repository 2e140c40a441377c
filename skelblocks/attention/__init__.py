"""Blocks that weigh or drop parts of a feature map."""

from skelblocks.attention.motion_attention import motion_attention
from skelblocks.attention.motion_difference import motion_difference
from skelblocks.attention.msm_attention import MsMAttention

__all__ = ["MsMAttention", "motion_attention", "motion_difference"]
