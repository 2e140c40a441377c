"""A whole run of a method: load the clips, train, measure accuracies, and save the encoders and pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from skelblocks import layouts
from skelblocks.data.arrays.check_unit import check_unit
from skelblocks.layouts import SkeletonLayout
from skelblocks.layouts.layout_file import is_file_name
from skelblocks.streams import Stream
from skelblocks.training.accuracies import accuracies
from skelblocks.training.dataset_split import split_of
from skelblocks.training.datasets import Sets, load_sets
from skelblocks.training.fabric import make_fabric
from skelblocks.training.keep_encoder import keep_encoder
from skelblocks.training.loop import pretrain
from skelblocks.training.method import check_method
from skelblocks.training.monitor import tell
from skelblocks.training.options import MethodOptions
from skelblocks.training.page import Page
from skelblocks.training.pictures import draw_run, save_picture
from skelblocks.training.precision import ChosenPrecision, check_same_precision, choose_precision, with_precision
from skelblocks.training.run_folder import LAYOUT, RunFolder, kept_layout
from skelblocks.training.save_encoders import save_encoders
from skelblocks.training.settle import queue_warning, settle, warmup_warning
from skelblocks.training.start_from import Started, start_from
from skelblocks.training.start_weights import open_start

T = TypeVar("T", bound=MethodOptions)
_LOOKED_AT = 64  # number of clips whose unit is checked


def train_page(page: Page[T], options: T, *, sets: Sets | None = None) -> dict[str, float]:
    """Pretrain, evaluate, save the encoders and draw.

    Args:
        page: The method.
        options: The method's options.
        sets: Training and test clips. Default: the clips that the options name.

    Returns:
        The metrics of the last epoch. The accuracies belong to the saved encoder of ``data.stream``. If several streams
        were trained, the other streams' metrics end with the stream's name.

    Raises:
        TrainingError: The run's folder is in use or cannot be written, a loss is not finite, or a process was lost.
        ValueError: Options, clips and checkpoint do not fit together.
    """
    _check_streams(options)
    place = options.train.folder or default_folder(page.name, options)
    options, chosen = _with_machine_precision(options, place)
    fabric = make_fabric(options.train)
    if chosen is not None:
        check_same_precision(chosen, device=fabric.device)
        tell(f"Precision {chosen.precision}: {chosen.why}.")
    with RunFolder(place, write=fabric.global_rank == 0) as folder:
        clips_layout = None
        if sets is None:
            sets, clips_layout = _load(options, folder.path)
        options = _settled(options, sets, folder=place)
        torch.manual_seed(options.train.seed)
        method = page.build(options, layout=sets.layout, persons=sets.persons, coordinates=sets.coordinates)
        check_method(method)
        encoders = _encoders(method, options)
        started = _start(method, encoders, options, sets=sets)
        before = {stream: _copied(encoder) for stream, encoder in encoders.items()}
        if not options.train.resume:
            folder.set_aside()
        folder.write_layout(sets.layout, resume=options.train.resume, clips=clips_layout)
        history = pretrain(
            method,
            fabric=fabric,
            dataset=sets.train,
            make_views=page.make_views(options, layout=sets.layout),
            options=options,
            folder=folder,
            evaluate=(lambda: stream_accuracies(encoders, sets, options)) if sets.labeled else None,
            started=started,
        )
        result, kept = history[-1], None
        if options.train.stop == "views":
            kept = _keep(encoders, before, options, sets=sets)
            result = {**result, **(stream_accuracies(encoders, sets, options) if sets.labeled else {})}
        if folder.write:
            record = None if started is None else started.record
            why = None if chosen is None else chosen.why
            save_encoders(
                encoders, folder.path, sets=sets, options=options, method=page.name, start=record, kept=kept, why=why
            )
            _draw(page, folder.path, method=method, encoders=encoders, sets=sets, options=options, history=history)
    return result


def default_folder(name: str, options: MethodOptions) -> str:
    """The folder ``runs/METHOD_DATA_SPLIT_STREAM_seedSEED``, which separates runs that differ in any of these.

    For a run that starts from weights, ``_from-NAME`` is appended.

    Example:
        >>> default_folder("msmclr", MethodOptions())
        'runs/msmclr_synthetic_cross-subject_joint_seed0'
    """
    data = Path(options.data.path).stem or Path(options.data.path).resolve().name
    parts = [name, data, split_of(options.data), "-".join(options.trained_streams()), f"seed{options.train.seed}"]
    if options.train.start is not None:
        parts.append(f"from-{Path(options.train.start).stem or Path(options.train.start).resolve().name}")
    return f"runs/{'_'.join(parts)}"


def stream_accuracies(encoders: Mapping[Stream, nn.Module], sets: Sets, options: MethodOptions) -> dict[str, float]:
    """Accuracies of each stream's encoder. Names end with the stream's name, except for ``data.stream``.

    Args:
        encoders: The encoders by stream.
        sets: Labeled clips.
        options: The groups ``data`` and ``evaluate`` are used.
    """
    main = options.data.stream
    metrics = accuracies(encoders[main], sets, options.evaluate, stream=main)
    for stream, encoder in encoders.items():
        if stream != main:
            other = accuracies(encoder, sets, options.evaluate, stream=stream)
            metrics |= {f"{name}_{stream}": value for name, value in other.items()}
    return metrics


def _with_machine_precision(options: T, place: str) -> tuple[T, ChosenPrecision | None]:
    """Replace the precision ``"auto"`` in the options, and return the choice as well."""
    if options.train.precision != "auto":
        return options, None
    state = RunFolder(place, write=False).load(device=torch.device("cpu")) if options.train.resume else None
    chosen = choose_precision(options.train.accelerator, state=state)
    return with_precision(options, chosen), chosen


def _settled(options: T, sets: Sets, *, folder: str) -> T:
    """The options with all values that depend on the clips, in the form that config.yaml records."""
    options = settle(options, clips=len(sets.train))
    for warning in filter(None, (queue_warning(options, clips=len(sets.train)), warmup_warning(options))):
        tell(warning)
    data = dataclasses.replace(options.data, split=split_of(options.data))
    if sets.train.preprocessing is not None:  # a prepared set has its own preprocessing
        # `to` keeps the name in the options.
        names = {field.name for field in dataclasses.fields(data)} - {"to"}
        values = {name: getattr(sets.train.preprocessing, name, None) for name in names}
        known = {name: value for name, value in values.items() if value is not None}
        data = dataclasses.replace(data, **{"center": None, "align": None, **known})
    return dataclasses.replace(options, data=data, train=dataclasses.replace(options.train, folder=folder))


def _check_streams(options: MethodOptions) -> None:
    streams, main = options.trained_streams(), options.data.stream
    if len(set(streams)) != len(streams) or main not in streams:
        raise ValueError(
            f"streams: expected different streams that include data.stream={main!r}, got {', '.join(streams)}; change "
            "one of the two"
        )


def _encoders(method: Any, options: MethodOptions) -> dict[Stream, nn.Module]:
    encoders = dict(method.encoders())
    if set(encoders) != set(options.trained_streams()):
        raise ValueError(
            f"encoders: expected one encoder for each of the streams {', '.join(options.trained_streams())}, got "
            f"{', '.join(map(str, encoders)) or 'none'}; return them by stream"
        )
    return encoders


def _start(
    method: nn.Module, encoders: Mapping[Stream, nn.Module], options: MethodOptions, *, sets: Sets
) -> Started | None:
    """Initialize the method from the weights of ``train.start``, and print which parts were initialized."""
    if options.train.start is None:
        if options.train.stop != "last":
            raise ValueError(
                f"train.stop: expected 'last' in a run without start weights, got {options.train.stop!r}; pass --start "
                "PATH, or --train.stop last"
            )
        return None
    weights = open_start(options.train.start, streams=tuple(encoders))
    started = start_from(method, weights, encoders=encoders)
    tell(started.message)
    own, expected = sets.train.preprocessing, weights.preprocessing
    if own is not None and expected is not None:
        if own.scale is None:
            places = [i * len(sets.train) // _LOOKED_AT for i in range(_LOOKED_AT)]
            check_unit(sets.train.batch(places).numpy(), layout=sets.layout, preprocessing=expected)
        differences = own.differences(dataclasses.replace(expected, persons=own.persons), layout=sets.layout)
        if differences:
            tell(f"Note: the clips have another preprocessing than the clips of the weights: {'; '.join(differences)}.")
    return started


def _copied(encoder: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in encoder.state_dict().items()}


def _keep(
    encoders: Mapping[Stream, nn.Module],
    before: Mapping[Stream, Mapping[str, Tensor]],
    options: MethodOptions,
    *,
    sets: Sets,
) -> dict[str, Any]:
    """Apply the stopping rule to each encoder, and return its decisions by stream."""
    found: dict[str, Any] = {}
    for stream, encoder in encoders.items():
        shear, seed = options.contrast.shear_amplitude, options.train.seed
        kept = keep_encoder(encoder, before[stream], sets.train, stream=stream, shear_amplitude=shear, seed=seed)
        found[stream] = {"step": kept.step, "found": {str(step): share for step, share in kept.found.items()}}
        shares = ", ".join(f"{share:.3f} at step {step:g}" for step, share in kept.found.items())
        tell(f"The saved {stream} encoder is at step {kept.step:g} from the start's weights (views found: {shares}).")
    return found


def _load(options: MethodOptions, folder: Path) -> tuple[Sets, SkeletonLayout | None]:
    """Load the clips and, with selected joints, the skeleton of the clips with all joints, if the options name it.

    If a skeleton's file no longer exists, the copy in the run's folder is used.
    """
    chosen, layout, preprocessing = options.data, None, None
    if options.train.resume and (folder / "checkpoint.pt").is_file():
        if _gone(chosen.joints) and (folder / LAYOUT).is_file():
            chosen = dataclasses.replace(chosen, joints=list(layouts.load(folder / LAYOUT).joints))
        if _gone(chosen.layout):
            layout = kept_layout(folder, joints=chosen.joints is not None)
        if _gone(chosen.to) and chosen.joints is None and (folder / LAYOUT).is_file():
            target = layouts.load(folder / LAYOUT)
            preprocessing = dataclasses.replace(dataclasses.replace(chosen, to=None).preprocessing, to=target)
        if layout is not None or preprocessing is not None or chosen is not options.data:
            tell(f"The skeleton's file no longer exists; the run resumes with the copy in {folder}.")
    if chosen.joints is None:
        return load_sets(chosen, layout=layout, preprocessing=preprocessing), None
    if layout is None and chosen.layout is not None:
        layout = layouts.get_or_load(chosen.layout)
    return load_sets(chosen, layout=layout), layout


def _gone(layout: object) -> bool:
    """Whether an option names a layout file that does not exist."""
    return isinstance(layout, str) and is_file_name(layout) and not Path(layout).is_file()


def _draw(
    page: Page[T],
    folder: Path,
    *,
    method: Any,
    encoders: Mapping[Stream, nn.Module],
    sets: Sets,
    options: T,
    history: list[dict[str, float]],
) -> None:
    """Draw all pictures. A failure is only a warning, because the training has succeeded."""
    stream = options.data.stream
    try:
        draw_run(folder, encoder=encoders[stream], sets=sets, history=history, stream=stream)
        for name, figure in (page.pictures(method, sets, options) if page.pictures else {}).items():
            save_picture(figure, folder / f"{name}.png")
    except Exception as error:
        tell(
            f"Warning: some pictures could not be drawn ({type(error).__name__}: {error}); the run itself is complete."
        )
