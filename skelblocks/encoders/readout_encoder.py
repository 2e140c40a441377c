"""An encoder with its readout, which maps clips to one feature per clip.

Axes: n samples, c coordinates, t frames, v joints, m persons, d features.
"""

from __future__ import annotations

from torch import Tensor, nn

from skelblocks._utils.checks import check_choice
from skelblocks.encoders.present_persons import absent_of
from skelblocks.encoders.readout import LAST_BLOCKS, OF_BLOCKS, READOUTS, Readout, ReadoutPool


class ReadoutEncoder(nn.Module):
    """Encode clips and apply a readout to their feature maps.

    Persons whom an encoder with ``absent="skip"`` skips do not count in the readout either.

    Args:
        encoder: An encoder of this package, or a module from clips to feature maps with an attribute ``layout``.
        kind: Which readout, see :func:`~skelblocks.encoders.readout`. ``"blocks"`` and ``"blocks_std"`` need
            an encoder with a method ``block_maps``, such as ``STGCN``, and take its last three maps. ``"grid"`` takes
            the maps of all blocks, or the only map of an encoder without ``block_maps``.

    Shape:
        Clips ``(n, c, t, v, m)`` and, optionally, ``person_mask`` ``(n, m)`` to features ``(n, d)``.

    Raises:
        TypeError: a readout of several maps with an encoder that does not give the maps of its blocks.
        ValueError: an unknown ``kind``.

    Example:
        >>> import torch
        >>> from skelblocks.encoders import STGCN
        >>> encoder = STGCN("ntu-rgb+d", base_channels=4, out_channels=16).eval()
        >>> clips = torch.randn(2, 3, 50, 25, 1)
        >>> ReadoutEncoder(encoder, "body")(clips).shape, ReadoutEncoder(encoder, "blocks")(clips).shape
        (torch.Size([2, 80]), torch.Size([2, 48]))
    """

    def __init__(self, encoder: nn.Module, kind: Readout = "mean") -> None:
        super().__init__()
        check_choice(kind, READOUTS, name="kind")
        if kind in OF_BLOCKS and kind != "grid" and not hasattr(encoder, "block_maps"):
            raise TypeError(
                f"encoder: the readout {kind!r} expected an encoder with a method block_maps, such as STGCN, got "
                f"{type(encoder).__name__}; choose another readout"
            )
        self.encoder = encoder
        self.readout = ReadoutPool(kind, layout=getattr(encoder, "layout", None), absent=absent_of(encoder))

    @property
    def kind(self) -> Readout:
        """The kind of readout."""
        return self.readout.kind

    def forward(self, x: Tensor, person_mask: Tensor | None = None) -> Tensor:
        """Features ``(n, d)``."""
        skips = self.readout.absent == "skip" and person_mask is not None
        keywords = {"person_mask": person_mask} if skips else {}
        if self.kind in OF_BLOCKS:
            last = LAST_BLOCKS[self.kind]
            whole = not hasattr(self.encoder, "block_maps")
            maps = [self.encoder(x, **keywords)] if whole else self.encoder.block_maps(x, **keywords)  # type: ignore[operator]
            features: Tensor = self.readout(maps if last is None else maps[-last:], person_mask)
        else:
            features = self.readout(self.encoder(x, **keywords), person_mask)
        return features
