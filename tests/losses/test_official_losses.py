"""Losses and gradients of released codes through the blocks: AimCLR, MsMCLR, CrosNNCLR, RVTCLR, CMD, SkeletonBYOL."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch

from skelblocks.augment import relative_tempo
from skelblocks.contrast import MomentumQueue, contrastive_logits
from skelblocks.encoders import Predictor
from skelblocks.losses import (
    NearestNeighborLoss,
    d3m_loss,
    d3m_loss_from_embeddings,
    info_nce,
    info_nce_from_embeddings,
    nearest_neighbor_mask,
    nearest_neighbor_mining,
    negative_cosine_loss,
    relative_tempo_loss,
    similarity_distillation_loss,
)

FOLDER = Path(__file__).parents[1] / "golden"


@pytest.fixture(params=["aimclr", "msmclr"])
def golden(request):
    with np.load(FOLDER / f"{request.param}_losses_T0.07_f64.npz") as file:
        return dict(file)


def same(ours, expected):
    np.testing.assert_allclose(ours.detach().numpy(), expected, rtol=1e-9, atol=1e-10)


def prepared(golden):
    query, strong = (torch.from_numpy(golden[name]).requires_grad_() for name in ("q", "e"))
    key, bank = torch.from_numpy(golden["k"]), torch.from_numpy(golden["queue0"].T.copy())
    temperature = float(golden["T"])
    logits, *students = (
        contrastive_logits(x, key, bank, temperature=temperature) for x in (query, *strong.unbind(dim=2))
    )
    return query, strong, key, bank, temperature, logits, students


def test_first_stage_from_logits(golden):
    query, strong, *_, logits, students = prepared(golden)
    same(logits, golden["s1/logits"])
    same(logits.softmax(1), golden["s1/target_ddm"])
    same(info_nce(logits), golden["s1/loss_info"])
    for branch, student in enumerate(students):
        same(student.softmax(1), golden[f"s1/p_{branch}"])
        same(d3m_loss([student], logits), golden[f"s1/loss_d{branch}"])
    loss = info_nce(logits) + d3m_loss(students, logits)
    same(loss, golden["s1/loss"])
    loss.backward()
    same(query.grad, golden["s1/grad_q"])
    same(strong.grad, golden["s1/grad_e"])


@pytest.mark.parametrize("chunk_size", [1, 13, 48])
def test_first_stage_from_embeddings_in_chunks(golden, chunk_size):
    query, strong, key, bank, temperature, *_ = prepared(golden)
    options = {"temperature": temperature, "chunk_size": chunk_size}
    loss = info_nce_from_embeddings(query, key, bank, **options)
    loss = loss + d3m_loss_from_embeddings(query, strong.unbind(dim=2), key, bank, **options)
    same(loss, golden["s1/loss"])
    loss.backward()
    same(query.grad, golden["s1/grad_q"])
    same(strong.grad, golden["s1/grad_e"])


@pytest.mark.parametrize("top_k", [1, 3])
def test_second_stage_is_the_mean_over_positives(golden, top_k):
    query, strong, *_, logits, students = prepared(golden)
    mask = nearest_neighbor_mask([logits, *students], top_k=top_k)
    same(mask, golden[f"s2_top{top_k}/mask"])
    mined = NearestNeighborLoss(top_k=top_k)(logits, students)
    same(mined, golden[f"s2_top{top_k}/loss_nnm"])
    loss = mined + d3m_loss(students, logits)
    same(loss, golden[f"s2_top{top_k}/loss"])
    loss.backward()
    same(query.grad, golden[f"s2_top{top_k}/grad_q"])
    same(strong.grad, golden[f"s2_top{top_k}/grad_e"])
    # eq. 9 has the plain sum
    printed = NearestNeighborLoss(top_k=top_k, reduction_over_positives="sum")(logits, students)
    assert printed > mined * (1 + top_k) * 0.999


def test_queue_takes_the_unnormalized_keys(golden):
    *_, key, bank, _, _, _ = prepared(golden)
    queue = MomentumQueue(16, size=48).double()
    queue.bank.copy_(bank)
    queue.enqueue(key)
    same(queue.bank.T, golden["queue_after_enqueue"])


def numbers(name):
    with np.load(FOLDER / f"{name}_f64.npz") as file:
        return {key: torch.from_numpy(value) for key, value in file.items()}


@pytest.mark.parametrize("top_k", [1, 3])
def test_neighbors_across_views_equal_crosnnclr(top_k):
    golden = {key.removeprefix(f"top{top_k}/"): value for key, value in numbers("crosnnclr").items()}
    query, key, bank = golden["q"].requires_grad_(), golden["k"], golden["bank"]
    query_logits = contrastive_logits(query, key, bank, temperature=0.07)
    key_logits = contrastive_logits(key, query, bank, temperature=0.07)
    same(query_logits, golden["logits"])
    same(key_logits, golden["logits_key"])
    assert nearest_neighbor_mask([key_logits], top_k=top_k).equal(golden["mask"])
    assert nearest_neighbor_mask([query_logits], top_k=top_k).equal(golden["mask_key"])
    across = NearestNeighborLoss(top_k=top_k, neighbors="others")
    loss = (across(query_logits, [key_logits]) + across(key_logits, [query_logits])) / 2
    same(loss, golden["loss"])
    loss.backward()
    same(query.grad, golden["grad"])
    own = nearest_neighbor_mining(query_logits, [key_logits], top_k=top_k)
    assert not own.isclose(golden["loss"])


def test_relative_tempo_equals_rvtclr():
    golden = numbers("rvtclr")
    fast = (golden["query"] != golden["im_q"][:, :, :4]).flatten(1).any(dim=1)
    assert fast.any()
    assert not fast.all()
    assert relative_tempo(golden["im_q"], fast).own.equal(golden["query"])
    key, other = relative_tempo(golden["im_k"], fast)
    assert key.equal(golden["key"])
    assert other.equal(golden["other_key"])

    first, second, strong = (golden[f"q_{head}"].requires_grad_() for head in ("A", "M", "dc"))
    bank = golden["bank"]
    logits, other_logits, strong_logits = (
        contrastive_logits(x, golden[name], bank, temperature=0.07)
        for x, name in ((first, "k_A"), (first, "k_neg_A"), (strong, "k_A"))
    )
    losses = {
        "same": info_nce(logits),
        "other": info_nce(other_logits),
        "rank": relative_tempo_loss(second, golden["k_M"], golden["k_neg_M"]),
        "dc": d3m_loss([strong_logits], logits),
    }
    for name, loss in losses.items():
        same(loss, golden[f"loss_{name}"])
    sum(losses.values()).backward()
    for x, head in ((first, "A"), (second, "M"), (strong, "dc")):
        same(x.grad, golden[f"grad_q_{head}"])


def test_similarity_distillation_equals_cmd():
    golden = numbers("cmd")
    streams = ("joint", "motion", "bone")
    query, key, bank = ({s: golden[f"{kind}_{s}"] for s in streams} for kind in ("query", "key", "bank"))
    for each in query.values():
        each.requires_grad_()
    loss = sum(
        similarity_distillation_loss(query[student], key[teacher], bank[student], bank[teacher], top_k=10)
        for teacher, student in permutations(streams, 2)
    )
    same(loss, golden["loss_cmd"])
    contrast = sum(info_nce(contrastive_logits(query[s], key[s], bank[s], temperature=0.07)) for s in streams)
    same(contrast, golden["loss_contrast"])
    (loss + contrast).backward()
    for stream in streams:
        same(query[stream].grad, golden[f"grad_{stream}"])


def test_negative_cosine_and_predictor_equal_skeletonbyol():
    golden = numbers("skeletonbyol")
    predictor = Predictor(8, hidden_features=12).double()
    state = {key.removeprefix("predictor."): value for key, value in golden.items() if key.startswith("predictor.")}
    predictor.layers.load_state_dict(state)
    predictions = [predictor(golden[f"in{view}"]) for view in (1, 2)]
    for view, prediction in enumerate(predictions, start=1):
        same(prediction, golden[f"q{view}"])
        prediction.retain_grad()
    targets = golden["target2"], golden["target1"]
    loss = sum(2 + 2 * negative_cosine_loss(*pair) for pair in zip(predictions, targets, strict=True)) / 2
    same(loss, golden["loss"])
    loss.backward()
    for view, prediction in enumerate(predictions, start=1):
        same(prediction.grad, golden[f"grad_q{view}"])
