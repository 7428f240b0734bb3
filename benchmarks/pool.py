"""What many idle connections in a pool cost, and what becomes of it when they end.

    python -m benchmarks.pool [--connections N] [--seconds N] [--json FILE]

It runs in the environment of requirements.txt, from the project's folder. Each pool is
in a process of its own: it opens the connections and leaves them alone for a while;
then all of them are killed on the server, and each is to be borrowed for a query. It
owns the order of that and the table; the pools' own words are in ``POOLS``.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import resource
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.contestants import versions
from mariadb_nb.server import TemporaryServer

#: How many borrow at the same time.
_TASKS: Final = 64
#: Connections of a pool that comes before, so that the first's price is not counted.
_FEW: Final = 8
#: Seconds until all ends must have been noticed.
_PATIENCE: Final = 60.0
#: What the kernel has to give for each connection, on either side, and some more.
_DESCRIPTORS: Final = 256

_COMMAND: Final = (sys.executable, "-m", "benchmarks.pool")

Place = dict[str, Any]


class Ends:
    """When a pool noticed the ends of its connections.

    Args:
        size: how many there will be.

    Attributes:
        times: when it noticed each, in seconds of ``time.monotonic()``.
        all: set with the last one.
    """

    def __init__(self, size: int) -> None:
        self.times: list[float] = []
        self.all = threading.Event()
        self._size = size

    def note(self, note: Any) -> None:
        """Take an event of the pool's."""
        if note.event == "closed":
            self.times.append(time.monotonic())
            if len(self.times) == self._size:
                self.all.set()


class Open(NamedTuple):
    """A pool that has all its connections.

    Attributes:
        loan: borrows one for ``SELECT 1``.
        close: closes the pool.
        ends: None if it does not look before somebody borrows.
    """

    loan: Callable[[], Awaitable[Any]]
    close: Callable[[], Awaitable[Any]]
    ends: Ends | None = None


# ---- the pools: run in a worker ------------------------------------------------------


def _settings(place: Place, size: int, ends: Ends) -> dict[str, Any]:
    bounds = {"min_size": size, "max_size": size, "max_connecting": 16}
    return {**place, **bounds, "on_event": ends.note}


async def _ours(place: Place, size: int) -> Open:
    from mariadb_nb import aio

    ends = Ends(size)
    pool = aio.Pool(**_settings(place, size, ends))
    await pool.warm_up(timeout=None)
    pool.resize(min_size=0, max_size=size)

    async def loan() -> Any:
        async with pool.acquire() as conn:
            return await (await conn.execute("SELECT 1")).fetchall()

    return Open(loan, pool.close, ends)


async def _ours_for_threads(place: Place, size: int) -> Open:
    import mariadb_nb

    ends = Ends(size)
    pool = mariadb_nb.Pool(**_settings(place, size, ends))
    pool.warm_up(timeout=None)
    pool.resize(min_size=0, max_size=size)
    threads = ThreadPoolExecutor(_TASKS)

    def borrow() -> Any:
        with pool.acquire() as conn:
            return conn.execute("SELECT 1").fetchall()

    def end() -> None:
        pool.close()
        threads.shutdown()

    async def loan() -> Any:
        return await asyncio.wrap_future(threads.submit(borrow))

    async def close() -> None:
        end()

    return Open(loan, close, ends)


async def _asyncmy(place: Place, size: int) -> Open:
    import asyncmy

    return await _cursors(asyncmy.create_pool, place, size)


async def _aiomysql(place: Place, size: int) -> Open:
    import aiomysql

    return await _cursors(aiomysql.create_pool, place, size)


async def _cursors(create: Any, place: Place, size: int) -> Open:
    pool = await create(minsize=size, maxsize=size, **_theirs(place))

    async def loan() -> Any:
        async with pool.acquire() as conn, conn.cursor() as cursor:
            await cursor.execute("SELECT 1")
            return await cursor.fetchall()

    async def close() -> None:
        pool.close()
        await pool.wait_closed()

    return Open(loan, close)


async def _sqlalchemy(place: Place, size: int, *, pre_ping: bool = False) -> Open:
    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(
        "mysql+asyncmy://",
        connect_args=_theirs(place),
        pool_size=size,
        max_overflow=0,
        pool_pre_ping=pre_ping,
    )
    held = [await engine.connect() for _ in range(size)]
    for connection in held:
        await connection.close()

    async def loan() -> Any:
        async with engine.connect() as connection:
            return (await connection.execute(text("SELECT 1"))).all()

    return Open(loan, engine.dispose)


async def _sqlalchemy_pinging(place: Place, size: int) -> Open:
    return await _sqlalchemy(place, size, pre_ping=True)


