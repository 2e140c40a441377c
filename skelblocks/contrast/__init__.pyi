from skelblocks.contrast.contrastive_logits import ContrastiveLogits, contrastive_logits
from skelblocks.contrast.momentum_contrast import Keys, MomentumContrast
from skelblocks.contrast.momentum_encoder import MomentumEncoder
from skelblocks.contrast.momentum_queue import MomentumQueue
from skelblocks.contrast.momentum_schedule import cosine_momentum, scheduled_momentum
from skelblocks.contrast.unit_rows import unit_rows

__all__ = [
    "ContrastiveLogits",
    "Keys",
    "MomentumContrast",
    "MomentumEncoder",
    "MomentumQueue",
    "contrastive_logits",
    "cosine_momentum",
    "scheduled_momentum",
    "unit_rows",
]
