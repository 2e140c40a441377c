"""Open the weights that a training starts from: a released file, a pretrained folder, or a run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from skelblocks.clips import Preprocessing
from skelblocks.interop import CheckpointError, from_pretrained, load_official
from skelblocks.streams import Stream

_CONFIG, _WEIGHTS, _CHECKPOINT = "config.json", "model.safetensors", "checkpoint.pt"
_BLOCK = 1 << 20  # bytes


@dataclass(frozen=True, eq=False, kw_only=True)
class StartWeights:
    """Weights to start a training from.

    Attributes:
        path: The file or folder.
        kind: Kind of the weights.
        name: The method that trained them, if known.
        sha256: Hash of the file, or of the files that were read in the folder.
        encoders: The encoders by stream.
        parts: ``"head"``, ``"attention"`` and ``"queue"``, as far as the file or the pretrained folder has them.
        state: All tensors of a run's method, by name; empty for other kinds.
        preprocessing: Preprocessing of the training clips, or None if unknown.
    """

    path: Path
    kind: Literal["official", "pretrained", "run"]
    name: str | None
    sha256: str
    encoders: Mapping[Stream, nn.Module]
    parts: Mapping[str, nn.Module] = field(default_factory=dict)
    state: Mapping[str, Tensor] = field(default_factory=dict)
    preprocessing: Preprocessing | None = None

    def __str__(self) -> str:
        what = {"official": "released weights", "pretrained": "a pretrained encoder", "run": "a run"}[self.kind]
        return f"{self.path} ({what}{f' of {self.name}' if self.name else ''}, sha256 {self.sha256[:12]})"


def open_start(path: str | Path, *, streams: Sequence[Stream] = ("joint",)) -> StartWeights:
    """Open weights to start from.

    Args:
        path: A released checkpoint (see :func:`~skelblocks.interop.load_official`), a pretrained folder, or the folder
            of a run that has ended.
        streams: The streams to train. A released file with one encoder does not record its stream, so it starts every
            stream.

    Raises:
        FileNotFoundError: The file or folder does not exist, or the folder holds no encoder.
        ValueError: The file or folder cannot be read, or was trained on another stream.

    Example:
        >>> open_start("runs/none")
        Traceback (most recent call last):
        ...
        FileNotFoundError: train.start: there is no file or folder 'runs/none'; give a released checkpoint, a pretrained
        folder, or the folder of a run
    """
    place = Path(path)
    if place.is_file():
        return _open_official(place, streams)
    if not place.is_dir():
        raise FileNotFoundError(
            f"train.start: there is no file or folder {str(path)!r}; give a released checkpoint, a pretrained folder, "
            "or the folder of a run"
        )
    if (place / _CONFIG).is_file():
        return _open_pretrained(place, streams)
    return _open_run(place, streams)


def _open_official(path: Path, streams: Sequence[Stream]) -> StartWeights:
    try:
        found = load_official(path, stream=streams[0])
    except CheckpointError as error:
        raise ValueError(f"train.start: {error}") from error
    several = len(found.streams) > 1
    missing = [stream for stream in streams if several and stream not in found.streams]
    if missing:
        raise ValueError(
            f"train.start: {path} has no encoder of the stream {missing[0]!r}; choose among {', '.join(found.streams)}"
        )
    own = found.streams[streams[0]]
    parts = {"head": own.head, "attention": own.attention, "queue": own.queue} if len(streams) == 1 else {}
    return StartWeights(
        path=path,
        kind="official",
        name=found.source,
        sha256=_sha256(path),
        encoders={stream: found.streams[stream].encoder if several else found.encoder for stream in streams},
        parts={name: part for name, part in parts.items() if part is not None},
        preprocessing=found.preprocessing,
    )


def _open_pretrained(folder: Path, streams: Sequence[Stream]) -> StartWeights:
    found = from_pretrained(folder)
    _check_stream(folder, found.stream, streams)
    run = found.metadata.get("run")
    parts = {"head": found.head, "attention": found.attention}
    return StartWeights(
        path=folder,
        kind="pretrained",
        name=_method_of(run),
        sha256=_sha256(folder / _WEIGHTS),
        encoders={found.stream: found.encoder},
        parts={name: part for name, part in parts.items() if part is not None},
        preprocessing=found.preprocessing,
    )


def _open_run(folder: Path, streams: Sequence[Stream]) -> StartWeights:
    single = folder / "encoder"
    places = {stream: folder / f"encoder_{stream}" for stream in streams}
    if (single / _CONFIG).is_file():
        places = dict.fromkeys(streams, single)
    lacking = [stream for stream, place in places.items() if not (place / _CONFIG).is_file()]
    if lacking:
        there = ", ".join(sorted(path.parent.name for path in folder.glob(f"encoder*/{_CONFIG}")))
        raise FileNotFoundError(
            f"train.start: {folder} has no encoder of the stream {lacking[0]!r}; it has {there or 'no encoder at all'}"
            ". Pass the folder of a finished run, a pretrained folder, or a released checkpoint"
        )
    found = {stream: from_pretrained(place) for stream, place in places.items()}
    for stream, each in found.items():
        _check_stream(folder, each.stream, [stream])
    first = next(iter(found.values()))
    files = [place / _WEIGHTS for place in dict.fromkeys(places.values())]
    checkpoint = folder / _CHECKPOINT
    return StartWeights(
        path=folder,
        kind="run",
        name=_method_of(first.metadata.get("run")),
        sha256=_sha256(*files, *([checkpoint] if checkpoint.is_file() else [])),
        encoders={stream: each.encoder for stream, each in found.items()},
        state=_method_state(checkpoint) if checkpoint.is_file() else {},
        preprocessing=first.preprocessing,
    )


def _check_stream(folder: Path, found: Stream, streams: Sequence[Stream]) -> None:
    if list(streams) != [found]:
        raise ValueError(
            f"train.start: {folder} was trained on the stream {found!r}, but this run trains {', '.join(streams)}; "
            f"pass --data.stream {found}, or start from another encoder"
        )


def _method_of(run: Any) -> str | None:
    method = run.get("method") if isinstance(run, Mapping) else None
    return method if isinstance(method, str) else None


def _method_state(checkpoint: Path) -> Mapping[str, Tensor]:
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        tensors = state["method"]
        return {str(name): value for name, value in tensors.items() if isinstance(value, Tensor)}
    except Exception as error:  # damaged content can make the unpickler raise anything
        raise ValueError(
            f"train.start: {checkpoint} cannot be read ({type(error).__name__}); it is damaged, or not a checkpoint of "
            f"a run. Start from {checkpoint.parent / 'encoder'} instead, which has only the encoder"
        ) from error


def _sha256(*files: Path) -> str:
    """The hash of one file, equal to ``sha256sum``; for several files, the hash of their digests in order."""
    digests = []
    for path in files:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        digests.append(digest.hexdigest())
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
