from skelblocks.viz.animate_clip import animate_clip
from skelblocks.viz.animate_neighbors import animate_neighbors
from skelblocks.viz.attention_map import attention_map
from skelblocks.viz.augmentation_strips import augmentation_strips
from skelblocks.viz.class_accuracy import class_accuracy
from skelblocks.viz.clip_attention import clip_attention
from skelblocks.viz.clip_strip import clip_strip
from skelblocks.viz.confusion_matrix import confusion_matrix
from skelblocks.viz.curves import curves
from skelblocks.viz.draw_skeleton import draw_skeleton
from skelblocks.viz.embedding_scatter import embedding_scatter
from skelblocks.viz.occlusion_map import occlusion_map

__all__ = [
    "animate_clip",
    "animate_neighbors",
    "attention_map",
    "augmentation_strips",
    "class_accuracy",
    "clip_attention",
    "clip_strip",
    "confusion_matrix",
    "curves",
    "draw_skeleton",
    "embedding_scatter",
    "occlusion_map",
]
