"""What a person reads in 80 to 100 columns: names and intervals whole, nothing wider than the page."""

import io
from typing import Any

import pytest
from rich.console import Console, RenderableType

from recevolve.engine.report import alignment_table, measurements, programs, proposer_stats, report

WIDTH = 100
PROGRAM = "a5403d077f7d1c80"
LONG = (
    "replaced `signals['watch']` by `numpy.power(signals['watch'] - 0.0, WEIGHTS['power'])` in reward; " * 4
)
GAIN = {"estimate": -0.1795, "low": -0.1827, "high": -0.1764, "confidence": 0.95}


def text_of(what: RenderableType, width: int = WIDTH) -> str:
    """What a console of this width prints."""
    screen = io.StringIO()
    Console(file=screen, width=width).print(what)
    return screen.getvalue()


def arm(name: str, **changes: Any) -> dict[str, Any]:
    """An arm of a claim."""
    metrics = {
        "late_active_days": {"mean": 16.1325, "gain": GAIN},
        "watch_per_session": {"mean": 98.9067, "gain": {**GAIN, "estimate": 31.7321, "high": 32.9725}},
        "click_rate": {"mean": 0.2495, "gain": GAIN},
    }
    guard = {"hate_ratio": 0.19}
    return {
        "program": PROGRAM,
        "name": name,
        "guardrails_broken": [],
        "guard": guard,
        "metrics": metrics,
        **changes,
    }


