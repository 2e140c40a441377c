"""Every loss that averages over clips, with inputs of four clips."""

import torch
from torch import nn

from skelblocks.contrast import unit_rows
from skelblocks.losses import (
    CrossMomentumContrastLoss,
    CrossViewMiningLoss,
    D3MLoss,
    HierarchicalD3MLoss,
    InfoNCELoss,
    NearestNeighborLoss,
    NegativeCosineLoss,
    RegionContrastLoss,
    RelativeTempoLoss,
    SalientContrastLoss,
    SimilarityDistillationLoss,
    d3m_loss_from_embeddings,
    feature_distillation_loss,
    info_nce_from_embeddings,
    nearest_neighbor_loss,
)

N, D, K = 4, 6, 9


def matrices(count, dtype, columns=1 + K, n=N):
    generator = torch.Generator().manual_seed(0)
    return [3 * torch.randn(n, columns, generator=generator, dtype=torch.float64).to(dtype) for _ in range(count)]


def bank(dtype, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return unit_rows(torch.randn(K, D, generator=generator, dtype=torch.float64)).to(dtype)


class Function(nn.Module):
    """A function with a reduction as a module."""

    def __init__(self, function, **options):
        super().__init__()
        self.function, self.options = function, options

    def forward(self, *inputs):
        return self.function(*inputs, **self.options)


def three_embeddings(dtype):
    return tuple(matrices(3, dtype, columns=D))


def from_logits(dtype):
    return (matrices(1, dtype)[0],)


def students_and_teacher(dtype):
    teacher, *students = matrices(4, dtype)
    return students, teacher


def query_and_students(dtype):
    query, *students = matrices(3, dtype)
    return query, students


def chain(dtype):
    return (matrices(3, dtype),)


def embeddings(dtype):
    return *matrices(2, dtype, D), bank(dtype)


def teacher_and_students(dtype):
    query, key, *students = matrices(4, dtype, D)
    return query, students, key, bank(dtype)


def two_features(dtype):
    return tuple(matrices(2, dtype, D))


def two_streams(dtype):
    return *matrices(2, dtype, D), bank(dtype), bank(dtype, seed=2)


def region(dtype):
    return *matrices(3, dtype, D), torch.arange(N), bank(dtype)


def salient(dtype):
    return *matrices(4, dtype, D), bank(dtype)


def crossed(dtype):
    return *matrices(4, dtype, D), bank(dtype), bank(dtype, seed=2)


def logits_and_mask(dtype):
    logits = matrices(1, dtype)[0]
    return logits, torch.cat((torch.ones(N, 1, dtype=torch.bool), logits[:, 1:] > 3), dim=1)


# How to make the loss, its settings, and its inputs in a dtype.
LOSSES = {
    "info_nce": (InfoNCELoss, {}, from_logits),
    "info_nce_from_embeddings": (InfoNCELoss, {"temperature": 0.3}, embeddings),
    "info_nce_in_chunks": (InfoNCELoss, {"temperature": 0.3, "chunk_size": 4}, embeddings),
    "info_nce_function": (Function, {"function": info_nce_from_embeddings, "temperature": 0.3}, embeddings),
    "d3m": (D3MLoss, {}, students_and_teacher),
    "d3m_from_embeddings": (Function, {"function": d3m_loss_from_embeddings, "temperature": 0.3}, teacher_and_students),
    "d3m_in_chunks": (
        Function,
        {"function": d3m_loss_from_embeddings, "temperature": 0.3, "chunk_size": 4},
        teacher_and_students,
    ),
    "nearest_neighbor": (NearestNeighborLoss, {"top_k": 2}, query_and_students),
    "nearest_neighbor_others": (NearestNeighborLoss, {"neighbors": "others"}, query_and_students),
    "nearest_neighbor_sum": (NearestNeighborLoss, {"reduction_over_positives": "sum"}, query_and_students),
    "nearest_neighbor_mask": (Function, {"function": nearest_neighbor_loss}, logits_and_mask),
    "hierarchical_d3m": (HierarchicalD3MLoss, {}, chain),
    "cross_view_mining": (CrossViewMiningLoss, {"top_k": 2}, chain),
    "feature_distillation": (Function, {"function": feature_distillation_loss}, two_features),
    "negative_cosine": (NegativeCosineLoss, {}, two_features),
    "relative_tempo": (RelativeTempoLoss, {"temperature": 0.3}, three_embeddings),
    "similarity_distillation": (SimilarityDistillationLoss, {"top_k": 4}, two_streams),
    "region_contrast": (RegionContrastLoss, {}, region),
    "salient_contrast": (SalientContrastLoss, {}, salient),
    "cross_momentum_ratio": (CrossMomentumContrastLoss, {}, crossed),
    "cross_momentum_sum_ce": (CrossMomentumContrastLoss, {"combine": "sum_ce"}, crossed),
}
