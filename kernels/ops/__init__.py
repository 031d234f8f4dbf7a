"""Interaction operators for models: functions and modules that run our Triton programs on a GPU, else
PyTorch."""

from .dcn_v2_cross import CrossLayer, dcn_v2_cross
from .dcn_v2_cross_low_rank import LowRankCrossLayer, dcn_v2_cross_low_rank
from .embedding_bag_dot import EmbeddingBagDot, embedding_bag_dot
from .fm_second_order import FactorizationMachine, fm_second_order
from .gated_cross import GatedCross, gated_cross
from .pairwise_dot import PairwiseDot, pairwise_dot

__all__ = [
    "CrossLayer",
    "EmbeddingBagDot",
    "FactorizationMachine",
    "GatedCross",
    "LowRankCrossLayer",
    "PairwiseDot",
    "dcn_v2_cross",
    "dcn_v2_cross_low_rank",
    "embedding_bag_dot",
    "fm_second_order",
    "gated_cross",
    "pairwise_dot",
]
