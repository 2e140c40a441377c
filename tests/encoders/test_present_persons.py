"""Encoders with absent="skip": present persons alone are encoded, and an absent person's map is zero."""

import copy
import itertools

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from skelblocks.encoders import DSTA, READOUTS, STGCN, Pool, ReadoutEncoder, SideBySide, readout, region_pool
from skelblocks.encoders.present_persons import PresentRows, present_in_map
from skelblocks.interop import export_program

ENCODERS = {
    "stgcn": lambda absent="skip": STGCN("coco-17", base_channels=2, out_channels=8, dropout=0.0, absent=absent),
    "dsta": lambda absent="skip": DSTA(
        "coco-17", frames=8, layers=[(4, 4, 2, 1), (4, 8, 2, 2)], dropout=0.0, absent=absent
    ),
}
PRESENT = [[[1, 0], [1, 1], [0, 1]], [[1, 0, 0], [0, 1, 1]], [[1, 1], [1, 1]]]
both = pytest.mark.parametrize("kind", ENCODERS)


def clips(present, dtype=torch.float64):
    mask = torch.tensor(present)
    x = torch.randn(len(mask), 3, 8, 17, mask.shape[1], generator=torch.Generator().manual_seed(0), dtype=dtype)
    return x * mask[:, None, None, None]


def encoder(kind, absent="skip"):
    torch.manual_seed(0)
    model = ENCODERS[kind](absent).double()
    with torch.no_grad():
        model(clips([[1, 1]] * 4))  # moves the running statistics away from their initial values
    return model


def one_by_one(model, x):
    """The map of each person as a clip of one, zero for the absent."""
    maps = []
    for clip, m in itertools.product(x, range(x.shape[-1])):
        here = clip[None, ..., m : m + 1]
        maps.append(model(here)[0, 0] if bool((here != 0).any()) else None)
    shape = next(each for each in maps if each is not None)
    filled = [torch.zeros_like(shape) if each is None else each for each in maps]
    return torch.stack(filled).unflatten(0, (len(x), x.shape[-1]))


@both
@pytest.mark.parametrize("present", PRESENT)
def test_in_evaluation_a_map_is_the_one_of_the_person_alone(kind, present):
    model, x = encoder(kind).eval(), clips(present)
    torch.testing.assert_close(model(x), one_by_one(model, x))
    plain = encoder(kind, "compute").eval()
    torch.testing.assert_close(model(x), one_by_one(plain, x))


@both
@pytest.mark.parametrize("present", PRESENT)
def test_in_training_statistics_and_gradients_are_those_of_present_persons(kind, present):
    model, x = encoder(kind).train(), clips(present)
    plain = encoder(kind, "compute").train()
    here = torch.tensor(present, dtype=torch.bool)
    alone = x.permute(0, 4, 1, 2, 3)[here][..., None]  # every present person as a clip of one
    got, expected = model(x), plain(alone)[:, 0]
    torch.testing.assert_close(got[here], expected)
    assert not got[~here].any()
    weights = torch.randn(expected.shape, dtype=torch.float64)
    (got[here] * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close([p.grad for p in model.parameters()], [p.grad for p in plain.parameters()])
    torch.testing.assert_close(dict(model.named_buffers()), dict(plain.named_buffers()))


@both
@pytest.mark.parametrize("training", [False, True])
def test_with_a_mask_the_content_of_absent_persons_does_not_matter(kind, training):
    x, mask = clips([[1, 0], [1, 1], [0, 1]]), torch.tensor([[True, False], [True, True], [False, True]])
    results = []
    for value in (0.0, 5.0, torch.nan):
        model = encoder(kind).train(training)
        filled = x.masked_fill(~mask[:, None, None, None], value).requires_grad_()
        feature_map = model(filled, person_mask=mask)
        feature_map.square().sum().backward()
        assert not filled.grad.permute(0, 4, 1, 2, 3)[~mask].any()
        results.append([feature_map, *(p.grad for p in model.parameters())])
    torch.testing.assert_close(results[1], results[0])
    torch.testing.assert_close(results[2], results[0])


@both
def test_persons_in_another_order_have_their_maps_in_that_order(kind):
    model, x = encoder(kind).train(), clips([[1, 0, 1], [0, 1, 1]])
    order = [2, 0, 1]
    torch.testing.assert_close(model(x[..., order]), model(x)[:, order])


@both
@pytest.mark.parametrize("training", [False, True])
def test_a_batch_without_any_person_gives_zeros_and_moves_no_statistics(kind, training):
    model = encoder(kind).train(training)
    before = copy.deepcopy(model.state_dict())
    x = torch.zeros(2, 3, 8, 17, 2, dtype=torch.float64)
    feature_map = model(x)
    assert feature_map.shape == model(clips([[1, 1], [1, 1]])).shape
    assert not feature_map.any()
    model.load_state_dict(before)
    model(x)
    torch.testing.assert_close(model.state_dict(), before)
    head = nn.Linear(8, 2).double()
    head(Pool(absent="skip")(feature_map)).sum().backward()
    assert head.bias.grad is not None


def test_the_maps_of_all_blocks_of_a_batch_without_any_person_have_their_shapes():
    model = encoder("stgcn")
    nobody, everybody = (model.block_maps(clips([[n, n], [n, n]])) for n in (0, 1))
    assert [each.shape for each in nobody] == [each.shape for each in everybody]
    joints = torch.tensor([3, 1, 5])
    assert model(clips([[0]]), keep_joints=joints).shape == model(clips([[1]]), keep_joints=joints).shape


@both
def test_where_everybody_is_present_the_bits_are_those_of_compute(kind):
    for present in ([[1, 1], [1, 1]], [[1], [1]]):
        x = clips(present)
        assert encoder(kind).train()(x).equal(encoder(kind, "compute").train()(x))


def test_where_everybody_is_present_no_row_is_copied():
    rows, x = PresentRows(torch.ones(3, dtype=torch.bool)), torch.randn(3, 4, 2, 5)
    assert rows.take(x) is x
    assert rows.put_back(x) is x


@both
def test_rows_of_absent_persons_do_not_enter_the_encoder(kind):
    model, seen = encoder(kind), []
    norm = next(module for module in model.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d))
    norm.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    x = clips([[1, 0], [1, 0], [1, 1]])
    model.train()(x)
    model.eval()(x)
    assert seen == [4, 4]


