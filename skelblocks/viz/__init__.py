"""Pictures (extra ``viz``): skeletons, embeddings, attention maps, curves, each as a matplotlib figure."""

from skelblocks.viz.attention_map import attention_map
from skelblocks.viz.curves import curves
from skelblocks.viz.draw_skeleton import draw_skeleton
from skelblocks.viz.embedding_scatter import embedding_scatter

__all__ = ["attention_map", "curves", "draw_skeleton", "embedding_scatter"]
