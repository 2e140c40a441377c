"""The layouts that come with the library.

Joint orders are the data sets' own, counted from 0. For layouts other than NTU RGB+D no paper gives partitions: they
are ours, along the same limbs.
"""

from __future__ import annotations

from collections.abc import Mapping

from skelblocks.layouts.keypoint_layouts import BODY_25, COCO, HALPE, HAND, JHMDB, MEDIAPIPE, OPENPOSE
from skelblocks.layouts.kinect_layouts import AZURE, NTU, NTU_ANATOMICAL, SBU, UCLA, UTD
from skelblocks.layouts.mocap_layouts import H36M, HDM05, SMPL_22, SMPL_24

CATALOGUE = (
    *(NTU, NTU_ANATOMICAL, UCLA, UTD, SBU, HDM05, OPENPOSE, COCO, H36M),
    *(BODY_25, MEDIAPIPE, HALPE, HAND, AZURE, SMPL_22, SMPL_24, JHMDB),
)
# Other data sets with a skeleton of the catalogue: HumanML3D's joints are SMPL's, HDM05's those of CMU's recordings.
ALIASES: Mapping[str, str] = {"humanml3d-22": SMPL_22.name, "cmu-31": HDM05.name}
