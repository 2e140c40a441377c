"""Losses, pure: from logits, or from embeddings with memory that does not grow with the bank."""

from skelblocks.losses.bank_logsumexp import bank_logsumexp
from skelblocks.losses.d3m import D3MLoss, d3m_loss, d3m_loss_from_embeddings
from skelblocks.losses.info_nce import InfoNCELoss, info_nce, info_nce_from_embeddings
from skelblocks.losses.nearest_neighbor_mining import NearestNeighborLoss, nearest_neighbor_loss, nearest_neighbor_mask

__all__ = [
    "D3MLoss",
    "InfoNCELoss",
    "NearestNeighborLoss",
    "bank_logsumexp",
    "d3m_loss",
    "d3m_loss_from_embeddings",
    "info_nce",
    "info_nce_from_embeddings",
    "nearest_neighbor_loss",
    "nearest_neighbor_mask",
]
