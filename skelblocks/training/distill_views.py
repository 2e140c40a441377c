"""The teacher's and the student's view of the same motion.

Axes: n samples, c coordinates, t frames, v joints, d features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from skelblocks import layouts
from skelblocks._utils.escape import escape
from skelblocks.augment.estimator_noise import EstimatorNoise
from skelblocks.augment.random_camera import RandomCamera
from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.data import preprocess
from skelblocks.evaluation.features import extract_features
from skelblocks.interop import Pretrained, load_official, open_pretrained
from skelblocks.interop.pretrained.finish import finish_clips
from skelblocks.layouts import SkeletonLayout, remap
from skelblocks.training.motion_sets import Motion


def open_teacher(path: str) -> Pretrained:
    """Open a teacher: a released file, a pretrained folder or the folder of a run.

    Raises:
        FileNotFoundError: The file or folder does not exist.
        ValueError: The folder does not record how its clips were preprocessed, or the file cannot be read.

    Example:
        >>> open_teacher("no-such-file.pt")
        Traceback (most recent call last):
        ...
        FileNotFoundError: teacher: there is no file or folder 'no-such-file.pt'; give released weights or a pretrained
        folder
    """
    place = Path(path)
    if not place.exists():
        raise FileNotFoundError(
            f"teacher: there is no file or folder {escape(path)!r}; give released weights or a pretrained folder"
        )
    if place.is_dir():
        found = open_pretrained(place)
        if found.preprocessing is None:
            raise ValueError(
                f"teacher: {escape(path)!r} does not record how its clips were preprocessed; save it with "
                "preprocessing=Preprocessing(...)"
            )
        return found
    loaded = load_official(place)
    return Pretrained(encoder=loaded.encoder, preprocessing=loaded.preprocessing, stream=loaded.stream)


class Teacher(nn.Module):
    """Frozen encoders of clips in space, each with its own preprocessing.

    Args:
        *pretrained: One or several encoders. Their features are concatenated.

    Shape:
        :class:`Motion` of n clips to features ``(n, d)``.

    Raises:
        ValueError: There is no encoder, or an encoder has no ``preprocessing`` or takes clips in a picture.

    Example:
        >>> from skelblocks.encoders import STGCN
        >>> encoder = STGCN("nw-ucla", base_channels=4, out_channels=16)
        >>> teacher = Teacher(Pretrained(encoder=encoder, preprocessing=Preprocessing(persons=2)))
        >>> teacher(Motion(torch.randn(2, 3, 50, 25, 1), layouts.get("ntu-rgb+d"))).shape
        torch.Size([2, 16])
    """

    def __init__(self, *pretrained: Pretrained) -> None:
        super().__init__()
        if not pretrained:
            raise ValueError("pretrained: expected at least one teacher, got none; pass one from open_teacher")
        for each in pretrained:
            if each.preprocessing is None or each.encoder.in_channels != 3:
                raise ValueError(
                    "pretrained: expected encoders of clips with 3 coordinates that record their preprocessing, got "
                    f"one with {each.encoder.in_channels} coordinates and preprocessing={each.preprocessing}; choose "
                    "another teacher"
                )
        self.pretrained = pretrained
        self.encoders = nn.ModuleList(each.encoder for each in pretrained).requires_grad_(False).eval()

    @torch.no_grad()
    def forward(self, motion: Motion) -> Tensor:
        """Compute the features of the motion."""
        features = []
        for each, encoder in zip(self.pretrained, self.encoders, strict=True):
            x = see(motion, each.layout, settings=_alone(each), stream=each.stream)
            features.append(extract_features(encoder, x).float())
        return torch.cat(features, dim=1)

    def train(self, mode: bool = True) -> Teacher:
        """Stay in evaluation mode."""
        return super().train(False)


def _alone(pretrained: Pretrained) -> Preprocessing:
    assert pretrained.preprocessing is not None
    return replace(pretrained.preprocessing, persons=1, to=None, source=None, y="up", coordinates=None)


def see(motion: Motion, layout: SkeletonLayout, *, settings: Preprocessing, stream: Any) -> Tensor:
    """Convert clips to the joints of a layout, preprocess them, and convert them to a stream, on their device."""
    x, _ = remap(motion.clips, source=motion.layout, target=layout, missing="nearest")
    prepared = preprocess(x.cpu().numpy(), layout=layout, preprocessing=settings)
    clips = torch.from_numpy(prepared).to(motion.clips.device)
    return finish_clips(clips, persons=settings.persons, stream=stream, layout=settings.layout_of(layout))


class StudentView(nn.Module):
    """The student's view of motion in space: its own joints, from a random camera, with the student's preprocessing.

    Args:
        layout: Skeleton of the student's clips.
        preprocessing: Preprocessing of the student's clips.
        coordinates: 2 for clips in a picture, 3 for clips in space, which are rotated.
        stream: The stream that the student takes.
        noise: Whether half of the clips get the errors of a pose estimator.
        yaw: Largest angle of the camera to either side, in degrees.
        pitch: Largest angle up or down, in degrees.

    Shape:
        :class:`Motion` of n clips to ``(n, c, t, v, 1)`` with the joints that the student takes.

    Example:
        >>> settings = Preprocessing(to="ntu-rgb+d", missing="nearest", coordinates=3, scale="bones")
        >>> view = StudentView("coco-17", preprocessing=settings)
        >>> view(Motion(torch.randn(2, 3, 50, 20, 1), layouts.get("nw-ucla"))).shape
        torch.Size([2, 3, 50, 25, 1])
    """

    def __init__(
        self,
        layout: str | Mapping[str, Any] | SkeletonLayout,
        *,
        preprocessing: Preprocessing,
        coordinates: int = 2,
        stream: Any = "joint",
        noise: bool = True,
        yaw: float = 100.0,
        pitch: float = 15.0,
    ) -> None:
        super().__init__()
        self.layout = layouts.get(layout)
        self.preprocessing = replace(
            preprocessing, y="up", persons=1
        )  # the simulated camera gives single persons, y up
        self.stream = stream
        self.camera = RandomCamera(yaw=yaw, pitch=pitch, projection="both" if coordinates == 2 else "none")
        self.noise = EstimatorNoise(self.layout) if noise else None

    def picture(self, motion: Motion, *, generator: torch.Generator | None = None) -> Tensor:
        """The clips as a pose estimator would return them, ``(n, c, t, v, 1)`` with the joints of the layout, y up.

        Half of the pictures are mirrored, because cameras differ: x grows to the left for a depth camera and to the
        right in a picture, and a selfie camera mirrors the picture.
        """
        clips, _ = remap(motion.clips, source=motion.layout, target=self.layout, missing="nearest")
        x: Tensor = self.camera(clips, generator=generator)
        if x.shape[1] == 2:
            side = 1 - 2 * (torch.rand(len(x), generator=generator, device=x.device) < 0.5).to(x)
            x = torch.stack((x[:, 0] * rearrange(side, "n -> n 1 1 1"), x[:, 1]), dim=1)
        if self.noise is None:
            return x
        noisy = torch.rand(len(x), generator=generator, device=x.device) < 0.5
        return torch.where(noisy[:, None, None, None, None], self.noise(x, generator=generator), x)

    def forward(self, motion: Motion, *, generator: torch.Generator | None = None) -> Tensor:
        """Compute the input of the student's encoder."""
        picture = Motion(self.picture(motion, generator=generator), self.layout)
        return see(picture, self.layout, settings=self.preprocessing, stream=self.stream)
