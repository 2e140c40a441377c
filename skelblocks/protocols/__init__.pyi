from skelblocks.protocols.evaluated_run import EvaluatedRun, ProtocolResult, load_evaluated_run
from skelblocks.protocols.finetune import FinetuneResult, finetune
from skelblocks.protocols.finetune_options import FinetuneOptions, SemiOptions
from skelblocks.protocols.finetuned_protocols import finetune_protocol, semi_supervised_protocol
from skelblocks.protocols.frozen_protocols import feature_structure, knn_protocol, linear_protocol
from skelblocks.protocols.method_cost import CostOptions, cost_table, method_cost
from skelblocks.protocols.options import (
    EvaluatedDataOptions,
    FuseOptions,
    MeasureOptions,
    ProtocolOptions,
    ReportOptions,
)
from skelblocks.protocols.report import full_report, structure_report
from skelblocks.protocols.report_pictures import draw_embeddings, draw_report
from skelblocks.protocols.results import Results, RunKey, results_table
from skelblocks.protocols.results_json import results_to_json
from skelblocks.protocols.run_protocols import run_protocols
from skelblocks.protocols.save_classifier import save_classifier
from skelblocks.protocols.trained_encoder import TrainedEncoder, open_encoder

__all__ = [
    "CostOptions",
    "EvaluatedDataOptions",
    "EvaluatedRun",
    "FinetuneOptions",
    "FinetuneResult",
    "FuseOptions",
    "MeasureOptions",
    "ProtocolOptions",
    "ProtocolResult",
    "ReportOptions",
    "Results",
    "RunKey",
    "SemiOptions",
    "TrainedEncoder",
    "cost_table",
    "draw_embeddings",
    "draw_report",
    "feature_structure",
    "finetune",
    "finetune_protocol",
    "full_report",
    "knn_protocol",
    "linear_protocol",
    "load_evaluated_run",
    "method_cost",
    "open_encoder",
    "results_table",
    "results_to_json",
    "run_protocols",
    "save_classifier",
    "semi_supervised_protocol",
    "structure_report",
]
