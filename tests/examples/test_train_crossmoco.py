import numpy as np
import pytest
import torch
from small_run import module_of, options_of, small_method

from skelblocks import layouts, streams
from skelblocks.training import load_page, parse_options

PAGE = load_page("crossmoco")
unit = torch.nn.functional.normalize


def double(**changes):
    torch.manual_seed(0)
    method = small_method(PAGE, **{"dropout": 0.0, "streams": ["joint"], "crossed_from": 0, **changes}).double()
    method.eval()  # batch norms in the heads: the formulas below call them again
    return method


def views(count):
    return [torch.randn(4, 3, 16, 15, 1, dtype=torch.float64) for _ in range(count)]


def embeddings(branch, clips):
    encoder, mlp_encoder = branch.encoder, branch.mlp_encoder or branch.encoder
    mean = (1, 3, 4)  # persons, frames, joints
    return unit(branch.base_head(encoder(clips).mean(mean))), unit(branch.mlp_head(mlp_encoder(clips).mean(mean)))


@pytest.mark.parametrize("share_backbone", [True, False])
@pytest.mark.parametrize("crossed", [True, False])
@pytest.mark.parametrize("banks", [1, 2, 3])
@pytest.mark.parametrize("denominator", ["neg", "pos+neg"])
def test_the_loss_is_eq_5(share_backbone, crossed, banks, denominator):
    changes = {"positive_weights": (0.5, 0.25), "negative_weights": (0.125, 0.5), "denominator": denominator}
    crossed_from = 0 if crossed else "never"
    part = double(share_backbone=share_backbone, crossed_from=crossed_from, banks=banks, **changes).methods["joint"]
    query, key = views(2)
    (q, r), (k, other) = embeddings(part.query, query), embeddings(part.key.encoder, key)
    base, mlp, *third = [queue.bank for queue in part.queues] * (2 if banks == 1 else 1)
    against_q, against_r = ((other, mlp), (k, base)) if crossed else ((k, base), (other, mlp))

    def positive(query, against):
        return ((query * against[0]).sum(1) / 0.07).exp()

    def negative(query, against):
        return (query @ torch.cat([against[1], *third]).T / 0.07).exp().sum(1)

    above = 0.5 * positive(q, against_q) + 0.25 * positive(r, against_r)
    below = 0.125 * negative(q, against_q) + 0.5 * negative(r, against_r)
    expected = -(above / (below + above if denominator == "pos+neg" else below)).log().mean()
    output = part(query, key, ids=torch.arange(4))
    torch.testing.assert_close(output.loss, expected)
    output.loss.backward()
    assert all(p.grad is not None for p in part.query.parameters())
    assert all(p.grad is None for p in part.key.parameters())


@pytest.mark.parametrize("banks", [1, 2, 3])
def test_keys_go_into_their_banks(banks):
    method = double(banks=banks)
    part = method.methods["joint"]
    query, key = views(2)
    output = method(query, key, ids=torch.tensor([3, 1, 4, 2]))
    k, other = embeddings(part.key.encoder, key)
    with torch.no_grad():
        for p in part.query.parameters():
            p.add_(1.0)
    before = [p.clone() for p in part.key.parameters()]
    method.update(output, step=1, total_steps=2)
    torch.testing.assert_close([p - 0.001 for p in part.key.parameters()], before)
    assert [queue.ids[:4].tolist() for queue in part.queues] == [[3, 1, 4, 2]] * banks
    torch.testing.assert_close(part.queues[0].bank[:4], k)
    if banks == 1:
        torch.testing.assert_close(part.queues[0].bank[4:8], other)
        assert part.queues[0].ids[4:].tolist() == [3, 1, 4, 2]
    else:
        torch.testing.assert_close(part.queues[1].bank[:4], other)
    if banks == 3:
        torch.testing.assert_close(part.queues[2].bank[:4], unit(k + other))


@pytest.mark.parametrize("banks", [1, 2, 3])
def test_own_keys_are_left_out_where_asked(banks):
    plain, excluding = (double(banks=banks, exclude_own_keys=exclude).methods["joint"] for exclude in (False, True))
    clips, ids = views(2), torch.arange(4)
    assert plain(*clips, ids=ids).loss.equal(excluding(*clips, ids=ids).loss)  # nothing of theirs is in the banks
    for part in (plain, excluding):
        for queue in part.queues:
            queue.enqueue(queue.bank[:4].clone(), ids=ids)
    losses = [part(*clips, ids=ids).loss for part in (plain, excluding)]
    assert losses[0] > losses[1]  # fewer negatives below the line


def test_key_encoders_follow_a_cosine_where_asked():
    part = double(key_momentum=0.5, key_momentum_schedule="cosine").methods["joint"]
    with torch.no_grad():
        part.query.base_head.layers[0].bias.add_(1.0)
    before = part.key.encoder.base_head.layers[0].bias.clone()
    part.update(part(*views(2), ids=torch.arange(4)), step=5, total_steps=10)
    torch.testing.assert_close(part.key.encoder.base_head.layers[0].bias, before + 0.25)


