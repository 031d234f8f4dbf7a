"""From a queue and what a GPU said of it to a file of weights, in one command."""

import json
from pathlib import Path
from typing import Any

import pytest

from recevolve.kernels import calibrate
from recevolve.kernels.estimate.calibration import Variant, load
from recevolve.kernels.estimate.components import PARTS
from recevolve.kernels.estimate.device import H100

from .estimate.test_calibration import PLANTED, points

DEVICE = "NVIDIA H100 80GB HBM3"


def written(folder: Path, device: str = DEVICE, count: int = 40) -> Path:
    """The results file of a queue whose times these planted weights made."""
    results = []
    for family in ("dot", "cross", "fm"):
        for number, point in enumerate(points(family, count, PLANTED)):
            name = f"{family}-{number}"
            calibrate.keep(folder, {name: Variant(family, point.task, {"forward": point.parts})})
            timing = {"cold": {"median": point.seconds}}
            results.append({"id": name, "verdict": "measured", "timings": {"forward": timing}})
    machine = {"device": device, "started": "2026-03-01T09:00:00+00:00", "versions": {"torch": "2"}}
    file = folder / "results.json"
    file.write_text(json.dumps({"format": 1, "machine": machine, "results": results}))
    return file


@pytest.mark.heavy
def test_a_queue_and_its_results_become_a_calibration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "h100.json"
    assert calibrate.main([str(tmp_path), str(written(tmp_path)), "-o", str(output)]) == 0
    made = load(output)
    assert (made.device, made.made.isoformat(), made.points) == (H100.name, "2026-03-01", 120)
    assert set(made.weights) == set(PARTS)
    shown = capsys.readouterr().out
    assert made.trust in shown
    assert shown.count("without ") == 3


def test_variants_are_added_to_those_that_are_there(tmp_path: Path) -> None:
    (first,), (second,) = points("dot", 1, PLANTED), points("fm", 1, PLANTED)
    one, other = (Variant(each.family, each.task, {"forward": each.parts}) for each in (first, second))
    calibrate.keep(tmp_path, {"one": one})
    calibrate.keep(tmp_path, {"other": other})
    assert calibrate.kept(tmp_path) == {"one": one, "other": other}


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"device": "Tesla T4"}, "expected results of one of NVIDIA H100"),
        ({"count": 3}, "at least 30 points"),
    ],
)
def test_what_cannot_be_calibrated_says_why(
    changes: dict[str, Any], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, output = written(tmp_path, **changes), tmp_path / "out.json"
    assert calibrate.main([str(tmp_path), str(file), "-o", str(output)]) == 2
    assert said in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.heavy
def test_a_queue_without_variants_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path)
    (tmp_path / calibrate.VARIANTS).unlink()
    assert calibrate.main([str(tmp_path), str(file), "-o", str(tmp_path / "out.json")]) == 2
    assert "variants.json" in capsys.readouterr().err
