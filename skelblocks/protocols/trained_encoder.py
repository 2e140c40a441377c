"""Open a trained encoder: from a run, a pretrained folder, or a file released by a method's authors."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from skelblocks import layouts
from skelblocks._utils.escape import escape
from skelblocks.clips import Preprocessing
from skelblocks.encoders.readout import Readout
from skelblocks.interop import CheckpointError, Pretrained, from_pretrained
from skelblocks.interop.pretrained.open_pretrained import open_pretrained
from skelblocks.layouts import SkeletonLayout
from skelblocks.streams import STREAMS, Stream

CONFIG = "config.json"  # of a pretrained folder
ENCODER = "encoder"  # the pretrained folder in a run; encoder_STREAM if several streams were trained together
_CHECKPOINT, _CLIPS_LAYOUT = "checkpoint.pt", "clips_layout.json"
_GROUPS = ("data", "evaluate")  # groups of a run's options that an evaluation reads
_KINDS = {"method": str, "stream": str, "seed": int, "options": dict}
_SHOWN = 5  # most folders that a message lists

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class TrainedEncoder:
    """An encoder and what is known about its training.

    Attributes:
        folder: The folder, without the stream's name.
        encoder: The encoder on the CPU, in evaluation mode, in the precision in which it was saved.
        layout: Skeleton that the encoder takes.
        preprocessing: Preprocessing of its clips, or None if unknown.
        stream: The stream that its clips are converted to.
        readout: How the feature map becomes one vector.
        method: The method that trained it, or None if unknown.
        seed: Random seed of the training; 0 if unknown.
        options: Options of the training in groups, ``{"data": {"path": ...}, ...}``; empty if unknown.
        clips_layout: Skeleton of the clips with all their joints; None if unknown.
        is_run: Whether the folder is the folder of a run.
    """

    folder: Path
    encoder: nn.Module
    layout: SkeletonLayout
    preprocessing: Preprocessing | None
    stream: Stream
    readout: Readout = "mean"
    method: str | None = None
    seed: int = 0
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    clips_layout: SkeletonLayout | None = None
    is_run: bool = False

    @property
    def results_folder(self) -> Path:
        """The folder for features and results: inside a run, or next to a released file or pretrained folder."""
        if self.is_run:
            return self.folder / "evaluation"
        place = self.folder.resolve()
        return place.with_name(f"{place.name}_evaluation")

    def restored(self, kind: type[T], group: str) -> T:
        """A group of the training's options. Options that the training did not record have their defaults.

        Args:
            kind: Dataclass of the group.
            group: Name of the group, for instance ``"data"``.
        """
        names = {each.name for each in dataclasses.fields(kind)}  # type: ignore[arg-type]
        return kind(**{name: value for name, value in self.options.get(group, {}).items() if name in names})


def open_encoder(folder: str | Path, *, stream: Stream | None = None) -> TrainedEncoder:
    """Open the encoder that a run has saved, any pretrained encoder, or a released checkpoint.

    For a run, this opens its pretrained folder ``encoder``, or ``encoder_STREAM`` if several streams were trained
    together. The method's code is not needed, so the encoders of your own methods open in the same way.

    Args:
        folder: Folder of a run or of a pretrained encoder, or a released file, which
            :func:`~skelblocks.interop.load_official` reads; ``FOLDER:STREAM`` names one of several streams.
        stream: The stream to open, instead of ``FOLDER:STREAM``. Default: the run's.

    Returns:
        The encoder and what is known about its training.

    Raises:
        FileNotFoundError: The folder holds no encoder; the message says what it holds.
        ValueError: The run has no such stream, its folder is damaged, or the file is not a released checkpoint.

    Example:
        >>> open_encoder("runs/none")
        Traceback (most recent call last):
        ...
        FileNotFoundError: runs: there is no folder 'runs/none' (looked in ...); check the path
    """
    text = str(folder)
    place, named = split_stream(text)
    stream = stream or named
    if place.is_file():
        return _open_file(place, stream)
    pretrained = _pretrained_folder(place, stream)
    found = from_pretrained(pretrained)
    run = _run_metadata(found, pretrained)
    options = run.get("options", {})
    own = next((each for each in STREAMS if each == run.get("stream")), found.stream)
    if stream is not None and stream != own:
        raise ValueError(f"runs: expected an encoder of the stream {stream!r}, but {text!r} was trained on {own!r}")
    is_run = pretrained != place
    chosen = options.get("data", {}).get("joints") is not None
    kept = place / _CLIPS_LAYOUT
    source = None if found.preprocessing is None else found.preprocessing.source
    recorded = found.layout if source is None else layouts.get(source)
    whole = (layouts.load(kept) if is_run and kept.is_file() else None) if chosen else recorded
    return TrainedEncoder(
        folder=place,
        encoder=found.encoder,
        layout=found.layout,
        preprocessing=found.preprocessing,
        stream=own,
        readout=found.readout,
        method=run.get("method"),
        seed=run.get("seed", 0),
        options=options,
        clips_layout=whole,
        is_run=is_run,
    )


def _open_file(file: Path, stream: Stream | None) -> TrainedEncoder:
    try:
        found = open_pretrained(file)
    except CheckpointError as error:
        raise ValueError(f"runs: {error}") from error
    if stream not in (None, found.stream):
        raise ValueError(
            f"runs: {str(file)!r} opens as the stream {found.stream!r}, not {stream!r}; import it with `skelblocks "
            f"import-official --stream {stream}`, and name the imported folder"
        )
    return TrainedEncoder(
        folder=file,
        encoder=found.encoder,
        layout=found.layout,
        preprocessing=found.preprocessing,
        stream=found.stream,
        method=found.metadata["official"]["source"][0],
        clips_layout=found.layout,
    )


def split_stream(folder: str) -> tuple[Path, Stream | None]:
    """The folder and the stream of ``FOLDER:STREAM``, or the folder alone.

    Example:
        >>> split_stream("runs/mine:bone")[1], split_stream("runs/mine")[1]
        ('bone', None)
    """
    place, _, ending = folder.rpartition(":")
    stream = next((each for each in STREAMS if each == ending), None)
    return (Path(place), stream) if place and stream else (Path(folder), None)


def _pretrained_folder(place: Path, stream: str | None) -> Path:
    """The pretrained folder of a run, or the folder itself."""
    if not place.is_dir():
        raise FileNotFoundError(
            f"runs: there is no folder {str(place)!r} (looked in {escape(Path.cwd())}); check the path"
        )
    if (place / CONFIG).is_file():
        return place
    single = place / ENCODER
    if (single / CONFIG).is_file():
        return single
    several: dict[str, Path] = {each: place / f"{ENCODER}_{each}" for each in STREAMS}
    there = {each: path for each, path in several.items() if (path / CONFIG).is_file()}
    if not there:
        raise FileNotFoundError(_what_is_there(place))
    chosen = stream or _main_stream(next(iter(there.values())), there)
    if chosen not in there:
        raise ValueError(f"runs: {str(place)!r} has no encoder of the stream {chosen!r}; it has {', '.join(there)}")
    return there[chosen]


def _main_stream(folder: Path, there: Mapping[str, Path]) -> str:
    """The stream that a run of several streams evaluated, else its first stream."""
    options = _run_metadata(from_pretrained(folder), folder).get("options", {})
    main = options.get("data", {}).get("stream")
    return main if main in there else next(iter(there))


def _run_metadata(found: Pretrained, folder: Path) -> dict[str, Any]:
    """The run's metadata in the encoder's folder; for a run of an earlier version, the seed and the stream."""
    if "run" not in found.metadata:
        flat = found.metadata.get("options")
        flat = flat if isinstance(flat, dict) else {}
        return {name: flat[name] for name in ("seed", "stream") if isinstance(flat.get(name), _KINDS[name])}
    run = found.metadata["run"]
    fits = isinstance(run, dict) and all(isinstance(run.get(name, kind()), kind) for name, kind in _KINDS.items())
    if not fits or isinstance(run.get("seed"), bool) or not all(map(_is_group, (run.get("options", {})).items())):
        raise ValueError(
            f"runs: expected metadata of a run in {str(folder / CONFIG)!r}: method, stream, seed, and options in "
            "groups; train again with this version"
        )
    return dict(run)


def _is_group(option: tuple[str, Any]) -> bool:
    name, value = option
    return name not in _GROUPS or isinstance(value, dict)


def _what_is_there(place: Path) -> str:
    """A message that says why a folder cannot be evaluated, and what in it can."""
    if (place / _CHECKPOINT).is_file():
        return (
            f"runs: {str(place)!r} has a checkpoint but no folder {ENCODER!r}: the run is not finished, or an earlier "
            "version trained it; run the same training command again, with this version"
        )
    inside = sorted(str(path.parent) for path in place.glob(f"*/{CONFIG}"))
    inside += sorted(str(path.parents[1]) for path in place.glob(f"*/{ENCODER}*/{CONFIG}"))
    if inside:
        found = list(dict.fromkeys(inside))
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        return (
            f"runs: expected an encoder, but {str(place)!r} has none itself; choose {', '.join(found[:_SHOWN])}{more}"
        )
    return (
        f"runs: expected {ENCODER}/{CONFIG} or {CONFIG} in {str(place)!r}, but it has neither; name the folder of a "
        "run or a pretrained folder"
    )
