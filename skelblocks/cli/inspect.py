"""``skelblocks inspect``: show what a file or folder holds, search it for near copies, and draw its clips.

Axes: n samples, c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

import argparse
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skelblocks import layouts
from skelblocks._utils.escape import escape
from skelblocks._utils.optional import require
from skelblocks.cli.inspect_page import (
    InspectedSource,
    add_page_options,
    check_page_options,
    look_at_all,
    training_names,
    write_set_page,
)
from skelblocks.data import (
    ClipFormatError,
    PreparedSet,
    RawClip,
    clip_lengths,
    read_arrays,
    read_ntu_skeleton,
    read_nw_ucla,
    read_pku_mmd,
    read_poses,
    read_position_labels,
    read_position_pair,
    read_pyskl,
    recognize_layout,
)
from skelblocks.data.arrays.array_checks import UNLABELED
from skelblocks.data.formats.pose_formats import read_head, tell_format
from skelblocks.layouts import SkeletonLayout
from skelblocks.pages.clip_sequences import ArrayClips, DatasetClips, is_upside_down
from skelblocks.viz import draw_skeleton

_DRAWN, _LOOKED_AT, _NAMED = 3, 1000, 20
_OTHER_SETTINGS = ("layout", "preprocessing")
_DRAWN_AS = (".png", ".jpg", ".pdf", ".svg")


class _Content(NamedTuple):
    facts: Mapping[str, object]
    n: int = 0
    clip: Callable[[int], tuple[str, NDArray[Any]]] | None = None  # index to name and clip (c, t, v, m)
    layout: SkeletonLayout | None = None
    source: InspectedSource | None = None  # all clips, in the form that pages read


def add(commands: Any) -> None:
    """Register the command with the main parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "inspect", help="show what a file or a prepared set holds", description="Show what a file or folder holds."
    )
    parser.add_argument("path", type=Path, help="a prepared set, or a file in a format that skelblocks.data reads")
    parser.add_argument(
        "--labels", type=Path, help="label file of a PKU-MMD video, or the *_label.pkl of a position file"
    )
    parser.add_argument("--layout", help="skeleton, if the file does not name it: a name or a .json file")
    parser.add_argument("--draw", type=Path, metavar="OUT.png", help="draw three clips to this file")
    add_page_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    layout = None if args.layout is None else layouts.get_or_load(args.layout)
    check_page_options(args)
    if args.draw is not None:
        require("matplotlib", extra="viz")
        if args.draw.suffix.lower() not in _DRAWN_AS:
            raise ValueError(
                f"draw: expected a name that ends in {' or '.join(_DRAWN_AS)}, got {escape(args.draw.name)!r}; rename "
                "it"
            )
    content = _open(args.path, args.labels, layout)
    if content.source is None and (args.html is not None or args.copies):
        raise ValueError(
            f"path: expected clips, which --html and --copies read, but {escape(args.path)!r} has none; name a set of "
            "clips"
        )
    looked = None if content.source is None else look_at_all(content.source, args)
    facts = {**content.facts, **_looked_at(content), **({} if looked is None else looked.line)}
    if content.layout is not None:
        facts["layout"] = f"{content.layout.name}, {content.layout.num_joints} joints"
    width = max(len(escape(name)) for name in facts)
    print(escape(args.path))
    for name, value in facts.items():
        print(f"  {escape(name):{width}}  {escape(_sentence(value))}")
    if args.draw is not None:
        _draw(content, args.draw)
        print(f"drawn: {escape(args.draw)}")
    if args.html is not None and looked is not None and content.source is not None:
        write_set_page(args, content.source, looked, layout=content.layout, facts=content.facts)
        print(f"page: {escape(args.html)}")