def test_one_present_person_of_one_frame_is_refused_in_training_alone():
    model, x = encoder("stgcn").train(), clips([[1, 0], [0, 0]])[:, :, :1]
    with pytest.raises(ValueError, match=r"x: expected more than one number per channel, .* one person"):
        model(x)
    assert model.eval()(x).isfinite().all()


def test_block_maps_and_kept_joints_skip_too():
    model, x = encoder("stgcn").eval(), clips([[1, 0], [1, 1], [0, 1]])
    maps = model.block_maps(x)
    torch.testing.assert_close(maps[-1], model(x))
    assert all(not each[0, 1].any() for each in maps)
    joints = torch.tensor([[0, 1, 2], [4, 3, 2], [5, 6, 9]])
    kept = model(x, keep_joints=joints)
    assert not kept[0, 1].any()
    torch.testing.assert_close(kept[2, 1], model(x[2:, ..., 1:], keep_joints=joints[2:])[0, 0])


@both
def test_the_map_is_channels_last_whether_or_not_somebody_is_absent(kind):
    model = encoder(kind).eval()
    feature_map = model(clips([[1, 0], [1, 1]]))
    assert feature_map.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)


@both
def test_gradients_agree_with_finite_differences(kind):
    model, mask = encoder(kind).eval(), torch.tensor([[True, False]])
    x = clips([[1, 1]])[..., :2].requires_grad_()
    assert torch.autograd.gradcheck(lambda x: model(x, person_mask=mask).sum(dim=(2, 3)), x, fast_mode=True)


