"""The pictures of docs/methods: which blocks a clip meets, method by method, as boxes and arrows."""

from __future__ import annotations

from collections.abc import Sequence

from common import write
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

COLORS = {"data": "#eceff1", "trained": "#cfe2f3", "copy": "#d9ead3", "extra": "#fce5cd", "loss": "#f4cccc"}
Box = tuple[float, float, float, float, str, str]  # left, bottom, width, height in inches, text, kind


class Road:
    """Boxes by name, and arrows between them."""

    def __init__(self, height: float, boxes: dict[str, Box]) -> None:
        self.figure = Figure(figsize=(9.0, 0.8 * height))
        self.axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, 11.25), ylim=(0, height))
        self.axes.axis("off")
        self.boxes = boxes
        for left, bottom, width, tall, text, kind in boxes.values():
            style = "round,pad=0,rounding_size=0.08"
            self.axes.add_patch(FancyBboxPatch((left, bottom), width, tall, style, fc=COLORS[kind], ec="0.35"))
            self.axes.text(left + width / 2, bottom + tall / 2, text, ha="center", va="center", fontsize=8.6)

    def arrow(self, name: str, other: str, text: str = "", *, at: float | None = None, dashed: bool = False) -> None:
        """To the right where the other box is there, else up or down; ``at`` is the other coordinate."""
        (x, y, w, h, *_), (x2, y2, w2, h2, *_) = self.boxes[name], self.boxes[other]
        if x2 >= x + w:
            at = (max(y, y2) + min(y + h, y2 + h2)) / 2 if at is None else at
            start, end, label = (x + w, at), (x2, at), ((x + w + x2) / 2, at + 0.06, "center", "bottom")
        else:
            at = (max(x, x2) + min(x + w, x2 + w2)) / 2 if at is None else at
            start, end = ((at, y), (at, y2 + h2)) if y2 < y else ((at, y + h), (at, y2))
            label = (at + 0.08, (start[1] + end[1]) / 2, "left", "center")
        self.path([start, end], text, label=label, dashed=dashed)

    def path(
        self,
        points: Sequence[tuple[float, float]],
        text: str = "",
        *,
        label: tuple[float, float, str, str] | None = None,
        dashed: bool = False,
    ) -> None:
        """Along points, with a head at the last one."""
        style = {"color": "0.25", "lw": 1.2, "ls": "--" if dashed else "-"}
        self.axes.plot(*zip(*points[:-1], strict=True), **style)
        arrow = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, **style}
        self.axes.annotate("", points[-1], points[-2], arrowprops=arrow)
        if label:
            x, y, ha, va = label
            self.axes.text(x, y, text, ha=ha, va=va, fontsize=8, color="0.25")


def _road(height: float, views: dict[str, tuple[float, str]], extra: dict[str, Box], *, losses: dict[str, Box]) -> Road:
    """What all but CrossMoCo share: rows of views on a query branch, one on its momentum copy, logits, a queue."""
    top, low = height - 0.2, min(y for y, _ in views.values()) - 0.3
    boxes: dict[str, Box] = {
        "clips": (0.1, 0.2, 0.7, top - 0.2, "clips", "data"),
        **{name: (1.25, y - 0.3, 1.6, 0.6, text, "data") for name, (y, text) in views.items()},
        "key": (1.25, 0.2, 1.6, 0.6, "key\ncrop, shear", "data"),
        "encoder": (3.3, low, 1.15, top - low, "encoder", "trained"),
        "head": (6.55, low, 1.1, top - low, "pooling,\nhead", "trained"),
        "key encoder": (3.3, 0.2, 1.15, 0.6, "momentum\nencoder", "copy"),
        "key head": (6.55, 0.2, 1.1, 0.6, "momentum\nhead", "copy"),
        "logits": (8.35, 1.35, 0.9, top - 1.35, "logits\n(N, 1 + K)", "data"),
        "keys": (8.35, 0.2, 0.9, 0.6, "keys", "data"),
        "queue": (9.85, 0.2, 1.2, 0.6, "queue", "data"),
        **extra,
        **losses,
    }
    road = Road(height, boxes)
    for name in [*views, "key"]:
        road.arrow("clips", name)
        road.arrow(name, "key encoder" if name == "key" else "encoder")
    road.arrow("encoder", "key encoder", "momentum", dashed=True)
    road.arrow("head", "key head", "momentum", dashed=True)
    road.arrow("key encoder", "key head")
    road.arrow("key head", "keys")
    road.arrow("keys", "logits", "positive")
    road.arrow("keys", "queue", "after the\nstep", dashed=True)
    road.path([(10.45, 0.8), (10.45, 1.55), (9.25, 1.55)], "negatives", label=(10.4, 1.5, "right", "top"))
    return road


