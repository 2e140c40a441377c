"""Bidirectional GRU, an encoder of SkeAttnCLR: a recurrence over frames that needs no graph.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from skelblocks import layouts
from skelblocks._utils.checks import check_integer
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.encoders._clips import check_clips


@explain_arguments
class BiGRU(nn.Module):
    r"""Encode the frames with a bidirectional GRU; the joints of all persons in a frame form one vector.

    .. math:: h^{l,\rightarrow}_t = \operatorname{GRU}\big(x^l_t, h^{l,\rightarrow}_{t-1}\big), \quad
        h^{l,\leftarrow}_t = \operatorname{GRU}\big(x^l_t, h^{l,\leftarrow}_{t+1}\big), \quad
        x^{l+1}_t = \big[h^{l,\rightarrow}_t, h^{l,\leftarrow}_t\big]

    The states start at zero. :math:`x^1_t` holds the ``v * c * m`` coordinates of frame t in the released code's order
    ``(v c m)``, after a batch normalization over all frames of the batch. The zeros of absent persons are part of it.

    The released code passes one frame per call and keeps both states, so no output sees a later frame: both directions
    run forward in time, with :math:`h^{l,\leftarrow}_{t-1}` in place of :math:`h^{l,\leftarrow}_{t+1}`.
    ``causal=True`` computes the same layer by layer, without a loop over frames.

    ``pool`` averages the frames, as in section 3.1 of SkeAttnCLR. The released code takes the last frame:
    ``pool(feature_map[..., -1:, :])``. That suits ``causal=True``. With ``causal=False``, the backward half of the last
    layer has seen only that frame.

    Args:
        layout: The skeleton: a name, a dict or a layout. Only its number of joints counts.
        in_channels: Coordinates of a joint. 3 here, 25 joints and 2 persons give the input size 150 of SkeAttnCLR's
            table 13.
        persons: m, the same for every clip; 2 in the released code.
        hidden_features: Size of the state of one direction; 1024 in table 13. The map has twice as many channels.
        num_layers: 3 in table 13.
        causal: Run both directions forward in time, as the released code does. The weights have the same names and
            shapes, but weights trained with one setting do not work with the other.

    Weight matrices are drawn from Xavier's uniform distribution, biases from torch's default, as in the released code.
    In its checkpoints, ``gru.*`` is ``encoder.gru.*`` and ``data_norm.*`` is ``input_norm.*``.

    Shape:
        ``(n, in_channels, t, v, persons)`` to the feature map ``(n, 1, 2 * hidden_features, t, 1)``: persons and joints
        are merged, so a person mask does not apply. The first half of the channels is the forward direction. Any
        number of frames is accepted, and all are kept.

    Raises:
        ValueError: clips whose axes, channels, joints or persons differ from the encoder's, or clips without frames; in
            training, a batch with only one frame in total; a size below 1.
        TypeError: clips that are not floating-point.

    ``torch.compile`` does not trace GRUs unless ``torch._dynamo.config.allow_rnn`` is set: by default it breaks the
    graph at the GRU, and ``fullgraph=True`` fails. ``copy.deepcopy`` loses the memory layout of the weights that is
    fastest on CUDA; ``.to(device)`` and ``encoder.gru.flatten_parameters()`` restore it.

    Example:
        >>> encoder = BiGRU("ntu-rgb+d", hidden_features=8)
        >>> encoder(torch.randn(2, 3, 50, 25, 2)).shape
        torch.Size([2, 1, 16, 50, 1])
    """

    def __init__(
        self,
        layout: str | Mapping[str, Any] | layouts.SkeletonLayout,
        *,
        in_channels: int = 3,
        persons: int = 2,
        hidden_features: int = 1024,
        num_layers: int = 3,
        causal: bool = False,
    ) -> None:
        super().__init__()
        for name, value in (
            ("in_channels", in_channels),
            ("persons", persons),
            ("hidden_features", hidden_features),
            ("num_layers", num_layers),
        ):
            check_integer(value, name=name)
        self.layout = layouts.get(layout)
        self.in_channels = in_channels
        self.persons = persons
        self.hidden_features = hidden_features
        self.num_layers = num_layers
        self.causal = causal
        self.out_channels = 2 * hidden_features
        features = self.layout.num_joints * in_channels * persons
        self.data_norm = nn.BatchNorm1d(features)
        self.gru = nn.GRU(features, hidden_features, num_layers=num_layers, bidirectional=True, batch_first=True)
        for parameter in self.gru.parameters():
            if parameter.ndim == 2:
                nn.init.xavier_uniform_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """The feature map of each clip."""
        check_clips(x, in_channels=self.in_channels, joints=self.layout.num_joints, weight=self.data_norm.weight)
        n, _, t, _, m = x.shape
        self._check_sizes(n, t, m)
        h = self.data_norm(rearrange(x, "n c t v m -> (n t) (v c m)"))
        h = rearrange(h, "(n t) f -> n t f", n=n, t=t)
        y: Tensor = self._forward_in_time(h) if self.causal else self.gru(h)[0]
        return rearrange(y, "n t d -> n 1 d t 1")

    def _check_sizes(self, n: int, t: int, m: int) -> None:
        if m != self.persons:
            mend = (
                f"pad absent ones with zeros, torch.nn.functional.pad(x, (0, {self.persons - m}))"
                if m < self.persons
                else f"choose some, for instance x[..., :{self.persons}]"
            )
            raise ValueError(
                f"x: expected (n, c, t, v, m={self.persons}), got m={m}; all persons of a frame are one vector: "
                f"{mend}, or make the encoder with persons={m}"
            )
        if self.training and n * t == 1:
            raise ValueError(
                "x: expected at least 2 frames in the batch, got 1: in training, batch normalization divides by the "
                "batch's spread; use a larger batch or .eval()"
            )

    def _forward_in_time(self, x: Tensor) -> Tensor:
        # In each frame, the second layer only needs the first layer's states of that frame. So each layer can process
        # all frames before the next layer starts. nn.GRU has no such mode, so call the function that it wraps.
        for layer in range(self.num_layers):
            state = x.new_zeros(1, x.shape[0], self.hidden_features)
            directions = []
            for suffix in ("", "_reverse"):
                weights = [
                    getattr(self.gru, f"{name}_l{layer}{suffix}")
                    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                ]
                y, _ = torch.gru(
                    x,
                    state,
                    weights,
                    has_biases=True,
                    num_layers=1,
                    dropout=0.0,
                    train=self.training,
                    bidirectional=False,
                    batch_first=True,
                )
                directions.append(y)
            x = torch.cat(directions, dim=-1)
        return x

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return (
            f"layout={self.layout.name!r}, in_channels={self.in_channels}, persons={self.persons}, "
            f"out_channels={self.out_channels}, causal={self.causal}"
        )