def test_the_options_reach_the_blocks():
    def mlp_layers(**changes):
        return [type(layer).__name__ for layer in double(**changes).methods["joint"].query.mlp_head.layers]

    assert mlp_layers() == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert mlp_layers(mlp_layers=2, head_norm=False) == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
    deviations = [
        double(initialization=kind).methods["joint"].query.base_head.layers[0].weight.std()
        for kind in ("official", "torch")
    ]
    assert 0.015 < deviations[0] < 0.025
    assert deviations[1] > 0.1
    chosen = {"joint_ratio": 0.2, "frame_ratio": 0.1, "ratio_counts": "units", "per_frame": True, "temporal": "gate"}
    occlusion = module_of("crossmoco").make_occlusion(options_of(PAGE.options, **chosen), layout=layouts.get("sbu"))
    shown = (occlusion.joint_ratio, occlusion.frame_ratio, occlusion.ratio_counts, occlusion.per_frame)
    assert (*shown, occlusion.temporal) == (0.2, 0.1, "units", True, "gate")


def test_crossing_starts_where_the_options_say():
    part = double(crossed_from="half", epochs=4).methods["joint"]
    clips = views(2)
    losses = [part(*clips, ids=torch.arange(4), epoch=epoch).loss for epoch in range(4)]
    assert losses[0].equal(losses[1])
    assert losses[2].equal(losses[3])
    assert not losses[1].allclose(losses[2])


def test_streams_are_weighted():
    names = ["joint", "motion", "bone"]
    method = double(streams=names, stream_weights=[1.0, 0.5, 0.25])
    clips = views(6)
    ids = torch.arange(4)
    parts = [method.methods[name](*clips[2 * i : 2 * i + 2], ids=ids).loss for i, name in enumerate(names)]
    torch.testing.assert_close(method(*clips, ids=ids).loss, parts[0] + 0.5 * parts[1] + 0.25 * parts[2])
    assert list(method.encoders()) == names


def test_the_small_recipe_goes_on_top_of_a_sets():
    options = parse_options(PAGE.options, ["--config", "utd_mhad", "--config=crossmoco_small"])
    assert (options.data.layout, options.streams, options.augmentation) == ("utd-mhad", ["joint"], "weak")


def test_two_encoders_are_evaluated_side_by_side():
    part = double(share_backbone=False).methods["joint"]
    (clips,) = views(1)
    both = part.encoders()["joint"](clips)
    assert both[:, :, :16].equal(part.query.encoder(clips))
    assert both[:, :, 16:].equal(part.query.mlp_encoder(clips))


def test_occlusion_comes_after_the_stream():
    layout = layouts.get("nw-ucla")
    clips = torch.randn(3, 3, 16, 20, 1)
    one, two, bone, _ = PAGE.make_views(options_of(PAGE.options, streams=["joint", "bone"]), layout=layout)(
        clips, torch.Generator().manual_seed(0)
    )
    for view, whole in ((one, clips), (two, clips), (bone, streams.bone(clips, layout=layout))):
        kept = view != 0
        assert view[kept].equal(whole[kept])
        assert (view == 0).all(dim=(1, 3, 4)).sum(dim=1).tolist() == [8, 8, 8]  # half of the frames
    assert not one.equal(two)
    plain = PAGE.make_views(options_of(PAGE.options, streams=["joint"], augmentation="weak"), layout=layout)(
        clips, torch.Generator()
    )
    assert (plain[0] != 0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stream": "bone", "streams": ["joint"]}, "expected different streams that include data.stream='bone'"),
        ({"streams": ["joint", "joint"]}, "expected different streams that include data.stream='joint', got joint, j"),
        ({"stream_weights": [1.0]}, "expected a number above 0 for each of"),
        ({"stream_weights": [1.0, 0.0, 1.0]}, "expected a number above 0 for each of"),
        ({"banks": 1, "queue_size": 4}, "expected two rows per clip of a batch, got 4"),
    ],
)
def test_streams_that_do_not_fit_are_refused(small, changes, message):
    with pytest.raises(ValueError, match=message):
        PAGE.train(small(PAGE, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"streams": ["joint"], "banks": 1, "combine": "sum_ce", "share_backbone": False, "exclude_own_keys": True},
        {"streams": ["joint"], "augmentation": "weak"},
        {"streams": ["bone"], "stream": "bone", "banks": 3, "temporal": "gate", "per_frame": True, "mlp_layers": 2},
    ],
)
def test_every_option_trains(small, tmp_path, changes):
    result = PAGE.train(small(PAGE, **changes))
    assert np.isfinite(list(result.values())).all()
    assert ("knn_bone" in result) is (not changes)
    there = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"loss.png", "accuracy.png", "embedding.png", "clip.png"} <= there
    assert ("occlusion.png" in there) is (changes.get("augmentation") != "weak")