def method_skeletonclr() -> Figure:
    views = {"query": (2.25, "query\ncrop, shear")}
    road = _road(2.75, views, {}, losses={"InfoNCE": (9.85, 1.95, 1.2, 0.6, "InfoNCE", "loss")})
    road.arrow("encoder", "head")
    road.arrow("head", "logits")
    road.arrow("logits", "InfoNCE")
    return road.figure


def method_aimclr() -> Figure:
    views = {"extreme": (3.25, "extreme view\neight operations"), "query": (1.9, "query\ncrop, shear")}
    drop: Box = (5.0, 2.65, 1.1, 0.6, "EADM", "extra")
    losses: dict[str, Box] = {
        "D3M": (9.85, 2.55, 1.2, 1.15, "D3M", "loss"),
        "InfoNCE": (9.85, 1.75, 1.2, 0.6, "InfoNCE,\nlater mining", "loss"),
    }
    road = _road(3.9, views, {"drop": drop}, losses=losses)
    road.arrow("encoder", "drop")
    road.arrow("drop", "head", at=2.95)
    road.arrow("encoder", "head", at=3.5)
    road.arrow("encoder", "head", at=1.9)
    for at, name in ((3.5, "extreme"), (2.95, "dropped"), (1.9, "ordinary")):
        road.arrow("head", "logits", name, at=at)
    road.arrow("logits", "D3M", at=3.5)
    road.arrow("logits", "D3M", at=3.1)
    road.arrow("logits", "D3M", "teacher", at=2.65, dashed=True)
    road.arrow("logits", "InfoNCE")
    return road.figure


def method_msmclr() -> Figure:
    views = {"strong": (3.2, "strong view\neight operations"), "query": (1.9, "query\ncrop, shear")}
    attention: Box = (4.95, 2.55, 1.15, 1.25, "MsM\nattention", "extra")
    losses: dict[str, Box] = {
        "D3M": (9.85, 2.35, 1.2, 1.4, "D3M", "loss"),
        "InfoNCE": (9.85, 1.7, 1.2, 0.5, "InfoNCE", "loss"),
    }
    road = _road(4.0, views, {"attention": attention}, losses=losses)
    road.arrow("encoder", "attention", at=3.2)
    road.arrow("encoder", "head", at=1.9)
    for at, name in ((3.6, "joint"), (3.2, "part"), (2.8, "body")):
        road.arrow("attention", "head", name, at=at)
        road.arrow("head", "logits", at=at)
        road.arrow("logits", "D3M", at=at)
    road.arrow("head", "logits", "ordinary", at=1.9)
    road.arrow("logits", "D3M", "teacher", at=2.45, dashed=True)
    road.arrow("logits", "InfoNCE")
    return road.figure


