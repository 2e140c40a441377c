from skelblocks.attention.actionlet_mask import actionlet_mask
from skelblocks.attention.actionlet_pool import actionlet_pool
from skelblocks.attention.eadm import EADM, eadm, energy_attention
from skelblocks.attention.mhsam import MHSAM
from skelblocks.attention.motion_attention import motion_attention
from skelblocks.attention.motion_difference import motion_difference
from skelblocks.attention.msm_attention import MsMAttention
from skelblocks.attention.soft_mask_pool import SoftMaskFeatures, soft_mask_pool

__all__ = [
    "EADM",
    "MHSAM",
    "MsMAttention",
    "SoftMaskFeatures",
    "actionlet_mask",
    "actionlet_pool",
    "eadm",
    "energy_attention",
    "motion_attention",
    "motion_difference",
    "soft_mask_pool",
]
