"""The picture of the decision shows every program that was compared, and no other."""

from typing import Any
from xml.etree import ElementTree

import pytest

from recevolve.engine.report.decision_plot import svg

ID, OTHER = "0123456789abcdef", "fedcba9876543210"
COPY, REFUSED = "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"


def gain(estimate: float) -> dict[str, float]:
    return {"estimate": estimate, "low": estimate - 0.001, "high": estimate + 0.001, "confidence": 0.975}


def report() -> dict[str, Any]:
    arms = [
        {"program": ID, "name": "winner", "metrics": {"log_loss": {"mean": 0.5, "gain": gain(0.004)}}},
        {"program": "p", "name": "adagrad", "metrics": {"log_loss": {"mean": 0.51, "gain": gain(0.0)}}},
        {
            "program": "f",
            "name": "ftrl_proximal",
            "metrics": {"log_loss": {"mean": 0.5, "gain": gain(0.003)}},
        },
        {"program": "b", "name": "lion", "failed": "diverged"},
    ]
    race = [
        {"program": "p", "name": "adagrad", "gain": None, "out": ""},
        {"program": "s", "name": "sgd_momentum", "gain": gain(-0.01), "out": ""},
        {"program": COPY, "name": COPY, "gain": gain(-0.001), "out": ""},
        {"program": REFUSED, "name": REFUSED, "gain": gain(-0.001), "out": "step_time_ratio is 9"},
        {"program": OTHER, "name": OTHER, "gain": gain(-0.002), "out": ""},
    ]
    decision = {"line": "launch 01234567: log loss better than adagrad by 0.0040"}
    return {
        "decision": decision, "metrics": ["log_loss"], "production": "adagrad", "race": race, "arms": arms,
        "winner": {"program": ID, "equal": {COPY: "equals adagrad at lr 0.1"}},
    }  # fmt: skip


def words(picture: str) -> list[str]:
    return [text for each in ElementTree.fromstring(picture).iter() if (text := (each.text or "").strip())]


def test_every_program_has_a_row_the_best_first() -> None:
    found = words(svg(report()))
    rows = [word for word in found if word in ("evolved 01234567", "ftrl_proximal", "sgd_momentum", "lion")]
    assert rows == ["evolved 01234567", "ftrl_proximal", "sgd_momentum"]
    assert any(word.startswith("launch 01234567") for word in found)
    assert not any(OTHER[:8] in word for word in found)
    assert any("over adagrad, in production" in word for word in found)


def test_where_nothing_evolved_gained_the_best_of_the_race_is_drawn() -> None:
    lost = report()
    lost["arms"] = [row for row in lost["arms"] if row["program"] != ID]
    lost["winner"]["program"] = "p"
    rows = [word for word in words(svg(lost)) if word.startswith("evolved")]
    assert rows == [f"evolved {OTHER[:8]}"], "neither a refused program nor a copy"


def test_equal_reports_give_equal_bytes() -> None:
    assert svg(report()) == svg(report())


@pytest.mark.parametrize("left", [{}, {"race": []}])
def test_a_report_without_a_race_is_drawn_too(left: dict[str, Any]) -> None:
    old = {name: value for name, value in report().items() if name != "race"} | left
    assert "evolved 01234567" in words(svg(old))