def method_skeattnclr() -> Figure:
    boxes: dict[str, Box] = {
        "clips": (0.1, 0.2, 0.7, 4.4, "clips", "data"),
        "query": (1.25, 4.0, 1.6, 0.6, "query\ncrop, shear", "data"),
        "mixed": (1.25, 2.95, 1.6, 0.6, "mixed query\nregion swap", "data"),
        "key": (1.25, 0.2, 1.6, 1.3, "key\ncrop, shear", "data"),
        "encoder": (3.3, 2.0, 1.05, 2.6, "encoder", "trained"),
        "pool": (4.9, 4.0, 1.3, 0.6, "mean", "data"),
        "masked pool": (4.9, 2.95, 1.3, 0.6, "soft mask\npooling", "data"),
        "MHSAM": (4.9, 2.0, 1.3, 0.55, "MHSAM: mask", "extra"),
        "key masked pool": (4.9, 0.95, 1.3, 0.6, "soft mask\npooling", "data"),
        "key pool": (4.9, 0.2, 1.3, 0.5, "mean", "data"),
        "head": (6.6, 2.0, 1.1, 2.6, "head", "trained"),
        "key encoder": (3.3, 0.2, 1.05, 1.35, "momentum\nencoder", "copy"),
        "key head": (6.6, 0.2, 1.1, 1.35, "momentum\nhead", "copy"),
        "logits": (8.4, 1.1, 0.9, 3.5, "logits", "data"),
        "keys": (8.4, 0.2, 0.9, 0.5, "keys", "data"),
        "queue": (9.9, 0.2, 1.2, 0.5, "queue", "data"),
        "InfoNCE": (9.9, 4.0, 1.2, 0.6, "InfoNCE", "loss"),
        "local": (9.9, 2.75, 1.2, 1.0, "salient and\nnon-salient\ncontrast", "loss"),
    }
    road = Road(4.8, boxes)
    for name, other in (
        ("clips", "query"),
        ("query", "mixed"),
        ("clips", "key"),
        ("query", "encoder"),
        ("mixed", "encoder"),
        ("key", "key encoder"),
        ("encoder", "pool"),
        ("encoder", "masked pool"),
        ("encoder", "MHSAM"),
        ("pool", "head"),
        ("key encoder", "key masked pool"),
        ("key encoder", "key pool"),
        ("key pool", "key head"),
        ("key head", "keys"),
        ("logits", "InfoNCE"),
        ("logits", "local"),
    ):
        road.arrow(name, other)
    road.arrow("MHSAM", "masked pool")
    road.arrow("MHSAM", "key masked pool", "no gradient")
    road.arrow("head", "logits", "whole", at=4.3)
    for query, key, name in ((3.4, 1.43, "salient"), (3.1, 1.15, "rest")):
        road.arrow("masked pool", "head", at=query)
        road.arrow("head", "logits", name, at=query)
        road.arrow("key masked pool", "key head", at=key)
        road.arrow("key head", "logits", name, at=key)
    road.arrow("encoder", "key encoder", "momentum", dashed=True, at=3.5)
    road.arrow("head", "key head", "momentum", dashed=True, at=6.8)
    road.arrow("keys", "logits", "positive", at=8.6)
    road.arrow("keys", "queue", "after the\nstep", dashed=True)
    road.path([(10.5, 0.7), (10.5, 1.5), (9.3, 1.5)], "negatives of all", label=(10.45, 1.56, "right", "bottom"))
    return road.figure


