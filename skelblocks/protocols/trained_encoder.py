"""A trained encoder, from the folder of a run, a pretrained folder, or a file that a method's authors have released."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from skelblocks import layouts
from skelblocks.clips import Preprocessing
from skelblocks.encoders.readout import Readout
from skelblocks.interop import CheckpointError, Pretrained, from_pretrained
from skelblocks.interop.pretrained.open_pretrained import open_pretrained
from skelblocks.layouts import SkeletonLayout
from skelblocks.streams import STREAMS, Stream

CONFIG = "config.json"  # of a pretrained folder
ENCODER = "encoder"  # the pretrained folder of a run; encoder_STREAM where several streams were trained together
_CHECKPOINT, _CLIPS_LAYOUT = "checkpoint.pt", "clips_layout.json"
_GROUPS = ("data", "evaluate")  # of a run's options, which an evaluation reads
_KINDS = {"method": str, "stream": str, "seed": int, "options": dict}
_SHOWN = 5  # folders that a message names

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class TrainedEncoder:
    """An encoder and what is known of its training.

    Attributes:
        folder: As it was given, without the stream.
        encoder: On the CPU, in evaluation mode, in the precision it was saved in.
        layout: Of what it takes.
        preprocessing: Of its clips, or None where its folder does not say.
        stream: What its clips are converted to.
        readout: How features are taken from its map.
        method: The method that trained it, or None where its folder does not say.
        seed: Of the training; 0 where it is not known.
        options: Of the training in groups, ``{"data": {"path": ...}, ...}``; empty where they are not known.
        clips_layout: The skeleton of its clips with all their joints; None where that is not known.
        is_run: Whether the folder is a run's.
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
        """Where features and results go: into a run; beside a released file or a pretrained folder."""
        if self.is_run:
            return self.folder / "evaluation"
        place = self.folder.resolve()
        return place.with_name(f"{place.name}_evaluation")

    def restored(self, kind: type[T], group: str) -> T:
        """A group of the training's options; those that it does not have keep their defaults.

        Args:
            kind: The group's dataclass.
            group: Its name, for instance ``"data"``.
        """
        names = {each.name for each in dataclasses.fields(kind)}  # type: ignore[arg-type]
        return kind(**{name: value for name, value in self.options.get(group, {}).items() if name in names})


def open_encoder(folder: str | Path, *, stream: Stream | None = None) -> TrainedEncoder:
    """Open the encoder that a run has saved, any pretrained encoder, or a released checkpoint.

    Of a run, its pretrained folder ``encoder`` is opened, or ``encoder_STREAM`` where several streams were trained
    together. Nothing of the method is needed, so that the encoder of a method of your own opens like ours.

    Args:
        folder: Of a run or of a pretrained encoder, or a released file, which
            :func:`~skelblocks.interop.load_official` reads; ``FOLDER:STREAM`` names one of several streams.
        stream: The same. Default: the run's.

    Returns:
        The encoder and what is known of its training.

    Raises:
        FileNotFoundError: The folder holds no encoder; the message says what is there.
        ValueError: The run has no such stream, its folder is damaged, or the file is no released checkpoint.

    Example:
        >>> open_encoder("runs/none")
        Traceback (most recent call last):
        ...
        FileNotFoundError: runs: there is no folder 'runs/none'
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
        raise ValueError(f"runs: {text!r} was trained on the stream {own!r}, not on {stream!r}")
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
            f"runs: {str(file)!r} is opened as the stream {found.stream!r}, not {stream!r}; import it with `skelblocks "
            f"import-official --stream {stream}`, and give the folder"
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
        raise FileNotFoundError(f"runs: there is no folder {str(place)!r}")
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
    """Of several streams that were trained together, the one that the run has evaluated; else the first."""
    options = _run_metadata(from_pretrained(folder), folder).get("options", {})
    main = options.get("data", {}).get("stream")
    return main if main in there else next(iter(there))


def _run_metadata(found: Pretrained, folder: Path) -> dict[str, Any]:
    """What a run says of itself in the encoder's folder; of an earlier version's run, the seed and the stream."""
    if "run" not in found.metadata:
        flat = found.metadata.get("options")
        flat = flat if isinstance(flat, dict) else {}
        return {name: flat[name] for name in ("seed", "stream") if isinstance(flat.get(name), _KINDS[name])}
    run = found.metadata["run"]
    fits = isinstance(run, dict) and all(isinstance(run.get(name, kind()), kind) for name, kind in _KINDS.items())
    if not fits or isinstance(run.get("seed"), bool) or not all(map(_is_group, (run.get("options", {})).items())):
        raise ValueError(
            f"runs: the metadata in {str(folder / CONFIG)!r} are no run's: expected the method's name, stream, seed, "
            "and options in groups; train again with this version"
        )
    return dict(run)


def _is_group(option: tuple[str, Any]) -> bool:
    name, value = option
    return name not in _GROUPS or isinstance(value, dict)


def _what_is_there(place: Path) -> str:
    """Why a folder cannot be evaluated, and what in it can."""
    if (place / _CHECKPOINT).is_file():
        return (
            f"runs: {str(place)!r} has a checkpoint but no folder {ENCODER!r}: the run has not ended, or an earlier "
            "version trained it; run the same training command again, with this version"
        )
    inside = sorted(str(path.parent) for path in place.glob(f"*/{CONFIG}"))
    inside += sorted(str(path.parents[1]) for path in place.glob(f"*/{ENCODER}*/{CONFIG}"))
    if inside:
        found = list(dict.fromkeys(inside))
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        return f"runs: there is no encoder in {str(place)!r} itself; give one of {', '.join(found[:_SHOWN])}{more}"
    return (
        f"runs: there is no run and no pretrained encoder in {str(place)!r}: expected {ENCODER}/{CONFIG} or {CONFIG}; "
        "give the folder of a run"
    )
