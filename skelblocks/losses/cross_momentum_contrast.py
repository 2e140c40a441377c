"""CrossMoCo's loss: two encoders, each trained against the keys and the bank of the other.

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
    r"""Compare each encoder's query with the other encoder's keys, in one ratio of positives to negatives.

    Let q and k be the query and key of ST-GCN, r and l the query and key of ST-MLP, and :math:`B_k, B_l` the banks of
    past k and l (CrossMoCo, eqs. 3-5):

    .. math::
        P_q = \alpha e^{q \cdot l / \tau}, \quad P_r = \beta e^{r \cdot k / \tau}, \quad
        N_q = \lambda \sum_{b \in B_l} e^{q \cdot b / \tau}, \quad N_r = \varphi \sum_{b \in B_k} e^{r \cdot b / \tau}

    .. math:: L = \operatorname{mean}_n \Big[ -\log \frac{P_q + P_r}{N_q + N_r} \Big]

    Eq. 5 has no positives in the denominator, so this decoupled form **can be negative**. Section III-A defines MoCo's
    loss with the positive in the denominator: ``denominator="pos+neg"`` divides by :math:`P_q + P_r + N_q + N_r`.
    ``combine="sum_ce"`` adds two ordinary cross-entropies,
    :math:`-\log P_q / (P_q + N_q) - \log P_r / (P_r + N_r)`, as in the released code of Skeleton-Contrast (ISC), which
    crosses two encoders and two banks in the same way.

    In the ratio, most of the gradient goes to the positive pair that is already closer. In the sum, each pair has its
    own gradient.

    **Weights.** The paper only says that they lie in [0, 1). Scaling :math:`\alpha, \beta` by c and
    :math:`\lambda, \varphi` by d turns L into :math:`L - \log c + \log d`. So with ``denominator="neg"``, the size of
    equal weights does not affect the gradient. In the other two forms only c / d matters: the weight of a positive
    relative to a negative. The defaults leave it at 1, which for ``"sum_ce"`` is exactly ISC.

    **Another number of banks** (table III). For one bank, enqueue k and l into the same queue and pass its bank twice;
    the paper does not say which keys its single bank holds. For three, which the paper does not explain, pass
    ``torch.cat((bank, third))`` for one or both.

    The training loop enqueues k and l after ``backward``, for each batch. Algorithm 1, as indented, would enqueue them
    once per epoch.

    Args:
        query_base: q ``(n, d)``, from ST-GCN and the first view. The function normalizes all four embeddings.
        query_mlp: r ``(n, d)``, from ST-MLP and the first view. Gradient flows to q and r only.
        key_base: k ``(n, d)``, from the momentum ST-GCN and the second view.
        key_mlp: l ``(n, d)``, from the momentum ST-MLP and the second view.
        base_bank: ``(k, d)``, unit rows, past k ("memory bank 1"). 16384 rows in the paper.
        mlp_bank: ``(k, d)``, unit rows, past l ("memory bank 2").
        temperature: 0.07, as in ISC and in 3s-CrosSCLR, whose experiments CrossMoCo follows. The paper gives no value.
        positive_weights: :math:`(\alpha, \beta)`, the weights of the positives of q and r.
        negative_weights: :math:`(\lambda, \varphi)`, the weights of the negatives of q and r.
        combine: ``"ratio"`` (eq. 5) or ``"sum_ce"``.
        denominator: ``"neg"`` (eq. 5, the default for the ratio) or ``"pos+neg"`` (the only choice for ``"sum_ce"``).
        crossed: If False, q is compared with k and its bank, and r with l and its bank (third row of table II).
        exclude: ``(n, k)`` boolean, true where row k of either bank is not a negative of that clip, for example an
            older key of the same clip. One mask serves both banks: the queues need the same size and the same enqueues.
        reduction: Reduction over the clips: ``"mean"``, ``"sum"`` or ``"none"``.

    Returns:
        A scalar, the mean over the batch, in float32 at least; ``(n,)`` for ``reduction="none"``. The decoupled form
        is minus infinity for a clip without negatives.

    Raises:
        TypeError: an embedding is not floating-point, or ``exclude`` is not boolean.
        ValueError: a wrong shape, range or choice; both weights of a pair are 0, or any of them in ``"sum_ce"``; keys
            require grad and queries do not, which means that they were swapped.

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
    """Compare each encoder's query with the other encoder's keys: the module form of :func:`cross_momentum_contrast`.

    Args:
        temperature: Divides the similarities. :func:`cross_momentum_contrast` explains all arguments.
        positive_weights: The weights of the positives of q and r.
        negative_weights: The weights of the negatives of q and r.
        combine: ``"ratio"`` or ``"sum_ce"``.
        denominator: ``"neg"`` or ``"pos+neg"``. The default depends on ``combine``.
        crossed: Whether a query is compared with the other encoder's keys.
        reduction: Reduction over the clips: ``"mean"``, ``"sum"`` or ``"none"``.

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
    """Raise unless weights and choices fit together. Return the denominator, or its default."""
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
            "positive in the denominator"
        )
    return denominator or ("neg" if combine == "ratio" else "pos+neg")