@both
def test_half_precision_and_autocast(kind):
    model, x = encoder(kind).float(), clips([[1, 0], [1, 1]], torch.float32)
    expected = model(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        feature_map = model(x)
    assert (feature_map - expected).norm() < 0.1 * expected.norm()
    assert not feature_map[0, 1].any()
    assert model.eval().bfloat16()(x.bfloat16()).isfinite().all()


@pytest.mark.slow
def test_compiled_in_training_the_graph_breaks_and_one_graph_is_refused():
    torch.compiler.reset()
    model = encoder("stgcn").train()
    compiled = torch.compile(copy.deepcopy(model), backend="eager")
    for present in ([[1, 0], [1, 1]], [[1, 0], [1, 0]], [[1, 1], [1, 1]]):
        torch.testing.assert_close(compiled(clips(present)), model(clips(present)))
    torch.compiler.reset()
    with pytest.raises(torch._dynamo.exc.TorchDynamoException):
        torch.compile(model, backend="eager", fullgraph=True)(clips([[1, 0], [1, 1]]))


def test_under_vmap_all_rows_are_computed_in_evaluation_and_training_is_refused():
    model, x = encoder("stgcn").eval(), torch.stack((clips([[1, 0], [1, 1]]), clips([[0, 0], [0, 1]])))
    torch.testing.assert_close(vmap(model)(x), torch.stack([model(each) for each in x]))
    weights = dict(model.named_parameters())

    def loss(weights, x, mask):
        return functional_call(model, weights, (x,), {"person_mask": mask}).square().sum()

    mask = x.abs().sum(dim=(2, 3, 4)) > 0
    spoilt = x.masked_fill(~mask[:, :, None, None, None], torch.nan)
    got = vmap(grad(loss), in_dims=(None, 0, 0))(weights, spoilt, mask)
    expected = [grad(loss)(weights, *each) for each in zip(x, mask, strict=True)]
    torch.testing.assert_close(got, {name: torch.stack([each[name] for each in expected]) for name in got})
    with pytest.raises(ValueError, match=r"absent: expected 'compute' under torch\.vmap .* call \.eval\(\)"):
        vmap(model.train())(x)


@both
def test_an_exported_graph_computes_all_rows_with_the_same_features(kind):
    model = encoder(kind).eval()
    program = export_program(model, frames=8)
    x = clips([[1, 0], [1, 1], [0, 0]])
    torch.testing.assert_close(program.module()(x), ReadoutEncoder(model)(x))


@pytest.mark.parametrize("kind", READOUTS)
def test_readouts_are_those_of_present_persons(kind):
    model, x = encoder("stgcn").eval(), clips([[1, 0], [0, 1]])
    alone = torch.stack((x[0, ..., :1], x[1, ..., 1:]))
    features = ReadoutEncoder(model, kind)(x)
    torch.testing.assert_close(features, ReadoutEncoder(encoder("stgcn", "compute").eval(), kind)(alone))
    mask = torch.tensor([[True, False], [False, True]])
    torch.testing.assert_close(ReadoutEncoder(model, kind)(x.masked_fill(x == 0, torch.nan), mask), features)


def test_the_standard_deviation_of_an_absent_person_has_a_finite_gradient():
    feature_map = torch.randn(2, 2, 4, 3, 17, dtype=torch.float64)
    feature_map[0, 1] = 0
    feature_map.requires_grad_()
    seen = torch.rand(2, 8, 17, 2) > 0.3
    readout(feature_map, "mean_std", seen=seen, absent="skip").sum().backward()
    assert feature_map.grad.isfinite().all()
    assert not feature_map.grad[0, 1].any()


def test_pools_leave_out_zero_maps_and_a_mask_comes_first():
    feature_map = torch.randn(2, 2, 4, 3, 17)
    feature_map[0, 1] = 0
    mask, region = torch.tensor([[True, False], [True, True]]), torch.rand(3, 17) < 0.5
    pool = Pool(absent="skip")
    assert pool(feature_map).equal(Pool()(feature_map, mask))
    assert not pool(feature_map).allclose(Pool()(feature_map))
    assert pool(feature_map, ~mask).equal(Pool()(feature_map, ~mask))
    got, expected = region_pool(feature_map, region, absent="skip"), region_pool(feature_map, region, person_mask=mask)
    assert got.inside.equal(expected.inside)
    assert got.outside.equal(expected.outside)
    assert "absent='skip'" in repr(pool)


def test_presence_in_a_map_is_any_entry_but_zero():
    feature_map = torch.zeros(1, 4, 2, 2, 2)
    feature_map[0, 0, 0, 0, :] = torch.tensor([1.0, -1.0])
    feature_map[0, 1, 1, 1, 1] = torch.nan
    feature_map[0, 2, 1, 1, 1] = torch.finfo(torch.float32).tiny
    assert present_in_map(feature_map).tolist() == [[True, True, True, False]]
    for mask, error in ((torch.ones(4) > 0, ValueError), (torch.ones(1, 4), TypeError)):
        with pytest.raises(error, match="person_mask: expected"):
            present_in_map(feature_map, mask)


def test_encoders_side_by_side_skip_together():
    model, x = SideBySide(encoder("stgcn"), encoder("stgcn")).eval(), clips([[1, 0], [1, 1]])
    assert model.absent == "skip"
    mask = torch.tensor([[True, False], [True, True]])
    assert model(x.masked_fill(x == 0, torch.nan), person_mask=mask).equal(model(x))
    with pytest.raises(ValueError, match=r"encoders: expected the absent of encoder 0, 'skip', got 'compute'"):
        SideBySide(encoder("stgcn"), encoder("stgcn", "compute"))


@both
def test_mistakes_say_what_was_expected(kind):
    model, x = encoder(kind), clips([[1, 0], [1, 1]])
    with pytest.raises(ValueError, match="person_mask: expected None with absent='compute'"):
        encoder(kind, "compute")(x, person_mask=torch.ones(2, 2) > 0)
    with pytest.raises(ValueError, match=r"person_mask: .* axis 'm' is 1, not 2"):
        model(x, person_mask=torch.ones(2, 1) > 0)
    with pytest.raises(TypeError, match=r"person_mask: expected a torch\.bool"):
        model(x, person_mask=torch.ones(2, 2))
    with pytest.raises(ValueError, match="absent: expected one of 'compute', 'skip', got 'drop'"):
        ENCODERS[kind]("drop")
    assert "absent='skip'" in repr(model)
    assert "absent" not in repr(encoder(kind, "compute"))
