"""The papers' protocols on a trained encoder: nearest neighbours, linear, semi-supervised, fine-tuned.

Each gives an :class:`~candidate.Outcome`: the scores of the test clips by name, and how the number was chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from accuracies import EvaluationOptions, probe_settings
from candidate import Candidate, CandidateOptions, Outcome
from finetune import FinetuneOptions, finetune
from load_run import restored
from torch import Tensor, nn

from skelblocks.evaluation import accuracy, cluster_scores, knn_scores, labeled_draw, linear_probe, retrieval_scores


@dataclass(kw_only=True)
class ProtocolOptions(CandidateOptions):
    """What is measured of it, and how."""

    seed: int = 0
    neighbors: list[int] = field(default_factory=lambda: [1, 5, 10, 20, 40])  # of kNN, all in the details
    vote: int | None = None  # the k of kNN that is reported; default, the run's `neighbors`
    probe: Literal["paper", "standardized"] | None = None  # see `probe_settings`; default, the run's
    fractions: list[float] = field(default_factory=lambda: [0.01, 0.1])  # of the labels, semi-supervised
    draws: int = 5  # of the labelled clips
    semi_protocol: Literal["finetune", "linear"] = "finetune"  # AimCLR, section 4.2: the whole model
    semi: FinetuneOptions = field(default_factory=FinetuneOptions)
    finetune: FinetuneOptions = field(default_factory=FinetuneOptions)


def knn(candidate: Candidate, options: ProtocolOptions) -> Outcome:
    """Cosine nearest neighbours for every number of them; the reported one is chosen beforehand, or on validation."""
    (train, test), k = candidate.labels, [n for n in options.neighbors if n <= len(candidate.fit)]
    classes = candidate.num_classes
    usual: int = min(candidate.run.options.get("neighbors", 20), len(candidate.fit))
    vote = usual if options.vote is None else options.vote

    def scored(queries: Tensor) -> dict[int, Tensor]:
        bank, labels = candidate.train[candidate.fit], train[candidate.fit]
        return knn_scores(queries, bank, labels, k=sorted({*k, vote}), num_classes=classes)

    scores = scored(candidate.test)
    shares = {n: 100 * accuracy(each, test, topk=(1,))[1] for n, each in scores.items()}
    selected = f"k = {vote}, set beforehand"
    if options.select == "validation":
        held = scored(candidate.train[candidate.held])
        vote = max(held, key=lambda n: accuracy(held[n], train[candidate.held], topk=(1,))[1])
        selected = f"k = {vote}, best on the validation set"
    elif options.select == "test":
        vote = max(shares, key=lambda n: shares[n])
        selected = f"k = {vote}, best on the test set"
    return candidate.outcome("knn", scores[vote], selected=selected, by_neighbors=shares)


def linear(candidate: Candidate, options: ProtocolOptions, *, rows: Tensor | None = None) -> Outcome:
    """A linear classifier on the frozen features, as the run has it or as the options say."""
    rows = candidate.fit if rows is None else rows
    theirs: EvaluationOptions = restored(EvaluationOptions, candidate.run.options)
    held = (candidate.train[candidate.held], candidate.labels[0][candidate.held])
    result = linear_probe(
        candidate.train[rows],
        candidate.labels[0][rows],
        candidate.test,
        candidate.labels[1],
        **probe_settings(options.probe or theirs.probe, rate=theirs.probe_rate, milestone=theirs.probe_milestone),
        num_classes=candidate.num_classes,
        validation=held if options.select == "validation" else None,
        select=options.select,
        generator=torch.Generator().manual_seed(options.seed),
    )
    outcome = candidate.outcome("linear", result.logits, selected=result.selected, epoch=result.epoch)
    return outcome._replace(classifier=(candidate.run.encoder, result.head))


def finetuned(candidate: Candidate, options: ProtocolOptions) -> Outcome:
    """The whole model, on all the labelled clips."""
    return _finetuned(candidate, options, options.finetune, "finetune", rows=candidate.fit)


def semi_supervised(candidate: Candidate, options: ProtocolOptions, *, fraction: float, draw: int) -> Outcome:
    """The whole model, on a share of every class's labels; ``draw`` counts the seeds of the drawing."""
    generator = torch.Generator().manual_seed(1000 * options.seed + draw)
    rows = candidate.fit[labeled_draw(candidate.labels[0][candidate.fit], fraction, generator=generator)]
    name = f"semi {100 * fraction:g} %"
    if options.semi_protocol == "linear":
        outcome = linear(candidate, options, rows=rows)._replace(protocol=name)
    else:
        outcome = _finetuned(candidate, options, options.semi, name, rows=rows)
    outcome.details["labelled_clips"] = len(rows)
    return outcome._replace(classifier=None)  # one a draw would fill the memory


def _finetuned(
    candidate: Candidate, options: ProtocolOptions, how: FinetuneOptions, name: str, *, rows: Tensor
) -> Outcome:
    result = finetune(
        candidate.run.encoder,
        candidate.sets,
        how,
        stream=candidate.run.stream,
        rows=rows,
        validation=candidate.held if options.select == "validation" else None,
        select=options.select,
        seed=options.seed,
        accelerator=options.accelerator,
    )
    kept = {"epoch": result.epoch, "history": result.history}
    outcome = candidate.outcome(name, result.logits, selected=result.selected, **kept)
    encoder, *_, head = result.model.children()
    assert isinstance(head, nn.Linear)
    return outcome._replace(classifier=(encoder, head))


def structure(candidate: Candidate) -> dict[str, float]:
    """How the features lie, without a classifier: retrieval of training clips by test clips, clusters of test clips.

    Test clips of a class that no training clip has are left out of the retrieval.
    """
    (train, test), bank = candidate.labels, candidate.train
    asked = torch.isin(test, train)
    found = retrieval_scores(candidate.test[asked], test[asked], bank, train, topk=(1, min(5, len(bank))))
    clusters = cluster_scores(candidate.test, test)
    return {
        **{f"recall at {k}": 100 * share for k, share in found.recall.items()},
        "mean average precision": 100 * found.mean_average_precision,
        "NMI": 100 * clusters.nmi,
        "adjusted Rand": 100 * clusters.adjusted_rand,
    }
