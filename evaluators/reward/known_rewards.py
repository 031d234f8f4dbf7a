"""The rewards that a search starts from: known ones, and those that any signals allow."""

from pathlib import Path

from ..kinds.folder import programs
from .fast import formula
from .logs.signals import SIMULATED, Signals

SEEDS = Path(__file__).with_name("seeds")


def rewards_for(signals: Signals) -> dict[str, str]:
    """The seeds whose predictions all exist, one for each other prediction alone, and their plain sum."""
    names = frozenset(one.name for one in signals.predictions)
    seeds = {name: text for name, text in programs(SEEDS).items() if formula(text, names)}
    for one in signals.predictions:
        if one.name not in seeds and signals is not SIMULATED:
            words = f"{one.words[0].upper()}{one.words[1:]}, alone. A single-objective ranker, as of 2007."
            sign = "" if one.better >= 0 else "-"
            seeds[one.name] = _program(words, f'{sign}signals["{one.name}"]')
    if signals is not SIMULATED and len(names) > 1:
        terms = [
            f'{"-" if one.better < 0 else ""}{1.0 / (one.high - one.low)!r} * signals["{one.name}"]'
            for one in signals.predictions
        ]
        words = "All predictions in units of their ranges, added; equal weights after Dawes 1979."
        seeds["equal_weights"] = _program(words, " + ".join(terms))
    return seeds


def _program(words: str, expression: str) -> str:
    return f'"""{words}"""\n\nWEIGHTS = {{}}\n\n\ndef reward(signals):\n    return {expression}\n'
