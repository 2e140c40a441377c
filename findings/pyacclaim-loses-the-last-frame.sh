#!/usr/bin/env bash
# pyacclaim 0.0.1 returns one frame fewer than an AMC file has.
#
# An AMC file lists its frames one after another, each under its number. `loadAMC` stores a frame when it meets the
# number of the next one, so the last frame is read and thrown away. There is no error and no warning. A clip of motion
# capture comes out one frame short, and labels that are given by frame number lie one frame beyond its end.
#
# Seen: the file has 3 frames, `loadAMC` returns 2, and the last one is the second.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check pyacclaim==0.0.1 numpy==2.4.6

cat > skeleton.asf <<'ASF'
:version 1.10
:name example
:units
  mass 1.0
  length 1.0
  angle deg
:root
  order TX TY TZ RX RY RZ
  axis XYZ
  position 0 0 0
  orientation 0 0 0
:bonedata
  begin
    id 1
    name arm
    direction 1 0 0
    length 2
    axis 0 0 0 XYZ
    dof rz
    limits (-180 180)
  end
:hierarchy
  begin
    root arm
  end
ASF
cat > motion.amc <<'AMC'
:FULLY-SPECIFIED
:DEGREES
1
root 10 0 0 0 0 0
arm 1
2
root 20 0 0 0 0 0
arm 2
3
root 30 0 0 0 0 0
arm 3
AMC
env/bin/python - <<'PYTHON'
import sys

import pyacclaim

skeleton = pyacclaim.loadASF("skeleton.asf", verbose=False)
frames = pyacclaim.loadAMC(skeleton, "motion.amc")
places = [float(frame["root"][0]) for frame in frames]
print(f"pyacclaim 0.0.1: 3 frames in the file, root at 10, 20, 30; returned: {places}")
sys.exit(0 if places == [10.0, 20.0] else 1)
PYTHON