def method_crossmoco() -> Figure:
    boxes: dict[str, Box] = {
        "clips": (0.1, 0.2, 0.7, 3.6, "clips,\none\nstream", "data"),
        "first": (1.25, 2.85, 1.6, 0.7, "query\nocclusion", "data"),
        "second": (1.25, 0.5, 1.6, 0.7, "key\nocclusion", "data"),
        "encoder": (3.3, 2.4, 1.15, 1.4, "ST-GCN,\npooling", "trained"),
        "key encoder": (3.3, 0.2, 1.15, 1.3, "momentum\nST-GCN,\npooling", "copy"),
        "linear": (4.9, 3.3, 1.1, 0.5, "linear", "trained"),
        "MLP": (4.9, 2.4, 1.1, 0.5, "MLP", "trained"),
        "key linear": (4.9, 1.0, 1.1, 0.5, "linear", "copy"),
        "key MLP": (4.9, 0.2, 1.1, 0.5, "MLP", "copy"),
        "k": (6.4, 1.0, 1.5, 0.5, "k, bank of past k", "data"),
        "l": (6.4, 0.2, 1.5, 0.5, "l, bank of past l", "data"),
        "q l": (8.55, 3.25, 1.1, 0.6, "q with l", "data"),
        "r k": (8.55, 2.35, 1.1, 0.6, "r with k", "data"),
        "loss": (10.05, 2.4, 1.1, 1.4, "ratio of\npositives to\nnegatives", "loss"),
    }
    road = Road(4.0, boxes)
    for name, other in (
        ("clips", "first"),
        ("clips", "second"),
        ("first", "encoder"),
        ("second", "key encoder"),
        ("encoder", "linear"),
        ("encoder", "MLP"),
        ("key encoder", "key linear"),
        ("key encoder", "key MLP"),
        ("key linear", "k"),
        ("key MLP", "l"),
        ("q l", "loss"),
        ("r k", "loss"),
    ):
        road.arrow(name, other)
    road.arrow("encoder", "key encoder", "momentum, also of the heads", dashed=True)
    road.path([(6.0, 3.6), (8.55, 3.6)], "q", label=(6.3, 3.65, "center", "bottom"))
    road.path([(6.0, 2.65), (8.55, 2.65)], "r", label=(6.3, 2.7, "center", "bottom"))
    road.path([(7.9, 1.25), (8.75, 1.25), (8.75, 2.35)])
    road.path([(7.9, 0.45), (8.25, 0.45), (8.25, 3.4), (8.55, 3.4)])
    return road.figure


def method_crossclr() -> Figure:
    boxes: dict[str, Box] = {
        "clips": (0.1, 0.2, 0.7, 4.2, "clips", "data"),
        "losses": (10.0, 1.6, 1.15, 1.4, "InfoNCE\nof each,\nlater cross-\nview mining", "loss"),
    }
    rows = {"joint": 2.5, "motion": 0.2}
    for name, low in rows.items():
        boxes |= {
            f"{name} query": (1.25, low + 1.3, 1.6, 0.6, f"query, {name}\ncrop, shear", "data"),
            f"{name} key": (1.25, low, 1.6, 0.6, f"key, {name}\ncrop, shear", "data"),
            f"{name} branch": (3.4, low + 1.3, 2.0, 0.6, "encoder, pooling,\nhead", "trained"),
            f"{name} copy": (3.4, low, 2.0, 0.6, "momentum copy", "copy"),
            f"{name} logits": (6.0, low + 1.3, 1.4, 0.6, "logits\n(N, 1 + K)", "data"),
            f"{name} queue": (6.0, low, 1.4, 0.6, "keys, queue", "data"),
        }
    road = Road(4.6, boxes)
    for name, low in rows.items():
        for side, branch, end in (("query", "branch", "logits"), ("key", "copy", "queue")):
            road.arrow("clips", f"{name} {side}")
            road.arrow(f"{name} {side}", f"{name} {branch}")
            road.arrow(f"{name} {branch}", f"{name} {end}")
        road.arrow(f"{name} branch", f"{name} copy", "momentum", dashed=True)
        road.arrow(f"{name} queue", f"{name} logits")
        at = low + 1.6
        end = 2.7 if name == "joint" else 1.9
        other = "motion" if name == "joint" else "joint"
        label = (8.7, at + 0.06, "center", "bottom")
        road.path([(7.4, at), (9.7, at), (9.7, end), (10.0, end)], f"positives for {other}", label=label)
    return road.figure


