"""Building blocks of contrastive, self-supervised skeleton-based action recognition.

Each block is a pure function, a thin module that calls it, or both. The subpackages, in the order in which a clip
passes through them: layouts, data, augment, streams, encoders, attention, distributed, contrast, losses, evaluation,
viz, interop.
"""

from skelblocks._utils.lazy import attach

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = attach(
    __name__,
    __file__,
    deprecated={
        "barlow_twins_loss": "skelblocks.losses.barlow_twins_loss",
        "bootstrap_interval": "skelblocks.evaluation.bootstrap_interval",
        "cached_features": "skelblocks.evaluation.cached_features",
        "central_spatial_mask": "skelblocks.augment.central_spatial_mask",
        "channel_mask": "skelblocks.augment.channel_mask",
        "classification_report": "skelblocks.evaluation.classification_report",
        "cosine_momentum": "skelblocks.contrast.cosine_momentum",
        "cross_momentum_contrast": "skelblocks.losses.cross_momentum_contrast",
        "cross_view_mining": "skelblocks.losses.cross_view_mining",
        "d3m_loss_from_embeddings": "skelblocks.losses.d3m_loss_from_embeddings",
        "eadm": "skelblocks.attention.eadm",
        "energy_attention": "skelblocks.attention.energy_attention",
        "fill_joints": "skelblocks.augment.fill_joints",
        "fuse_scores": "skelblocks.evaluation.fuse_scores",
        "gaussian_blur": "skelblocks.augment.gaussian_blur",
        "gaussian_noise": "skelblocks.augment.gaussian_noise",
        "graph_convolution": "skelblocks.encoders.graph_convolution",
        "hierarchical_d3m_loss": "skelblocks.losses.hierarchical_d3m_loss",
        "info_nce_from_embeddings": "skelblocks.losses.info_nce_from_embeddings",
        "initialize_official": "skelblocks.encoders.initialize_official",
        "joint_mask": "skelblocks.augment.joint_mask",
        "knn_predict": "skelblocks.evaluation.knn_predict",
        "labelled_draw": "skelblocks.evaluation.labeled_draw",
        "model_cost": "skelblocks.evaluation.model_cost",
        "motion_attention": "skelblocks.attention.motion_attention",
        "motion_difference": "skelblocks.attention.motion_difference",
        "motion_temporal_mask": "skelblocks.augment.motion_temporal_mask",
        "nearest_neighbor_loss": "skelblocks.losses.nearest_neighbor_loss",
        "nearest_neighbor_mask": "skelblocks.losses.nearest_neighbor_mask",
        "nearest_neighbor_mining": "skelblocks.losses.nearest_neighbor_mining",
        "nearest_neighbors": "skelblocks.evaluation.nearest_neighbors",
        "noise_joints": "skelblocks.augment.noise_joints",
        "region_contrast": "skelblocks.losses.region_contrast",
        "region_pool": "skelblocks.encoders.region_pool",
        "region_swap": "skelblocks.augment.region_swap",
        "rotation": "skelblocks.augment.rotation",
        "salient_contrast": "skelblocks.losses.salient_contrast",
        "shear": "skelblocks.augment.shear",
        "soft_mask_pool": "skelblocks.attention.soft_mask_pool",
        "spatial_flip": "skelblocks.augment.spatial_flip",
        "temporal_crop": "skelblocks.augment.temporal_crop",
        "temporal_flip": "skelblocks.augment.temporal_flip",
        "to_official": "skelblocks.interop.to_official",
    },
)
