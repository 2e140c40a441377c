"""CrossMoCo's loss: two encoders, each trained against the other's keys and the other's bank.

Axes: n samples, d embedding, k bank rows.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from skelblocks._utils.checks import check_choice, check_positive
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.contrast._checks import check_contrast
from skelblocks.contrast.contrastive_logits import compare
from skelblocks.losses._logits import check_roles
from skelblocks.losses._reduction import Reduction, check_reduction, reduce_clips

Combine = Literal["ratio", "sum_ce"]
Denominator = Literal["neg", "pos+neg"]


@explain_arguments
def cross_momentum_contrast(
    query_base: Tensor,
    query_mlp: Tensor,
    key_base: Tensor,
    key_mlp: Tensor,
    base_bank: Tensor,
    mlp_bank: Tensor,
    *,
    temperature: float = 0.07,
    positive_weights: tuple[float, float] = (0.5, 0.5),
    negative_weights: tuple[float, float] = (0.5, 0.5),
    combine: Combine = "ratio",
    denominator: Denominator | None = None,
    crossed: bool = True,
    exclude: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""One ratio of two positives to two banks, each query measured with the other encoder's keys.

    With q, k the query and key of ST-GCN, r, l those of ST-MLP, and :math:`B_k, B_l` the banks of past k and l
    (CrossMoCo, eqs. 3-5):

    .. math::
        P_q = \alpha e^{q \cdot l / \tau}, \quad P_r = \beta e^{r \cdot k / \tau}, \quad
        N_q = \lambda \sum_{b \in B_l} e^{q \cdot b / \tau}, \quad N_r = \varphi \sum_{b \in B_k} e^{r \cdot b / \tau}

    .. math:: L = \operatorname{mean}_n \Big[ -\log \frac{P_q + P_r}{N_q + N_r} \Big]

    Eq. 5 leaves the positives out below the line, so this decoupled form **can be negative**. Section III-A defines
    MoCo's loss with the positive there, and the caption of fig. 2 calls the two similar: ``denominator="pos+neg"``
    divides by :math:`P_q + P_r + N_q + N_r`. ``combine="sum_ce"`` adds two ordinary cross-entropies,
    :math:`-\log P_q / (P_q + N_q) - \log P_r / (P_r + N_r)`, as the released code of Skeleton-Contrast (ISC), which
    has the same crossing of two encoders and two banks.

    In a ratio the two positives share one pull, most of which goes to the pair that is already the closer; in the sum
    each has its own.

    **Weights.** The paper says that they lie in [0, 1), and no more. A factor c common to :math:`\alpha, \beta` and d
    common to :math:`\lambda, \varphi` turn L into :math:`L - \log c + \log d`: with ``denominator="neg"``, equal
    weights of any size have one gradient. In the other two forms only c / d matters, the weight of a positive against a
    negative; the defaults leave it at 1, which for ``"sum_ce"`` is ISC exactly.

    **Other counts of banks** (table III). One: enqueue k and l into the same queue and pass its bank twice; the paper
    does not say which keys its single bank holds. Three, which it does not explain: pass
    ``torch.cat((bank, third))`` for one or both.

    The trainer enqueues k and l after ``backward``, each batch: the indentation of algorithm 1 would do so once an
    epoch.

    Args:
        query_base: q ``(n, d)``, from ST-GCN and the first view; normalized here, as are the other three.
        query_mlp: r ``(n, d)``, from ST-MLP and the first view. Gradient flows to q and r alone.
        key_base: k ``(n, d)``, from the momentum ST-GCN and the second view.
        key_mlp: l ``(n, d)``, from the momentum ST-MLP and the second view.
        base_bank: ``(k, d)``, unit rows, past k ("memory bank 1"). 16384 rows in the paper.
        mlp_bank: ``(k, d)``, unit rows, past l ("memory bank 2").
        temperature: Not given in the paper. 0.07 in 3s-CrosSCLR, whose experiment it follows, and in ISC.
        positive_weights: :math:`(\alpha, \beta)`, of q's positive and of r's.
        negative_weights: :math:`(\lambda, \varphi)`, of q's negatives and of r's.
        combine: ``"ratio"`` (eq. 5) or ``"sum_ce"``.
        denominator: ``"neg"`` (default of the ratio, eq. 5) or ``"pos+neg"`` (the only one of ``"sum_ce"``).
        crossed: Off, q meets k and the bank of k, and r meets l and the bank of l: table II's third row.
        exclude: ``(n, k)`` boolean, true where row k of either bank is no negative of that clip, such as an older key
            of it. One mask for both: queues of one size, always enqueued together.
        reduction: Over the clips: ``"mean"``, ``"sum"`` or ``"none"``.

    Returns:
        A scalar, the mean over the batch, in float32 at least; ``(n,)`` for ``reduction="none"``. Minus
        infinity in the decoupled form if ``exclude`` leaves a clip no negative.

    Raises:
        TypeError: an embedding is not floating-point, or ``exclude`` is not boolean.
        ValueError: a wrong shape, range or choice; both weights of a pair 0, or any of them in ``"sum_ce"``; keys that
            require grad beside queries that require none: exchanged roles.

    Example:
        >>> queries, keys, banks = torch.randn(2, 4, 8), torch.randn(2, 4, 8), torch.eye(8).expand(2, 8, 8)
        >>> decoupled = cross_momentum_contrast(*queries, *keys, *banks)
        >>> bool(decoupled < cross_momentum_contrast(*queries, *keys, *banks, denominator="pos+neg"))
        True
    """
    denominator = _check_settings(positive_weights, negative_weights, combine=combine, denominator=denominator)
    check_reduction(reduction)
    queries = {"query_base": query_base, "query_mlp": query_mlp}
    keys = {"key_base": key_base, "key_mlp": key_mlp}
    banks = {"base_bank": base_bank, "mlp_bank": mlp_bank}
    check_contrast(queries | keys, banks, temperature=temperature, exclude=exclude)
    check_roles(queries, keys)
    pairs = [(key_mlp, mlp_bank), (key_base, base_bank)]
    positives, negatives = [], []
    for query, (key, bank), positive_weight, negative_weight in zip(
        (query_base, query_mlp), pairs if crossed else pairs[::-1], positive_weights, negative_weights, strict=True
    ):
        logits = compare(query, key.detach(), bank, temperature=temperature, exclude=exclude)
        positives.append(logits[:, 0] + _log(positive_weight))
        negatives.append(logits[:, 1:].logsumexp(dim=1) + _log(negative_weight))
    if combine == "ratio":
        positives, negatives = [torch.logaddexp(*positives)], [torch.logaddexp(*negatives)]
    gap = torch.stack(negatives) - torch.stack(positives)
    if denominator == "pos+neg":
        gap = torch.logaddexp(torch.zeros_like(gap), gap)
    return reduce_clips(gap.sum(dim=0), reduction)


