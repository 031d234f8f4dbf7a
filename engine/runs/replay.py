"""Replay: the whole search again from its record, with computing switched off."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from ...population.archive.archive import Archive
from ...population.archive.compare import SEARCH
from ...population.archive.ledger import NotRecorded
from ...population.values.experiment import Mark
from .. import claim
from ..config.run_dir import REPORT
from ..config.task import recorded_kind
from ..experiments import outcomes
from ..experiments.ingest import looked_again
from ..loop.context import SearchContext
from ..loop.events import Progress
from ..loop.executor import Terms
from ..loop.seeds import seeds_for
from ..north_star import ablation
from ..propose.assemble import proposers_for
from ..search import run
from .warm_start import hand_on


async def replay(source: Archive, progress: Progress, tasks: Sequence[Path] = ()) -> list[str]:
    """Sentences on where the record and the search rebuilt from it differ; none where they agree.

    No worker starts, nothing is evaluated, and the run's own archive is only read.
    """
    config, task = recorded_kind(source, tasks)
    begun = source.run()
    assert begun is not None  # recorded_kind read it
    with (
        tempfile.TemporaryDirectory() as folder,
        Archive.create_or_open(Path(folder) / "replay.db") as rebuilt,
    ):
        rebuilt.begin(begun.config, begun.seed, begun.version)
        hand_on(source, rebuilt)
        terms, ledger = Terms(**begun.config["terms"]), source.ledger(replaying=True)
        mixture = proposers_for(config, task, rebuilt, ledger, terms.rungs).mixture
        outside, ours = source.experiments(), rebuilt.experiments()

        def arrive(generation: int | None) -> None:
            """Copies what the round of that generation saw; at the conclusion, below, what its report saw."""
            if generation is None:
                return
            if not outside.held(generation):
                raise NotRecorded(
                    f"the record holds no promotion round at generation {generation}: the run stopped before"
                )
            ours.copy(outside, outside.mark(generation) or Mark())

        search = SearchContext(
            config=config,
            task=task,
            terms=terms,
            seeds=seeds_for(config, task),
            archive=rebuilt,
            ledger=ledger,
            proposer=mixture,
            executor=None,
            arrive=arrive,
        )

        last = source.generations()

        def limit(island: int, generation: int) -> str | None:
            return None if generation <= last.get(island, -1) else "the record ends here"

        missing: list[str] = []
        try:
            await run(search, limit, progress)
        except* NotRecorded as group:
            missing = [str(error) for error in group.exceptions]
        if missing and source.generations() != rebuilt.generations():
            return missing
        tables = [table for table in SEARCH if table not in ("ledger", "conclusions")]
        report = source.conclusion(REPORT)
        # an earlier release judged finalists in another way: its reports have no decision
        judged = report is not None and "decision" in report
        if report and judged and report["generations"] == claim.generations(rebuilt):
            ours.copy(outside, outcomes.seen(report))
            ablation.hand_on(source, rebuilt)
            await claim.conclude(search, report["reason"], report["claimed_before"], {}, progress)
            tables.append("conclusions")
        ours.copy(outside, outside.now())
        return [*source.compare(rebuilt, tables), *looked_again(outside, config)]
