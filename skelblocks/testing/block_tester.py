"""All checks of a block as one test class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from skelblocks.testing._calls import Inputs, Keywords, map_tensors
from skelblocks.testing.check_compiles import check_compiles
from skelblocks.testing.check_copies import check_deepcopy, check_pickle, check_stateless
from skelblocks.testing.check_devices import check_cuda, check_meta, with_cuda
from skelblocks.testing.check_dtypes import check_autocast, check_dtypes
from skelblocks.testing.check_gradients import check_gradients
from skelblocks.testing.check_inputs import check_inputs_unchanged, check_strides
from skelblocks.testing.check_vmap import check_vmap
from skelblocks.testing.no_float64 import check_no_float64


class BlockTester:
    """Base class of a test class that checks what every block of this package promises.

    Subclass it under a name that pytest collects, and say how to make the block and its inputs. Each ``test_`` method
    is one promise. To leave one out, assign ``None`` to it: ``test_vmap = None``. To change one, override it.

    Attributes:
        autocast_exact: Whether autocast must not change the outputs at all.
        out_dtype: Dtype of the floating-point outputs for inputs in half precision; None stands for the inputs'.
        autocast_dtype: Dtype of the floating-point outputs under autocast; None allows any.

    Example:
        >>> class TestSmoothing(BlockTester):
        ...     def make(self):
        ...         return nn.AvgPool1d(3)
        ...
        ...     def inputs(self):
        ...         return (torch.randn(2, 4, 9),)
        >>> TestSmoothing().test_pickle()
    """

    autocast_exact: bool = False
    out_dtype: torch.dtype | None = None
    autocast_dtype: torch.dtype | None = None

    def make(self) -> nn.Module | Callable[..., Any]:
        """Make the block, a module or a function."""
        raise NotImplementedError("make: expected the subclass to return the block")

    def inputs(self) -> Inputs:
        """Make the positional arguments of a call, in float32."""
        raise NotImplementedError("inputs: expected the subclass to return a tuple of arguments")

    def keywords(self) -> Keywords:
        """Make the keyword arguments of a call; none by default."""
        return None

    def gradient_inputs(self) -> Inputs:
        """Make smaller inputs for the comparison with finite differences; the same by default."""
        return self.inputs()

    def test_pickle(self) -> None:
        """The restored module returns the same bits."""
        if isinstance(block := self.make(), nn.Module):
            check_pickle(block, self.inputs(), keywords=self.keywords())

    def test_deepcopy(self) -> None:
        """The copy returns the same bits and shares no memory."""
        if isinstance(block := self.make(), nn.Module):
            check_deepcopy(block, self.inputs(), keywords=self.keywords())

    def test_stateless(self) -> None:
        """A call leaves nothing on the module."""
        if isinstance(block := self.make(), nn.Module):
            check_stateless(block, self.inputs(), keywords=self.keywords())

    def test_inputs_unchanged(self) -> None:
        """The inputs are not written to."""
        check_inputs_unchanged(self.make(), self.inputs(), keywords=self.keywords())

    def test_strides(self) -> None:
        """The strides of the inputs do not matter."""
        check_strides(self.make(), self.inputs(), keywords=self.keywords())

    def test_compiles(self) -> None:
        """The block compiles into one graph."""
        check_compiles(self.make(), self.inputs(), keywords=self.keywords())

    def test_gradients(self) -> None:
        """The gradients agree with finite differences."""
        check_gradients(self.make(), self.gradient_inputs(), keywords=self.keywords())

    def test_dtypes(self) -> None:
        """The block runs in float64 and in half precision."""
        for dtype in (torch.float64, torch.bfloat16, torch.float16):
            out_dtype = None if dtype == torch.float64 else self.out_dtype
            check_dtypes(self.make(), self.inputs(), keywords=self.keywords(), dtypes=(dtype,), out_dtype=out_dtype)

    def test_autocast(self) -> None:
        """The block trains under autocast."""
        for dtype in (torch.bfloat16, torch.float16):
            check_autocast(
                self.make(),
                self.inputs(),
                keywords=self.keywords(),
                dtype=dtype,
                out_dtype=self.autocast_dtype,
                exact=self.autocast_exact,
            )

    def test_no_float64(self) -> None:
        """The block runs on a device that has no float64."""
        check_no_float64(self.make(), self.inputs(), keywords=self.keywords())

    def test_meta(self) -> None:
        """The block gives shapes on the ``meta`` device."""
        check_meta(self.make(), self.inputs(), keywords=self.keywords())

    def test_vmap(self) -> None:
        """The block runs under ``vmap``."""
        check_vmap(self.make(), self.inputs(), keywords=self.keywords())

    @with_cuda
    def test_cuda(self) -> None:
        """CUDA and CPU agree, in float64."""
        block = self.make()
        double = block.double() if isinstance(block, nn.Module) else block
        inputs, keywords = (
            map_tensors(lambda x: x.double() if x.is_floating_point() else x, value)
            for value in (list(self.inputs()), dict(self.keywords() or {}))
        )
        check_cuda(double, inputs, keywords=keywords)