def _theirs(place: Place) -> Place:
    names = {"database": "db"}
    return {names.get(name, name): value for name, value in place.items()}


POOLS: Final[dict[str, Callable[[Place, int], Awaitable[Open]]]] = {
    "mariadb_nb.aio": _ours,
    "mariadb_nb, threads": _ours_for_threads,
    "asyncmy": _asyncmy,
    "aiomysql": _aiomysql,
    "SQLAlchemy, asyncmy": _sqlalchemy,
    "SQLAlchemy, pre-ping": _sqlalchemy_pinging,
}


# ---- a worker ------------------------------------------------------------------------


async def work(name: str, place: Place, size: int, seconds: float) -> None:
    """Measure one pool, and say so in lines of JSON; a line to us means: all killed."""
    make, process = POOLS[name], psutil.Process()
    few = await make(place, _FEW)
    await few.loan()
    await few.close()
    gc.collect()
    before = process.memory_full_info().uss
    pool = await make(place, size)
    gc.collect()
    memory = (process.memory_full_info().uss - before) / size
    await asyncio.sleep(1)
    began = time.process_time()
    await asyncio.sleep(seconds)
    cpu = (time.process_time() - began) / seconds
    _say({"memory": memory, "cpu": cpu})
    killed = float(await asyncio.to_thread(sys.stdin.readline))
    noticed = None
    if pool.ends is not None:
        if not await asyncio.to_thread(pool.ends.all.wait, _PATIENCE):
            raise TimeoutError(f"{len(pool.ends.times)} of {size} ends noticed")
        noticed = max(pool.ends.times[-1] - killed, 0)
    failed: Counter[str] = Counter()
    loans = iter(range(size))

    async def borrow() -> None:
        for _ in loans:
            try:
                await pool.loan()
            except Exception as error:
                failed[type(error).__name__] += 1

    await asyncio.gather(*(borrow() for _ in range(_TASKS)))
    _say({"noticed": noticed, "failed": dict(failed)})
    await pool.close()


def _say(found: dict[str, Any]) -> None:
    print(json.dumps(found), flush=True)


# ---- all of them, one after another --------------------------------------------------


def measure(name: str, server: TemporaryServer, size: int, seconds: float) -> Any:
    """Run a worker, and kill its connections when it says so; None if it fails."""
    user = server.users["native"]
    place = {
        "unix_socket": server.socket,
        "user": user.name,
        "password": user.password,
        "database": "test",
    }
    sizes = ("--connections", str(size), "--seconds", str(seconds))
    with subprocess.Popen(
        (*_COMMAND, "--worker", name, json.dumps(place), *sizes),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        if not (idle := worker.stdout.readline()):
            return None
        killing = time.monotonic()
        count = kill_all(server, user.name)
        killed = time.monotonic()
        print(killed, file=worker.stdin, flush=True)
        rest, _ = worker.communicate()
        if not rest:
            return None
        result = {**json.loads(idle), **json.loads(rest)}
        return {**result, "killed": count, "killing": killed - killing}


def kill_all(server: TemporaryServer, user: str) -> int:
    """Kill all connections of a user's; returns how many there were."""
    import mariadb_nb

    with mariadb_nb.connect(unix_socket=server.socket, user="root") as admin:
        sql = "SELECT id FROM information_schema.processlist WHERE user = ?"
        numbers = admin.execute(sql, (user,)).fetchall()
        for (number,) in numbers:
            admin.kill(number)
        return len(numbers)


def table(results: dict[str, Any], size: int) -> Table:
    """Put the results side by side."""
    found = Table(box=SIMPLE_HEAD, title=f"{size} idle connections in one pool")
    for head in ("pool", "KiB each", "CPU idle", "all ends noticed", "failed queries"):
        found.add_column(head, justify="left" if head == "pool" else "right")
    for name, one in results.items():
        if one is None:
            found.add_row(name, "failed")
            continue
        noticed = one["noticed"]
        found.add_row(
            name,
            f"{one['memory'] / 1024:.1f}",
            f"{one['cpu'] * 100:.2f} %",
            "when borrowed" if noticed is None else f"{noticed * 1e3:.1f} ms",
            f"{sum(one['failed'].values())}",
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    size, seconds = arguments.connections, arguments.seconds
    needed = size + _DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, max(needed, hard)))
    if arguments.worker:
        name, place = arguments.worker
        asyncio.run(work(name, json.loads(place), size, seconds))
        return
    options = {"max_connections": needed, "open_files_limit": 4 * needed}
    results = {}
    for name in POOLS:
        with TemporaryServer(options=options) as server:
            results[name] = measure(name, server, size, seconds)
    Console().print(table(results, size))
    if arguments.json:
        found = {"connections": size, "versions": versions(), "pools": results}
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
