"""--encoder.checkpoint true reaches the encoders of a method, and may change when a run is resumed."""

from pathlib import Path

import torch
from small_run import small_options

from skelblocks import layouts
from skelblocks.training import load_page
from skelblocks.training.command_line import parse_options
from skelblocks.training.resume import check_same_run


def test_a_method_learns_the_same_with_and_without():
    losses, gradients = [], []
    for checkpoint in (False, True):
        page = load_page("skeletonclr")
        options = small_options(page, checkpoint=checkpoint)
        torch.manual_seed(0)
        method = page.build(options, layout=layouts.get("sbu"), persons=2)
        clips = torch.randn(4, 3, 16, 15, 2, generator=torch.Generator().manual_seed(0))
        views = page.make_views(options, layout=layouts.get("sbu"))(clips, torch.Generator().manual_seed(0))
        loss = method(*views, ids=torch.arange(4)).loss
        loss.backward()
        losses.append(loss)
        gradients.append([p.grad for p in method.parameters() if p.grad is not None])
        assert all(encoder.checkpoint is checkpoint for encoder in method.encoders().values())
    assert losses[0].equal(losses[1])
    assert all(a.equal(b) for a, b in zip(*gradients, strict=True))


def test_the_command_line_has_the_option_and_a_resumed_run_may_change_it():
    saved, mine = (
        parse_options(load_page("skeletonclr").options, ["--encoder.checkpoint", value]).to_dict()
        for value in ("false", "true")
    )
    assert (saved["encoder"]["checkpoint"], mine["encoder"]["checkpoint"]) == (False, True)
    check_same_run({"format": 2, "options": saved}, mine, checkpoint=Path("c.pt"), fixed_length=True)
