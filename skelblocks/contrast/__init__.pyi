from skelblocks.contrast.contrastive_logits import ContrastiveLogits, contrastive_logits
from skelblocks.contrast.momentum_encoder import MomentumEncoder
from skelblocks.contrast.momentum_queue import MomentumQueue
from skelblocks.contrast.momentum_schedule import cosine_momentum
from skelblocks.contrast.unit_rows import unit_rows

__all__ = [
    "ContrastiveLogits",
    "MomentumEncoder",
    "MomentumQueue",
    "contrastive_logits",
    "cosine_momentum",
    "unit_rows",
]
