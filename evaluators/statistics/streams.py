"""Many tests one after the other: levels that keep the share of false discoveries low across a whole run."""

from collections.abc import Sequence

from scipy.special import zeta

_ZETA = float(zeta(1.3))


def lord_level(
    decided: Sequence[bool], number: int, alpha: float = 0.05, wealth: float | None = None
) -> float:
    """The level at which test `number` (from 0) of a run may reject: reject where its p-value is no larger.

    `decided[k]` is whether test k has been rejected *as known when this test starts*: False for one that was
    not, and for one still running. So tests may overlap and end in any order, if each keeps the level it
    started with. Elements from `number` on are not looked at; missing ones count as False. The expected share
    of false among all rejections stays at `alpha` or below, for independent p-values.

    LORD++: Ramdas, Yang, Wainwright and Jordan 2017, https://arxiv.org/abs/1710.00499: w0 g(t) + (alpha - w0)
    g(t - first) + alpha * the sum of g(t - r) over the later rejections r, t counted from 1, with g =
    `gamma`. Only tests that were decided count: Zrnic, Ramdas and Jordan 2021,
    https://arxiv.org/abs/1812.05068; they count time from the decision of a test and we from its start, which
    spends a little less. `wealth` is w0, alpha / 2 by default: more of it makes the first rejection easier
    and what follows it harder. A number below 0, alpha outside (0, 1) or wealth outside (0, alpha]:
    ValueError.
    """
    initial = alpha / 2 if wealth is None else wealth
    if number < 0 or not 0 < alpha < 1 or not 0 < initial <= alpha:
        raise ValueError(
            "number must be 0 or more, alpha in (0, 1) and wealth in (0, alpha],"
            f" got {number}, {alpha} and {initial}"
        )
    rejected = [k for k, each in enumerate(decided[:number]) if each]
    level = initial * gamma(number + 1)
    if rejected:
        level -= initial * gamma(number - rejected[0])
    return level + alpha * sum(gamma(number - k) for k in rejected)


def gamma(j: int) -> float:
    """The share of wealth that the j-th test (from 1) after it was earned may spend: j^-1.3 over zeta(1.3).

    It falls with j and sums to 1, which is all that the guarantee asks. The sequence of Javanmard and
    Montanari 2018, https://arxiv.org/abs/1603.09000, equation 31, is made for streams without end: in 200
    tests it spends 24 % of what there is, this one 83 %.
    """
    return float(j**-1.3 / _ZETA)
