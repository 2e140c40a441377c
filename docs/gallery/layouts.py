"""The pictures of docs/layouts.md: every layout of the catalogue on one body, joints numbered, by part and by body."""

from __future__ import annotations

import numpy as np
import torch
from common import write
from matplotlib.figure import Figure

from skelblocks import layouts
from skelblocks.data.synthetic.body_model import SEGMENTS, body_joints, forward_kinematics
from skelblocks.viz._bodies import Look, groups_of

ARMS, LEGS = torch.tensor([0.0, 0.0, 0.75]), torch.tensor([0.0, 0.0, 0.16])  # radians, sideways
POSE = {"shoulder_right": ARMS, "shoulder_left": -ARMS, "hip_right": LEGS, "hip_left": -LEGS}


# Joints that the synthetic body lacks, beside those that stand for them: meters to the outer side and up.
BESIDE = {
    "eye_inner": (-0.015, 0.0),
    "eye_outer": (0.02, 0.0),
    "mouth": (0.025, -0.05),
    "heel": (0.0, -0.04),
    "small_toe": (0.06, 0.0),
    "index": (0.0, -0.02),
    "pinky": (0.03, 0.02),
    "fingertips": (0.0, -0.05),
}
FINGERS = (0.9, 0.3, 0.05, -0.2, -0.45)  # radians from straight up, from the thumb to the little finger
PHALANGES = np.array([[0.35, 0.55, 0.68, 0.78], *([[0.62, 0.92, 1.1, 1.22]] * 4)])  # meters from the wrist, enlarged


def draw(name: str) -> Figure:
    """The joints as the synthetic body has them, seen from the front; a bone has the color of its outer joint."""
    layout = layouts.get(name)
    body = forward_kinematics(POSE, scales=torch.ones(len(SEGMENTS)))
    points = body[list(body_joints(layout)), :2].numpy()
    for joint, called in enumerate(layout.joints):
        base, _, side = called.rpartition("_")
        outward = 1 if side == "right" else -1
        points[joint] += np.array(BESIDE.get(base, (0.0, 0.0))) * (outward, 1)
    return draw_points(layout, points)


def draw_hand(name: str) -> Figure:
    """A flat right hand, seen from its palm."""
    angles = np.array(FINGERS)[:, None]
    places = np.stack([-PHALANGES * np.sin(angles), PHALANGES * np.cos(angles)], axis=-1)
    return draw_points(layouts.get(name), np.concatenate([np.zeros((1, 2)), places.reshape(-1, 2)]))


def draw_wholebody(name: str) -> Figure:
    """The body from the front, with its face and hands enlarged."""
    layout = layouts.get(name)
    body = layouts.get("coco-wholebody-23")
    points = np.zeros((layout.num_joints, 2))
    points[:23] = forward_kinematics(POSE, scales=torch.ones(len(SEGMENTS)))[list(body_joints(body)), :2].numpy()
    nose, left_wrist, right_wrist = points[0].copy(), points[9].copy(), points[10].copy()
    points[:5] = nose + np.array([(0, 0.05), (-0.06, 0.11), (0.06, 0.11), (-0.2, 0.08), (0.2, 0.08)])
    points[23:91] = nose + face_points()
    angles = np.array(FINGERS)[:, None]
    hand = np.stack([-PHALANGES * np.sin(angles), PHALANGES * np.cos(angles)], axis=-1).reshape(-1, 2) * 0.28
    hand = np.concatenate([np.zeros((1, 2)), hand])
    for first, wrist, outward in ((91, left_wrist, -1), (112, right_wrist, 1)):
        points[first : first + 21] = wrist + (0.03 * outward, -0.03) + hand * (-outward, -1)
    return draw_points(layout, points, numbered=23)


def face_points() -> np.ndarray:
    """68 points in meters from the nose, x to the person's right."""
    jaw = np.linspace(0, np.pi, 17)
    rows = [np.stack([0.19 * np.cos(jaw), 0.07 - 0.24 * np.sin(jaw)], axis=1)]
    brow = np.array([(0.15, 0.15), (0.12, 0.17), (0.09, 0.175), (0.06, 0.17), (0.03, 0.155)])
    rows += [brow, brow[::-1] * (-1, 1), np.array([(0, 0.12), (0, 0.08), (0, 0.04), (0, 0.01)])]
    rows += [np.array([(0.04, -0.01), (0.02, -0.02), (0, -0.025), (-0.02, -0.02), (-0.04, -0.01)])]
    eye = np.array([(0.11, 0.11), (0.09, 0.125), (0.06, 0.125), (0.04, 0.11), (0.06, 0.1), (0.09, 0.1)])
    rows += [eye, eye[[3, 2, 1, 0, 5, 4]] * (-1, 1)]
    for width, height, places in ((0.08, 0.04, 12), (0.055, 0.015, 8)):
        around = np.linspace(0, 2 * np.pi, places, endpoint=False)
        rows.append(np.stack([width * np.cos(around), -0.09 + height * np.sin(around)], axis=1))
    return np.concatenate(rows)


