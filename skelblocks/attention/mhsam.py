"""Multi-head self-attention mask (MHSAM) of SkeAttnCLR: which entries of a feature map are salient.

Axes: n samples, m persons, c channels, t frames, v joints; a row is one map (c, t, v), a position one of its t * v.
"""

from __future__ import annotations

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from skelblocks._utils.checks import check_axes, check_filled, check_integer, check_positive, check_weights_dtype
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.encoders.present_persons import Absent, check_absent, present_rows


@explain_arguments
class MHSAM(nn.Module):
    r"""Compute a soft mask with a number in (0, 1) for each entry, by self-attention over all positions.

    .. math:: Q, K, V = \operatorname{Linear}(\operatorname{LayerNorm}(f)), \qquad
        M_s = \operatorname{sigmoid}\Big(\lambda \operatorname{proj}\big(
        \operatorname{softmax}\big(Q K^\top / \sqrt{d_k}\big) V \big)\Big)

    Eqs. 2-4 of SkeAttnCLR, in ``num_heads`` heads of :math:`d_k = c / \text{num\_heads}` channels. In pre-training it
    follows the query encoder on the mixed clip. :func:`soft_mask_pool` splits the query's map and, with the same mask,
    the key encoder's map of the unmixed clip. The key branch has no attention of its own.

    **Paper and code.** The layer normalization over channels comes from the released code. Eq. 2 has none: set
    ``mask.norm = nn.Identity()`` to follow it. Only the attention uses normalized features; the mask multiplies the
    original map. As in the released code, persons are separate rows, so they do not attend to each other. The paper
    accepts features ``(n, c)`` of any encoder: for a recurrent encoder, which has no joints, let ``v`` be 1.

    Args:
        channels: c of the feature map; 256 in SkeAttnCLR.
        num_heads: A divisor of ``channels``; 8 in the paper (table 17).
        sharpness: :math:`\lambda`; 2 in the paper (tables 8, 15). A larger value moves the mask closer to 0 and 1. An
            untrained mask is close to 1/2 everywhere.
        absent: ``"skip"`` after an encoder that skips absent persons: rows of zeros are not computed, and their mask is
            zero.

    Shape:
        ``(..., c, t, v)``, for instance an encoder's ``(n, m, c, t, v)``, to a mask of the same shape and dtype.
        Entries close to 0 or 1 may be rounded.

    Raises:
        TypeError: a map that is not floating-point, or a size that is not an integer.
        ValueError: other channels or axes, a map without frames or joints, ``num_heads`` that does not divide the
            channels, ``sharpness`` that is not positive.

    Example:
        >>> import torch
        >>> mask = MHSAM(256)(torch.randn(2, 2, 256, 16, 25))
        >>> mask.shape, bool(((mask > 0) & (mask < 1)).all())
        (torch.Size([2, 2, 256, 16, 25]), True)
    """

    def __init__(
        self, channels: int, *, num_heads: int = 8, sharpness: float = 2.0, absent: Absent = "compute"
    ) -> None:
        super().__init__()
        check_absent(absent)
        check_integer(channels, name="channels")
        check_integer(num_heads, name="num_heads")
        if channels % num_heads:
            raise ValueError(f"num_heads: expected a divisor of channels={channels}, got {num_heads}; the paper has 8")
        check_positive(sharpness, name="sharpness")
        self.channels = channels
        self.num_heads = num_heads
        self.sharpness = sharpness
        self.absent: Absent = absent
        self.norm: nn.Module = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, feature_map: Tensor, *, person_mask: Tensor | None = None) -> Tensor:
        """The mask of salient entries. One minus this mask marks the other entries.

        Args:
            feature_map: ``(..., c, t, v)``.
            person_mask: Boolean ``(...)``, true where a person is present; only with ``absent="skip"``. Default: rows
                with any entry other than zero.
        """
        check_axes(feature_map, "... c t v", name="feature_map", c=self.channels)
        check_weights_dtype(feature_map, self.qkv.weight, name="feature_map")
        check_filled(feature_map, "... c t v", name="feature_map", filled="t v")
        t, v = feature_map.shape[-2:]
        present = present_rows(feature_map, self.absent, person_mask)
        rows = present.take(rearrange(feature_map, "... c t v -> (...) c t v"))
        qkv = self.qkv(self.norm(rearrange(rows, "b c t v -> b (t v) c")))
        query, key, value = rearrange(qkv, "b p (qkv h d) -> qkv b h p d", qkv=3, h=self.num_heads)
        attended = rearrange(F.scaled_dot_product_attention(query, key, value), "b h p d -> b p (h d)")
        # Autocast would compute the sigmoid in half precision, which rounds a mask near one to one.
        mask: Tensor = (self.sharpness * self.proj(attended).to(feature_map.dtype)).sigmoid()
        return present.put_back(rearrange(mask, "b (t v) c -> b c t v", t=t, v=v)).reshape(feature_map.shape)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        skips = ", absent='skip'" if self.absent == "skip" else ""
        return f"channels={self.channels}, num_heads={self.num_heads}, sharpness={self.sharpness}{skips}"
