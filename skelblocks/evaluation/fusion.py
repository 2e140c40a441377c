"""Fusion of streams: one score from the classifiers of joint, bone and motion.

Axes: n samples, c classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias, get_args

import torch
from torch import Tensor

from skelblocks._utils.checks import check_axes, check_choice, check_floating, check_number
from skelblocks._utils.explain_arguments import explain_arguments

#: The weights of :func:`fuse_scores` by stream. Joint, bone and motion: section 4.2 of AimCLR and of MsMCLR. Motion of
#: the bones: the released code of CTR-GCN. No paper weights an acceleration: it gets the weight of the motions.
FUSION_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {"joint": 0.6, "bone": 0.6, "motion": 0.4, "bone_motion": 0.4, "acceleration": 0.4}
)
Normalization: TypeAlias = Literal["none", "softmax"]
NORMALIZATIONS: tuple[Normalization, ...] = get_args(Normalization)


class StreamScores(NamedTuple):
    """Scores of one stream's classifier for each sample.

    Attributes:
        names: Name of each sample, none twice.
        scores: ``(n, c)``, one row per name, such as the ``logits`` of :func:`~skelblocks.evaluation.linear_probe`.
    """

    names: Sequence[str]
    scores: Tensor


@explain_arguments
@torch.no_grad()
def fuse_scores(
    streams: Mapping[str, StreamScores],
    *,
    weights: Mapping[str, float] | None = None,
    normalize: Normalization = "none",
) -> StreamScores:
    r"""Add the weighted scores of several streams, sample by sample.

    .. math:: s_{nc} = \sum_b w_b s^{(b)}_{nc}

    Samples are matched by name. **The released code** matches them by position, which is right only if all files list
    their samples in the same order. The default weights, 0.6, 0.6 and 0.4 for joint, bone and motion, come from AimCLR
    and MsMCLR (section 4.2 of both); the 0.4 for the motion of the bones comes from the released code of CTR-GCN.
    Choose other weights beforehand or on held-out training clips. The code of HiCLR and SkeAttnCLR tries two settings
    on the test set and reports the better one (HiCLR: equal weights, and these; SkeAttnCLR: equal weights, and 0.5,
    0.5, 0.4 for xsub or 1, 0.2, 0.2 for xview).

    Args:
        streams: The scores of each stream, all of the same samples and classes.
        weights: A number of at least 0 for each stream, and for no other. Default: the entries of ``FUSION_WEIGHTS``
            for these streams.
        normalize: ``"none"`` adds the scores as they are, raw logits in the released code. ``"softmax"`` turns the
            scores of each stream into probabilities first, so that no stream counts more because its logits are larger.

    Returns:
        The fused :class:`StreamScores`, with names in the first stream's order, on its device, in the widest dtype of
        the streams and in float32 at least.

    Raises:
        TypeError: A stream is not a ``StreamScores``, names are not strings, or scores are not floating-point.
        ValueError: There is no stream; a stream has no weight, or a weight no stream; a weight is below 0 or not
            finite, or all are zero; a name is repeated, or is not in all streams; axes are wrong, there are no samples,
            the numbers of classes differ, scores are not finite, or the normalization is unknown.

    Example:
        >>> joint = StreamScores(["a", "b"], torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        >>> bone = StreamScores(["b", "a"], torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
        >>> fuse_scores({"joint": joint, "bone": bone}, weights={"joint": 1.0, "bone": 0.5})
        StreamScores(names=('a', 'b'), scores=tensor([[1.0000, 0.5000],
                [1.0000, 1.0000]]))
    """
    check_choice(normalize, NORMALIZATIONS, name="normalize")
    chosen = _check_weights(streams, weights)
    rows = {name: _check_stream(stream, name=f"streams[{name!r}]") for name, stream in streams.items()}
    first, reference = next(iter(streams.items()))
    names, (_, classes) = tuple(reference.names), reference.scores.shape
    dtype = torch.float32
    for name, stream in streams.items():
        absent = [sample for sample in names if sample not in rows[name]]
        extra = [sample for sample in rows[name] if sample not in rows[first]]
        if absent or extra:
            differences = [
                f"{text} {_few(samples)}" for text, samples in (("lacks", absent), ("alone has", extra)) if samples
            ]
            raise ValueError(
                f"streams[{name!r}]: expected the names of streams[{first!r}], but it {' and '.join(differences)}"
            )
        check_axes(stream.scores, "n c", name=f"streams[{name!r}].scores", c=classes)
        dtype = torch.promote_types(dtype, stream.scores.dtype)

    fused = torch.zeros(len(names), classes, dtype=dtype, device=reference.scores.device)
    for name, stream in streams.items():
        scores = stream.scores.to(fused)[[rows[name][sample] for sample in names]]
        fused += chosen[name] * (scores.softmax(dim=1) if normalize == "softmax" else scores)
    return StreamScores(names, fused)


def _check_weights(streams: Mapping[str, StreamScores], weights: Mapping[str, float] | None) -> Mapping[str, float]:
    argument: object = streams
    if not isinstance(argument, Mapping):
        raise TypeError(
            f"streams: expected a dict of StreamScores by stream, got {type(argument).__name__}; pass for instance "
            "{'joint': joint, 'bone': bone}"
        )
    if not streams:
        raise ValueError("streams: expected at least one stream, got an empty dict; pass the scores of each stream")
    chosen = FUSION_WEIGHTS if weights is None else weights
    unknown = [name for name in streams if name not in chosen]
    if unknown:
        raise ValueError(f"streams: no weight for {_few(unknown)}; there are weights for {_few(chosen)}; pass weights=")
    unused = [name for name in chosen if name not in streams]
    if unused and weights is not None:
        raise ValueError(f"weights: no stream for {_few(unused)}; the streams are {_few(streams)}")
    for name in streams:
        check_number(chosen[name], name=f"weights[{name!r}]")
    if not any(chosen[name] for name in streams):
        raise ValueError(f"weights: expected one above 0, got {dict(chosen)}")
    return chosen


def _check_stream(stream: StreamScores, *, name: str) -> dict[str, int]:
    """The row of each name."""
    if not isinstance(stream, StreamScores):
        raise TypeError(f"{name}: expected StreamScores(names, scores), got {type(stream).__name__}")
    names, scores = stream
    listed: object = names
    if isinstance(listed, str) or not isinstance(listed, Iterable) or not all(isinstance(n, str) for n in listed):
        raise TypeError(f"{name}.names: expected a list of strings, one for each sample")
    check_axes(scores, "n c", name=f"{name}.scores", n=len(names))
    check_floating(scores, name=f"{name}.scores")
    if not len(names):
        raise ValueError(f"{name}: expected at least one sample, got none")
    rows = {sample: row for row, sample in enumerate(names)}
    if len(rows) < len(names):
        twice = dict.fromkeys(sample for row, sample in enumerate(names) if rows[sample] != row)
        raise ValueError(f"{name}.names: given more than once: {_few(twice)}; keep one")
    wild = (~scores.isfinite().all(dim=1)).nonzero().flatten().tolist()
    if wild:
        raise ValueError(
            f"{name}.scores: NaN or infinite scores for {_few([names[row] for row in wild])}; leave them out"
        )
    return rows


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    rest = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return ", ".join(map(repr, listed[:3])) + rest
