"""Exchanged arguments are told by what asks for a gradient: teacher and students, query and key."""

import pytest
import torch

from skelblocks.contrast import unit_rows
from skelblocks.losses import (
    cross_momentum_contrast,
    d3m_loss,
    d3m_loss_from_embeddings,
    hierarchical_d3m_loss,
    info_nce_from_embeddings,
    nearest_neighbor_mining,
    region_contrast,
    salient_contrast,
)

BANK, PARTNER = unit_rows(torch.randn(7, 5)), torch.tensor([1, 0, 2])
T = {"temperature": 0.1}
# What a call takes with `a` in the trained place and `b` in the constant one, and the argument that the error names.
CALLS = {
    "d3m_loss": (lambda a, b: d3m_loss([a, a], b), "teacher_logits"),
    "hierarchical": (lambda a, b: hierarchical_d3m_loss([b, a, a]), r"logits_chain\[0\]"),
    "d3m_query": (lambda a, b: d3m_loss_from_embeddings(b, [a], a, BANK, **T), "query"),
    "d3m_key": (lambda a, b: d3m_loss_from_embeddings(a, [a], b, BANK, chunk_size=3, **T), "key"),
    "info_nce": (lambda a, b: info_nce_from_embeddings(a, b, BANK, **T), "key"),
    "info_nce_in_chunks": (lambda a, b: info_nce_from_embeddings(a, b, BANK, chunk_size=3, **T), "key"),
    "neighbors": (lambda a, b: nearest_neighbor_mining(a, [a, b]), r"student_logits\[1\]"),
    "region": (lambda a, b: region_contrast(a, a, b, PARTNER, BANK), "key"),
    "salient": (lambda a, b: salient_contrast(a, a, a, b, BANK), "key_non_salient"),
    "cross_momentum": (lambda a, b: cross_momentum_contrast(a, a, b, a, BANK, BANK), "key_base"),
}


@pytest.mark.parametrize("name", CALLS)
def test_exchanged_arguments_are_refused(name):
    call, argument = CALLS[name]
    trained, constant = torch.randn(3, 5, requires_grad=True), torch.randn(3, 5)
    call(trained, constant)
    call(trained, trained)  # what requires grad in a constant place, beside what is trained, is detached
    call(constant, constant)
    with torch.no_grad():
        call(constant, trained)
    with pytest.raises(ValueError, match=f"{argument}: expected a constant, got a tensor that requires grad, while"):
        call(constant, trained)
