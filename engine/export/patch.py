"""Export: an elite as production code, simplified, re-checked, with what a reviewer must know."""

import platform
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from ... import __version__
from ...evaluators.kinds.task import Task, Winner
from ...evaluators.language.canonical import canonical
from ...evaluators.language.sanitize import everywhere, markdown
from ...evaluators.language.simplify import simplify
from ...evaluators.language.vocabulary import Layout
from ...population.archive.archive import Archive
from ...population.values.evaluation import Stage
from ...population.values.program import Program
from ..config.run_dir import REPORT, archive_of, within
from ..config.task import recorded_kind
from ..loop.executor import Call, Executor, LocalExecutor
from ..north_star import decision
from ..north_star.ablation import of_experiments
from ..north_star.decision import Verb
from ..report import measurements, report
from ..report.cautions import alarm, worse


class ExportRefused(Exception):
    """The program cannot be exported; the message says why."""


async def export(
    run: Path, asked: str, output: Path, anyway: bool = False, tasks: Sequence[Path] = ()
) -> dict[str, Any]:
    """What was written: program id, file names, one sentence on its gain, and the run's decision.

    Dead statements are removed first; the shorter program is exported only where it behaves as the archived
    one on every probe. `output` must be new or empty; it appears complete or not at all. A program that the
    run did not decide for is refused, or exported `anyway`, and the patch says so.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ExportRefused(f"{output} must be a new or empty folder; give another with -o, or empty it")
    against = objection(run, asked, tasks)
    if against and not anyway:
        raise ExportRefused(f"{against}. With --anyway it is exported, and the patch says so")
    facts, files = await packed(run, asked, tasks, against=against)
    write(output, files)
    return facts


def objection(run: Path, asked: str, tasks: Sequence[Path] = ()) -> str:
    """Why the run did not decide for this program, and what to export instead; "" where it did."""
    with Archive.read(archive_of(run)) as archive:
        _, task = recorded_kind(archive, tasks)
        found, program = archive.conclusion(REPORT), report.find(archive, asked, task)
        if found is None:
            return f"{asked} has no decision yet: the run has no report; `recevolve resume {run}` ends it"
        decided = decision.recorded(found)
        wanted = decided["program"] if decided["decision"] in (Verb.LAUNCH, Verb.SWITCH) else None
        if wanted is None:
            return f"the run decided for no other program: {decided['line']}"
        if report.find(archive, wanted, task).id == program.id:
            return ""
    return f"the run did not decide for {asked}: {decided['line']}. Export `{wanted}` instead"


async def packed(
    run: Path, asked: str, tasks: Sequence[Path] = (), *, unsafe: bool = False, against: str = ""
) -> tuple[dict[str, Any], Mapping[str, str]]:
    """(what an export of the program is, its files by name), with nothing written.

    The patch tells what speaks `against` it.
    """
    with Archive.read(archive_of(run)) as archive:
        config, task = recorded_kind(archive, tasks, unsafe=unsafe)
        program = report.find(archive, asked, task)
        provenance = {"exported_anyway": against, **describe(archive, task, program.id)}
    with closing(LocalExecutor(config)) as executor:
        source = await _simplified(program.source, task.vocabulary.layout, executor)
        trial = await executor.judge(Call(Stage.PATCH, canonical(source))) if task.trial else None
    if trial is not None and not trial.score:
        raise ExportRefused(f"a trial of the patch failed: {trial.reason}")
    files = task.export(Winner(_module_name(task, program), source, everywhere(markdown, provenance), trial))
    told = {"gain": provenance["gain"], "decision": provenance["decision"]}
    return {"program": program.id, "files": sorted(files), **told}, files


def _module_name(task: Task, program: Program) -> str:
    """The name of the exported module: a seed has its own, with the kind where it uses that name itself."""
    names = {Program(task.kind, source).id: name for name, source in task.seeds.items()}
    name = names.get(program.id, f"evolved_{program.id[:8]}")
    return f"{name}_{task.kind}" if name in re.findall(r"\w+", canonical(program.source)) else name


async def _simplified(source: str, layout: Layout, executor: Executor) -> str:
    """The program without dead statements, or as it is where that would change what it does."""
    shorter = simplify(source, layout)
    before, after = [
        await executor.judge(Call(Stage.PROPERTIES, canonical(one))) for one in (source, shorter)
    ]
    if not before.score:
        raise ExportRefused(f"the archived program no longer passes its properties here: {before.reason}")
    return shorter if after.score and after.facts["behaviour"] == before.facts["behaviour"] else source


def describe(archive: Archive, task: Task, program_id: str) -> dict[str, Any]:
    """The provenance of a program: run, lineage, gain with its interval, trials, guardrails, versions."""
    begun = archive.run()
    assert begun is not None  # a program was found in it
    found = archive.conclusion(REPORT)
    born = archive.evaluations_of(program_id)
    arm = next((row for row in found["arms"] if row["program"] == program_id), None) if found else None
    raced = [row for row in found.get("race", ()) if row["program"] == program_id] if found else []
    factor = next((row.get("lr_factor") for row in ([arm] if arm else raced)), None)
    claimed = found is not None and found["winner"]["program"] == program_id
    tried = of_experiments(archive).get(program_id, {})
    return {
        "decision": found["decision"]["line"] if found and "decision" in found else "",
        "program": program_id,
        "kind": task.kind,
        "run": {"begun": begun.created, "seed": begun.seed, "data": begun.config["terms"]["data"]},
        "lineage": [
            f"{evaluation.program.id}: {evaluation.program.explanation or evaluation.program.made_by}"
            for evaluation in archive.lineage(program_id)
        ],
        "gain": _gain(found, claimed, arm),
        "metrics": {name: _figures(metric) for name, metric in (arm or {}).get("metrics", {}).items()},
        "production": found["production"] if found else None,
        "trials": archive.shares().evaluations,
        "ancestor": _ancestor(archive, (found["winner"] if found and claimed else tried).get("ancestor")),
        "edits": [
            {name: edit[name] for name in ("edit", "effect", "low", "high")}
            for edit in (found if found and claimed else tried).get("edits", ())
            if not edit["removed"]
        ],
        "guardrails": {
            name: reading
            for name, reading in {**(arm or {}).get("guard", {}), **_timings(found, program_id)}.items()
            if name in task.guardrails
        },
        "guardrails_broken": (arm or {}).get("guardrails_broken", []),
        "worse_than_production": worse(arm or {}),
        "alarm": alarm(archive),
        "tier": begun.config["terms"]["tier"],
        "estimate": begun.config["terms"].get("estimate", ""),
        "measured": next(
            (row for row in measurements.standings(archive) if row["program"] == program_id), None
        ),
        "proxy": born[0].verdict.to_json() if born else None,
        **({} if factor is None else {"lr_factor": factor}),
        "versions": {"recevolve": __version__, "python": platform.python_version(), **_versions()},
    }


def _gain(found: Mapping[str, Any] | None, claimed: bool, arm: Mapping[str, Any] | None) -> str:
    """What may be claimed of the program, in a sentence."""
    if found and claimed:
        return str(found["gain"]["sentence"])
    if arm and "metrics" in arm:
        name, metric = next(iter(arm["metrics"].items()))
        return f"{name} {_figures(metric)}"
    return "Not claimed: it is not the run's winner."


def _ancestor(archive: Archive, program_id: str | None) -> str:
    """What the edits lead from: its id, and how it came about; "" where no edit was undone."""
    if program_id is None:
        return ""
    program = archive.program(program_id)
    return f"{program.id}, {program.explanation or program.made_by}"


def _figures(metric: Mapping[str, Any]) -> str:
    gain = metric["gain"]
    interval = f"[{gain['low']:+.4f}, {gain['high']:+.4f}] of {gain['confidence']:.4g} confidence"
    return f"{metric['mean']:.4f}, gain over production {gain['estimate']:+.4f} {interval}"


def _timings(found: Mapping[str, Any] | None, program_id: str) -> dict[str, float]:
    arms: Mapping[str, dict[str, float]] = found["timings"]["arms"] if found else {}
    return arms.get(program_id, {})


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "numpy")}


def write(output: Path, files: Mapping[str, str]) -> None:
    """Writes the files into a folder that appears complete or not at all. OSError, with its path.

    ArchiveError for a name that leads out of the folder.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=".export-") as folder:
            made = Path(folder) / output.name
            made.mkdir()
            for name, text in files.items():
                within(made, name).write_text(text, encoding="utf-8")
            if output.exists():
                output.rmdir()
            made.replace(output)
    except OSError as error:
        # a disk that fills up names no file
        raise OSError(error.errno, f"the patch cannot be written: {error.strerror}", str(output)) from error
