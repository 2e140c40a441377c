"""A whole run of a method: its clips, the engine's loop, accuracies on the way, what stays in the run's folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accuracies import accuracies
from datasets import Sets, load_sets, split_of
from engine import make_fabric, pretrain
from matplotlib.figure import Figure
from method import MethodOptions
from run_folder import LAYOUT, RunFolder, kept_layout
from run_pictures import draw_run
from save_encoder import save_encoder
from torch import Tensor, nn
from tqdm import tqdm

from skelblocks import layouts
from skelblocks.data import PreparedSet
from skelblocks.distributed import is_main_process
from skelblocks.layouts import SkeletonLayout
from skelblocks.layouts.layout_file import is_file_name


def train_method(
    name: str,
    options: MethodOptions,
    *,
    build: Callable[..., Any],
    make_views: Callable[..., Callable[[Tensor, torch.Generator], Sequence[Tensor]]],
    encoders: Callable[[Any], Mapping[str, nn.Module]] | None = None,
    pictures: Callable[..., Mapping[str, Figure]] | None = None,
    sets: Sets | None = None,
) -> dict[str, float]:
    """Pretrain, evaluate, draw.

    Args:
        name: Of the method; the default folder is ``runs/<name>_<data>_<split>_<stream>``.
        options: The method's.
        build: From options, layout and numbers of persons and of coordinates to the method; :func:`engine.pretrain`
            says what it must have.
        make_views: From options and layout to the views of its forward.
        encoders: From the method to the encoder of each stream; default, its ``contrast``'s, of ``options.stream``.
        pictures: From the trained method, sets and options to the method's own pictures, by name.
        sets: Training and test clips; default, those that the options name.

    Returns:
        The figures of the last epoch. Accuracies are those of ``options.stream``; where several streams were trained,
        the others' bear their name.
    """
    fabric = make_fabric(options)
    split = split_of(options)
    data = "_".join((Path(options.data).stem, split, options.stream))
    place = options.folder or f"runs/{name}_{data}"
    clips_layout = None
    if sets is None:
        sets, clips_layout = _load(options, Path(place))
    check_queue(size=options.queue_size, batch_size=options.batch_size, clips=len(sets.train))
    if isinstance(sets.train, PreparedSet):  # what it was prepared with is what other clips must be
        settings = sets.train.preprocessing
        options = dataclasses.replace(options, align=settings.align, center=settings.center)
    options = dataclasses.replace(options, split=split, folder=place)
    torch.manual_seed(options.seed)
    method = build(options, layout=sets.layout, persons=sets.persons, coordinates=sets.coordinates)
    by_stream = encoders(method) if encoders else {options.stream: method.contrast.query_branch[0]}

    def evaluate() -> dict[str, float]:
        figures = accuracies(by_stream[options.stream], sets, options)
        for stream, encoder in by_stream.items():
            if stream != options.stream:
                other = accuracies(encoder, sets, dataclasses.replace(options, stream=stream))  # type: ignore[arg-type]
                figures |= {f"{figure}_{stream}": value for figure, value in other.items()}
        return figures

    folder = RunFolder(place, options=vars(options), write=fabric.global_rank == 0)
    if folder.write:
        if not options.resume:
            folder.set_aside()
        folder.write_layout(sets.layout, resume=options.resume, clips=clips_layout)
    history = pretrain(
        method,
        fabric=fabric,
        dataset=sets.train,
        make_views=make_views(options, layout=sets.layout),
        options=options,
        folder=folder,
        evaluate=evaluate if sets.labelled else None,
    )
    if folder.write:
        for stream, encoder in by_stream.items():
            where = "encoder" if len(by_stream) == 1 else f"encoder_{stream}"
            save_encoder(
                encoder,
                folder.path / where,
                sets=sets,
                options=options,
                stream=stream,
                metadata={"options": vars(options)},
            )
        draw_run(
            folder.path,
            encoder=by_stream[options.stream],
            sets=sets,
            history=history,
            stream=options.stream,
        )
        for picture, figure in (pictures(method, sets, options) if pictures else {}).items():
            figure.savefig(folder.path / f"{picture}.png")
    return history[-1]


def _load(options: MethodOptions, folder: Path) -> tuple[Sets, SkeletonLayout | None]:
    """The clips; where joints are chosen, also the skeleton of all of theirs, if the options name it.

    Where a skeleton's file is gone, a run that goes on has kept what was in it.
    """
    chosen, layout = options, None
    if options.resume and (folder / "checkpoint.pt").is_file():
        if _gone(options.joints) and (folder / LAYOUT).is_file():
            chosen = dataclasses.replace(options, joints=list(layouts.load(folder / LAYOUT).joints))
        if _gone(options.layout):
            layout = kept_layout(folder, joints=options.joints is not None)
        if is_main_process() and (layout is not None or chosen is not options):
            tqdm.write(f"The skeleton's file is gone; the run goes on with the one that is kept in {folder}.")
    if options.joints is None:
        return load_sets(chosen, layout=layout), None
    if layout is None and options.layout is not None:
        layout = layouts.get_or_load(options.layout)
    return load_sets(chosen, layout=layout), layout


def _gone(layout: object) -> bool:
    """Whether an option names a layout's file that is not there."""
    return isinstance(layout, str) and is_file_name(layout) and not Path(layout).is_file()


def check_queue(*, size: int, batch_size: int, clips: int) -> None:
    """Refuse a batch larger than the queue; warn where the queue is larger than the data."""
    if batch_size > size:
        raise ValueError(f"batch_size: {batch_size} is more than the {size} rows of the queue; enlarge queue_size")
    if size > clips and is_main_process():
        tqdm.write(
            f"Warning: the queue holds {size} keys and there are {clips} training clips: older keys of the same clips "
            "will stand among the negatives. Choose a smaller queue_size, or exclude_own_keys=true."
        )
