"""Testers of copies: a block that was pickled, copied or restored from its state must behave like the original."""

from __future__ import annotations

import copy
import io
import pickle

import torch
from torch import nn

from skelblocks.testing._calls import Inputs, Keywords, call, check_equal, expect, name_of


def check_pickle(module: nn.Module, inputs: Inputs, *, keywords: Keywords = None) -> None:
    """Check that a pickled and restored module returns the same bits and has the same ``repr``.

    Args:
        module: Module to test. It is called with a fixed global seed, and its buffers are restored.
        inputs: Positional arguments of its ``forward``.
        keywords: Keyword arguments of its ``forward``.

    Raises:
        AssertionError: The restored module differs. An error of ``pickle`` itself is passed on.

    Example:
        >>> check_pickle(nn.Linear(3, 2), [torch.randn(4, 3)])
    """
    twin = pickle.loads(pickle.dumps(module))
    _check_twin(module, twin, inputs, keywords, what=f"{name_of(module)}, pickled and restored")


def check_deepcopy(module: nn.Module, inputs: Inputs, *, keywords: Keywords = None) -> None:
    """Check that a deep copy returns the same bits, has the same ``repr``, and shares no parameter or buffer.

    Args:
        module: Module to test. It is called with a fixed global seed, and its buffers are restored.
        inputs: Positional arguments of its ``forward``.
        keywords: Keyword arguments of its ``forward``.

    Raises:
        AssertionError: The copy differs from the module, or shares memory with it.

    Example:
        >>> check_deepcopy(nn.BatchNorm1d(3), [torch.randn(4, 3)])
    """
    twin = copy.deepcopy(module)
    what = f"{name_of(module)}, deep-copied"
    ours = {x.data_ptr() for x in (*module.parameters(), *module.buffers()) if x.numel()}
    for name, x in (*twin.named_parameters(), *twin.named_buffers()):
        expect(not x.numel() or x.data_ptr() not in ours, f"{what}: {name} shares its memory with the original")
    _check_twin(module, twin, inputs, keywords, what=what)


def check_state_dict(module: nn.Module, fresh: nn.Module, inputs: Inputs, *, keywords: Keywords = None) -> None:
    """Check that a fresh module returns the same bits once it has loaded the state that the first one saved.

    The state goes through ``torch.save`` and ``torch.load(weights_only=True)``, as in a checkpoint.

    Args:
        module: Module to test, trained or called a few times, so that its state differs from a fresh one's.
        fresh: Module of the same arguments. It is changed: it loads the state.
        inputs: Positional arguments of their ``forward``.
        keywords: Keyword arguments of their ``forward``.

    Raises:
        AssertionError: The fresh module returns something else.
        RuntimeError: The keys of the two states differ.

    Example:
        >>> check_state_dict(nn.Linear(3, 2), nn.Linear(3, 2), [torch.randn(4, 3)])
    """
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    fresh.train(module.training)
    got, expected = call(fresh, inputs, keywords), call(module, inputs, keywords)
    check_equal(got, expected, what=f"{name_of(module)}, restored from its state_dict")


def check_stateless(module: nn.Module, inputs: Inputs, *, keywords: Keywords = None) -> None:
    """Check that a call sets no attribute on the module or its submodules; buffers may change.

    A value that ``forward`` leaves on ``self`` is shared by all callers, breaks replays, and keeps graphs alive.

    Args:
        module: Module to test.
        inputs: Positional arguments of its ``forward``.
        keywords: Keyword arguments of its ``forward``.

    Raises:
        AssertionError: An attribute was added, replaced or removed.

    Example:
        >>> check_stateless(nn.BatchNorm1d(3), [torch.randn(4, 3)])
    """
    before = _attributes(module)
    call(module, inputs, keywords)
    after = _attributes(module)
    changed = sorted(name for name in before | after if before.get(name) is not after.get(name))
    expect(not changed, f"{name_of(module)}: expected no attribute to change in a call, got {', '.join(changed)}")


def _attributes(module: nn.Module) -> dict[str, object]:
    return {
        f"{path}.{name}".lstrip("."): value
        for path, part in module.named_modules()
        for name, value in vars(part).items()
    }


def _check_twin(module: nn.Module, twin: nn.Module, inputs: Inputs, keywords: Keywords, *, what: str) -> None:
    check_equal(call(twin, inputs, keywords), call(module, inputs, keywords), what=what)
    expect(repr(twin) == repr(module), f"{what}: expected repr {module!r}, got {twin!r}")
    expect(twin.training == module.training, f"{what}: expected training={module.training}, got {twin.training}")
