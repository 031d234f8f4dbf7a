"""What online-fdr, ville and sb-obp answer: JSON questions come in, JSON answers go out.

Run by tests/oracles/test_oracles.py with the folder that `make oracles` filled on its path, never imported.
"""

import json
import sys
from typing import Any

import numpy as np


def levels(p_values: list[float], alpha: float, wealth: float) -> dict[str, Any]:
    """The level and decision of each test of a stream, by LORD++."""
    from online_fdr.core.utils.sequence import DefaultSaffronGammaSequence
    from online_fdr.p_values import LordPlusPlus
    from scipy.special import zeta

    method = LordPlusPlus(alpha=alpha, wealth=wealth)
    # Its way of sharing out wealth is for endless streams; ours is a power of another of its methods.
    method.seq = DefaultSaffronGammaSequence(gamma_exp=1.3, c=1 / float(zeta(1.3)))
    decisions, each = [], []
    for p in p_values:
        decisions.append(bool(method.test_one(p)))
        each.append(float(method.alpha))
    return {"levels": each, "rejected": decisions}


def sequence(values: list[float], alpha: float, tuned_at: int) -> dict[str, Any]:
    """The ends of an asymptotic confidence sequence after each value; infinite ones as null."""
    from ville import AsymptoticCS

    found = AsymptoticCS(alpha=alpha, t_opt=tuned_at).fit(values)
    ends = zip(found.lower_, found.upper_, strict=True)
    return {"ends": [[float(a), float(b)] if np.isfinite(a) else None for a, b in ends]}


def values(
    rewards: list[float],
    actions: list[int],
    logged: list[float],
    target: list[list[float]],
    model: list[list[float]],
) -> dict[str, Any]:
    """Off-policy values of a policy over a few actions."""
    from obp.ope import DoublyRobust, SelfNormalizedInverseProbabilityWeighting

    log = {
        "reward": np.array(rewards),
        "action": np.array(actions),
        "pscore": np.array(logged),
        "action_dist": np.array(target)[:, :, None],
        "position": np.zeros(len(actions), dtype=int),
    }
    predictions = np.array(model)[:, :, None]
    return {
        "snips": float(SelfNormalizedInverseProbabilityWeighting().estimate_policy_value(**log)),
        "dr": float(DoublyRobust().estimate_policy_value(**log, estimated_rewards_by_reg_model=predictions)),
    }


ANSWERS = {"levels": levels, "sequence": sequence, "values": values}

if __name__ == "__main__":
    json.dump([ANSWERS[name](**question) for name, question in json.load(sys.stdin)], sys.stdout)
