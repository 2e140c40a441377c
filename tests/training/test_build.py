import re

import numpy as np
import pytest
import torch
from small_run import METHODS, options_of, small_options

from skelblocks import layouts, streams
from skelblocks.training import MethodOptions, Page, Views, build_backbone, build_contrast, load_page, stage_start

# A page with nothing but the common options.
PLAIN = Page(name="plain", options=MethodOptions, build=build_contrast, make_views=Views)


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_the_papers_frame_has_the_papers_size():
    contrast = build_contrast(MethodOptions(), layout=layouts.get("ntu-rgb+d"), persons=2)
    assert parameters(contrast) == 1_840_136  # MsMCLR's table 9: 1.84 M for SkeletonCLR and AimCLR
    assert contrast.queue.bank.shape == (32768, 128)


def test_query_and_key_start_equal_and_the_key_follows(page, small):
    options = small(page, key_momentum=0.999, key_momentum_schedule="constant")
    method = page.build(options, layout=layouts.get("sbu"), persons=1)
    contrast = method.contrast
    query, key = contrast.query_branch.state_dict(), contrast.key_branch.encoder.state_dict()
    assert all(query[name].equal(key[name]) for name in query)
    views = page.make_views(options, layout=layouts.get("sbu"))(torch.randn(4, 3, 16, 15, 1), torch.Generator())
    output = method(*views, ids=torch.arange(4))
    bank = contrast.queue.bank.clone()
    output.loss.backward()
    assert contrast.queue.bank.equal(bank)  # neither forward nor backward touches the state
    trained = {name: p for name, p in method.named_parameters() if "key_branch" not in name}
    assert all(p.grad is not None for p in trained.values())
    assert all(p.grad is None for p in contrast.key_branch.parameters())
    with torch.no_grad():
        for p in contrast.query_branch.parameters():
            p.add_(1.0)
    before = contrast.key_branch.encoder[0].blocks[0].temporal.weight.clone()
    method.update(output, step=1, total_steps=10)
    torch.testing.assert_close(contrast.key_branch.encoder[0].blocks[0].temporal.weight, before + 0.001)
    (keys,) = output.keys
    torch.testing.assert_close(contrast.queue.bank[:4], torch.nn.functional.normalize(keys.embeddings, dim=1))
    assert contrast.queue.bank[4:].equal(bank[4:])
    assert contrast.queue.ids[:4].tolist() == [0, 1, 2, 3]


def test_momentum_grows_to_one_along_a_cosine():
    options = small_options(PLAIN, key_momentum=0.5, key_momentum_schedule="cosine")
    contrast = build_contrast(options, layout=layouts.get("sbu"), persons=1)
    weight, key = contrast.query_branch[2].layers[0].weight, contrast.key_branch.encoder[2].layers[0].weight
    with torch.no_grad():
        weight.add_(1.0)
    shares = []
    for step in range(1, 11):
        before = (weight - key).mean().item()
        contrast.update(contrast.keys(torch.randn(2, 3, 16, 15, 1), torch.arange(2)), step=step, total_steps=10)
        shares.append((weight - key).mean().item() / before)
    expected = [1 - 0.25 * (1 + np.cos(np.pi * step / 10)) for step in range(1, 11)]
    np.testing.assert_allclose(shares, expected, rtol=1e-4)


def test_own_keys_are_left_out_where_asked():
    for exclude in (True, False):
        options = small_options(PLAIN, exclude_own_keys=exclude)
        contrast = build_contrast(options, layout=layouts.get("sbu"), persons=1)
        contrast.queue.enqueue(torch.randn(3, 8), ids=torch.tensor([5, 6, 7]))
        keys = contrast.keys(torch.randn(2, 3, 16, 15, 1), torch.tensor([6, 9]))
        hidden = contrast.logits(torch.randn(2, 8), keys).isinf().nonzero().tolist()
        assert hidden == ([[0, 2]] if exclude else [])


def test_views_are_draws_of_each_stream_of_the_same_augmented_clips():
    layout = layouts.get("nw-ucla")
    clips = torch.randn(3, 3, 16, 20, 1)
    noise = [lambda x, generator: x + torch.randn(x.shape, generator=generator)] * 2
    views = Views(noise, layout=layout, stream=("joint", "motion"))
    once = views(clips, torch.Generator().manual_seed(1))
    again = views(clips, torch.Generator().manual_seed(1))
    assert all(a.equal(b) for a, b in zip(once, again, strict=True))
    joint, other_joint, motion, other_motion = once
    assert not joint.equal(other_joint)
    assert motion.equal(streams.motion(joint))
    assert other_motion.equal(streams.motion(other_joint))
    (bone,) = Views([lambda x, generator: x], layout=layout, stream="bone")(clips, torch.Generator())
    assert bone.equal(streams.bone(clips, layout=layout))


@pytest.mark.parametrize(
    ("chosen", "expected"), [("half", 150), ("never", None), (0, 0), (20, 20)], ids=["half", "never", "0", "20"]
)
def test_when_the_second_stage_starts(chosen, expected):
    assert stage_start(chosen, epochs=300) == expected


def test_encoders_have_their_papers_sizes():
    layout = layouts.get("ntu-rgb+d")
    stgcn, dsta, bigru = (
        build_backbone(options_of(MethodOptions, kind=encoder, frames=64), layout=layout, persons=2)
        for encoder in ("stgcn", "dsta", "bigru")
    )
    assert (stgcn.out_channels, dsta.out_channels, bigru.out_channels) == (256, 256, 2048)
    assert parameters(dsta) == 1_935_613
    assert (
        build_backbone(options_of(MethodOptions, kind="dsta", out_channels=64), layout=layout, persons=2).out_channels
        == 64
    )
    with pytest.raises(ValueError, match="out_channels: expected a multiple of 16 for 'dsta', got 40"):
        build_backbone(options_of(MethodOptions, kind="dsta", out_channels=40), layout=layout, persons=2)
    graphs = [
        build_backbone(options_of(MethodOptions, graph=graph), layout=layout, persons=2)
        for graph in ("spatial", "agcn")
    ]
    assert not graphs[0].adjacency.equal(graphs[1].adjacency)
    one_person = build_backbone(options_of(MethodOptions, kind="bigru", out_channels=32), layout=layout, persons=1)
    assert one_person(torch.randn(2, 3, 8, 25, 1)).shape == (2, 1, 32, 8, 1)


@pytest.mark.parametrize("method", METHODS)
def test_shear_has_the_amplitude_that_is_asked_for(method):
    page = load_page(method)
    both = {"augmentation": "both"} if method == "crossmoco" else {}
    for amplitude in (0.5, 0.2):
        views = page.make_views(options_of(page.options, shear_amplitude=amplitude, **both), layout=layouts.get("sbu"))
        shears = re.findall(r"RandomShear\((.*?)\)", repr(vars(views)))
        assert shears
        assert set(shears) == {f"amplitude={amplitude}"}
