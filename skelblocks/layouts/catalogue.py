"""The layouts that come with the library.

Joints have the order of the data sets, counted from 0. Only for NTU RGB+D does a paper define partitions. The
partitions of the other layouts follow the same limbs.
"""

from __future__ import annotations

from collections.abc import Mapping

from skelblocks.layouts.keypoint_layouts import BODY_25, COCO, HALPE, HAND, JHMDB, MEDIAPIPE, OPENPOSE
from skelblocks.layouts.kinect_layouts import AZURE, MSR, NTU, NTU_ANATOMICAL, SBU, UCLA, UTD
from skelblocks.layouts.mocap_layouts import H36M, HDM05, SMPL_22, SMPL_24
from skelblocks.layouts.wholebody_layouts import WHOLEBODY, WHOLEBODY_BODY

CATALOGUE = (
    *(NTU, NTU_ANATOMICAL, UCLA, UTD, SBU, HDM05, OPENPOSE, COCO, H36M),
    *(BODY_25, MEDIAPIPE, HALPE, HAND, AZURE, SMPL_22, SMPL_24, JHMDB),
    *(WHOLEBODY, WHOLEBODY_BODY, MSR),
)
# Other data sets with a skeleton of the catalogue: HumanML3D has the joints of SMPL, CMU's recordings have the joints
# of HDM05, and UTKinect has the joints of NW-UCLA, in the order of the Kinect SDK.
ALIASES: Mapping[str, str] = {"humanml3d-22": SMPL_22.name, "cmu-31": HDM05.name, "utkinect": UCLA.name}
