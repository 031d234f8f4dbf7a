"""Whose turn it is, which rounds count, and what differences mean, on a device whose clock is made up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from recevolve.kernels.timing.clock import Round, Sensors, compare, paired, spread, steady, verdict


@dataclass
class Scripted:
    """A device on which every sample is what a function of (contender, number of the call) says."""

    time: Callable[[str, int], float]
    mhz: Callable[[int], float | None] = lambda index: 1700.0
    asked: list[str] = field(default_factory=list)
    read: int = 0

    def seconds(self, contender: str) -> Sequence[float]:
        self.asked.append(contender)
        return [self.time(contender, len(self.asked))] * 4

    def sensors(self) -> Sensors:
        self.read += 1
        return Sensors(self.mhz(self.read - 1), 500.0)


SETTLING = 5
"""Rounds that are run before the first that counts."""


def plain(contender: str, call: int) -> float:
    return {"ours": 1e-5, "eager": 2e-5, "copy": 1.01e-5}[contender]


def test_turns_go_there_and_back() -> None:
    device = Scripted(plain)
    compare(device, ["ours", "eager", "copy"], seed=0, rounds=2)
    assert device.asked == ["ours", "eager", "copy", "copy", "eager", "ours"] * (SETTLING + 2)


def test_a_clock_that_drifts_evenly_favours_nobody() -> None:
    """Each call takes longer than the one before. A A B B would see a difference, A B B A sees none."""
    device = Scripted(lambda contender, call: 1e-5 * (1 + call / 100))
    session = compare(device, ["ours", "eager"], seed=0)
    assert session.ratios["eager"].ratio == pytest.approx(1.0, abs=1e-12)


def test_twice_as_fast_is_a_ratio_of_two() -> None:
    rng = np.random.default_rng(0)
    device = Scripted(lambda contender, call: plain(contender, call) * float(rng.lognormal(0, 0.02)))
    session = compare(device, ["ours", "eager", "copy"], seed=0)
    eager, copy = session.ratios["eager"], session.ratios["copy"]
    assert eager.low < 2.0 < eager.high
    assert (eager.verdict, copy.verdict) == ("faster", "tie")
    assert session.seconds["ours"].low < session.seconds["ours"].median < session.seconds["ours"].high
    assert session.seconds["ours"].rounds == 30
    assert session.steady


@pytest.mark.parametrize(
    ("ratio", "low", "high", "expected"),
    [
        (1.029, 1.02, 1.035, "tie"),
        (1.04, 0.99, 1.09, "tie"),
        (1.04, 1.03, 1.05, "faster"),
        (0.96, 0.95, 0.97, "slower"),
        (0.975, 0.97, 0.98, "tie"),
    ],
)
def test_less_than_three_percent_is_a_tie(ratio: float, low: float, high: float, expected: str) -> None:
    assert verdict(ratio, low, high) == expected


def test_rounds_after_a_drop_of_the_clock_are_run_again() -> None:
    device = Scripted(plain, mhz=lambda index: 1600.0 if index % 3 == 0 else 1700.0)
    session = compare(device, ["ours", "eager"], seed=0, rounds=10)
    assert session.discarded > 0
    assert session.seconds["ours"].rounds == 10
    assert session.sm_mhz == (1700.0, 1700.0)


def test_what_a_clock_does_before_it_settles_is_forgotten() -> None:
    device = Scripted(plain, mhz=lambda index: 1980.0 if index < SETTLING else 1700.0)
    session = compare(device, ["ours", "eager"], seed=0, rounds=10)
    assert (session.discarded, session.sm_mhz) == (0, (1700.0, 1700.0))


def test_a_device_that_never_settles_is_said_to_be_unsteady() -> None:
    device = Scripted(plain, mhz=lambda index: 1700.0 if index == SETTLING else 1400.0)
    session = compare(device, ["ours", "eager"], seed=0, rounds=10)
    assert not session.steady
    assert (session.seconds["ours"].rounds, session.discarded, device.read) == (1, 29, SETTLING + 30)


def test_without_a_sensor_every_round_counts() -> None:
    rounds = [Round({"ours": 1.0}, Sensors())] * 3
    assert steady(rounds) == rounds


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        ours = rng.lognormal(0, 0.03, 30)
        eager = 1.1 * rng.lognormal(0, 0.03, 30)
        found = paired(ours, eager, np.random.default_rng(0))
        covered += found.low <= 1.1 <= found.high
    assert 180 <= covered <= 199


def test_the_same_seed_gives_the_same_interval() -> None:
    noise = np.random.default_rng(0).lognormal(0, 0.1, (2, 30))
    one, two, other = (paired(*noise, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert one == two
    assert one != other


def test_no_round_is_no_number() -> None:
    with pytest.raises(ValueError, match="no round"):
        spread(np.array([]))
