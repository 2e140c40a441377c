"""Each tester passes good blocks and fails a block that breaks the one promise."""

import pytest
import torch
from torch import nn

from skelblocks import testing


class Scale(nn.Module):
    """A good block, whose parts the broken blocks override."""

    def __init__(self, size=3):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(size) + 0.5)
        self.register_buffer("shift", torch.randn(size))

    def forward(self, x):
        return (x * self.weight + self.shift).tanh()


class ForgetsOnPickling(Scale):
    def __getstate__(self):
        return {**self.__dict__, "_parameters": {"weight": nn.Parameter(torch.zeros(3))}}


class SharesOnCopying(Scale):
    def __deepcopy__(self, memo):
        twin = Scale()
        twin.weight, twin.shift = self.weight, self.shift
        return twin


class NotPersistent(Scale):
    def __init__(self):
        super().__init__()
        self.register_buffer("shift", torch.randn(3), persistent=False)


class KeepsState(Scale):
    def forward(self, x):
        self.last = super().forward(x)
        return self.last


class WritesToInput(Scale):
    def forward(self, x):
        return super().forward(x.data.mul_(2))


class ReadsStrides(Scale):
    def forward(self, x):
        return super().forward(x) * (x.stride()[-1] == 1)


class BreaksTheGraph(Scale):
    def forward(self, x):
        return super().forward(x) if x.sum() > -1e9 else x


class DiffersCompiled(Scale):
    def forward(self, x):
        return super().forward(x) + torch.compiler.is_compiling()


class WrongBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 3


class WrongGradient(Scale):
    def forward(self, x):
        return WrongBackward.apply(super().forward(x))


class Detached(Scale):
    def forward(self, x):
        return super().forward(x).detach()


class FixedDtype(Scale):
    def forward(self, x):
        return super().forward(x).float()


class Overflows(Scale):
    def forward(self, x):
        return super().forward(x) * (torch.tensor(3e4).to(x.dtype) * 3 / 9e4)


class AutocastOverflows(Scale):
    def forward(self, x):
        return torch.mm(1e5 * x, torch.eye(3)) / 1e5 + super().forward(x)


class Rounds(Scale):
    def forward(self, x):
        return torch.mm(super().forward(x), torch.eye(3)).float()


class AsksForFloat64(Scale):
    def forward(self, x):
        return super().forward(x.double()).float()


class Float64Backward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient.double().mul(2).float()


class AsksForFloat64InBackward(Scale):
    def forward(self, x):
        return Float64Backward.apply(super().forward(x))


class FixedDevice(Scale):
    def forward(self, x):
        return super().forward(x) + torch.zeros(3, device="cpu")


class LeavesTheDevice(Scale):
    def forward(self, x):
        return torch.zeros(x.shape)


class NoVmap(Scale):
    def forward(self, x):
        return super().forward(x) * x.sum().item()


class VmapDiffers(Scale):
    def forward(self, x):
        return super().forward(x) + torch._C._functorch.is_batchedtensor(x)


def inputs():
    return (torch.randn(4, 3),)


CHECKS = [
    (testing.check_pickle, ForgetsOnPickling, AssertionError, "ForgetsOnPickling, pickled and restored: the output"),
    (testing.check_deepcopy, SharesOnCopying, AssertionError, "weight shares its memory with the original"),
    (testing.check_stateless, KeepsState, AssertionError, "no attribute to change in a call, got last"),
    (testing.check_inputs_unchanged, WritesToInput, AssertionError, "it wrote to tensor 0"),
    (testing.check_strides, ReadsStrides, AssertionError, "of inputs with other strides: the output"),
    (testing.check_compiles, BreaksTheGraph, Exception, "[Dd]ata-dependent|dynamic control flow"),
    (testing.check_compiles, DiffersCompiled, AssertionError, "compiled with eager: the output"),
    (testing.check_gradients, WrongGradient, AssertionError, "WrongGradient: Jacobian mismatch"),
    (testing.check_gradients, Detached, AssertionError, "an output that depends on the inputs, got none"),
    (testing.check_parameters_learn, Detached, AssertionError, "a gradient of weight, got none"),
    (testing.check_dtypes, FixedDtype, AssertionError, r"expected an output of torch\.float64, got torch\.float32"),
    (testing.check_dtypes, Overflows, AssertionError, r"Overflows of torch\.float16: the output"),
    (testing.check_no_float64, AsksForFloat64, AssertionError, "no float64 on the device, got it from aten"),
    (testing.check_no_float64, AsksForFloat64InBackward, AssertionError, "no float64 on the device, got it from aten"),
    (testing.check_meta, FixedDevice, Exception, "meta"),
    (testing.check_meta, LeavesTheDevice, AssertionError, "on meta: expected outputs"),
    (testing.check_vmap, NoVmap, Exception, r"item"),
    (testing.check_vmap, VmapDiffers, AssertionError, "under vmap: the output"),
]


