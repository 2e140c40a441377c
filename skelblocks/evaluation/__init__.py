"""Frozen features and what they are worth: extraction, nearest neighbours, linear probes."""

from skelblocks.evaluation.accuracy import accuracy
from skelblocks.evaluation.features import extract_features
from skelblocks.evaluation.knn import knn_accuracy, knn_predict, knn_scores
from skelblocks.evaluation.linear_probe import LinearProbeResult, linear_probe

__all__ = [
    "LinearProbeResult",
    "accuracy",
    "extract_features",
    "knn_accuracy",
    "knn_predict",
    "knn_scores",
    "linear_probe",
]
