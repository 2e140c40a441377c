#!/usr/bin/env bash
# torch's FlopCounterMode makes a module that takes a gradient in its own forward raise.
#
# Attention by gradients (Grad-CAM and its kin) calls torch.autograd.grad inside forward. That runs, and trains, until
# somebody counts the operations of the model: within torch.utils.flop_counter.FlopCounterMode of torch 2.13.0 the same
# call ends in a RuntimeError about a leaf node, which names neither the counter nor the module. The counter hooks into
# the backward pass of every module it meets, and autograd.grad does not allow that for leaves. The same gradient by
# torch.autograd.backward(..., inputs=[z]) is counted without an error, its backward pass included.
#
# Seen: without the counter both ways give the same tensor. Within it, autograd.grad raises "A leaf node was passed to
# _will_engine_execute_node", and autograd.backward gives 128 operations.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

env/bin/python - <<'PYTHON'
import sys

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


class Salience(nn.Module):
    """Adds the gradient of an energy to its input."""

    def __init__(self, how):
        super().__init__()
        self.linear, self.how = nn.Linear(4, 4), how

    def forward(self, x):
        z = x.detach().requires_grad_()
        energy = self.linear(z).square().sum()
        if self.how == "grad":
            (gradient,) = torch.autograd.grad(energy, z)
        else:
            torch.autograd.backward(energy, inputs=[z])
            gradient = z.grad
        return x + gradient


torch.manual_seed(0)
by_grad, by_backward = Salience("grad"), Salience("backward")
by_backward.load_state_dict(by_grad.state_dict())
x = torch.randn(2, 4)
same = torch.equal(by_grad(x), by_backward(x))

try:
    with FlopCounterMode(display=False):
        by_grad(x)
    message = "no error"
except RuntimeError as error:
    message = str(error)
with FlopCounterMode(display=False) as counter:
    by_backward(x)
counted = counter.get_total_flops()

print("torch", torch.__version__)
print("without the counter both are equal:", same)
print("autograd.grad within the counter:", message)
print("autograd.backward within the counter:", counted, "operations")
seen = same and message.startswith("A leaf node was passed to _will_engine_execute_node") and counted == 128
sys.exit(0 if seen else 1)
PYTHON
