"""The task of a config: adapted to its signals, and what is wrong is told before any work."""

from pathlib import Path

import pytest

from recevolve.engine.config.config import ConfigError, parse, read
from recevolve.engine.config.task import task_for
from recevolve.engine.loop.executor import LocalExecutor

SIGNALS = """
[[signal]]
name = "buy"
role = "prediction"
unit = "probability"
low = 0
high = 1
words = "predicted chance of a purchase"
better = 1

[[signal]]
name = "bought"
role = "outcome"
unit = "flag"
low = 0
high = 1
words = "whether it was bought"
better = 1
"""


def config(**settings: object) -> object:
    return parse(
        {"kind": "reward", "run_dir": "x", "data": {"source": "simulated"}, "reward": dict(settings)}
    )


def test_a_kind_without_signals_is_what_it_was() -> None:
    plain = parse({"kind": "optimizer", "run_dir": "x"})
    assert task_for(plain).kind == "optimizer"


def test_own_signals_change_contract_rules_seeds_and_words(tmp_path: Path) -> None:
    path = tmp_path / "signals.toml"
    path.write_text(SIGNALS)
    task = task_for(config(signals=str(path)))  # type: ignore[arg-type]
    assert "predicted chance of a purchase" in task.contract
    assert "watch time" not in task.contract.split("## Signals")[1].split("## What")[0]
    assert set(task.seeds) == {"buy"}
    assert list(task.vocabulary.leaves) == ["signals[buy]"]
    assert task.rules.keys["signals"]["bought"]


def test_the_first_metric_is_the_north_star() -> None:
    assert next(iter(task_for(config()).metrics)) == "late_active_days"  # type: ignore[arg-type]
    chosen = task_for(config(north_star="click_rate"))  # type: ignore[arg-type]
    assert next(iter(chosen.metrics)) == "click_rate"
    assert "the share of impressions that simulated users click" in chosen.contract


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"proxy": "loss"}, "cannot be compared"),
        ({"proxy": "validation_log_loss"}, "cannot be compared"),
        ({"northstar": 1}, "did you mean `north_star`"),
        ({"satisfaction": ["like", "survy"]}, r"satisfaction .* got 'survy' \(did you mean 'survey'\?\)"),
        ({"alignment": 2.0}, "reward.alignment"),
        ({"rung_rows": (100, 10)}, "rung_rows must grow"),
        ({"signals": "missing.toml"}, "missing.toml"),
        ({"parameters": "missing.toml"}, "recevolve simulator calibrate"),
        ({"parameters": "missing.toml", "alignment": 1.0}, "alignment belongs to a scenario"),
    ],
)
def test_wrong_settings_are_told_at_once(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        task_for(config(**settings))  # type: ignore[arg-type]


def test_a_signals_file_that_is_wrong_is_told(tmp_path: Path) -> None:
    path = tmp_path / "signals.toml"
    path.write_text(SIGNALS.replace('role = "prediction"', 'role = "context"'))
    with pytest.raises(ConfigError, match="must hold a prediction"):
        task_for(config(signals=str(path)))  # type: ignore[arg-type]


def test_an_unknown_key_of_a_signals_file_suggests_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "signals.toml"
    path.write_text(SIGNALS.replace('role = "prediction"', 'role = "prediction"\nbeter = 1', 1))
    with pytest.raises(ConfigError, match=r"beter: no such key \(did you mean 'better'\?\)"):
        task_for(config(signals=str(path)))  # type: ignore[arg-type]


def test_the_default_satisfaction_may_name_what_a_log_lacks(tmp_path: Path) -> None:
    path = tmp_path / "signals.toml"
    path.write_text(SIGNALS)
    assert list(task_for(config(signals=str(path))).vocabulary.leaves) == ["signals[buy]"]  # type: ignore[arg-type]


def test_paths_in_settings_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "signals.toml").write_text(SIGNALS)
    (tmp_path / "run.toml").write_text('kind = "reward"\nrun_dir = "r"\n[reward]\nsignals = "signals.toml"\n')
    monkeypatch.chdir(tmp_path)
    assert read(Path("run.toml")).settings == {"signals": str(tmp_path / "signals.toml")}


async def _terms(executor: object) -> object:
    return await executor.terms()  # type: ignore[attr-defined]


def test_workers_refuse_a_log_that_cannot_rank(tmp_path: Path) -> None:
    import asyncio

    few = parse(
        {
            "kind": "reward",
            "run_dir": str(tmp_path),
            "data": {"source": "simulated"},
            "executor": {"workers": 1},
            "reward": {"log_users": 300},
        }
    )
    executor = LocalExecutor(few)
    try:
        with pytest.raises(ValueError, match=r"cannot tell them apart|fewer than"):
            asyncio.run(_terms(executor))
    finally:
        executor.close()
