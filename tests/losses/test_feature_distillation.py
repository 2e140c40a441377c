"""Feature distillation against plain loops, and what every block promises."""

import math

import pytest
import torch

from skelblocks.losses import FeatureDistillationLoss, feature_distillation_loss
from skelblocks.testing import BlockTester

DISTANCES = ("smooth_l1", "cosine", "both")


def features(n=5, d=7, seed=0):
    return torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def reference(student, teacher, mean, deviation, distance):
    """One number a clip, in plain loops."""
    losses = []
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        z = [(a - m) / e for a, m, e in zip(s, mean, deviation, strict=True)]
        y = [(a - m) / e for a, m, e in zip(t, mean, deviation, strict=True)]
        gaps = [abs(a - b) for a, b in zip(z, y, strict=True)]
        smooth = sum(0.5 * gap**2 if gap < 1 else gap - 0.5 for gap in gaps) / len(gaps)
        cosine = sum(a * b for a, b in zip(z, y, strict=True)) / (math.hypot(*z) * math.hypot(*y))
        losses.append({"smooth_l1": smooth, "cosine": 1 - cosine, "both": smooth + 1 - cosine}[distance])
    return torch.tensor(losses, dtype=torch.float64)


@pytest.mark.parametrize("distance", DISTANCES)
def test_equals_plain_loops(distance):
    student, teacher = 3 * features(), 3 * features(seed=1)
    mean, deviation = teacher.mean(0), teacher.std(0, correction=0)
    expected = reference(student, teacher, mean.tolist(), deviation.tolist(), distance)
    keywords = {"mean": mean, "deviation": deviation, "distance": distance}
    torch.testing.assert_close(feature_distillation_loss(student, teacher, reduction="none", **keywords), expected)
    torch.testing.assert_close(feature_distillation_loss(student, teacher, **keywords), expected.mean())
    torch.testing.assert_close(feature_distillation_loss(student, teacher, reduction="sum", **keywords), expected.sum())
    module = FeatureDistillationLoss(teacher, distance=distance)
    torch.testing.assert_close(module(student, teacher), expected.mean())


def test_channels_without_spread_are_left_out():
    teacher = features()
    teacher[:, 2] = 0.5 + 1e-17 * torch.arange(5)
    module = FeatureDistillationLoss(teacher)
    student = features(seed=1)
    other = student.clone()
    other[:, 2] = 1e6
    assert module.deviation[2] == 0
    assert module(student, teacher).equal(module(other, teacher))


def test_teacher_gets_no_gradient():
    student, teacher = features().requires_grad_(), features(seed=1).requires_grad_()
    feature_distillation_loss(student, teacher).backward()
    assert student.grad is not None
    assert teacher.grad is None


def test_exchanged_roles_are_an_error():
    with pytest.raises(ValueError, match="teacher: expected a constant"):
        feature_distillation_loss(features(), features().requires_grad_())


@pytest.mark.parametrize(
    ("arguments", "keywords", "kind", "message"),
    [
        ((features(), features(n=4)), {}, ValueError, "teacher: expected"),
        ((features()[0], features()[0]), {}, ValueError, "student: expected 2 axes"),
        ((features().long(), features()), {}, TypeError, "student: expected a floating-point tensor"),
        ((features(), features()), {"mean": torch.zeros(3)}, ValueError, "mean: expected"),
        ((features(), features()), {"distance": "l2"}, ValueError, "distance: expected one of 'smooth_l1'"),
        ((features(), features()), {"reduction": "max"}, ValueError, "reduction: expected one of 'mean'"),
    ],
)
def test_wrong_arguments(arguments, keywords, kind, message):
    with pytest.raises(kind, match=message):
        feature_distillation_loss(*arguments, **keywords)


def test_statistics_of_one_clip_are_an_error():
    with pytest.raises(ValueError, match="teacher_features: expected features of two clips or more, got 1"):
        FeatureDistillationLoss(features(n=1))


class TestPromises(BlockTester):
    """What every block promises."""

    out_dtype = torch.float32

    def make(self):
        return FeatureDistillationLoss(features(n=16).float())

    def inputs(self):
        return (features().float(), features(seed=1).float())

    def test_gradients(self):
        """Of the student; the teacher is constant."""
        module = FeatureDistillationLoss(features(n=16))
        teacher = features(seed=1)
        assert torch.autograd.gradcheck(lambda student: module(student, teacher), features().requires_grad_())
