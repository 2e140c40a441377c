"""Write blocks as an official checkpoint, for the released evaluation scripts."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import Tensor

from skelblocks._utils.checks import check_choice
from skelblocks.encoders import STGCN
from skelblocks.interop.official.checkpoint_error import CheckpointError
from skelblocks.interop.official.official_checkpoint import WRITE, OfficialCheckpoint, OfficialStream, pieces
from skelblocks.interop.official.official_sources import BARE, SOURCES, STREAM_SUFFIX, Source
from skelblocks.streams import Stream


def to_official(
    checkpoint: OfficialCheckpoint | STGCN, *, source: Source | None = None, stream: Stream = "joint", **blocks: Any
) -> OrderedDict[str, Tensor]:
    """The state dict that a method's released code loads; the inverse of :func:`load_official`.

    Of what :func:`load_official` gave, all tensors come back, the ones that the released code never uses too. Of blocks
    of one's own, those that are given are written. The loader of all but PSTL, torchlight's, keeps random values for
    what is missing and goes on: an encoder alone is enough for a linear evaluation, which trains its own classifier.
    What it does not tolerate is more than the network has, so that its configuration must name heads and banks to
    ignore, as the released ones do. PSTL loads strictly, and an encoder is all it wants.

    Save it by ``torch.save(to_official(...), "epoch300_model.pt")``.

    Args:
        checkpoint: From :func:`load_official`, made by hand, or one encoder.
        source: The method whose names to write; default, the checkpoint's. Needed with an encoder.
        stream: With an encoder, what it was trained on, which CrosSCLR's names tell.
        **blocks: With an encoder, other blocks by the names of :class:`OfficialStream`: ``head``, ``attention``,
            ``classifier``, ``queue``, ``key_encoder``, ``key_head``, ``key_attention``.

    Returns:
        Official name to a copy of the tensor, on the CPU.

    Raises:
        CheckpointError: The method's files have no place for a block, or for biases that are not zero.
        TypeError: ``checkpoint`` is neither, or a block has another name.
        ValueError: An encoder without a source, or a source or stream that is not known.

    Example:
        >>> encoder = STGCN("ntu-rgb+d", base_channels=4, out_channels=8)
        >>> list(to_official(encoder, source="AimCLR"))[:2]
        ['encoder_q.A', 'encoder_q.data_bn.weight']
    """
    if isinstance(checkpoint, STGCN):
        check_choice(source, SOURCES, name="source")
        check_choice(stream, STREAM_SUFFIX, name="stream")
        assert source is not None
        streams = {stream: OfficialStream(encoder=checkpoint, **blocks)}
        checkpoint = OfficialCheckpoint(source=source, streams=streams, stream=stream)
    elif not isinstance(checkpoint, OfficialCheckpoint):
        raise TypeError(f"checkpoint: expected an OfficialCheckpoint or an STGCN, got {type(checkpoint).__name__}")
    elif blocks or source not in (None, checkpoint.source):
        raise TypeError("source, blocks: a checkpoint has its own; to write other names, pass its encoder and blocks")
    _check_place(checkpoint)
    written: OrderedDict[str, Tensor] = OrderedDict()
    for piece in pieces(checkpoint):
        state = piece.module.state_dict()
        for ours, (official, form) in piece.keys.items():
            written[official] = WRITE[form](state[ours].detach().cpu()).contiguous().clone()
        for ours in piece.ours_alone:
            if ours != "ids" and bool(state[ours].any()):
                raise CheckpointError(
                    f"{piece.path}.{ours}: {checkpoint.source}'s layer has no bias, and this one is not zero; "
                    "train a ProjectionHead(..., bias=False), or leave the head out"
                )
    for name, value in checkpoint.unused.items():
        written[name] = value.detach().cpu().clone()
    return written


def _check_place(checkpoint: OfficialCheckpoint) -> None:
    source = checkpoint.source
    if source != "CrosSCLR" and len(checkpoint.streams) != 1:
        raise CheckpointError(f"streams: {source} has one, got {', '.join(checkpoint.streams)}; write one at a time")
    for blocks in checkpoint.streams.values():
        present = {name for name, block in vars(blocks).items() if block is not None}
        known = {"encoder", "classifier"}
        if source not in BARE:
            known |= {"head", "queue", "key_encoder", "key_head"}
        if source in ("MsMCLR", "SkeAttnCLR"):
            known |= {"attention", "key_attention"}
        if present - known:
            raise CheckpointError(f"{', '.join(sorted(present - known))}: files of {source} have no place for it")
        heads = [head for head in (blocks.head, blocks.key_head) if head is not None]
        if source != "SkeAttnCLR" and not all(head.bias for head in heads):
            raise CheckpointError(f"head: the layers of {source} have biases; train a ProjectionHead with bias=True")
        if {"classifier", "head"} <= present and source != "SkeAttnCLR":
            raise CheckpointError(f"classifier, head: {source} has both under the name 'fc'; write one of them")
