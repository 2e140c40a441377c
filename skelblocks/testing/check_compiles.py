"""Tester of ``torch.compile``."""

from __future__ import annotations

import torch

from skelblocks.testing._calls import Block, Inputs, Keywords, call, check_close, name_of


def check_compiles(
    block: Block,
    inputs: Inputs,
    *,
    keywords: Keywords = None,
    backend: str = "eager",
    dynamic: bool | None = None,
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """Check that a block compiles into one graph (``fullgraph=True``) that returns the same.

    Args:
        block: Function or module to test.
        inputs: Positional arguments.
        keywords: Keyword arguments.
        backend: ``"eager"`` tests the capture of the graph, ``"aot_eager"`` also its backward pass, ``"inductor"`` the
            generated code, which takes much longer.
        dynamic: As in ``torch.compile``: True compiles with open sizes.
        rtol: Relative tolerance; default: as in :func:`torch.testing.assert_close`.
        atol: Absolute tolerance; default: likewise.

    Raises:
        AssertionError: The compiled block returns something else.
        torch._dynamo.exc.Unsupported: The graph breaks; the message names the place.

    Example:
        >>> check_compiles(torch.relu, [torch.randn(4)])
    """
    torch.compiler.reset()  # a method that many tests share has a limit of graphs
    compiled = torch.compile(block, backend=backend, dynamic=dynamic, fullgraph=True)
    expected = call(block, inputs, keywords)
    got = call(compiled, inputs, keywords)
    check_close(got, expected, what=f"{name_of(block)}, compiled with {backend}", rtol=rtol, atol=atol)
