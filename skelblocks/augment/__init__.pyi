from skelblocks.augment import recipes
from skelblocks.augment.actionlet_mix import actionlet_mix
from skelblocks.augment.base import RandomTransform
from skelblocks.augment.bone_lengths import BoneLengthsParams, RandomBoneLengths, bone_lengths
from skelblocks.augment.central_spatial_mask import (
    CentralSpatialMask,
    CentralSpatialMaskParams,
    central_spatial_mask,
    central_spatial_mask_multiset,
    joint_degrees,
)
from skelblocks.augment.channel_mask import ChannelMaskParams, RandomChannelMask, channel_mask
from skelblocks.augment.compose import Compose
from skelblocks.augment.estimator_noise import EstimatorNoise, EstimatorNoiseParams
from skelblocks.augment.fill_unseen import fill_unseen
from skelblocks.augment.gaussian_blur import GaussianBlurParams, RandomGaussianBlur, gaussian_blur
from skelblocks.augment.gaussian_noise import GaussianNoiseParams, RandomGaussianNoise, gaussian_noise
from skelblocks.augment.joint_mask import JointMaskParams, RandomJointMask, joint_mask
from skelblocks.augment.layout_views import LayoutViews, LayoutViewsParams, layout_round_trip, layout_views
from skelblocks.augment.learnable_joint_mask import LearnableJointMask, LearnableJointMaskParams, fill_joints
from skelblocks.augment.motion_temporal_mask import (
    MotionTemporalMask,
    MotionTemporalMaskParams,
    frame_motion,
    motion_temporal_mask,
)
from skelblocks.augment.noise_joints import NoiseJointsParams, RandomNoiseJoints, noise_joints
from skelblocks.augment.random_camera import CameraParams, RandomCamera, project
from skelblocks.augment.region_swap import Mixed, RandomRegionSwap, RegionSwapParams, region_swap
from skelblocks.augment.relative_tempo import RelativeTempo, RelativeTempoParams, TempoViews, relative_tempo
from skelblocks.augment.rotation import RandomRotation, RotationParams, rotation
from skelblocks.augment.scale import RandomScale, ScaleParams, scale
from skelblocks.augment.shear import RandomShear, ShearParams, shear
from skelblocks.augment.skeleton_mix import RandomSkeletonMix, SkeletonMixed, SkeletonMixParams
from skelblocks.augment.spatial_flip import RandomSpatialFlip, SpatialFlipParams, spatial_flip
from skelblocks.augment.spatio_temporal_occlusion import (
    SpatioTemporalOcclusion,
    SpatioTemporalOcclusionParams,
    occlude,
    occluded_joints,
    occlusion_units,
)
from skelblocks.augment.tempo import RandomTempo, TempoParams, tempo
from skelblocks.augment.temporal_crop import RandomTemporalCrop, TemporalCropParams, temporal_crop
from skelblocks.augment.temporal_flip import RandomTemporalFlip, TemporalFlipParams, temporal_flip

__all__ = [
    "BoneLengthsParams",
    "CameraParams",
    "CentralSpatialMask",
    "CentralSpatialMaskParams",
    "ChannelMaskParams",
    "Compose",
    "EstimatorNoise",
    "EstimatorNoiseParams",
    "GaussianBlurParams",
    "GaussianNoiseParams",
    "JointMaskParams",
    "LayoutViews",
    "LayoutViewsParams",
    "LearnableJointMask",
    "LearnableJointMaskParams",
    "Mixed",
    "MotionTemporalMask",
    "MotionTemporalMaskParams",
    "NoiseJointsParams",
    "RandomBoneLengths",
    "RandomCamera",
    "RandomChannelMask",
    "RandomGaussianBlur",
    "RandomGaussianNoise",
    "RandomJointMask",
    "RandomNoiseJoints",
    "RandomRegionSwap",
    "RandomRotation",
    "RandomScale",
    "RandomShear",
    "RandomSkeletonMix",
    "RandomSpatialFlip",
    "RandomTempo",
    "RandomTemporalCrop",
    "RandomTemporalFlip",
    "RandomTransform",
    "RegionSwapParams",
    "RelativeTempo",
    "RelativeTempoParams",
    "RotationParams",
    "ScaleParams",
    "ShearParams",
    "SkeletonMixParams",
    "SkeletonMixed",
    "SpatialFlipParams",
    "SpatioTemporalOcclusion",
    "SpatioTemporalOcclusionParams",
    "TempoParams",
    "TempoViews",
    "TemporalCropParams",
    "TemporalFlipParams",
    "actionlet_mix",
    "bone_lengths",
    "central_spatial_mask",
    "central_spatial_mask_multiset",
    "channel_mask",
    "fill_joints",
    "fill_unseen",
    "frame_motion",
    "gaussian_blur",
    "gaussian_noise",
    "joint_degrees",
    "joint_mask",
    "layout_round_trip",
    "layout_views",
    "motion_temporal_mask",
    "noise_joints",
    "occlude",
    "occluded_joints",
    "occlusion_units",
    "project",
    "recipes",
    "region_swap",
    "relative_tempo",
    "rotation",
    "scale",
    "shear",
    "spatial_flip",
    "tempo",
    "temporal_crop",
    "temporal_flip",
]