REPORT: dict[str, Any] = {
    "arms": [
        arm("winner"),
        arm("satisfaction_gated", program="c1"),
        arm(
            "multiplicative", program="c2", guardrails_broken=["hate_ratio is 1.26, more than the 1 allowed"]
        ),
        {**arm("broken", program="c3", failed="its answer is not finite"), "metrics": None},
    ],
    "metrics": ["late_active_days", "watch_per_session", "click_rate"],
    "production": "satisfaction_gated",
    "winner": {"program": PROGRAM, "finalists": 6},
    "timings": {"seconds": 92.0, "evaluating_share": 0.84, "arms": {}},
    "trials": 98,
    "reason": "generations: 6 done",
    "data": "simulated clickbait: 95,735 slates of 8",
    "tier": 1,
    "confidence": 0.95,
    "fallback": False,
    "gain": {"sentence": "No gain beyond noise over satisfaction_gated", "beyond_noise": False},
}
REPORT["arms"][3].pop("metrics")
RACED: dict[str, Any] = {
    "name": PROGRAM,
    "folds": 10,
    "gain": GAIN,
    "out": "late_active_days is worse than production's beyond noise: -0.1795",
    "behind": False,
}
ELITE: dict[str, Any] = {
    "program": PROGRAM,
    "north_star": -0.61468,
    "north_star_error": 0.00429,
    "north_star_folds": 2,
    "live": None,
    "live_error": None,
    "estimated": True,
    "measured": None,
    "proxy": -1.38948,
    "islands": [0, 1, 2, 3],
    "made_by": "syntax",
    "explanation": LONG,
    "winner": True,
}
EXPERIMENT: dict[str, Any] = {
    "experiment": "12-a5403d07",
    "program": PROGRAM,
    "state": "rolled_back",
    "outcome": "futile",
    "effect": -0.1795,
    "low": -0.1827,
    "high": -0.1764,
    "level": 0.00636,
    "looks": 12,
    "reason": "guardrail hate: changed by -0.1 [-0.1411, -0.05889] from 1,000 units where positive is better",
}
ANCESTOR: dict[str, Any] = {
    "program": PROGRAM,
    "island": 3,
    "generation": 100,
    "verdict": {"score": [0.04273], "status": "scored"},
    "parents": ["8fcd71dfb4932730", "435c64a5ae62d718"],
    "explanation": LONG,
    "made_by": "syntax",
}
ACCOUNT: dict[str, Any] = {
    "proposer": "openrouter/anthropic/claude-haiku-4-5 crossover",
    "asked": 1_000,
    "outcomes": {"near": 10, "unusable": 20, "unavailable": 30},
    "candidates": 940,
    "gains": 100,
    "spend": {"dollars": 1.25, "tokens_in": 1_000_000, "tokens_out": 100_000},
    "dollars_per_gain": 0.0125,
    "next_share": 0.25,
}
POINT: dict[str, Any] = {
    "program": PROGRAM,
    "generation": 100,
    "audited": False,
    "source": "selection",
    "proxy": GAIN,
    "used": GAIN,
    "north_star": GAIN,
    "false_promotion": "worse beyond noise",
    "missed_winner": "",
}
GAP: dict[str, Any] = {
    "sentence": "1 elite",
    "elites": [POINT],
    "taught": None,
    "by_generation": [],
    "cumulative": [],
    "false_promotions": [POINT],
    "missed_winners": [],
    "audited": 0,
    "rounds": [],
}
MEASURED: dict[str, Any] = {
    "program": PROGRAM,
    "verdict": "right",
    "reason": "",
    "roofline_share": 0.791,
    "seconds": 30e-6,
    "estimated_share": 0.74,
    "baseline": "torch.compile",
    "ratio": 1.25,
    "low": 1.21,
    "high": 1.29,
    "device": "NVIDIA H100 80GB HBM3",
    "taken": "2026-11-30T12:00:00Z",
}
INTERVAL = "[-0.1827, -0.1764]"
TABLES: dict[str, tuple[RenderableType, list[str]]] = {
    "report": (
        report.rendered(REPORT),
        [f"winner {PROGRAM}", "16.1325 -0.1795 [-0.1827, -0.1764]", "98.9067 +31.7321 [-0.1827, +32.9725]"],
    ),
    "race": (report.rendered({**REPORT, "race": [RACED]}), [f" {PROGRAM} ", f"-0.1795 {INTERVAL}"]),
    "top": (report.top_table([ELITE] * 2), [f"{PROGRAM} winner", "-0.61468 ± 0.00429"]),
    "experiments": (report.experiments_table([EXPERIMENT]), ["12-a5403d07", INTERVAL, "rolled_back futile"]),
    "lineage": (programs.lineage_table([ANCESTOR]), [PROGRAM, "3, 100", "8fcd71df"]),
    "proposers": (proposer_stats.accounts_table([ACCOUNT]), ["1,100,000", "0.0125", "25%"]),
    "alignment": (alignment_table.tables(GAP), [PROGRAM, f"-0.1795 {INTERVAL}"]),
    "measured": (measurements.table([MEASURED]), [PROGRAM, "79.1%", "1.25 [1.21, 1.29]"]),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_fits_the_page_with_its_names_and_intervals_whole(name: str) -> None:
    table, whole = TABLES[name]
    shown = text_of(table)
    assert max(map(len, shown.splitlines())) <= WIDTH
    assert all(words in shown for words in whole), shown


def test_the_report_says_of_each_arm_what_its_guardrails_say() -> None:
    shown = " ".join(text_of(report.rendered(REPORT)).split())
    for words in (
        "winner: hate_ratio 0.19",
        "satisfaction_gated: hate_ratio 0.19",
        "multiplicative: hate_ratio is 1.26, more than the 1 allowed",
        "broken: its answer is not finite",
    ):
        assert words in shown
    assert "multiplicative: hate_ratio 0.19" not in shown


@pytest.mark.parametrize(
    ("error", "folds", "told"),
    [(None, 1, "-0.61468 (1 fold)"), (0.5, 3, "± 0.50000 (3 folds)"), (0.5, 4, "± 0.50000,")],
)
def test_few_folds_are_counted_and_no_error_is_made_up(error: float | None, folds: int, told: str) -> None:
    row = {**ELITE, "north_star_error": error, "north_star_folds": folds, "live": 0.25, "live_error": None}
    shown = " ".join(text_of(report.top_table([row]), 200).split())
    assert told in shown
    assert "live +0.25 " in shown
    assert ("fold" in shown) == (folds <= 3)


def test_an_effect_without_an_interval_says_why() -> None:
    edit = {"edit": "a -> b", "effect": 0.25, "low": None, "high": None, "removed": False, "reason": ""}
    chosen = {**REPORT["winner"], "measured_by": "proxy", "ancestor": "c1"}
    shown = text_of(report.rendered({**REPORT, "winner": chosen, "edits": [edit]}))
    assert "+0.25000 (no interval: one measurement): a -> b" in shown
    assert alignment_table.words({**GAIN, "low": None}) == "-0.1795 (no interval: one measurement)"


def test_a_run_with_nothing_in_it_says_so() -> None:
    assert "no generation is committed" in text_of(report.top_table([]))
    assert "no elite has a north star" in text_of(alignment_table.tables({**GAP, "elites": []}))


def test_a_source_is_printed_in_lines_as_long_as_they_are() -> None:
    line = f"+    return {' + '.join(['signals[1]'] * 20)}"
    screen = io.StringIO()
    Console(file=screen, width=WIDTH).print(programs.diff_text([line, "-    return 0"]), crop=False)
    assert screen.getvalue() == f"{line}\n-    return 0\n"
