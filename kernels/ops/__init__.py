"""Interaction operators for models: functions and modules that run our Triton programs on a GPU, else
PyTorch."""

from .cross import CrossLayer, GatedCross, LowRankCrossLayer, dcn_v2_cross, dcn_v2_cross_low_rank, gated_cross
from .embedding_bag_dot import EmbeddingBagDot, embedding_bag_dot
from .fields import FactorizationMachine, PairwiseDot, fm_second_order, pairwise_dot

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
