from skelblocks.losses.bank_logsumexp import bank_logsumexp
from skelblocks.losses.barlow_twins import BarlowTwinsLoss, barlow_twins_loss
from skelblocks.losses.cross_momentum_contrast import CrossMomentumContrastLoss, cross_momentum_contrast
from skelblocks.losses.cross_view_mining import CrossViewMiningLoss, CrossViewPair, cross_view_mining, cross_view_pair
from skelblocks.losses.d3m import D3MLoss, d3m_loss, d3m_loss_from_embeddings
from skelblocks.losses.feature_distillation import FeatureDistillationLoss, feature_distillation_loss
from skelblocks.losses.hierarchical_d3m import HierarchicalD3MLoss, hierarchical_d3m_loss
from skelblocks.losses.info_nce import InfoNCELoss, info_nce, info_nce_from_embeddings
from skelblocks.losses.nearest_neighbor_mining import (
    NearestNeighborLoss,
    nearest_neighbor_loss,
    nearest_neighbor_mask,
    nearest_neighbor_mining,
)
from skelblocks.losses.negative_cosine import NegativeCosineLoss, negative_cosine_loss
from skelblocks.losses.region_contrast import RegionContrastLoss, RegionLogits, region_contrast, region_logits
from skelblocks.losses.relative_tempo import RelativeTempoLoss, relative_tempo_loss
from skelblocks.losses.salient_contrast import SalientContrastLoss, salient_contrast
from skelblocks.losses.similarity_distillation import SimilarityDistillationLoss, similarity_distillation_loss
from skelblocks.losses.variance_covariance import VarianceCovarianceLoss, variance_covariance_loss

__all__ = [
    "BarlowTwinsLoss",
    "CrossMomentumContrastLoss",
    "CrossViewMiningLoss",
    "CrossViewPair",
    "D3MLoss",
    "FeatureDistillationLoss",
    "HierarchicalD3MLoss",
    "InfoNCELoss",
    "NearestNeighborLoss",
    "NegativeCosineLoss",
    "RegionContrastLoss",
    "RegionLogits",
    "RelativeTempoLoss",
    "SalientContrastLoss",
    "SimilarityDistillationLoss",
    "VarianceCovarianceLoss",
    "bank_logsumexp",
    "barlow_twins_loss",
    "cross_momentum_contrast",
    "cross_view_mining",
    "cross_view_pair",
    "d3m_loss",
    "d3m_loss_from_embeddings",
    "feature_distillation_loss",
    "hierarchical_d3m_loss",
    "info_nce",
    "info_nce_from_embeddings",
    "nearest_neighbor_loss",
    "nearest_neighbor_mask",
    "nearest_neighbor_mining",
    "negative_cosine_loss",
    "region_contrast",
    "region_logits",
    "relative_tempo_loss",
    "salient_contrast",
    "similarity_distillation_loss",
    "variance_covariance_loss",
]