def _open(path: Path, labels: Path | None, layout: SkeletonLayout | None) -> _Content:
    if not path.exists():
        raise FileNotFoundError(
            f"path: there is no file or folder {escape(path)!r} (looked in {escape(Path.cwd())}); check the path"
        )
    if path.is_dir():
        return _folder(path)
    if path.suffix == ".skeleton":
        return _raw([read_ntu_skeleton(path)], "NTU RGB+D", layout or "ntu-rgb+d")
    if path.suffix == ".json":
        return _json(path, layout)
    if path.suffix == ".txt":
        if labels is None:
            raise ValueError(
                "labels: expected the label file that cuts a PKU-MMD video into clips, got none; add --labels"
            )
        return _raw(read_pku_mmd(path, labels=labels), "PKU-MMD", layout or "ntu-rgb+d")
    if path.name.endswith("_label.pkl"):
        names, classes = read_position_labels(path)
        return _Content(
            {"kind": "names and labels of a position file", "clips": len(names), "classes": _spread(classes)}
        )
    if path.suffix == ".pkl":
        clips = read_pyskl(path)
        flat = next(_readable(clips)).x.shape[2] == 17
        content = _raw(clips, "pyskl", layout or ("coco-17" if flat else "ntu-rgb+d"))
        splits = {name: len(part) for name, part in clips.splits.items()}
        return content._replace(facts={**content.facts, "splits": splits or "none"})
    if labels is not None:
        return _raw(read_position_pair(path, labels=labels), "position file", layout or "ntu-rgb+d")
    return _arrays(path, layout)


def _folder(path: Path) -> _Content:
    if not (path / "manifest.json").is_file():
        kinds = Counter(file.suffix or file.name for file in path.rglob("*") if file.is_file())
        there = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(5)) or "no file"
        raise FileNotFoundError(
            f"path: expected a prepared set or a file, but {escape(path)!r} is a folder with {escape(there)}; name one "
            "file, or run skelblocks prepare first"
        )
    dataset = PreparedSet(path)
    manifest = dataset.manifest
    parts = ", ".join(f"{count} {name}" for name, count in (manifest.get("parts") or {}).items())
    facts = {
        "kind": "prepared set",
        "axes": f"(n, c, t, v, m) = {(len(dataset), *dataset.shape)}",
        "classes": _spread(dataset.labels.numpy(), dataset.class_names),
        "protocol": f"{manifest['protocol']} ({parts})",
        "distinct values": {name: len(np.unique(values)) for name, values in dataset.origin.items()},
        "rejected": len(manifest["rejected"]),
        "settings": _flat(manifest["settings"]),
        "sha256": manifest.get("sha256"),
    }
    source = InspectedSource(DatasetClips(dataset), dataset.class_names, training_names(path))
    return _Content(facts, len(dataset), lambda i: (dataset.names[i], dataset[i].clip.numpy()), dataset.layout, source)


def _flat(settings: Mapping[str, Any]) -> dict[str, object]:
    """All settings that are set, without the layout, which has a line of its own."""
    inner = settings.get("preprocessing") or {}
    together = {**settings, **inner}
    return {name: value for name, value in together.items() if value is not None and name not in _OTHER_SETTINGS}


def _sentence(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_sentence(one)}" for name, one in value.items()) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _raw(clips: Sequence[RawClip], kind: str, layout: str | SkeletonLayout) -> _Content:
    first = next(_readable(clips))
    facts: dict[str, object] = {"kind": kind, "clips": len(clips), "first": first.name, "label": first.label}
    facts |= {"origin": dict(first.origin), "axes": f"(c, t, v, tracks) = {first.x.shape}"}
    facts["frames with each track"] = first.seen_persons.sum(axis=0).tolist()

    def clip(i: int) -> tuple[str, NDArray[Any]]:
        one = clips[i]
        return one.name, one.x

    return _Content(facts, len(clips), clip, layouts.get(layout), InspectedSource(clips))


def _json(path: Path, layout: SkeletonLayout | None) -> _Content:
    kind = tell_format(read_head(path))
    if kind is None:
        return _raw([read_nw_ucla(path)], "NW-UCLA", layout or "nw-ucla")
    clips = read_poses(path, layout=layout)
    return _raw(clips, kind, layout or clips[0].layout or "coco-17")


def _readable(clips: Sequence[RawClip]) -> Iterator[RawClip]:
    """The undamaged clips. Raises the first clip's error if all are damaged."""
    first: ClipFormatError | None = None
    for i in range(len(clips)):
        try:
            yield clips[i]
        except ClipFormatError as error:  # noqa: PERF203  (one bad clip, not the loop, is given up)
            first = first or error
    if first is not None:
        raise first


