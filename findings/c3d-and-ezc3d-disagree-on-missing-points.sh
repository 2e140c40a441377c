#!/usr/bin/env bash
# The two C3D readers of Python give different coordinates for a point that was not seen.
#
# C3D marks a point that was not seen by a residual of -1. For such a point c3d 0.6.0 returns the coordinates (0, 0, 0),
# which is a real place beside the origin of the room, and ezc3d 1.7.2 returns NaN. Code that tests one reader's sign of
# a missing point and then moves to the other treats missing points as measured ones, or drops nothing. c3d's writer
# also replaces the coordinates that it is given for such a point, so they cannot be had back.
#
# Seen: a point is written as (7, 8, 9) with residual -1. c3d reads (0, 0, 0, residual -1); ezc3d reads (NaN, NaN, NaN),
# residual -1.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check c3d==0.6.0 ezc3d==1.7.2 numpy==2.4.6

env/bin/python -W ignore - <<'PYTHON'
import sys

import c3d
import ezc3d
import numpy as np

points = np.array([[100, 200, 300, 0, 0], [7, 8, 9, -1, 0]], dtype=np.float32)  # x, y, z, residual, cameras
writer = c3d.Writer(point_rate=30, analog_rate=30)
writer.add_frames([(points, np.zeros((0, 1))) for _ in range(3)])
with open("two_points.c3d", "wb") as file:
    writer.write(file)

with open("two_points.c3d", "rb") as file:
    _, by_c3d, _ = next(iter(c3d.Reader(file).read_frames()))
data = ezc3d.c3d("two_points.c3d")["data"]
by_ezc3d, residual = data["points"][:3, 1, 0], data["meta_points"]["residuals"][0, 1, 0]
print("c3d 0.6.0:  ", by_c3d[1, :3].tolist(), "residual", by_c3d[1, 3])
print("ezc3d 1.7.2:", by_ezc3d.tolist(), "residual", residual)
same_seen_point = np.allclose(by_c3d[0, :3], data["points"][:3, 0, 0])
as_seen = (by_c3d[1, :4] == [0, 0, 0, -1]).all() and np.isnan(by_ezc3d).all() and residual == -1
sys.exit(0 if same_seen_point and as_seen else 1)
PYTHON
