"""Pool a feature map to one feature per clip: the mean over space, time and persons.

Axes: n samples, m persons, c channels, t frames, v joints.
"""

from __future__ import annotations

from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from skelblocks._utils.checks import check_axes, check_boolean, check_filled, check_floating
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.encoders._clips import check_no_clips
from skelblocks.encoders.present_persons import Absent, check_absent, present_in_map


def pool(
    feature_map: Tensor,
    person_mask: Tensor | None = None,
    *,
    seen: Tensor | None = None,
    absent: Absent = "compute",
) -> Tensor:
    """Average over frames and joints, then over persons.

    Args:
        feature_map: ``(n, m, c, t, v)``, from an encoder. ``v`` may be joints, parts or bodies.
        person_mask: Boolean ``(n, m)``, true where a person is present. Masked persons do not contribute, even if their
            features are NaN. A clip without any person keeps the mean over all persons, which avoids NaN. By default
            the mean is over all m, as in all released code. Absent persons then contribute too, because an encoder
            does not map their zeros to zero; see ``absent``.
        seen: Boolean ``(n, t_clip, v, m)``, true where a joint of the clip is seen, such as ``sample.seen``. Joints and
            persons that are not seen do not contribute. A frame of the map corresponds to ``t_clip / t`` frames of the
            clip, and a joint counts in it if it is seen in one of them. By default all frames and joints contribute.
        absent: With ``"skip"``, persons whose map is all zero do not contribute: an encoder with ``absent="skip"``
            gives absent persons such a map. A ``person_mask`` overrides it.

    Returns:
        ``(n, c)``.

    Raises:
        TypeError: a map that is not floating-point, or a mask that is not boolean.
        ValueError: other axes; a map without persons, frames or joints; a map that looks like clips
            ``(n, c, t, v, m)``, with three persons, one or two joints, at least 12 frames and no gradient; a mask that
            is not ``(n, m)``, or ``seen`` with a different number of joints than the map.

    Example:
        >>> import torch
        >>> feature_map = torch.tensor([2.0, 0.0]).view(1, 2, 1, 1, 1).expand(1, 2, 8, 13, 25)
        >>> pool(feature_map)[0, 0].item(), pool(feature_map, torch.tensor([[True, False]]))[0, 0].item()
        (1.0, 2.0)
    """
    check_axes(feature_map, "n m c t v", name="feature_map")
    check_floating(feature_map, name="feature_map")
    check_filled(feature_map, "n m c t v", name="feature_map", filled="m t v")
    check_no_clips(feature_map, name="feature_map", instead="feature_map.mean(dim=(1, 3, 4))")
    check_absent(absent)
    n, m = feature_map.shape[:2]
    if absent == "skip" and person_mask is None:
        person_mask = present_in_map(feature_map)
    if seen is None:
        per_person = feature_map.mean(dim=(3, 4))
    else:
        per_person, there = _over_seen_joints(feature_map, seen)
    if person_mask is not None:
        check_axes(person_mask, "n m", name="person_mask", n=n, m=m)
        check_boolean(person_mask, name="person_mask")
    if seen is not None:
        person_mask = there if person_mask is None else there & person_mask
    if person_mask is None:
        return per_person.mean(dim=1)
    counted = person_mask | ~person_mask.any(dim=1, keepdim=True)
    weights = counted.to(per_person) / counted.sum(dim=1, keepdim=True)
    # Set masked persons to zero before multiplying, because NaN times a weight of 0 is NaN.
    per_person = per_person.masked_fill(~counted[:, :, None], 0)
    return (per_person * weights[:, :, None]).sum(dim=1)


def _over_seen_joints(feature_map: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Means ``(n, m, c)`` over the frames and joints that are seen, and ``(n, m)``, true for persons who are seen."""
    counted, there = count_seen(feature_map, seen)
    weights = counted / counted.sum(dim=(3, 4), keepdim=True)
    return (feature_map.masked_fill(~counted, 0) * weights.to(feature_map.dtype)).sum(dim=(3, 4)), there


def count_seen(feature_map: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Mark the positions of a map whose joints are seen, ``(n, m, 1, t, v)``, and the persons who are seen, ``(n, m)``.

    For a person who is not seen, all positions count, so that a clip without any visible person has a mean.
    """
    n, m, _, t, v = feature_map.shape
    check_axes(seen, "n t v m", name="seen", n=n, m=m)
    check_boolean(seen, name="seen")
    if seen.shape[2] != v:
        raise ValueError(
            f"seen: expected the {v} joints of feature_map, got shape {tuple(seen.shape)}; a map of parts or bodies "
            "has no joints, pool the map of joints"
        )
    if seen.shape[1] < t:
        raise ValueError(
            f"seen: expected at least the {t} frames of feature_map, got shape {tuple(seen.shape)}; pass "
            "the mask of the clips"
        )
    by_person = rearrange(seen, "n t v m -> (n m) v t").to(feature_map.dtype)
    counted = rearrange(F.adaptive_max_pool1d(by_person, t), "(n m) v t -> n m 1 t v", n=n) > 0
    there = counted.flatten(2).any(dim=2)
    return counted | ~there[:, :, None, None, None], there


@explain_arguments
class Pool(nn.Module):
    """Module form of :func:`pool`, for use between an encoder and a head in ``nn.Sequential``.

    Args:
        absent: ``"skip"`` after an encoder that skips absent persons; see :func:`pool`.

    Shape:
        ``feature_map`` ``(n, m, c, t, v)`` and, optionally, ``person_mask`` ``(n, m)`` and ``seen``
        ``(n, t_clip, v, m)`` to ``(n, c)``.

    Example:
        >>> import torch
        >>> Pool()(torch.ones(2, 1, 8, 13, 25)).shape
        torch.Size([2, 8])
    """

    def __init__(self, *, absent: Absent = "compute") -> None:
        super().__init__()
        check_absent(absent)
        self.absent: Absent = absent

    def forward(self, feature_map: Tensor, person_mask: Tensor | None = None, *, seen: Tensor | None = None) -> Tensor:
        """Features ``(n, c)``."""
        return pool(feature_map, person_mask, seen=seen, absent=self.absent)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return "absent='skip'" if self.absent == "skip" else ""
