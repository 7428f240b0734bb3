"""The work of each scenario, the same for every contestant.

A workload gets a way to connect and yields one sample of numbers, or several of the
same work. Before the clock runs, everything has run once and the values of some rows
are compared with what they must be.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any, Final, cast

from benchmarks import table
from benchmarks.contestants.session import Columnar, Pipelining, Session
from benchmarks.measure import Memory, Stopwatch, Ticker

Connect = Callable[[], Awaitable[Session]]
Job = dict[str, Any]
Sample = dict[str, float]
Workload = Callable[[Job, Connect, Stopwatch], AsyncIterator[Sample]]

_WARM_UP: Final = 100
_ENOUGH: Final = 1.0


def _repeats(job: Job) -> Iterator[int]:
    """Count the repeats; the last is the one that makes a second full."""
    end = time.perf_counter() + _ENOUGH
    for number in range(job["repeats"]):
        yield number
        if time.perf_counter() > end:
            break


def _costs(watch: Stopwatch, units: int) -> Sample:
    sample = {"wall_us": watch.wall / units * 1e6, "cpu_us": watch.cpu / units * 1e6}
    sample["per_second"] = units / watch.wall
    if watch.server is not None:
        sample["server_us"] = watch.server / units * 1e6
    if watch.instructions is not None:
        sample["instructions"] = watch.instructions / units
    return sample


def _keys(job: Job, count: int, seed: int) -> list[int]:
    chosen = random.Random(seed)
    return [chosen.randint(1, job["rows"]) for _ in range(count)]


async def _warm_up(session: Session, job: Job) -> str:
    """Look some rows up, check the last one, and return the statement."""
    sql = table.SELECT_ONE.format(placeholder=session.placeholder)
    keys = _keys(job, _WARM_UP, 0)
    table.check(keys[-1], await session.lookup(sql, keys))
    return sql


async def fetch(job: Job, connect: Connect, watch: Stopwatch) -> AsyncIterator[Sample]:
    """Fetch the table; freeing the rows is not measured."""
    session = await connect()
    await session.fetch_all(f"{table.SELECT_ALL} WHERE id <= {_WARM_UP}")
    for _ in _repeats(job):
        gc.collect()
        with watch:
            rows = await session.fetch_all(table.SELECT_ALL)
        assert len(rows) == job["rows"], f"{len(rows)} rows"
        for number in (1, job["rows"] // 2, job["rows"]):
            table.check(number, rows[number - 1])
        del rows
        # A cursor keeps the rows too: this frees them before the next turn.
        await session.repeat("SELECT 1", 1)
        yield _costs(watch, job["rows"])
    await session.close()


async def arrow(job: Job, connect: Connect, watch: Stopwatch) -> AsyncIterator[Sample]:
    """The table as columns; reading a few of its values is not measured."""
    import pyarrow

    session = cast("Columnar", await connect())
    await session.columns(f"{table.SELECT_ALL} WHERE id <= {_WARM_UP}")
    for _ in _repeats(job):
        gc.collect()
        with watch:
            found = await session.columns(table.SELECT_ALL)
        columns = pyarrow.table(found)
        assert columns.num_rows == job["rows"], f"{columns.num_rows} rows"
        for number in (1, job["rows"] // 2, job["rows"]):
            (row,) = columns.slice(number - 1, 1).to_pylist()
            # Somebody's decimals have more places than the column.
            row["price"] = row["price"].quantize(table.CENT)
            table.check(number, row.values())
        del found, columns
        yield _costs(watch, job["rows"])
    await session.close()


async def select(job: Job, connect: Connect, watch: Stopwatch) -> AsyncIterator[Sample]:
    """SELECT 1 and its row, one after another."""
    session = await connect()
    await session.repeat("SELECT 1", _WARM_UP)
    for _ in _repeats(job):
        with watch:
            row = await session.repeat("SELECT 1", job["queries"])
        assert tuple(row) == (1,)
        yield _costs(watch, job["queries"])
    await session.close()


async def lookup(job: Job, connect: Connect, watch: Stopwatch) -> AsyncIterator[Sample]:
    """A row by its key, one after another."""
    session = await connect()
    sql = await _warm_up(session, job)
    for repeat in _repeats(job):
        keys = _keys(job, job["queries"], repeat)
        with watch:
            row = await session.lookup(sql, keys)
        table.check(keys[-1], row)
        yield _costs(watch, job["queries"])
    await session.close()


async def pipeline(
    job: Job, connect: Connect, watch: Stopwatch
) -> AsyncIterator[Sample]:
    """The same, sent ahead of the replies."""
    session = cast("Pipelining", await connect())
    sql = await _warm_up(session, job)
    for repeat in _repeats(job):
        keys = _keys(job, job["queries"], repeat)
        with watch:
            row = await session.pipeline(sql, keys, job["depth"])
        table.check(keys[-1], row)
        yield _costs(watch, job["queries"])
    await session.close()


async def concurrent(
    job: Job, connect: Connect, watch: Stopwatch
) -> AsyncIterator[Sample]:
    """Rows by their keys, on several connections at once."""
    sessions = [await connect() for _ in range(job["connections"])]
    sql = ""
    for session in sessions:
        sql = await _warm_up(session, job)
    each = max(1, 2 * job["queries"] // len(sessions))
    for repeat in _repeats(job):
        keys = [_keys(job, each, i + 1000 * repeat) for i in range(len(sessions))]
        with watch:
            rows = await asyncio.gather(
                *(s.lookup(sql, k) for s, k in zip(sessions, keys, strict=True))
            )
        for row, asked in zip(rows, keys, strict=True):
            table.check(asked[-1], row)
        yield _costs(watch, each * len(sessions))
    for session in sessions:
        await session.close()


class Copy:
    """A table into which a contestant copies rows of the reference table."""

    def __init__(self, session: Session, job: Job, count: int) -> None:
        self.session = session
        self.count = count
        self.different = job["rows"]
        self.name = "".join(filter(str.isalnum, f"{job['contestant']}{job['mode']}"))
        known = min(count, self.different)
        copies = [table.copied(number)[1:] for number in range(1, known + 1)]
        self.rows = [(number + 1, *copies[number % known]) for number in range(count)]
        mark = session.placeholder
        marks = ", ".join([mark] * len(self.rows[0]))
        self.insert = table.INSERT_COPY.format(name=self.name, marks=marks)
        self.update = table.UPDATE_COPY.format(name=self.name, mark=mark)

    async def create(self) -> None:
        """Make the table, without rows."""
        await self.session.change(table.CREATE_COPY.format(name=self.name))

    async def change(self, sql: str, rows: list[Any]) -> None:
        """Execute a statement for all rows, in one transaction."""
        await self.session.change("BEGIN")
        await self.session.change_many(sql, rows)
        await self.session.change("COMMIT")

    async def check(self, optional: Iterable[int | None]) -> None:
        """Refuse a table that is not the copy with these values in its last column."""
        sql = table.CHECK_COPY.format(
            name=self.name, table=table.TABLE, rows=self.different
        )
        (found,) = await self.session.fetch_all(sql)
        wanted = [self.count, sum(value or 0 for value in optional)]
        assert [int(value) for value in found] == wanted, f"{found} for {wanted}"


async def insert(job: Job, connect: Connect, watch: Stopwatch) -> AsyncIterator[Sample]:
    """Insert many rows."""
    copy = Copy(await connect(), job, min(job["inserts"], job["rows"]))
    await copy.create()
    await copy.change(copy.insert, copy.rows[:_WARM_UP])
    for _ in _repeats(job):
        await copy.create()
        gc.collect()
        with watch:
            await copy.change(copy.insert, copy.rows)
        await copy.check(row[-1] for row in copy.rows)
        yield _costs(watch, copy.count)
    await copy.session.close()


async def load(job: Job, connect: Connect, watch: Stopwatch) -> AsyncIterator[Sample]:
    """Fill a table with very many rows."""
    copy = Copy(await connect(), job, job["loads"])
    name = f"copy_{copy.name}"
    for _ in _repeats(job):
        await copy.create()
        gc.collect()
        with watch:
            await copy.session.change("BEGIN")
            await copy.session.load(name, copy.insert, copy.rows)
            await copy.session.change("COMMIT")
        await copy.check(row[-1] for row in copy.rows)
        yield _costs(watch, copy.count)
    await copy.session.close()


async def update(job: Job, connect: Connect, watch: Stopwatch) -> AsyncIterator[Sample]:
    """Update many rows, each by its key."""
    copy = Copy(await connect(), job, min(job["inserts"], job["rows"]))
    await copy.create()
    await copy.change(copy.insert, copy.rows)
    for repeat in _repeats(job):
        changes = [(repeat + row[0] % 1000, row[0]) for row in copy.rows]
        gc.collect()
        with watch:
            await copy.change(copy.update, changes)
        await copy.check(value for value, _ in changes)
        yield _costs(watch, copy.count)
    await copy.session.close()


async def delay(job: Job, connect: Connect, watch: Stopwatch) -> AsyncIterator[Sample]:
    """How late a task that wants a turn each millisecond gets one during a fetch."""
    session = await connect()
    await session.fetch_all(f"{table.SELECT_ALL} WHERE id <= {_WARM_UP}")
    gc.collect()
    ticker = Ticker()
    async with ticker.running():
        rows = await session.fetch_all(table.SELECT_ALL)
    assert len(rows) == job["rows"]
    yield {"delay_ms": ticker.latest * 1e3}
    await session.close()


async def stream(job: Job, connect: Connect, watch: Stopwatch) -> AsyncIterator[Sample]:
    """Take a long result row for row."""
    session = await connect()
    await session.stream(f"{table.SELECT_ALL} WHERE id <= {_WARM_UP}")
    gc.collect()
    with Memory() as memory, watch:
        rows = await session.stream(table.select_repeated(job["copies"]))
    assert rows == job["rows"] * job["copies"], f"{rows} rows"
    yield {"memory_mb": memory.grown / 1e6, "wall_us": watch.wall / rows * 1e6}
    await session.close()


async def stream_columns(
    job: Job, connect: Connect, watch: Stopwatch
) -> AsyncIterator[Sample]:
    """Take a long result as columns, batch for batch."""
    session = cast("Columnar", await connect())
    size = job["batch_rows"]
    await session.stream_columns(f"{table.SELECT_ALL} WHERE id <= {_WARM_UP}", size)
    gc.collect()
    with Memory() as memory, watch:
        sql = table.select_repeated(job["copies"])
        rows = await session.stream_columns(sql, size)
    assert rows == job["rows"] * job["copies"], f"{rows} rows"
    yield {"memory_mb": memory.grown / 1e6, "wall_us": watch.wall / rows * 1e6}
    await session.close()


async def idle(job: Job, connect: Connect, watch: Stopwatch) -> AsyncIterator[Sample]:
    """Do nothing, with many connections."""
    sessions = [await connect() for _ in range(job["idle_connections"])]
    await asyncio.sleep(0.1)
    with watch:
        await asyncio.sleep(job["idle_seconds"])
    yield {"cpu_percent": watch.cpu / watch.wall * 100}
    for session in sessions:
        await session.close()


WORKLOADS: Final[dict[str, Workload]] = {
    "fetch": fetch,
    "arrow": arrow,
    "select": select,
    "lookup": lookup,
    "pipeline": pipeline,
    "concurrent": concurrent,
    "insert": insert,
    "load": load,
    "update": update,
    "delay": delay,
    "stream": stream,
    "stream_columns": stream_columns,
    "idle": idle,
}
