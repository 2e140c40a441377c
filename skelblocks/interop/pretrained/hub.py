"""Pretrained folders on the Hugging Face hub (extra ``hub``)."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from skelblocks._utils.optional import require
from skelblocks.interop.pretrained import pretrained_files as files
from skelblocks.interop.pretrained.from_pretrained import from_pretrained
from skelblocks.interop.pretrained.pretrained import Pretrained
from skelblocks.interop.pretrained.save_pretrained import describe_pretrained

if TYPE_CHECKING:
    HubEncoder: Any


def __getattr__(name: str) -> Any:
    if name == "HubEncoder":
        return _hub_encoder()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def _hub_encoder() -> type[nn.Module]:
    """The class, created on demand because its base class is in the extra."""
    hub = require("huggingface_hub", extra="hub")

    class HubEncoder(  # type: ignore[call-arg]
        nn.Module,
        hub.ModelHubMixin,  # type: ignore[name-defined,misc]  # known at run time only
        library_name="skelblocks",
        tags=["skeleton-based action recognition"],
    ):
        """A pretrained encoder with ``huggingface_hub``'s methods.

        ``HubEncoder.from_pretrained("owner/name")`` downloads the two files of a pretrained folder, no other, and opens
        them as :func:`~skelblocks.interop.from_pretrained` does; a folder on this machine works too.
        ``save_pretrained(folder)`` writes such a folder and ``push_to_hub("owner/name")`` uploads it, each with a model
        card.

        Args:
            pretrained: The modules and what is known about them, kept under that name.

        Shape:
            The shape of the encoder, which ``forward`` calls.

        Example:
            >>> from skelblocks.encoders import STGCN
            >>> from skelblocks.interop import Pretrained
            >>> from skelblocks.interop.pretrained import hub
            >>> model = hub.HubEncoder(Pretrained(encoder=STGCN("coco-17", base_channels=4, out_channels=16)))
            >>> model(torch.randn(2, 3, 20, 17, 1)).shape
            torch.Size([2, 1, 16, 5, 17])
        """

        def __init__(self, pretrained: Pretrained) -> None:
            super().__init__()
            self.encoder, self.head, self.attention = pretrained.encoder, pretrained.head, pretrained.attention
            self.preprocessing, self.stream = pretrained.preprocessing, pretrained.stream
            self.readout, self.metadata = pretrained.readout, pretrained.metadata

        @property
        def pretrained(self) -> Pretrained:
            """The modules and what is known about them."""
            return Pretrained(
                encoder=self.encoder,
                head=self.head,
                attention=self.attention,
                preprocessing=self.preprocessing,
                stream=self.stream,
                readout=self.readout,
                metadata=self.metadata,
            )

        def forward(self, x: Tensor) -> Tensor:
            """The encoder's feature map."""
            feature_map: Tensor = self.encoder(x)
            return feature_map

        # Not through the mixin, which reads the configuration before its size and keys are checked.
        @classmethod
        def from_pretrained(
            cls,
            name_or_folder: str | os.PathLike[str],
            *,
            device: torch.device | str | None = None,
            revision: str | None = None,
            cache_dir: str | os.PathLike[str] | None = None,
            force_download: bool = False,
            local_files_only: bool = False,
            token: str | bool | None = None,
        ) -> HubEncoder:
            """Open a folder, or ``"owner/name"`` on the hub.

            Args:
                name_or_folder: A folder, if there is one of that name; otherwise what the hub calls it.
                device: Where the modules go. Default: the CPU.
                revision: A branch, tag or commit. Name a commit where the weights must not change.
                cache_dir: As for ``huggingface_hub.snapshot_download``, like the rest.
                force_download: Whether to download again what is in the cache.
                local_files_only: Whether to use the cache alone.
                token: Of an account.

            Returns:
                The model, in evaluation mode.
            """
            folder = Path(name_or_folder)
            if not folder.is_dir():
                found = hub.snapshot_download(
                    str(name_or_folder),
                    revision=revision,
                    cache_dir=cache_dir,
                    force_download=force_download,
                    local_files_only=local_files_only,
                    token=token,
                    allow_patterns=[files.CONFIG, files.WEIGHTS],
                )
                folder = Path(found)
            return cls(from_pretrained(folder, device=device)).eval()

        def _save_pretrained(self, save_directory: Path) -> None:
            files.write_files(save_directory, *describe_pretrained(self.pretrained))

    HubEncoder.__qualname__ = "HubEncoder"  # as it is found in this module, for pickle
    return HubEncoder
