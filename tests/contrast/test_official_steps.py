"""Seven optimizer steps of the official SkeletonCLR, replayed through the blocks: momentum, queue, logits and loss."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from skelblocks.contrast import MomentumEncoder, MomentumQueue, contrastive_logits
from skelblocks.losses import info_nce, info_nce_from_embeddings

GOLDEN = Path(__file__).parents[1] / "golden" / "moco_skeletonclr_7steps_f64.npz"


def head(golden, name):
    weights = [torch.from_numpy(golden[f"sd0/encoder_{name}.fc.{i}.weight"]) for i in (0, 2)]
    layers = [nn.Linear(w.shape[1], w.shape[0], dtype=torch.float64) for w in weights]
    module = nn.Sequential(layers[0], nn.ReLU(), layers[1])
    keys = ("0.weight", "0.bias", "2.weight", "2.bias")
    module.load_state_dict({key: torch.from_numpy(golden[f"sd0/encoder_{name}.fc.{key}"]) for key in keys})
    return module


@pytest.mark.parametrize("chunk_size", [None, 5])
def test_seven_steps_equal_the_official_ones(chunk_size):
    with np.load(GOLDEN) as file:
        golden = dict(file)

    def same(ours, name):
        np.testing.assert_allclose(ours.detach().numpy(), golden[name], rtol=1e-9, atol=1e-10, err_msg=name)

    temperature = float(golden["T"])
    encoder = head(golden, "q")
    key_encoder = MomentumEncoder(encoder, momentum=float(golden["momentum"]))
    key_encoder.encoder.load_state_dict(head(golden, "k").state_dict())
    queue = MomentumQueue(16, size=48).double()
    queue.bank.copy_(torch.from_numpy(golden["sd0/queue"].T))
    optimizer = torch.optim.SGD(
        encoder.parameters(),
        lr=float(golden["lr"]),
        momentum=float(golden["sgd_momentum"]),
        weight_decay=float(golden["weight_decay"]),
    )
    for step, (x_query, x_key) in enumerate(zip(golden["x_q"], golden["x_k"], strict=True)):
        key_encoder.update(encoder)  # the official order: before the keys of the same step
        key, query = key_encoder(torch.from_numpy(x_key)), encoder(torch.from_numpy(x_query))
        logits = contrastive_logits(query, key, queue.bank, temperature=temperature)
        loss = info_nce_from_embeddings(query, key, queue.bank, temperature=temperature, chunk_size=chunk_size)
        torch.testing.assert_close(info_nce(logits), loss, rtol=1e-12, atol=1e-12)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        queue.enqueue(key)
        same(logits, f"step{step}/logits")
        same(loss, f"step{step}/loss")
        same(encoder[0].weight.grad, f"step{step}/grad_q_fc0_weight")
        same(key_encoder.encoder[0].weight, f"step{step}/k_fc0_weight")
        same(encoder[0].weight, f"step{step}/q_fc0_weight_after")
        same(queue.bank.T, f"step{step}/queue")
        same(queue.pointer.unsqueeze(0), f"step{step}/ptr")
