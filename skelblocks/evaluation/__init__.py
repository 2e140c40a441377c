"""Extract frozen features and evaluate them: nearest neighbors, linear probes, reports."""

from skelblocks._utils.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    __file__,
    deprecated={
        "ClassFigures": "skelblocks.evaluation.ClassMetrics",
        "labelled_draw": "skelblocks.evaluation.labeled_draw",
    },
)
