"""Several encoders used as one, with their feature maps concatenated along the channels.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelblocks.encoders.present_persons import Absent, absent_of
from skelblocks.layouts import SkeletonLayout


class SideBySide(nn.Module):
    """Run encoders on the same clips and concatenate their feature maps along the channels.

    CrossMoCo with two backbones is evaluated in this form.

    Args:
        *encoders: Encoders with the same ``layout`` and ``in_channels``, whose maps have the same frames and joints.

    Attributes:
        layout: The skeleton that all encoders take.
        in_channels: Coordinates of a joint.
        out_channels: The sum of the encoders' channels.
        absent: What all encoders do with absent persons.

    Shape:
        ``(n, in_channels, t, v, m)`` to ``(n, m, out_channels, t', v')``: the first encoder's channels come first.

    Raises:
        TypeError: no encoder, or a module without ``layout``, ``in_channels`` and ``out_channels``.
        ValueError: encoders that differ in layout, number of coordinates or ``absent``; maps that differ in frames,
            joints or persons.

    Example:
        >>> from skelblocks.encoders import STGCN
        >>> encoder = SideBySide(*(STGCN("coco-17", base_channels=4, out_channels=16) for _ in range(2)))
        >>> encoder(torch.randn(2, 3, 50, 17, 1)).shape
        torch.Size([2, 1, 32, 13, 17])
    """

    def __init__(self, *encoders: nn.Module) -> None:
        super().__init__()
        _check_encoders(encoders)
        self.encoders = nn.ModuleList(encoders)

    @property
    def layout(self) -> SkeletonLayout:
        """The skeleton that all encoders take."""
        return self.encoders[0].layout  # type: ignore[return-value]

    @property
    def in_channels(self) -> int:
        """Coordinates of a joint."""
        return self.encoders[0].in_channels  # type: ignore[return-value]

    @property
    def out_channels(self) -> int:
        """The sum of the encoders' channels."""
        return sum(encoder.out_channels for encoder in self.encoders)  # type: ignore[misc]

    @property
    def absent(self) -> Absent:
        """What all encoders do with absent persons."""
        return absent_of(self.encoders[0])

    def forward(self, x: Tensor, *, person_mask: Tensor | None = None) -> Tensor:
        """The concatenated feature map of each clip.

        Args:
            x: Clips ``(n, in_channels, t, v, m)``.
            person_mask: Boolean ``(n, m)``, for encoders that skip absent persons; see :class:`STGCN`.
        """
        keywords = {} if person_mask is None else {"person_mask": person_mask}
        maps = [encoder(x, **keywords) for encoder in self.encoders]
        for i, feature_map in enumerate(maps):
            got, expected = _without_channels(feature_map), _without_channels(maps[0])
            if got != expected:
                raise ValueError(
                    "encoders: expected feature maps (n, m, c, t, v) that differ only in c, got "
                    f"{tuple(maps[0].shape)} from encoder 0 and {tuple(feature_map.shape)} from encoder {i}; "
                    "pool each map and concatenate the features"
                )
        return torch.cat(maps, dim=2)


def _without_channels(feature_map: Tensor) -> tuple[int, ...]:
    return (*feature_map.shape[:2], *feature_map.shape[3:])


def _check_encoders(encoders: tuple[nn.Module, ...]) -> None:
    if not encoders:
        raise TypeError("encoders: expected at least one encoder, got none; pass SideBySide(first, second)")
    for i, encoder in enumerate(encoders):
        if not isinstance(encoder, nn.Module):
            raise TypeError(
                f"encoders: expected modules, got {type(encoder).__name__} at place {i}; unpack a list of them, "
                "SideBySide(*encoders)"
            )
        missing = [name for name in ("layout", "in_channels", "out_channels") if not hasattr(encoder, name)]
        if missing:
            raise TypeError(
                "encoders: expected encoders with a layout, in_channels and out_channels, got "
                f"{type(encoder).__name__} without {', '.join(missing)} at place {i}; "
                "set these attributes in its constructor"
            )
        for name in ("layout", "in_channels"):
            got, expected = getattr(encoder, name), getattr(encoders[0], name)
            if got != expected:
                raise ValueError(
                    f"encoders: expected the {name} of encoder 0, {_shown(expected)}, got {_shown(got)} at place {i}; "
                    "all encoders read the same clips"
                )
        if absent_of(encoder) != absent_of(encoders[0]):
            raise ValueError(
                f"encoders: expected the absent of encoder 0, {absent_of(encoders[0])!r}, got {absent_of(encoder)!r} "
                f"at place {i}; make all encoders with the same absent"
            )


def _shown(value: object) -> str:
    return repr(value.name) if isinstance(value, SkeletonLayout) else repr(value)