@explain_arguments
class CrossMomentumContrastLoss(nn.Module):
    """Module form of :func:`cross_momentum_contrast`, which keeps the settings.

    Args:
        temperature: Divides the similarities; see :func:`cross_momentum_contrast`, which has all arguments.
        positive_weights: Of q's positive and of r's.
        negative_weights: Of q's negatives and of r's.
        combine: ``"ratio"`` or ``"sum_ce"``.
        denominator: ``"neg"`` or ``"pos+neg"``; default, the usual one of ``combine``.
        crossed: Whether a query meets the other encoder's keys.
        reduction: Over the clips: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        ``query_base``, ``query_mlp``, ``key_base``, ``key_mlp``, each ``(n, d)``, and ``base_bank``, ``mlp_bank``, each
        ``(k, d)``, to a scalar; ``(n,)`` for ``reduction="none"``.

    Raises:
        ValueError: a wrong range or choice.

    Example:
        >>> queries, keys, banks = torch.randn(2, 4, 8), torch.randn(2, 4, 8), torch.eye(8).expand(2, 8, 8)
        >>> CrossMomentumContrastLoss(reduction="none")(*queries, *keys, *banks).shape
        torch.Size([4])
    """

    def __init__(
        self,
        *,
        temperature: float = 0.07,
        positive_weights: tuple[float, float] = (0.5, 0.5),
        negative_weights: tuple[float, float] = (0.5, 0.5),
        combine: Combine = "ratio",
        denominator: Denominator | None = None,
        crossed: bool = True,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        check_reduction(reduction)
        check_positive(temperature, name="temperature")
        self.denominator = _check_settings(positive_weights, negative_weights, combine=combine, denominator=denominator)
        self.temperature = temperature
        self.positive_weights = positive_weights
        self.negative_weights = negative_weights
        self.combine: Combine = combine
        self.crossed = crossed
        self.reduction: Reduction = reduction

    def forward(
        self,
        query_base: Tensor,
        query_mlp: Tensor,
        key_base: Tensor,
        key_mlp: Tensor,
        base_bank: Tensor,
        mlp_bank: Tensor,
        *,
        exclude: Tensor | None = None,
    ) -> Tensor:
        """The loss."""
        return cross_momentum_contrast(
            query_base,
            query_mlp,
            key_base,
            key_mlp,
            base_bank,
            mlp_bank,
            temperature=self.temperature,
            positive_weights=self.positive_weights,
            negative_weights=self.negative_weights,
            combine=self.combine,
            denominator=self.denominator,
            crossed=self.crossed,
            exclude=exclude,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        names = (
            "temperature",
            "positive_weights",
            "negative_weights",
            "combine",
            "denominator",
            "crossed",
            "reduction",
        )
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)


def _log(weight: float) -> float:
    return math.log(weight) if weight else -math.inf


def _check_settings(
    positive_weights: tuple[float, float],
    negative_weights: tuple[float, float],
    *,
    combine: Combine,
    denominator: Denominator | None,
) -> Denominator:
    """Raise unless weights and choices fit together; the denominator, with the default filled in."""
    check_choice(combine, get_args(Combine), name="combine")
    check_choice(denominator, (None, *get_args(Denominator)), name="denominator")
    for name, weights in (("positive_weights", positive_weights), ("negative_weights", negative_weights)):
        if len(weights) != 2 or not all(0 <= weight < math.inf for weight in weights) or not any(weights):
            raise ValueError(f"{name}: expected two finite numbers >= 0, at least one of them > 0, got {weights}")
        if combine == "sum_ce" and not all(weights):
            raise ValueError(
                f"{name}: expected two numbers > 0 with combine='sum_ce', got {weights}; a query without positive or "
                "negatives has no cross-entropy"
            )
    if combine == "sum_ce" and denominator == "neg":
        raise ValueError(
            "denominator: expected 'pos+neg' or None with combine='sum_ce', got 'neg'; a cross-entropy has its "
            "positive below the line"
        )
    return denominator or ("neg" if combine == "ratio" else "pos+neg")