def _arrays(path: Path, layout: SkeletonLayout | None) -> _Content:
    arrays = read_arrays(path)
    clips = arrays["clips"]
    facts: dict[str, object] = {"kind": "arrays", "axes": f"{clips.dtype} {clips.shape}"}
    facts |= {name: f"{values.dtype} {values.shape}" for name, values in arrays.items() if name != "clips"}
    if clips.ndim != 5 or clips.dtype.kind != "f":
        return _Content({**facts, "note": "expected floating-point clips (n, c, t, v, m)"})
    if "labels" in arrays and arrays["labels"].dtype.kind == "i":
        facts["classes"] = _spread(arrays["labels"])
    skeleton = layout
    if layout is not None:
        recognize_layout(layout, num_joints=clips.shape[3])  # it refuses a layout of other joints
    else:
        known = [name for name in layouts.available() if layouts.get(name).num_joints == clips.shape[3]]
        try:
            skeleton = recognize_layout(
                num_joints=clips.shape[3], joint_names=[str(name) for name in np.ravel(arrays.get("joint_names", ()))]
            )
        except ValueError:
            facts["layouts with as many joints"] = ", ".join(known) or "none"
    args = arrays.get("names")
    names = range(len(clips)) if args is None or args.shape != (len(clips),) else args
    source = InspectedSource(ArrayClips(arrays), np.ravel(arrays.get("class_names", ())).tolist(), arrays.get("train"))
    return _Content(facts, len(clips), lambda i: (str(names[i]), np.asarray(clips[i])), skeleton, source)


def _spread(labels: NDArray[Any], names: Sequence[str] = ()) -> str:
    unlabeled = int((labels == UNLABELED).sum())
    classes, counts = np.unique(labels[labels != UNLABELED], return_counts=True)
    without = f"{unlabeled} clips have no label" if unlabeled else ""
    if not len(classes):
        return without or "none"
    numbers = f"{len(classes)}, numbered {classes[0]}..{classes[-1]}, with {counts.min()} to {counts.max()} clips each"
    if names and len(classes) <= _NAMED:
        counted = zip(classes.tolist(), counts.tolist(), strict=True)
        numbers = f"{len(classes)}: " + ", ".join(f"{names[number]} ({count})" for number, count in counted)
    return f"{numbers}; {without}" if without else numbers


def _looked_at(content: _Content) -> dict[str, object]:
    """Facts about the coordinates of some clips, evenly spread over the set."""
    if not content.n or content.clip is None:
        return {}
    shown = np.unique(np.linspace(0, content.n - 1, min(content.n, _LOOKED_AT)).astype(int)).tolist()
    frames: list[int] = []
    damaged: list[str] = []
    wrong, persons = 0, Counter[int]()
    low, high = np.inf, -np.inf
    for i in shown:
        try:
            _, clip = content.clip(i)
        except ClipFormatError as error:
            damaged.append(error.reason)
            continue
        finite = np.isfinite(clip)
        wrong += int(not finite.all())
        persons[int((clip != 0).any(axis=(0, 1, 2)).sum())] += 1
        frames.append(int(clip_lengths(clip[None])[0]) if clip.any() else 0)
        low = min(low, float(clip.min(initial=np.inf, where=finite)))
        high = max(high, float(clip.max(initial=-np.inf, where=finite)))
    return {
        "looked at": f"{len(shown)} of {content.n} clips",
        "damaged": f"{len(damaged)}: {damaged[0]}" if damaged else 0,
        "frames to the last sight": f"{min(frames)} to {max(frames)}" if frames else "none",
        "persons present": ", ".join(f"{number} in {count} clips" for number, count in sorted(persons.items())),
        "NaN or infinite": f"in {wrong} clips",
        "coordinates": f"{low:.4g} to {high:.4g}",
    }


def _draw(content: _Content, path: Path) -> None:
    if content.layout is None or content.clip is None:
        raise ValueError(
            "layout: expected clips of a known skeleton to draw, got none; name the skeleton with --layout"
        )
    image = require("matplotlib.image", extra="viz")
    pictures = [_pixels(figure, image) for figure in islice(_figures(content), _DRAWN)]
    if not pictures:
        raise ValueError("path: expected a visible person to draw, but no clip shows one; choose another file")
    width = max(picture.shape[1] for picture in pictures)
    rows = [np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), constant_values=1.0) for p in pictures]
    image.imsave(path, np.concatenate(rows))


def _figures(content: _Content) -> Iterator[Any]:
    if content.layout is None or content.clip is None or content.source is None:
        return
    flip = is_upside_down(content.source.clips, content.layout)
    for i in range(content.n):
        try:
            name, clip = content.clip(i)
        except ClipFormatError:
            continue
        if clip.any() and np.isfinite(clip).all():
            yield draw_skeleton(clip, layout=content.layout, title=name, flip_vertical=flip)


def _pixels(figure: Any, image: Any) -> NDArray[Any]:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    file.seek(0)
    pixels: NDArray[Any] = image.imread(file)
    return pixels
