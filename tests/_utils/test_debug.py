import pytest
import torch

import skelblocks
from skelblocks.contrast import contrastive_logits, unit_rows
from skelblocks.losses import (
    bank_logsumexp,
    barlow_twins_loss,
    d3m_loss,
    info_nce,
    info_nce_from_embeddings,
    nearest_neighbor_mining,
)

LOGITS = torch.tensor([[5.0, -3.0, 2.0], [4.0, 1.0, -8.0]])
EMBEDDINGS = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: info_nce(LOGITS.softmax(dim=1)),
            "logits: expected logits, got rows that sum to 1, like probabilities",
        ),
        (lambda: d3m_loss([LOGITS.softmax(dim=1)], LOGITS), r"student_logits\[0\]: .* probabilities"),
        (lambda: d3m_loss([LOGITS], LOGITS.softmax(dim=1)), "teacher_logits: .* probabilities"),
        (lambda: info_nce(unit_rows(EMBEDDINGS)), "logits: .* rows of length 1, like embeddings; pass contrastive"),
        (lambda: info_nce(LOGITS * torch.nan), r"logits: expected numbers or -inf, got NaN or \+inf"),
        (
            lambda: nearest_neighbor_mining(LOGITS, [LOGITS.softmax(dim=1)]),
            r"student_logits\[0\]: .* probabilities",
        ),
        (
            lambda: contrastive_logits(EMBEDDINGS, EMBEDDINGS, 2 * torch.eye(3), temperature=0.1),
            r"bank: expected rows of length 1, got lengths from 2 to 2; pass unit_rows\(bank\)",
        ),
        (
            lambda: info_nce_from_embeddings(EMBEDDINGS, EMBEDDINGS * torch.inf, torch.eye(3), temperature=0.1),
            r"key: expected finite numbers, got NaN or infinity in rows \[0, 1\]",
        ),
        (lambda: barlow_twins_loss(EMBEDDINGS, EMBEDDINGS * torch.nan), r"second: expected finite numbers"),
        (
            lambda: bank_logsumexp(EMBEDDINGS * torch.inf, torch.eye(3), temperature=0.1),
            "query: expected finite numbers",
        ),
    ],
)
def test_values_are_checked_in_debug_mode_alone(call, message, monkeypatch):
    call()
    with skelblocks.debug(), pytest.raises(ValueError, match=message):
        call()
    call()
    monkeypatch.setenv("SKELBLOCKS_DEBUG", "1")
    with pytest.raises(ValueError, match=message):
        call()
    with skelblocks.debug(False):
        call()


def test_right_values_pass():
    bank = torch.cat((torch.eye(3), torch.zeros(1, 3), unit_rows(torch.randn(5, 3)).bfloat16().float()))
    with skelblocks.debug():
        logits = contrastive_logits(EMBEDDINGS, EMBEDDINGS, bank, temperature=0.1, exclude=torch.eye(2, 9).bool())
        info_nce(logits)
        d3m_loss([logits], logits)


def test_it_breaks_no_graph_and_no_vmap():
    with skelblocks.debug():
        probabilities = LOGITS.softmax(dim=1)
        torch.compile(info_nce, backend="eager", fullgraph=True)(probabilities)
        torch.func.vmap(info_nce)(probabilities.expand(3, 2, 3))
        info_nce(probabilities.to("meta"))
