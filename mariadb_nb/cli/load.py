"""The command pool-bench: a load of queries over a pool, and how long each step took.

Owns the load, for tasks and for threads, and what is counted. The pool is the
package's own; how things are drawn is render's.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from time import monotonic
from typing import Any, Final

from mariadb_nb.cli import render
from mariadb_nb.cli.errors import CliError
from mariadb_nb.cli.target import Target, options_of
from mariadb_nb.errors import Error
from mariadb_nb.pool.aio import Pool as AioPool
from mariadb_nb.pool.stats import Stats
from mariadb_nb.pool.sync import Pool

#: What is told of the times, in hundredths; 100 is the longest.
PERCENTILES: Final = (50, 90, 99, 99.9, 100)
_GRACE: Final = 5.0
_STEPS: Final = {
    "acquire": "to get a connection",
    "query": "to execute the statement and read its rows",
    "release": "to give it back, made as new",
}


@dataclass(frozen=True, slots=True)
class Load:
    """What is run.

    Attributes:
        connections: the pool's ``max_size``.
        tasks: how many borrow at a time.
        seconds: for how long.
        sql: what each does with a connection.
        threads: whether they are threads, and not tasks.
    """

    connections: int
    tasks: int
    seconds: float
    sql: str
    threads: bool


@dataclass(slots=True)
class Times:
    """What was counted; times are in seconds.

    Attributes:
        steps: the times of each step, of those loans that went well.
        errors: how often what went wrong.
    """

    steps: dict[str, array[float]] = field(
        default_factory=lambda: {step: array("d") for step in _STEPS}
    )
    errors: Counter[str] = field(default_factory=Counter)
    wall: float = 0.0

    @property
    def queries(self) -> int:
        """How many loans went well."""
        return len(self.steps["release"])

    def add(self, *moments: float) -> None:
        """Count one loan, by when each step began and when the last one ended."""
        steps = zip(self.steps.values(), moments, moments[1:], strict=False)
        for times, begun, ended in steps:
            times.append(ended - begun)


def percentile(ordered: Sequence[float], hundredths: float) -> float:
    """The smallest of some times that so many hundredths of them do not exceed."""
    if not ordered:
        return 0.0
    return ordered[max(ceil(len(ordered) * hundredths / 100), 1) - 1]


def run_pool_bench(target: Target, load: Load, as_json: bool) -> bool:
    """Run a load and tell of it; returns whether all went well."""
    options = {
        **options_of(target),
        "min_size": load.connections,
        "max_size": load.connections,
        # No statement outlasts the load by much.
        "timeout": load.seconds + _GRACE,
    }
    times = Times()

    def state() -> str:
        return f"{times.queries:,} queries"

    what = "threads" if load.threads else "tasks"
    try:
        with render.clock(f"{load.tasks} {what},", load.seconds, state):
            if load.threads:
                stats = _run_threads(options, load, times)
            else:
                stats = asyncio.run(_run_tasks(options, load, times))
    except Error as error:
        raise CliError(str(error)) from None
    if as_json:
        json.dump(_as_dict(load, times, stats), sys.stdout, indent=2)
        print()
    else:
        _tell(load, times, stats)
    for message, count in times.errors.items():
        render.complain(f"{count:,} times: {message}")
    return not times.errors


async def _run_tasks(options: dict[str, Any], load: Load, times: Times) -> Stats:
    async with AioPool(**options) as pool:
        await pool.warm_up()
        async with pool.acquire() as conn:  # a statement that is wrong is told once
            await (await conn.execute(load.sql)).close()
        begun = monotonic()
        end = begun + load.seconds

        async def borrow() -> None:
            while (asked := monotonic()) < end:
                try:
                    async with pool.acquire() as conn:
                        got = monotonic()
                        await (await conn.execute(load.sql)).close()
                        done = monotonic()
                except Error as error:
                    times.errors[str(error)] += 1
                else:
                    times.add(asked, got, done, monotonic())

        async with asyncio.TaskGroup() as group:
            for _ in range(load.tasks):
                group.create_task(borrow())
        times.wall = monotonic() - begun
        return pool.stats()


def _run_threads(options: dict[str, Any], load: Load, times: Times) -> Stats:
    lock = threading.Lock()
    stop = threading.Event()
    with Pool(**options) as pool:
        pool.warm_up()
        with pool.acquire() as conn:
            conn.execute(load.sql).close()
        begun = monotonic()
        end = begun + load.seconds

        def borrow() -> None:
            while (asked := monotonic()) < end and not stop.is_set():
                try:
                    with pool.acquire() as conn:
                        got = monotonic()
                        conn.execute(load.sql).close()
                        done = monotonic()
                except Error as error:
                    with lock:
                        times.errors[str(error)] += 1
                else:
                    with lock:
                        times.add(asked, got, done, monotonic())

        threads = [threading.Thread(target=borrow) for _ in range(load.tasks)]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            stop.set()  # after Ctrl-C: the pool waits for what they have
        times.wall = monotonic() - begun
        return pool.stats()


def _as_dict(load: Load, times: Times, stats: Stats) -> dict[str, Any]:
    steps = {}
    for step, taken in times.steps.items():
        ordered = sorted(taken)
        steps[step] = {
            f"p{hundredths:g}": percentile(ordered, hundredths)
            for hundredths in PERCENTILES
        }
    return {
        "connections": load.connections,
        "tasks": load.tasks,
        "threads": load.threads,
        "sql": load.sql,
        "seconds": times.wall,
        "queries": times.queries,
        "queries_per_second": times.queries / times.wall,
        "steps": steps,
        "errors": dict(times.errors),
        "pool": {
            "created": stats.created,
            "closed": dict(stats.closed),
            "timeouts": stats.timeouts,
        },
    }


def _tell(load: Load, times: Times, stats: Stats) -> None:
    names = [f"p{hundredths:g}, ms" for hundredths in PERCENTILES[:-1]]
    columns = [render.Column(name, True) for name in [*names, "longest, ms"]]
    rows = []
    for step, taken in times.steps.items():
        ordered = sorted(taken)
        numbers = [percentile(ordered, hundredths) for hundredths in PERCENTILES]
        rows.append([*(f"{number * 1000:,.2f}" for number in numbers), _STEPS[step]])
    render.table([*columns, render.Column("Time")], rows)
    print()
    who = "threads" if load.threads else "tasks"
    gone = sum(stats.closed.values())
    render.facts(
        [
            ("Load", f"{load.tasks} {who} on {load.connections} connections"),
            ("Queries", f"{times.queries:,} in {times.wall:.2f} s"),
            ("Throughput", f"{times.queries / times.wall:,.0f} queries/s"),
            ("Connections", f"{stats.created} made, {gone} lost or closed meanwhile"),
        ]
    )
