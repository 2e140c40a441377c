"""Encoders from clips to feature maps, pooling, projection heads, initialisation."""

from skelblocks.encoders.barlow_projector import BarlowProjector
from skelblocks.encoders.graph_convolution import GraphConvolution, graph_convolution
from skelblocks.encoders.initialize import initialize_official
from skelblocks.encoders.pool import Pool, pool
from skelblocks.encoders.projection_head import ProjectionHead
from skelblocks.encoders.st_gcn import STGCN
from skelblocks.encoders.st_gcn_block import STGCNBlock

__all__ = [
    "STGCN",
    "BarlowProjector",
    "GraphConvolution",
    "Pool",
    "ProjectionHead",
    "STGCNBlock",
    "graph_convolution",
    "initialize_official",
    "pool",
]
