"""What is measured: the scenarios, their metrics, and who takes part in each.

Facts only; workloads.py does the work and report.py says what came out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

from benchmarks.contestants import CONTESTANTS, LIMIT, LOOPS, WORLDS, Contestant


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is done in one measurement."""

    rows: int
    queries: int
    inserts: int
    loads: int
    connections: int
    idle_connections: int
    idle_seconds: float
    copies: int  # of the table, in the streamed result
    batch_rows: int  # of a stream of columns
    depth: int  # of a pipeline; the C program has a constant for it
    repeats: int  # of the same work in one process, as long as it takes under 1 s


FULL: Final = Sizes(200_000, 3_000, 50_000, 1_000_000, 20, 100, 2.0, 5, 10_000, 64, 3)
SHORT: Final = Sizes(5_000, 200, 2_000, 10_000, 20, 20, 0.5, 2, 1_000, 64, 1)
#: For a count of instructions, which is the same each time, under callgrind.
COUNTED: Final = Sizes(2_000, 200, 2_000, 4_000, 4, 4, 0.5, 1, 1_000, 64, 1)


class Metric(NamedTuple):
    """A number that is measured, and how it is printed."""

    key: str
    label: str
    digits: int
    #: Whether its ratio, ours to the other's, is printed too.
    compared: bool = True


_COSTS: Final = (
    Metric("wall_us", "wall us", 2),
    Metric("cpu_us", "CPU us", 2),
    Metric("server_us", "server CPU us", 2, compared=False),
    Metric("instructions", "instructions", 0),
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of work.

    Attributes:
        key: its name on the command line and in the JSON.
        title: what it does, with the names of sizes in braces.
        per: what the times are divided by.
        parameters: whether the query has one.
        modes: the protocols it may use.
        ahead: whether statements are sent ahead of their replies.
        columns: whether the result is columns of Arrow.
        alternating: whether either the client works or the server, never both.
        every: 2 if it is run in every second round, and so on.
    """

    key: str
    title: str
    per: str
    metrics: tuple[Metric, ...] = _COSTS
    worlds: tuple[str, ...] = WORLDS
    parameters: bool = False
    modes: tuple[str, ...] = ("text",)
    limit: bool = False
    streaming: bool = False
    ahead: bool = False
    columns: bool = False
    alternating: bool = False
    every: int = 1

    def describe(self, sizes: Sizes) -> str:
        """Return the title, with its sizes."""
        return self.title.format_map(asdict(sizes))


_RATE: Final = (Metric("per_second", "rows/s", 0), *_COSTS[1:])
_BOTH: Final = ("text", "binary")

SCENARIOS: Final = (
    Scenario(
        "fetch",
        "fetchall of the reference table, {rows:,} rows",
        "row",
        modes=_BOTH,
        limit=True,
    ),
    Scenario(
        "arrow",
        "the same as columns of Arrow",
        "row",
        worlds=("blocking",),
        modes=("binary",),
        columns=True,
    ),
    Scenario(
        "select",
        "SELECT 1, one after another",
        "query",
        modes=_BOTH,
        limit=True,
        alternating=True,
    ),
    Scenario(
        "lookup",
        "10 columns by key, one parameter, one after another",
        "query",
        parameters=True,
        modes=_BOTH,
        limit=True,
        alternating=True,
    ),
    Scenario(
        "pipeline",
        "the same in pipelines of {depth}",
        "query",
        parameters=True,
        limit=True,
        ahead=True,
    ),
    Scenario(
        "concurrent",
        "the same on {connections} connections at once",
        "query",
        (Metric("per_second", "queries/s", 0), *_COSTS[1:]),
        LOOPS,
        parameters=True,
        modes=_BOTH,
    ),
    Scenario(
        "insert",
        "executemany of {inserts:,} rows of 6 columns, in one transaction",
        "row",
        _RATE,
        ("asyncio", "blocking"),
        parameters=True,
        modes=_BOTH,
    ),
    Scenario(
        "load",
        "{loads:,} rows of 6 columns by executemany; ours as text: load()",
        "row",
        _RATE,
        ("asyncio", "blocking"),
        parameters=True,
        modes=_BOTH,
        every=2,
    ),
    Scenario(
        "update",
        "executemany of {inserts:,} UPDATEs by key, in one transaction",
        "row",
        _RATE,
        ("asyncio", "blocking"),
        parameters=True,
        modes=_BOTH,
        every=2,
    ),
    Scenario(
        "delay",
        "longest delay of the loop during the fetchall",
        "fetch",
        (Metric("delay_ms", "longest delay ms", 1),),
        LOOPS,
        every=2,
    ),
    Scenario(
        "stream",
        "memory over idle while the table is streamed, {copies} times in one result",
        "result",
        (
            Metric("memory_mb", "memory MB", 1, compared=False),
            Metric("wall_us", "wall us/row", 2, compared=False),
        ),
        ("asyncio", "blocking"),
        streaming=True,
        every=5,
    ),
    Scenario(
        "stream_columns",
        "the same as columns of Arrow, in batches of {batch_rows:,} rows",
        "result",
        (
            Metric("memory_mb", "memory MB", 1, compared=False),
            Metric("wall_us", "wall us/row", 2, compared=False),
        ),
        ("blocking",),
        modes=("binary",),
        streaming=True,
        columns=True,
        every=5,
    ),
    Scenario(
        "idle",
        "CPU of a process with {idle_connections} connections that do nothing",
        "second",
        (Metric("cpu_percent", "% of a core", 2, compared=False),),
        ("asyncio",),
        every=5,
    ),
)


class Entry(NamedTuple):
    """A contestant in one of its modes."""

    contestant: Contestant
    mode: str

    @property
    def label(self) -> str:
        """The name, and the protocol where a driver shows both."""
        name = self.contestant.name
        return name if self.mode == "text" else f"{name}, {self.mode}"


def entries(scenario: Scenario, world: str) -> Iterator[Entry]:
    """Yield who takes part in a scenario in a world."""
    for contestant in CONTESTANTS:
        if world not in contestant.worlds:
            continue
        if contestant.name == LIMIT and not scenario.limit:
            continue
        if scenario.streaming and not contestant.streams:
            continue
        if scenario.ahead and not contestant.pipelines:
            continue
        if not (contestant.columns if scenario.columns else contestant.rows):
            continue
        for mode in scenario.modes:
            if getattr(contestant, mode)[scenario.parameters]:
                yield Entry(contestant, mode)


def job(scenario: Scenario, world: str, entry: Entry, sizes: Sizes) -> dict[str, Any]:
    """Return what a worker has to know, as JSON can carry it."""
    return {
        "scenario": scenario.key,
        "world": world,
        "contestant": entry.contestant.name,
        "mode": entry.mode,
        **asdict(sizes),
    }