def method_actclr() -> Figure:
    boxes: dict[str, Box] = {
        "clips": (0.1, 0.2, 0.7, 4.4, "clips", "data"),
        "normal": (1.2, 4.0, 1.7, 0.6, "normal view,\nstrong view", "data"),
        "restyled": (1.2, 3.0, 1.7, 0.6, "other bones,\nmixed clips", "data"),
        "mixture": (1.2, 2.0, 1.7, 0.6, "two clips\nmixed", "data"),
        "key": (1.2, 0.2, 1.7, 1.2, "key\ncrop, shear", "data"),
        "first mix": (3.3, 4.0, 1.2, 0.6, "actionlet\nmixing", "extra"),
        "second mix": (3.3, 3.0, 1.2, 0.6, "actionlet\nmixing", "extra"),
        "encoder": (4.9, 2.0, 1.2, 2.6, "encoder,\npooling,\nhead", "trained"),
        "key encoder": (3.3, 0.2, 1.2, 1.2, "momentum\nencoder", "copy"),
        "actionlet": (4.9, 0.85, 1.2, 0.55, "actionlet\npooling", "extra"),
        "pool": (4.9, 0.2, 1.2, 0.45, "pooling", "data"),
        "key head": (6.5, 0.2, 1.2, 1.2, "momentum\nhead, mean", "copy"),
        "similarities": (8.1, 2.0, 1.3, 2.6, "similarities\nto the queue", "data"),
        "keys": (8.1, 0.2, 1.3, 0.5, "keys", "data"),
        "target": (8.1, 1.0, 1.3, 0.6, "the keys'\nsimilarities", "data"),
        "queue": (10.0, 0.2, 1.1, 0.5, "queue", "data"),
        "loss": (10.0, 2.5, 1.1, 1.6, "three\ndivergences", "loss"),
    }
    road = Road(4.8, boxes)
    for name, other in (
        ("clips", "normal"),
        ("clips", "restyled"),
        ("clips", "mixture"),
        ("clips", "key"),
        ("normal", "first mix"),
        ("restyled", "second mix"),
        ("first mix", "encoder"),
        ("second mix", "encoder"),
        ("mixture", "encoder"),
        ("key", "key encoder"),
        ("key encoder", "actionlet"),
        ("key encoder", "pool"),
        ("actionlet", "key head"),
        ("pool", "key head"),
        ("key head", "keys"),
        ("encoder", "similarities"),
        ("similarities", "loss"),
        ("keys", "target"),
    ):
        road.arrow(name, other)
    road.path([(9.4, 1.3), (10.5, 1.3), (10.5, 2.5)], "targets", label=(10.6, 1.6, "left", "center"), dashed=True)
    road.arrow("keys", "queue", "after the\nstep", dashed=True)
    return road.figure


def method_pstl() -> Figure:
    boxes: dict[str, Box] = {
        "clips": (0.1, 0.2, 0.7, 2.9, "clips", "data"),
        "temporal": (1.3, 2.5, 2.0, 0.6, "crop, shear, ...,\nfast frames out", "extra"),
        "plain": (1.3, 1.35, 2.0, 0.6, "crop, shear, ...", "data"),
        "spatial": (1.3, 0.2, 2.0, 0.6, "crop, shear, ...,\ncentral joints out", "extra"),
        "encoder": (3.9, 0.2, 1.3, 2.9, "ST-GCN,\npooling", "trained"),
        "projector": (5.8, 0.2, 1.3, 2.9, "projector", "trained"),
        "time": (7.8, 1.8, 1.6, 1.3, "Barlow\nTwins", "loss"),
        "space": (7.8, 0.2, 1.6, 1.3, "Barlow\nTwins", "loss"),
    }
    road = Road(3.3, boxes)
    for name in ("temporal", "plain", "spatial"):
        road.arrow("clips", name)
        road.arrow(name, "encoder")
    for at in (2.8, 1.65, 0.5):
        road.arrow("encoder", "projector", at=at)
    for at, loss in ((2.8, "time"), (2.0, "time"), (1.3, "space"), (0.5, "space")):
        road.arrow("projector", loss, at=at)
    return road.figure


def method_skelemixclr() -> Figure:
    views = {"mixed": (3.25, "mixed query\nregion swap"), "query": (1.9, "query\ncrop, shear")}
    pool: Box = (4.95, 2.75, 1.15, 1.0, "region\npooling", "extra")
    losses: dict[str, Box] = {
        "region": (9.85, 2.75, 1.2, 1.0, "region\ncontrast", "loss"),
        "InfoNCE": (9.85, 1.7, 1.2, 0.6, "InfoNCE", "loss"),
    }
    road = _road(3.9, views, {"pool": pool}, losses=losses)
    road.arrow("query", "mixed")
    road.arrow("encoder", "pool")
    road.arrow("encoder", "head", at=1.9)
    for at, name in ((3.5, "pasted"), (3.0, "rest")):
        road.arrow("pool", "head", at=at)
        road.arrow("head", "logits", name, at=at)
        road.arrow("logits", "region", at=at)
    road.arrow("head", "logits", "whole", at=1.9)
    road.arrow("logits", "InfoNCE")
    return road.figure


