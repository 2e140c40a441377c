from skelblocks.evaluation.accuracy import accuracy
from skelblocks.evaluation.baselines import coordinate_features, mini_rocket_features
from skelblocks.evaluation.bootstrap import Interval, PairedInterval, bootstrap_interval, paired_bootstrap
from skelblocks.evaluation.classification_report import ClassificationReport, ClassMetrics, classification_report
from skelblocks.evaluation.clustering import ClusterScores, cluster_scores
from skelblocks.evaluation.cost import ModelCost, model_cost
from skelblocks.evaluation.feature_cache import cached_features
from skelblocks.evaluation.features import extract_features
from skelblocks.evaluation.fingerprints import data_fingerprint, weights_fingerprint
from skelblocks.evaluation.fusion import FUSION_WEIGHTS, StreamScores, fuse_scores
from skelblocks.evaluation.knn import knn_accuracy, knn_predict, knn_scores
from skelblocks.evaluation.labeled_draw import labeled_draw
from skelblocks.evaluation.linear_probe import LinearProbeResult, linear_probe
from skelblocks.evaluation.retrieval import RetrievalScores, nearest_neighbors, retrieval_scores
from skelblocks.evaluation.ridge_probe import RidgeProbeResult, ridge_probe
from skelblocks.evaluation.seeds import SeedSummary, summarize_seeds
from skelblocks.evaluation.softmax_temperature import softmax_temperature
from skelblocks.evaluation.spread import alignment, effective_rank, uniformity

__all__ = [
    "FUSION_WEIGHTS",
    "ClassMetrics",
    "ClassificationReport",
    "ClusterScores",
    "Interval",
    "LinearProbeResult",
    "ModelCost",
    "PairedInterval",
    "RetrievalScores",
    "RidgeProbeResult",
    "SeedSummary",
    "StreamScores",
    "accuracy",
    "alignment",
    "bootstrap_interval",
    "cached_features",
    "classification_report",
    "cluster_scores",
    "coordinate_features",
    "data_fingerprint",
    "effective_rank",
    "extract_features",
    "fuse_scores",
    "knn_accuracy",
    "knn_predict",
    "knn_scores",
    "labeled_draw",
    "linear_probe",
    "mini_rocket_features",
    "model_cost",
    "nearest_neighbors",
    "paired_bootstrap",
    "retrieval_scores",
    "ridge_probe",
    "softmax_temperature",
    "summarize_seeds",
    "uniformity",
    "weights_fingerprint",
]
