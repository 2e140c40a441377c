"""The cost of a module: its number of parameters, and of operations in one forward pass.

Axes: b rows (samples x persons), c channels, t frames, v joints.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from skelblocks._utils.checks import check_choice
from skelblocks.encoders.graph_convolution import GraphConvolution

Convention: TypeAlias = Literal["torch", "table9"]
CONVENTIONS: tuple[Convention, ...] = get_args(Convention)

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


@dataclass(frozen=True)
class ModelCost:
    """Result of :func:`model_cost`.

    Attributes:
        parameters: Number of parameters, with a frozen key encoder; each tensor counts once.
        trainable_parameters: Number of parameters that require a gradient.
        buffers: Number of values in buffers: running statistics, adjacency, queue.
        macs: Multiplications with an addition in one forward of the whole batch.
        flops: What the convention calls floating-point operations.
        convention: The convention.
    """

    parameters: int
    trainable_parameters: int
    buffers: int
    macs: int
    flops: int
    convention: Convention

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and the convention's name, for a JSON file."""
        return asdict(self)


def model_cost(
    module: nn.Module,
    *example_inputs: Any,
    convention: Convention = "torch",
    forward: Callable[..., object] | None = None,
) -> ModelCost:
    """Count the parameters and the operations of one forward pass, of an encoder or of a whole method.

    A copy of the module runs once, in the module's own mode and without gradient. So running statistics, queues,
    training flags, gradients and the global random numbers do not change. The count is for the batch that you pass:
    divide by its size for the cost of a clip. It does not include the backward pass of a training step.

    **Two conventions.** ``"torch"`` is the convention of torch's ``FlopCounterMode``, which counts only matrix
    products, convolutions and attention, with 2 operations for each multiplication with its addition; ``macs`` is half.
    Normalizations, activations, elementwise products and products with one vector are free. That counter overlooks
    fused attention and recurrent kernels, so they run in parts here.

    ``"table9"`` reproduces table 9 of MsMCLR, which does not say how it counts. The numbers agree for the query, strong
    and key forward of **one batch of 128 clips** of 50 frames and 2 persons, in G:

    - SkeletonCLR: 1.5e2 in the table, 145.8 here.
    - CrosSCLR (J + M): 2.9e2 in the table, 291.7 here.
    - AimCLR and MsMCLR: 2.2e2 in the table, 218.8 and 221.0 here.

    Encoder and head have 569,670,104 per clip and branch. These are multiplications with their addition in convolutions
    and linear layers, and 2 operations for each number that is batch normalized, as the tool thop counts. The product
    with the adjacency is left out, and the weights of a graph convolution are applied before it, as in the released
    code. The table calls this FLOPs, so ``macs`` and ``flops`` are the same here. With all products, and 2 operations
    each, SkeletonCLR would have 313.6 G, and AimCLR 470.4. This package's graph convolution gathers neighbors first and
    needs fewer.

    The table counts the parameters of query and key encoder together. MsMCLR has 0.23 M more than AimCLR there, of
    which 0.198 M belong to a module of the released code that never runs. MsM attention itself has 16,672.

    Args:
        module: The module to count. It is deep-copied.
        *example_inputs: Inputs of its forward, on its device. If module and inputs are on the ``meta`` device, nothing
            is computed, which is fast for large batches.
        convention: ``"torch"`` or ``"table9"``. ``"table9"`` counts layers that are called as modules and this
            package's graph convolution, but not products that are written as functions, as in attention.
        forward: Called as ``forward(module, *example_inputs)`` with the copy instead of the module, for keyword
            arguments, or to count a part of a method. Default: the module's own forward.

    Returns:
        The :class:`ModelCost`.

    Raises:
        TypeError: Not a module.
        ValueError: An unknown convention.

    Example:
        >>> model_cost(nn.Linear(8, 4), torch.zeros(10, 8))
        ModelCost(parameters=36, trainable_parameters=36, buffers=0, macs=320, flops=640, convention='torch')
        >>> from skelblocks.encoders import STGCN
        >>> encoder = STGCN("ntu-rgb+d").to("meta")
        >>> clips = torch.zeros(128, 3, 50, 25, 2, device="meta")
        >>> round(model_cost(encoder, clips, convention="table9").flops / 1e9, 1)  # one branch, without its head
        72.9
    """
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"module: expected a torch.nn.Module, got {type(module).__name__}; pass the module that a function uses, "
            "and forward=lambda module, *inputs: ..."
        )
    check_choice(convention, CONVENTIONS, name="convention")
    twin = copy.deepcopy(getattr(module, "_orig_mod", module))  # of a compiled wrapper, what it wraps
    call = forward or (lambda copied, *inputs: copied(*inputs))
    with torch.no_grad(), _own_random_numbers(twin, *example_inputs), _unfused():
        if convention == "torch":
            # Not with the package: it looks for triton, which takes long to load, and warns where there is none.
            from torch.utils.flop_counter import FlopCounterMode

            with FlopCounterMode(display=False) as counter:
                call(twin, *example_inputs)
            flops = int(counter.get_total_flops())
            macs = flops // 2
        else:
            counts: list[int] = []
            for layer in twin.modules():
                if isinstance(layer, (GraphConvolution, nn.Linear, *_CONVOLUTIONS, *_NORMS)):
                    layer.register_forward_hook(lambda *called: counts.append(_table9_count(*called)))
            call(twin, *example_inputs)
            flops = macs = sum(counts)
    return ModelCost(
        parameters=sum(p.numel() for p in module.parameters()),
        trainable_parameters=sum(p.numel() for p in module.parameters() if p.requires_grad),
        buffers=sum(b.numel() for b in module.buffers()),
        macs=macs,
        flops=flops,
        convention=convention,
    )


def _table9_count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> int:
    x = inputs[0]
    if isinstance(layer, _NORMS):
        return 2 * x.numel()
    if isinstance(layer, GraphConvolution):
        return x.numel() // x.shape[1] * layer.conv.weight.numel()
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return output.numel() * weight[0].numel()


@contextlib.contextmanager
def _own_random_numbers(*held: Any) -> Iterator[None]:
    """Leave the global generators of the CPU, and of the CUDA devices in use, as they were."""
    tensors = [x for x in held if isinstance(x, Tensor)]
    for module in held:
        if isinstance(module, nn.Module):
            tensors += [*module.parameters(), *module.buffers()]
    with torch.random.fork_rng(devices=sorted({x.get_device() for x in tensors if x.is_cuda})):
        yield


@contextlib.contextmanager
def _unfused() -> Iterator[None]:
    """Have attention and recurrent layers run as matrix products, which the counter can see."""
    backends: list[Any] = [torch.backends.mkldnn, torch.backends.cudnn]
    enabled = [backend.enabled for backend in backends]
    fast_path = torch.backends.mha.get_fastpath_enabled()
    try:
        # Not their flags(): it sets TF32 and precision too, to values of its own.
        for backend in backends:
            backend.enabled = False
        torch.backends.mha.set_fastpath_enabled(False)
        with torch.compiler.set_stance("force_eager"), sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        for backend, before in zip(backends, enabled, strict=True):
            backend.enabled = before
        torch.backends.mha.set_fastpath_enabled(fast_path)
