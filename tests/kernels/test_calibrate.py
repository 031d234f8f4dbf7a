"""From a queue and what a GPU said of it to a file of weights, in one command."""

from pathlib import Path
from typing import Any

import pytest

from recevolve.kernels import calibrate
from recevolve.kernels.estimate.calibration import Point, Variant, load
from recevolve.kernels.estimate.components import PARTS
from recevolve.kernels.estimate.device import H100
from recevolve.kernels.timing.measurements import Machine, Measurements, Result, Seconds, Timing, Verdict

from .estimate.test_calibration import PLANTED, points

DEVICE = "NVIDIA H100 80GB HBM3"


def timing(seconds: float) -> Timing:
    """What a GPU says of a call that takes so long."""
    cold = Seconds(seconds, seconds, seconds, 30)
    return Timing(cold, cold, {}, {}, {}, 0.0, seconds, 1.0, "bytes", 1.0, 0, True, None, None)


def result(name: str, verdict: Verdict = "measured", **seconds: float) -> Result:
    return Result(name, "0123", verdict, timings={way: timing(value) for way, value in seconds.items()})


def test_points_are_what_was_measured_beside_what_was_estimated() -> None:
    (expected,) = points("dot", 1, PLANTED)
    variants = {"one": Variant("dot", "small", {"forward": expected.parts, "backward": expected.parts * 2})}
    results = [
        result("one", forward=3e-6, backward=5e-6),
        result("another", forward=1e-6),
        result("one", verdict="wrong"),
    ]
    assert calibrate.points_of(results, variants) == [
        Point("dot forward", "small forward", expected.parts, 3e-6),
        Point("dot backward", "small backward", expected.parts * 2, 5e-6),
    ]


def written(folder: Path, device: str = DEVICE, count: int = 40) -> Path:
    """The results file of a queue whose times these planted weights made."""
    results = []
    for family in ("dot", "cross", "fm"):
        for number, point in enumerate(points(family, count, PLANTED)):
            name = f"{family}-{number}"
            calibrate.keep(folder, {name: Variant(family, point.task, {"forward": point.parts})})
            results.append(result(name, forward=point.seconds))
    machine = Machine(device, "9.0", "580", 3e12, {"torch": "2"}, "measure", "2026-03-01T09:00:00+00:00")
    file = folder / "results.json"
    Measurements(machine, tuple(results)).save(file)
    return file


@pytest.mark.heavy
def test_a_queue_and_its_results_become_a_calibration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "h100.json"
    assert calibrate.main([str(tmp_path), str(written(tmp_path)), "-o", str(output)]) == 0
    made = load(output)
    assert (made.device, made.made, made.points) == (H100.name, "2026-03-01", 120)
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


def test_a_file_of_another_format_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "results.json"
    file.write_text("{}")
    assert calibrate.main([str(tmp_path), str(file), "-o", str(tmp_path / "out.json")]) == 2
    assert "expected measurements of format 1, got None" in capsys.readouterr().err


@pytest.mark.heavy
def test_a_queue_without_variants_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path)
    (tmp_path / calibrate.VARIANTS).unlink()
    assert calibrate.main([str(tmp_path), str(file), "-o", str(tmp_path / "out.json")]) == 2
    assert "variants.json" in capsys.readouterr().err
