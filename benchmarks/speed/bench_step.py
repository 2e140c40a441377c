"""The full MsMCLR step: views, three forwards, loss, backward, SGD, key encoder, queue.

Ours is the method of examples/train_msmclr.py. The usual form augments clip by clip in numpy, encodes (N, C, T, V)
tensors, concatenates logits, takes a softmax, then its log, clones the bank for every branch and averages parameters
one by one.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.speed.bench_attention import plain_attention
from benchmarks.speed.bench_augment import Clip, augment_clip, crop, draw, usual_shear
from benchmarks.speed.bench_encoder import plain_forward
from benchmarks.speed.bench_losses import plain_losses
from benchmarks.speed.bench_queue import ColumnQueue
from benchmarks.speed.case import Case, Setting, largest_difference
from skelblocks import layouts
from skelblocks.training import ContrastOptions, EncoderOptions, MethodOptions, load_page

LAYOUT = layouts.get("ntu-rgb+d")
PAGE = load_page("msmclr")


def make_method(setting: Setting, *, dropout: float = 0.5) -> tuple[MethodOptions, Any]:
    widths: dict[str, Any] = {"base_channels": 4, "out_channels": 16} if setting.small else {}
    options = PAGE.options(
        encoder=EncoderOptions(dropout=dropout, **widths),
        contrast=ContrastOptions(queue_size=64 if setting.small else 32768),
    )
    torch.manual_seed(0)
    return options, PAGE.build(options, layout=LAYOUT, persons=2).to(setting.device)


def make_optimizer(method: Any, options: MethodOptions) -> torch.optim.SGD:
    trained = [p for p in method.parameters() if p.requires_grad]
    return torch.optim.SGD(
        trained, lr=0.01, momentum=options.train.sgd_momentum, weight_decay=options.train.weight_decay
    )


class PlainStep:
    """The same step on a copy of the method's parameters."""

    def __init__(self, method: Any, options: MethodOptions, device: str) -> None:
        self.method, self.options, self.device = method, options, device
        self.optimizer = make_optimizer(method, options)
        self.queue = ColumnQueue(method.contrast.queue.bank)
        self.rng = np.random.default_rng(0)

    def views(self, clips: Clip) -> list[Tensor]:
        shape = clips.shape[1:]
        views = []
        for kind in ("normal", "strong", "normal"):
            augmented = []
            for clip in clips:
                draws = draw(self.rng, shape)
                ops = (crop, usual_shear)
                augmented.append(augment_clip(clip, draws) if kind == "strong" else augment_clip(clip, draws[:2], ops))
            views.append(torch.from_numpy(np.stack(augmented)).to(self.device))
        return views

    def __call__(self, query: Tensor, strong: Tensor, key: Tensor) -> Tensor:
        dropout = self.options.encoder.dropout
        encoder, _, head = self.method.contrast.query_branch
        key_encoder, _, key_head = self.method.contrast.key_branch.encoder

        def pooled(rows: Tensor) -> Tensor:
            means = torch.nn.functional.avg_pool2d(rows, rows.shape[2:])
            return means.view(len(query), -1, rows.shape[1]).mean(dim=1)

        ordinary = head(pooled(plain_forward(encoder, query, dropout=dropout).flatten(0, 1)))
        rows = plain_forward(encoder, strong, dropout=dropout).flatten(0, 1)
        assert self.method.attention is not None
        branches = [head(pooled(scale)) for scale in plain_attention(self.method.attention, rows)]  # type: ignore[arg-type]
        with torch.no_grad():
            keys = key_head(pooled(plain_forward(key_encoder, key, dropout=dropout).flatten(0, 1)))
            keys = torch.nn.functional.normalize(keys, dim=1)
        loss = plain_losses([ordinary, *branches], keys, self.queue.columns)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        with torch.no_grad():
            own, theirs = self.method.contrast.key_branch.encoder, self.method.contrast.query_branch
            for k, q in zip(own.parameters(), theirs.parameters(), strict=True):
                k.data = k.data * self.options.contrast.key_momentum + q.data * (
                    1.0 - self.options.contrast.key_momentum
                )
        self.queue.enqueue(keys)
        return loss


class OurStep:
    def __init__(self, method: Any, options: MethodOptions, setting: Setting) -> None:
        self.method, self.setting = method, setting
        self.optimizer = make_optimizer(method, options)
        # Not the views: their draws come from a generator.
        self.forward = torch.compile(method) if setting.compiled else method

    def __call__(self, views: Sequence[Tensor], ids: Tensor) -> Tensor:
        device = torch.device(self.setting.device).type
        with torch.autocast(device, dtype=torch.bfloat16, enabled=self.setting.half):
            output = self.forward(*views, ids=ids)
        output.loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.method.update(output, step=1, total_steps=1)
        return output.loss


def check(setting: Setting) -> float:
    """One step of both in float64 without dropout, from the same views: loss, parameters, key encoder and bank."""
    setting = Setting(device=setting.device, small=setting.small)
    options, method = make_method(setting, dropout=0.0)
    method.double()
    other = copy.deepcopy(method)
    shape = (2, 3, 16, 25, 2)
    views = list(torch.randn(3, *shape, dtype=torch.float64, device=setting.device))
    plain, ours = PlainStep(other, options, setting.device), OurStep(method, options, setting)
    expected = [plain(*views), *other.parameters(), plain.queue.columns.T]
    found = [ours(views, torch.arange(2, device=setting.device)), *method.parameters(), method.contrast.queue.bank]
    return largest_difference(found, expected, floor=1e-2)


def cases(setting: Setting) -> Iterator[Case]:
    """T 50, V 25, M 2, ST-GCN 16/256, K 32768; 16 clips on CPU, 128 elsewhere."""
    n = 2 if setting.small else 16 if setting.device == "cpu" else 128
    shape = (n, 3, 16 if setting.small else 50, 25, 2)
    options, method = make_method(setting)
    other = copy.deepcopy(method)
    make = PAGE.make_views(options, layout=LAYOUT)
    generator = torch.Generator(setting.device).manual_seed(0)
    clips = torch.randn(shape, generator=generator, device=setting.device)
    array, ids = clips.cpu().numpy(), torch.arange(n, device=setting.device)
    step, plain_step = OurStep(method, options, setting), PlainStep(other, options, setting.device)

    def ours() -> Tensor:
        return step(make(clips, generator), ids)

    def plain() -> Tensor:
        return plain_step(*plain_step.views(array))

    difference = check(setting)
    extras = [name for name, on in (("bf16", setting.half), ("compiled", setting.compiled)) if on]
    sizes = f"MsMCLR on {shape}, bank {options.contrast.queue_size}"
    yield Case("step", ", ".join((sizes, *extras)), ours, plain, difference, clips=n)

    views = make(clips, generator)
    without: functools.partial[Tensor] = functools.partial(plain_step, *views)
    yield Case("step, views given", sizes, lambda: step(views, ids), without, difference, clips=n)
