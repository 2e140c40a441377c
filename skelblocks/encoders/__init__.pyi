from skelblocks.encoders.barlow_projector import BarlowProjector
from skelblocks.encoders.bigru import BiGRU
from skelblocks.encoders.build import build_encoder
from skelblocks.encoders.dsta import DSTA
from skelblocks.encoders.dsta_block import DSTABlock, decoupled_attention
from skelblocks.encoders.fold_batch_norm import fold_batch_norm
from skelblocks.encoders.graph_convolution import GraphConvolution, graph_convolution
from skelblocks.encoders.initialize import initialize_official
from skelblocks.encoders.pool import Pool, pool
from skelblocks.encoders.positional_encoding import positional_encoding
from skelblocks.encoders.predictor import Predictor
from skelblocks.encoders.projection_head import ProjectionHead
from skelblocks.encoders.readout import READOUTS, ReadoutPool, readout
from skelblocks.encoders.readout_encoder import ReadoutEncoder
from skelblocks.encoders.region_pool import RegionPool, RegionPooled, region_pool, region_to_frames
from skelblocks.encoders.side_by_side import SideBySide
from skelblocks.encoders.st_gcn import STGCN
from skelblocks.encoders.st_gcn_block import STGCNBlock

__all__ = [
    "DSTA",
    "READOUTS",
    "STGCN",
    "BarlowProjector",
    "BiGRU",
    "DSTABlock",
    "GraphConvolution",
    "Pool",
    "Predictor",
    "ProjectionHead",
    "ReadoutEncoder",
    "ReadoutPool",
    "RegionPool",
    "RegionPooled",
    "STGCNBlock",
    "SideBySide",
    "build_encoder",
    "decoupled_attention",
    "fold_batch_norm",
    "graph_convolution",
    "initialize_official",
    "pool",
    "positional_encoding",
    "readout",
    "region_pool",
    "region_to_frames",
]
