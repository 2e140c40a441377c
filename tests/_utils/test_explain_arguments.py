import inspect
import warnings

import pytest
import torch
from torch import nn

from skelblocks._utils.deprecated import renamed_arguments
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.contrast import ContrastiveLogits, MomentumQueue, contrastive_logits
from skelblocks.losses import D3MLoss, InfoNCELoss, d3m_loss, info_nce


@explain_arguments
def draw(x, y=2, *, ratio=0.5, size=3):
    return x, y, ratio, size


def test_a_right_call_passes_and_the_signature_is_kept():
    assert draw(1) == (1, 2, 0.5, 3)
    assert draw(1, y=4, size=5) == (1, 4, 0.5, 5)
    assert list(inspect.signature(draw).parameters) == ["x", "y", "ratio", "size"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: draw(1, 2, 3), r"draw: expected 2 positional arguments \(x, y\), got 3; pass .* ratio=\.\.\., size="),
        (lambda: draw(1, sizes=3), "draw: expected arguments among x, y, ratio, size, got sizes; did you mean size"),
        (lambda: draw(1, nonsense=3), "got nonsense; leave it out"),
        (lambda: InfoNCELoss(0.07), r"InfoNCELoss: expected 0 positional arguments, got 1; .* temperature=\.\.\."),
        (
            lambda: D3MLoss(temperature=0.1),
            "D3MLoss: expected arguments among reduction, got temperature; leave it out",
        ),
        (
            lambda: D3MLoss()(1, 2, 3),
            r"expected 2 positional arguments \(student_logits, teacher_logits\), got 3; leave",
        ),
        (
            lambda: contrastive_logits(1, 2, 3, 0.07),
            r"\(query, key, bank\), got 4; pass the others by name: temperature=",
        ),
        (lambda: info_nce(1, 2, 3), r"info_nce: expected 1 positional argument \(logits\), got 3"),
        (lambda: d3m_loss(1, 2, 3, 4), "d3m_loss: expected 2 positional arguments"),
        (lambda: draw(), r"draw: expected a value for x, got none; pass x=\.\.\."),
        (lambda: ContrastiveLogits(), r"ContrastiveLogits: expected a value for temperature, got none; pass temper"),
        (lambda: MomentumQueue(8, size=4).enqueue(), "MomentumQueue.enqueue: expected a value for keys, got none"),
        (lambda: contrastive_logits(1, 2), "contrastive_logits: expected a value for bank, got none; pass bank="),
        (lambda: ContrastiveLogits(0.07), r"ContrastiveLogits: expected 0 .* by name: temperature=\.\.\."),
    ],
)
def test_a_wrong_call_names_the_arguments(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_an_old_name_of_an_argument_passes():
    @explain_arguments
    class Block(nn.Module):
        @renamed_arguments(shared="same_on_batch")
        def __init__(self, *, same_on_batch=False):
            super().__init__()
            self.same_on_batch = same_on_batch

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert Block(shared=True).same_on_batch
    assert "the argument shared is deprecated" in str(caught[0].message)


def test_an_open_signature_is_left_alone():
    def anything(*args, **kwargs):
        return args, kwargs

    assert explain_arguments(anything) is anything


def test_many_wrapped_functions_compile_in_one_process():
    """They share no code object, to which torch's limit of recompilations belongs."""
    for factor in range(20):

        @explain_arguments
        def scale(x, *, factor=factor):
            return x * factor

        compiled = torch.compile(scale, backend="eager", fullgraph=True)
        assert compiled(torch.ones(2)).tolist() == [factor, factor]