def draw_points(layout: layouts.SkeletonLayout, points: np.ndarray, *, numbered: int | None = None) -> Figure:
    """The skeleton large, by part, and small, by body; ``numbered`` is how many joints have their numbers written."""
    points = points - (points.max(axis=0) + points.min(axis=0)) / 2
    figure = Figure(figsize=(9.0, 5.6))
    for scale, left, width in (("part", 0.0, 0.46), ("body", 0.6, 0.24)):
        panel = figure.add_axes((left, 0.0, width, 1.0))
        panel.set(xlim=(-0.78, 0.78), ylim=(-0.98, 0.98), aspect="equal")
        panel.axis("off")
        groups, colors = groups_of(Look(layout, color_by=scale))
        of_joint = {joint: color for color, joints in zip(colors, groups.values(), strict=True) for joint in joints}
        for a, b in layout.edges:
            outer = b if layout.parents[b] == a else a
            panel.plot(*points[[a, b]].T, color=of_joint[outer], linewidth=2 + 3 * width, zorder=1)
        for joint, point in enumerate(points):
            look = {"marker": "s", "markeredgecolor": "black"} if joint == layout.center else {"marker": "o"}
            panel.plot(*point, color=of_joint[joint], markersize=3 + 10 * width, zorder=2, **look)
        for row, (group, color) in enumerate(zip(groups, colors, strict=True)):
            x, y = left + width + 0.01, 0.5 + 0.06 * (len(groups) / 2 - row)
            figure.text(x, y, group.replace("_", " "), fontsize=9, color=color, weight="bold", va="bottom")
            figure.text(x, y, spans(groups[group]), fontsize=9, color="#333333", va="top")
        if scale == "part":
            places = number_places(points, layout.edges)[:numbered]
            for joint, (point, label) in enumerate(zip(points[:numbered], places, strict=True)):
                panel.plot(*zip(point, label, strict=True), color="#aaaaaa", linewidth=0.6, zorder=0)
                panel.text(*label, str(joint), fontsize=8.5, ha="center", va="center", zorder=3)
    return figure


def spans(joints: list[int]) -> str:
    """Joints as text; many of them as ranges.

    >>> spans([0, 1, 2, 7])
    '0 1 2 7'
    """
    if len(joints) < 15:
        return " ".join(map(str, joints))
    starts = [joint for joint in joints if joint - 1 not in joints]
    ends = [joint for joint in joints if joint + 1 not in joints]
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))


def number_places(points: np.ndarray, edges: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Where to write the numbers: near their joints, pushed away from bones and from each other."""
    along = np.linspace(0, 1, 9)[:, None]
    bones = np.concatenate([points[a] * along + points[b] * (1 - along) for a, b in edges])
    spread = np.random.default_rng(0).normal(scale=0.003, size=points.shape)
    labels = points + spread + 0.025 * np.sign(points)
    for _ in range(300):
        force = 0.1 * (points - labels)
        for others, reach in ((bones, 0.055), (labels, 0.075)):
            away = labels[:, None] - others[None]
            distance = np.linalg.norm(away, axis=-1, keepdims=True)
            near = (distance < reach) & (distance > 0)
            force += np.where(near, away / np.maximum(distance, 1e-6) * (reach - distance) * 0.35, 0).sum(axis=1)
        labels = labels + 0.3 * force
    return labels


def layout_ntu() -> Figure:
    return draw("ntu-rgb+d")


def layout_ntu_anatomical() -> Figure:
    return draw("ntu-rgb+d-anatomical")


def layout_ucla() -> Figure:
    return draw("nw-ucla")


def layout_utd() -> Figure:
    return draw("utd-mhad")


def layout_sbu() -> Figure:
    return draw("sbu")


def layout_hdm05() -> Figure:
    return draw("hdm05")


def layout_openpose() -> Figure:
    return draw("openpose-18")


def layout_coco() -> Figure:
    return draw("coco-17")


def layout_h36m() -> Figure:
    return draw("h36m-17")


def layout_body_25() -> Figure:
    return draw("body-25")


def layout_mediapipe() -> Figure:
    return draw("mediapipe-33")


def layout_halpe() -> Figure:
    return draw("halpe-26")


def layout_azure() -> Figure:
    return draw("azure-kinect-32")


def layout_smpl_22() -> Figure:
    return draw("smpl-22")


def layout_smpl_24() -> Figure:
    return draw("smpl-24")


def layout_jhmdb() -> Figure:
    return draw("jhmdb-15")


def layout_hand() -> Figure:
    return draw_hand("hand-21")


def layout_wholebody() -> Figure:
    return draw_wholebody("coco-wholebody-133")


def layout_wholebody_body() -> Figure:
    return draw("coco-wholebody-23")


def layout_msr() -> Figure:
    return draw("msr-action3d")


if __name__ == "__main__":
    write(
        layout_ntu,
        layout_ntu_anatomical,
        layout_ucla,
        layout_utd,
        layout_sbu,
        layout_hdm05,
        layout_openpose,
        layout_coco,
        layout_h36m,
        layout_body_25,
        layout_mediapipe,
        layout_halpe,
        layout_azure,
        layout_smpl_22,
        layout_smpl_24,
        layout_jhmdb,
        layout_hand,
        layout_wholebody,
        layout_wholebody_body,
        layout_msr,
    )
