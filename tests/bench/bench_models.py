"""What asking models costs, at a scripted server: `python tests/bench/bench_models.py [rate|flat|kill]`.

rate: a search of twelve islands whose every candidate comes from a model with 1 s answers, 16 in flight, and
    whose evaluations take 50 ms on 2 workers: answers a second as a share of 16, from the 64th until
    the islands begin to end. Once with a server that always answers, once with one that leaves 5 % of its
    calls hanging. Evaluations sleep. On a busy machine answers are read late, and the shares fall: "places in
    use" and "CPU ms an answer" say what the search would do on a quiet one.
flat: resident memory and open files before and after 2,000 proposals through litellm.
kill: a process with 16 answers in flight is killed, then runs again: which answers were paid twice.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.request import urlopen

from recevolve.engine.loop.context import SearchContext

sys.path.insert(0, str(Path(__file__).parents[1]))

from server.scripted import Server

from recevolve.engine.config.config import Budget, parse
from recevolve.engine.config.proposers import Model
from recevolve.engine.loop.events import Progress
from recevolve.engine.loop.executor import Call, Terms
from recevolve.engine.loop.seeds import seeds_for
from recevolve.engine.propose.assemble import proposers_for
from recevolve.engine.propose.llm.client import Ask, Models
from recevolve.engine.propose.llm.cost_cap import CostCap
from recevolve.engine.propose.llm.keys import Keys
from recevolve.engine.search import run
from recevolve.evaluators.kinds import registry
from recevolve.population.archive.archive import Archive
from recevolve.population.archive.spending import Spending
from recevolve.population.values.verdict import Metric, Status, Verdict

TESTS = Path(__file__).parents[1]
SCRIPT = TESTS / "server" / "scripted.py"
IN_FLIGHT, SECONDS, EVALUATION, WORKERS = 16, 1.0, 0.05, 2
ISLANDS, GENERATIONS, BIRTHS = 12, 4, 16
PROPOSALS, WARM = 2_000, 400
KILLED_AT, TO_KILL = 40, 100
NAME = "openai/scripted"


@dataclass
class Sleeper:
    """An executor whose evaluations take their time and no processor; scores follow the source."""

    workers: int = WORKERS
    busy_seconds: float = 0.0
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WORKERS))

    async def terms(self) -> Terms:
        return Terms("sleeper", 1, 4, 1, "nothing")

    async def judge(self, call: Call) -> Verdict:
        async with self.places:
            await asyncio.sleep(EVALUATION)
        self.busy_seconds += EVALUATION
        score = -float(sum(map(ord, call.source)) % 997)
        metrics = {"error": Metric(-score), "length_ratio": Metric(1.0)}
        return Verdict(
            Status.SCORED, Metric(score), metrics=metrics, facts={"behaviour": str(hash(call.source))}
        )

    def close(self) -> None:
        pass


def served(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """A scripted server in its own process, and its address."""
    command = [sys.executable, str(SCRIPT), "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().split()[1]


async def rate(base: str, folder: Path) -> tuple[float, float, float]:
    """(share of the ideal rate, share of places in use, CPU ms of this process per answer) of one search."""
    model = {"name": NAME, "api_base": base, "concurrency": IN_FLIGHT, "max_tokens": 500}
    config = parse(
        {
            "kind": "toy",
            "run_dir": str(folder),
            "tasks": [str(TESTS / "toy")],
            "population": {"islands": ISLANDS, "births": BIRTHS, "size": 16, "migrate_every": 100},
            "north_star": {"every": 100},
            "proxy": {"rungs": 1},
            "budget": {"generations": GENERATIONS},
            "propose": {"models": [model], "mixture": {"models": 1.0}, "deadline": 60.0, "repair": False},
        }
    )
    task = registry.find(config.kind, config.tasks)
    with Archive.create_or_open(folder / "archive.db") as archive:
        ledger, executor = archive.ledger(), Sleeper()
        proposers = proposers_for(config, task, archive, ledger, 1)
        assert proposers.cost_cap is not None
        terms = await executor.terms()
        archive.begin({"config": config.model_dump(mode="json"), "terms": asdict(terms)}, 0, "bench")
        search = SearchContext(
            config,
            task,
            terms,
            seeds_for(config, task),
            archive,
            ledger,
            proposers.mixture,
            executor,
        )
        searching = asyncio.create_task(run(search, limit, Progress()))
        counts = (4 * IN_FLIGHT, answers(0.75))
        marks = [await reached(base, searching, proposers.cost_cap, count) for count in counts]
        searching.cancel()
        await asyncio.gather(searching, return_exceptions=True)
        await proposers.close()
    first, last = marks
    seconds, came = last.seconds - first.seconds, last.answers - first.answers
    places = (last.busy - first.busy) / seconds / IN_FLIGHT
    return came / seconds * SECONDS / IN_FLIGHT, places, (last.cpu - first.cpu) / came * 1e3


def limit(island: int, generation: int) -> str | None:
    """Ends an island after its last generation."""
    return "done" if generation > GENERATIONS else None


def answers(share: float) -> int:
    """That share of all answers of the search."""
    return int(share * ISLANDS * GENERATIONS * BIRTHS)


@dataclass(frozen=True)
class Mark:
    """What stood on all clocks at one moment; `busy` adds up what requests were open at the server."""

    answers: int
    seconds: float
    cpu: float
    busy: float


async def reached(base: str, searching: asyncio.Task[str], cost_cap: CostCap, count: int) -> Mark:
    """The clocks when at least `count` answers have come. Raises what the search does."""
    while (came := cost_cap.total().calls) < count:
        if searching.done():
            raise RuntimeError(f"the search ended before {count} answers: {searching.result()}")
        await asyncio.sleep(0.005)
    seconds, cpu = time.perf_counter(), time.process_time()
    answer = await asyncio.to_thread(urlopen, base.replace("/v1", "/count"))
    with answer:
        return Mark(came, seconds, cpu, json.load(answer)["busy"])


def show_rate() -> None:
    """Prints the table of rates."""
    print("server            share of the ideal rate   wanted   places in use   CPU ms an answer")
    for label, wanted, faults in (("always answers", 0.95, ""), ("5 % hang", 0.90, "hang=0.05")):
        server, base = served("--delay", str(SECONDS), "--faults", faults)
        try:
            with tempfile.TemporaryDirectory() as folder:
                share, places, cpu = asyncio.run(rate(base, Path(folder)))
        finally:
            server.kill()
        print(f"{label:16}  {share:23.1%}   {wanted:6.0%}   {places:13.1%}   {cpu:16.1f}", flush=True)


def opened(folder: Path, base: str, **more: float) -> tuple[Archive, Models]:
    """An archive, and a model over it."""
    archive = Archive.create_or_open(folder / "archive.db")
    model = Model(name=NAME, api_base=base, concurrency=IN_FLIGHT, max_tokens=500)
    cost_cap = CostCap(Spending(archive.connection), Budget())
    return archive, Models([model], archive.ledger(), cost_cap, Keys({}, {}), **more)


def prompt(number: int) -> tuple[dict[str, str], ...]:
    """A prompt of some 6 kB that says which one it is."""
    program = "".join(f"x{line} = 0.{line}  # as good a line as any other\n" for line in range(100, 200))
    return ({"role": "user", "content": f"Proposal {number}: improve this.\n```python\n{program}```\n"},)


def footprint() -> tuple[float, int]:
    """(resident MiB, open files) of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20, len(list(Path("/proc/self/fd").iterdir()))