@pytest.mark.parametrize("check", sorted({row[0] for row in CHECKS}, key=lambda check: check.__name__))
def test_good_blocks_pass(check):
    block = Scale()
    before = {name: x.clone() for name, x in block.state_dict().items()}
    check(block, inputs())
    assert all(x.equal(before[name]) for name, x in block.state_dict().items())


@pytest.mark.parametrize(
    ("check", "block", "error", "message"),
    [pytest.param(*row, id=f"{row[0].__name__}-{row[1].__name__}") for row in CHECKS],
)
def test_broken_blocks_fail(check, block, error, message):
    with pytest.raises(error, match=message):
        check(block(), inputs())


def test_state_dict():
    torch.manual_seed(0)
    testing.check_state_dict(Scale(), Scale(), inputs())
    with pytest.raises(AssertionError, match="restored from its state_dict: the output"):
        testing.check_state_dict(NotPersistent(), NotPersistent(), inputs())


def test_autocast():
    testing.check_autocast(Rounds(), inputs(), out_dtype=torch.float32)
    testing.check_autocast(nn.Tanh(), inputs(), exact=True)
    with pytest.raises(AssertionError, match="expected finite outputs"):
        testing.check_autocast(AutocastOverflows(), inputs(), dtype=torch.float16)
    with pytest.raises(AssertionError, match=r"expected an output of torch\.bfloat16, got torch\.float32"):
        testing.check_autocast(Rounds(), inputs(), out_dtype=torch.bfloat16)
    with pytest.raises(AssertionError, match=r"under autocast to torch\.bfloat16: the output"):
        testing.check_autocast(Rounds(), inputs(), exact=True)


def test_dead_weights_are_named():
    block = Scale()
    with pytest.raises(AssertionError, match="a gradient of weight, got zeros alone"):
        testing.check_parameters_learn(block, (torch.zeros(4, 3),))
    assert block.weight.grad is None


def test_modules_are_left_as_they_were():
    norm = nn.BatchNorm1d(3)
    testing.check_pickle(norm, inputs())
    assert not norm.running_mean.any()
    assert not norm.num_batches_tracked
    testing.check_parameters_learn(norm, inputs())
    assert norm.weight.grad is None


def test_random_blocks_draw_the_same_and_the_global_generator_is_left_alone():
    arguments, before = inputs(), torch.get_rng_state()
    testing.check_pickle(nn.Dropout(0.5), arguments)
    assert torch.get_rng_state().equal(before)


def test_nested_outputs_and_keywords():
    def split(x, *, scale):
        return {"left": (x * scale, [x.sum()]), "name": "sum"}

    testing.check_compiles(split, inputs(), keywords={"scale": 2.0})
    testing.check_vmap(split, inputs(), keywords={"scale": 2.0})
    with pytest.raises(AssertionError, match="expected a block that returns at least one tensor, got str"):
        testing.check_strides(lambda x: "nothing", inputs())


class TestScale(testing.BlockTester):
    def make(self):
        return Scale()

    def inputs(self):
        return inputs()


class TestFunction(testing.BlockTester):
    def make(self):
        return torch.nn.functional.softmax

    def inputs(self):
        return (torch.randn(2, 3),)

    def keywords(self):
        return {"dim": -1}


def test_a_tester_asks_for_the_block_and_its_inputs():
    with pytest.raises(NotImplementedError, match="make: expected the subclass"):
        testing.BlockTester().make()
    with pytest.raises(NotImplementedError, match="inputs: expected the subclass"):
        testing.BlockTester().inputs()


def test_every_promise_of_the_class_can_fail():
    broken = {
        "test_pickle": ForgetsOnPickling,
        "test_deepcopy": SharesOnCopying,
        "test_stateless": KeepsState,
        "test_inputs_unchanged": WritesToInput,
        "test_strides": ReadsStrides,
        "test_compiles": DiffersCompiled,
        "test_gradients": WrongGradient,
        "test_dtypes": FixedDtype,
        "test_no_float64": AsksForFloat64,
        "test_meta": LeavesTheDevice,
        "test_vmap": VmapDiffers,
    }
    for name, block in broken.items():
        tester = TestScale()
        tester.make = block
        with pytest.raises(AssertionError):
            getattr(tester, name)()
    tester = TestScale()
    tester.autocast_dtype, tester.make = torch.bfloat16, Rounds
    with pytest.raises(AssertionError):
        tester.test_autocast()
    promises = {name for name in dir(testing.BlockTester) if name.startswith("test_")}
    assert promises - {"test_cuda", "test_autocast"} == set(broken)


@testing.with_cuda
def test_cuda_is_compared():
    testing.check_cuda(Scale().double(), (torch.randn(4, 3, dtype=torch.float64),))
    with pytest.raises(AssertionError, match="expected every output there"):
        testing.check_cuda(LeavesTheDevice(), inputs())