def method_hiclr() -> Figure:
    views = {
        "masked": (4.2, "normal view,\nhidden joints"),
        "normal": (3.1, "normal view\nseven operations"),
        "basic": (2.0, "basic view\ncrop, shear"),
    }
    losses: dict[str, Box] = {
        "second": (9.85, 3.4, 1.2, 0.8, "D3M", "loss"),
        "first": (9.85, 2.4, 1.2, 0.8, "D3M", "loss"),
        "InfoNCE": (9.85, 1.65, 1.2, 0.6, "InfoNCE,\nlater mining", "loss"),
    }
    road = _road(4.8, views, {}, losses=losses)
    road.arrow("encoder", "head")
    for name, (at, _) in views.items():
        road.arrow("head", "logits", name, at=at)
    road.arrow("logits", "second", "masked", at=4.0)
    road.arrow("logits", "second", "teacher", at=3.55, dashed=True)
    road.arrow("logits", "first", "normal", at=3.0)
    road.arrow("logits", "first", "teacher", at=2.55, dashed=True)
    road.arrow("logits", "InfoNCE")
    return road.figure


def method_isc() -> Figure:
    boxes: dict[str, Box] = {
        "clips": (0.1, 0.2, 0.7, 4.2, "clips", "data"),
        "query": (1.25, 2.5, 1.5, 1.9, "query\ncrop, then\nshear or\njoint mask", "data"),
        "key": (1.25, 0.2, 1.5, 1.9, "key\ncrop, then\nshear or\njoint mask", "data"),
        "sequence": (3.3, 3.7, 1.9, 0.7, "BiGRU, pooling,\nhead", "trained"),
        "graph": (3.3, 2.5, 1.9, 0.7, "ST-GCN, pooling,\nhead", "trained"),
        "sequence copy": (3.3, 1.4, 1.9, 0.7, "momentum copy\nof the BiGRU", "copy"),
        "graph copy": (3.3, 0.2, 1.9, 0.7, "momentum copy\nof ST-GCN", "copy"),
        "sequence keys": (5.8, 1.4, 1.7, 0.7, "keys, queue of\nthe sequence", "data"),
        "graph keys": (5.8, 0.2, 1.7, 0.7, "keys, queue of\nthe graph", "data"),
        "sequence loss": (8.6, 3.7, 1.3, 0.7, "InfoNCE", "loss"),
        "graph loss": (8.6, 2.5, 1.3, 0.7, "InfoNCE", "loss"),
    }
    road = Road(4.6, boxes)
    for name, other in (
        ("clips", "query"),
        ("clips", "key"),
        ("query", "sequence"),
        ("query", "graph"),
        ("key", "sequence copy"),
        ("key", "graph copy"),
        ("sequence copy", "sequence keys"),
        ("graph copy", "graph keys"),
        ("sequence", "sequence loss"),
        ("graph", "graph loss"),
    ):
        road.arrow(name, other)
    road.path([(7.5, 1.75), (8.9, 1.75), (8.9, 2.5)], "keys of the sequence", label=(8.2, 1.81, "center", "bottom"))
    road.path(
        [(7.5, 0.55), (10.4, 0.55), (10.4, 4.05), (9.9, 4.05)], "keys of the graph", label=(9, 0.6, "center", "bottom")
    )
    return road.figure


if __name__ == "__main__":
    write(
        method_skeletonclr,
        method_aimclr,
        method_msmclr,
        method_skeattnclr,
        method_crossmoco,
        method_crossclr,
        method_skelemixclr,
        method_hiclr,
        method_actclr,
        method_pstl,
        method_isc,
    )