async def flat(base: str, folder: Path) -> list[tuple[int, float, int]]:
    """(proposals so far, MiB, files), first when everything is warm."""
    archive, models = opened(folder, base)
    rows = []
    for first in range(0, PROPOSALS + WARM, WARM):
        asks = (Ask(NAME, prompt(number), str(number)) for number in range(first, first + WARM))
        await asyncio.gather(*map(models.ask, asks))
        rows.append((first + WARM, *footprint()))
    await models.close()
    archive.close()
    return rows


def show_flat() -> None:
    """Prints the footprint as proposals go by."""
    server, base = served()
    try:
        with tempfile.TemporaryDirectory() as folder:
            rows = asyncio.run(flat(base, Path(folder)))
    finally:
        server.kill()
    print("proposals   resident MiB   open files")
    for count, size, files in rows:
        print(f"{count:9,}   {size:12.1f}   {files:10}")


async def ask_all(base: str, folder: Path) -> None:
    """Asks everything there is to ask, as far as it is not recorded."""
    archive, models = opened(folder, base, deadline=60.0)
    asks = (Ask(NAME, prompt(number), str(number)) for number in range(TO_KILL))
    await asyncio.gather(*map(models.ask, asks))
    await models.close()
    archive.close()


def recorded(folder: Path) -> set[int]:
    """Which proposals the archive holds an answer to."""
    with Archive.read(folder / "archive.db") as archive:
        rows = archive.connection.execute("SELECT json_extract(call, '$.sample') FROM ledger")
        return {int(sample) for (sample,) in rows}


async def kill(folder: Path) -> tuple[int, int, int, int]:
    """(answers recorded at the kill, in flight, asked again of those recorded, asked again in all)."""
    server = Server(delay=0.3, keep=10**6)
    base = await server.start()

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, __file__, "child", base, str(folder)])

    child = start()
    while server.count["calls"] < KILLED_AT or server.open < IN_FLIGHT:
        await asyncio.sleep(0.001)
    in_flight = server.open
    child.send_signal(signal.SIGKILL)
    await asyncio.to_thread(child.wait)
    kept, before = recorded(folder), len(server.bodies)
    again = start()
    assert await asyncio.to_thread(again.wait) == 0
    assert recorded(folder) == set(range(TO_KILL))
    asked = {int(body["messages"][0]["content"].split()[1].rstrip(":")) for body in server.bodies[before:]}
    total = len(server.bodies)
    await server.stop()
    return len(kept), in_flight, len(kept & asked), total - TO_KILL


def show_kill() -> None:
    """Prints what a kill cost."""
    with tempfile.TemporaryDirectory() as folder:
        kept, in_flight, twice, extra = asyncio.run(kill(Path(folder)))
    print("recorded at the kill   in flight   of those recorded asked again   calls beyond one each")
    print(f"{kept:20}   {in_flight:9}   {twice:29}   {extra:21}")


def main() -> None:
    """Prints the tables asked for, or all."""
    if sys.argv[1:2] == ["child"]:
        asyncio.run(ask_all(sys.argv[2], Path(sys.argv[3])))
        return
    tables = {"rate": show_rate, "flat": show_flat, "kill": show_kill}
    for name in sys.argv[1:] or tables:
        tables[name]()
        print()


if __name__ == "__main__":
    main()
