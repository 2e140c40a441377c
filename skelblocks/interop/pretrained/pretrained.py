"""Pretrained encoders: modules with everything that new clips need.

Axes: n samples, c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from skelblocks._utils.checks import check_choice
from skelblocks._utils.escape import escape
from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.data import ArrayDataset
from skelblocks.data.arrays.array_checks import check_clips
from skelblocks.encoders.readout import READOUTS, Readout
from skelblocks.encoders.readout_encoder import ReadoutEncoder
from skelblocks.interop.pretrained.finish import finish_clips
from skelblocks.interop.pretrained.input_description import InputDescription, describe_input, takes_input
from skelblocks.layouts import SkeletonLayout, get
from skelblocks.streams import STREAMS, Stream


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """An encoder with everything that new clips need. :func:`save_pretrained` saves it in a folder.

    Attributes:
        encoder: The encoder. All modules are in evaluation mode.
        head: The projection head, a classifier (a head without hidden layers), or None.
        attention: The attention block, or None.
        preprocessing: Preprocessing of the training clips; None if the folder does not record it.
        stream: The stream that the encoder takes: one of ``skelblocks.streams.STREAMS``, such as ``"joint"``.
        readout: How the feature map becomes one vector, see :func:`~skelblocks.encoders.readout`. A classifier takes
            this vector.
        metadata: The metadata saved with the encoder.
    """

    encoder: nn.Module
    head: nn.Module | None = None
    attention: nn.Module | None = None
    preprocessing: Preprocessing | None = None
    stream: Stream = "joint"
    readout: Readout = "mean"
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.preprocessing is not None and not isinstance(self.preprocessing, Preprocessing):
            raise TypeError(f"preprocessing: expected Preprocessing(...), got {type(self.preprocessing).__name__}")
        check_choice(self.stream, STREAMS, name="stream")
        check_choice(self.readout, READOUTS, name="readout")

    @property
    def layout(self) -> SkeletonLayout:
        """The skeleton, whether or not it is registered here."""
        layout = self.encoder.layout
        assert isinstance(layout, SkeletonLayout)
        return layout

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes that the head tells apart; empty if the head is no classifier."""
        names, classes = self.metadata.get("class_names"), getattr(self.head, "out_features", None)
        if not isinstance(names, list) or len(names) != classes or not all(isinstance(name, str) for name in names):
            return ()
        return tuple(names)

    @property
    def input(self) -> InputDescription | None:
        """Deprecated: ``preprocessing`` and ``stream`` in the words of version 0.2."""
        warnings.warn(
            "Pretrained.input is deprecated; use Pretrained.preprocessing and Pretrained.stream",
            DeprecationWarning,
            stacklevel=2,
        )
        return None if self.preprocessing is None else describe_input(self.preprocessing, self.stream)

    def prepare(
        self,
        clips: Tensor | NDArray[Any],
        *,
        layout: str | Mapping[str, Any] | SkeletonLayout | None = None,
        lengths: ArrayLike | None = None,
    ) -> Tensor:
        """Convert recorded clips to the form that the encoder was trained on.

        This applies ``preprocessing``, then adds absent persons and computes the stream. Clips of a data set are
        already
        preprocessed: use :meth:`finish` for them.

        Args:
            clips: ``(n, c, t, v, m)``, floating-point, of finite numbers. Zero where time is padded at the end and
                where a person is absent; m is ``preprocessing.persons`` or less. Where the preprocessing does not
                scale, they are in the unit of the clips that the encoder was trained on; pixels and millimeters in
                place of meters are an error with ``preprocessing.unit="meters"``, as of released weights, and
                otherwise a warning.
            layout: The skeleton of ``clips``. Clips of another one than the encoder's are remapped, by
                :func:`~skelblocks.layouts.remap`. Default: the encoder's or ``preprocessing.source``, whichever has
                the clips' number of joints.
            lengths: Frames of each clip, ``(n,)``. Default: up to the last frame that is not all zero.

        Returns:
            ``(n, c, frames, v, persons)`` in the encoder's dtype, on the CPU.

        Raises:
            TypeError: Clips or lengths of another kind of number.
            ValueError: No ``preprocessing``; wrong axes, coordinates or joints, joints that cannot be made, too many
                persons, a length that the clips do not have, a coordinate that is not finite, or another unit.

        Example:
            >>> import torch
            >>> from skelblocks.encoders import STGCN
            >>> encoder = STGCN("nw-ucla", base_channels=4, out_channels=16)
            >>> found = Pretrained(encoder=encoder, preprocessing=Preprocessing(frames=64, persons=2), stream="bone")
            >>> found.prepare(torch.randn(2, 3, 90, 20, 1), lengths=[90, 71]).shape
            torch.Size([2, 3, 64, 20, 2])
        """
        if self.preprocessing is None:
            raise ValueError(
                "preprocessing: expected Preprocessing(...), got None: nothing says how the clips were prepared; save "
                "the encoder with preprocessing=Preprocessing(...)"
            )
        array = clips.detach().cpu().numpy() if isinstance(clips, Tensor) else clips
        check_clips(array)
        recorded = self._recorded_layout(array.shape[3]) if layout is None else get(layout)
        c, v = self.encoder.in_channels, self.layout.num_joints
        if recorded is None or self.preprocessing.channels_of(array.shape[1]) != c:
            raise ValueError(
                f"clips: expected (n, c={c}, t, v={v}, m) with the joints of {escape(self.layout.name)!r}, got shape "
                f"{array.shape}; pass the skeleton of the clips as layout= (of joints in another order it is "
                "layouts.restrict(name, names)), or bring the axes into order with skelblocks.data.from_axes"
            )
        settings = replace(self.preprocessing, to=self.layout)
        dataset = ArrayDataset(array, layout=recorded, lengths=lengths, preprocessing=settings)
        return self.finish(dataset.as_tensor().to(next(self.encoder.parameters()).dtype))

    def features(self, x: Tensor) -> Tensor:
        """Compute features with the encoder and its readout, in the current mode and with gradients if enabled.

        Args:
            x: Clips from :meth:`prepare` or :meth:`finish`, on the encoder's device.

        Returns:
            ``(n, d)``; ``head`` takes them if it is a classifier.

        Example:
            >>> import torch
            >>> from skelblocks.encoders import STGCN
            >>> encoder = STGCN("nw-ucla", base_channels=4, out_channels=16).eval()
            >>> found = Pretrained(encoder=encoder, preprocessing=Preprocessing(), readout="thirds")
            >>> found.features(found.prepare(torch.randn(2, 3, 90, 20, 1))).shape
            torch.Size([2, 48])
        """
        features: Tensor = ReadoutEncoder(self.encoder, self.readout)(x)
        return features

    def _recorded_layout(self, joints: int) -> SkeletonLayout | None:
        """The encoder's skeleton or the one that the preprocessing remaps, whichever has this number of joints."""
        settings = self.preprocessing
        source = None if settings is None or settings.source is None else get(settings.source)
        fitting = [each for each in (self.layout, source) if each is not None and each.num_joints == joints]
        if len(fitting) == 2 and fitting[0].joints != fitting[1].joints:
            names = " or ".join(repr(escape(each.name)) for each in fitting)
            raise ValueError(f"layout: expected the skeleton of the clips, {names}, got None; pass it as layout=")
        return fitting[0] if fitting else None

    def finish(self, x: Tensor, *, seen: Tensor | None = None) -> Tensor:
        """Finish preprocessed clips, such as the clips of a data set: add absent persons, and compute the stream.

        Args:
            x: Clips ``(n, c, t, v, m)`` with this ``preprocessing``.
            seen: Boolean ``(n, t, v, m)``, true where a joint is seen; bones and motion of other joints are then zero.
                Default: all joints count, also those that were filled, as in the training.

        Returns:
            The stream, ``(n, c, t, v, preprocessing.persons)``; persons whom the clips have no place for are absent.

        Raises:
            ValueError: More persons than the encoder was trained with, wrong axes, or joints that are not the layout's.

        Example:
            >>> import torch
            >>> from skelblocks.encoders import STGCN
            >>> encoder = STGCN("nw-ucla", base_channels=4, out_channels=16)
            >>> found = Pretrained(encoder=encoder, preprocessing=Preprocessing(persons=2), stream="motion")
            >>> found.finish(torch.randn(4, 3, 50, 20, 1)).shape
            torch.Size([4, 3, 50, 20, 2])
        """
        persons = None if self.preprocessing is None else self.preprocessing.persons
        return finish_clips(x, persons=persons, stream=self.stream, layout=self.layout, seen=seen)


Pretrained.__init__ = takes_input(Pretrained.__init__)  # type: ignore[method-assign]
