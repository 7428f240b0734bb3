"""Many queries over a pool while everything goes wrong that can.

64 tasks, or threads, share 16 connections through a proxy that resets, truncates,
stalls and silences them at random (``faulty_proxy``). Borrowers are cancelled at
random, or give up after a random time where nobody can cancel, and leave their
sessions in all kinds of states. Each query carries a secret of its own, which has to
come back; what one borrower left is looked for by the next ones.

    python tests/pool_soak.py [--seed N] [--queries N] [WORLD ...]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import trio
import uvloop
from connector_support import assert_resources, resources
from faulty_proxy import FaultyProxy
from worlds import Awaited, finish

import mariadb_nb
from mariadb_nb import InterfaceError, OperationalError, aio
from mariadb_nb.server import TemporaryServer

TASKS = 64
CONNECTIONS = 16
#: One in so many borrowers is cancelled, or gives up, within so many seconds.
CANCELLED, WITHIN = 0.05, 0.01
#: Seconds until everything that is left has to be in order.
PATIENCE = 60.0
SETTINGS: dict[str, Any] = {
    "min_size": CONNECTIONS,
    "max_size": CONNECTIONS,
    "acquire_timeout": PATIENCE,
    "timeout": 1.0,
    "check_timeout": 1.0,
    "cancel_timeout": 1.0,
    "connect_timeout": 1.0,
    "retry_first": 0.01,
    "retry_longest": 0.1,
    "tls": "disable",
    "database": "test",
}


class Soak:
    """One run in one world.

    Attributes:
        right: how many answers were right; all others were errors.
        cancelled: how many borrowers were cancelled.
        errors: how many there were, by class.
    """

    def __init__(self, pool: aio.Pool, seed: int, queries: int) -> None:
        self.pool = pool
        self._seed = seed
        self._rest = queries
        self.right = 0
        self.cancelled = 0
        self.errors: Counter[str] = Counter()
        self._count = threading.Lock()

    async def work(
        self, number: int, cancelling: Callable[[float], Any] | None
    ) -> None:
        """Be one of the tasks."""
        chance = random.Random(f"{self._seed}/{number}")
        turn = 0
        while self._take_one():
            turn += 1
            secret = f"{self._seed}/{number}/{turn}"
            patience = None
            if chance.random() < CANCELLED:
                patience = 0.0001 + chance.random() * WITHIN
            habit = chance.choice(HABITS)
            try:
                if cancelling is None or patience is None:
                    await self._borrow(secret, habit, patience)
                else:
                    with cancelling(patience) as scope:
                        await self._borrow(secret, habit, None)
                    with self._count:
                        self.cancelled += scope.cancelled_caught
            except OperationalError as error:
                with self._count:
                    self.errors[error.message and type(error).__name__] += 1

    def _take_one(self) -> bool:
        with self._count:
            self._rest -= 1
            return self._rest >= 0

    async def _borrow(self, secret: str, habit: Any, patience: float | None) -> None:
        async with self.pool.acquire() as conn:
            if patience is not None:
                conn.timeout = patience
            sql = "SELECT ?, @left, DATABASE(), @@autocommit"
            found = await (await conn.execute(sql, (secret,))).fetchall()
            assert found == [(secret, None, "test", 0)], f"{secret}: {found}"
            with self._count:
                self.right += 1
            await habit(conn, secret)
        try:  # it may be somebody else's now
            await conn.execute("SELECT 'stolen'")
        except InterfaceError:
            return
        raise AssertionError(f"{secret}: the connection is at hand after its loan")


# ---- what borrowers do, and leave behind ---------------------------------------------


async def be_tidy(conn: aio.Connection, secret: str) -> None:
    """Leave nothing."""


async def leave_settings(conn: aio.Connection, secret: str) -> None:
    """A variable, another database, another autocommit."""
    await conn.execute("SET @left = ?, autocommit = 1", (secret,))
    await conn.execute("USE information_schema")
    found = await (await conn.execute("SELECT @left")).fetchall()
    assert found == [(secret,)], f"{secret}: {found}"


async def leave_a_transaction(conn: aio.Connection, secret: str) -> None:
    """A row that nobody else may ever see."""
    await conn.execute("INSERT INTO left_over VALUES (?)", (secret,))


async def leave_rows(conn: aio.Connection, secret: str) -> None:
    """Rows that were not read."""
    cur = conn.cursor(stream=True)
    await cur.execute("SELECT ?, seq FROM seq_1_to_300", (secret,))
    found = await cur.fetchone()
    assert found == (secret, 1), f"{secret}: {found}"


async def take_a_lot(conn: aio.Connection, secret: str) -> None:
    """A reply of many pieces."""
    cur = await conn.execute("SELECT REPEAT(?, 4000)", (secret,))
    ((found,),) = await cur.fetchall()
    assert found == secret * 4000, secret


async def sleep(conn: aio.Connection, secret: str) -> None:
    """A statement that lasts, so that cancelling finds it."""
    found = await (await conn.execute("SELECT SLEEP(0.005), ?", (secret,))).fetchall()
    assert found == [(0, secret)], f"{secret}: {found}"


HABITS = [
    *([be_tidy] * 10),
    leave_settings,
    leave_a_transaction,
    leave_rows,
    take_a_lot,
    sleep,
]


# ---- worlds --------------------------------------------------------------------------


class Cancelling:
    """Cancels the task that enters it after some time; trio's scopes, for asyncio."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.cancelled_caught = False

    def __enter__(self) -> Cancelling:
        self._task = asyncio.current_task()
        assert self._task is not None
        self._asked = False
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._ask)
        return self

    def _ask(self) -> None:
        assert self._task is not None
        self._asked = True
        self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, *more: object) -> bool:
        self._timer.cancel()
        assert self._task is not None
        if self._asked and self._task.uncancel() == 0:
            self.cancelled_caught = kind is asyncio.CancelledError
        return self.cancelled_caught


async def run_on_asyncio(soak: Soak) -> None:
    async with asyncio.TaskGroup() as tasks:
        for number in range(TASKS):
            tasks.create_task(soak.work(number, Cancelling))
    await settle(soak.pool, partial(asyncio.sleep, 0.002))
    await soak.pool.close()
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"left: {left}"


async def run_on_trio(soak: Soak) -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    async with trio.open_nursery() as nursery:
        for number in range(TASKS):
            nursery.start_soon(soak.work, number, trio.move_on_after)
    await settle(soak.pool, partial(trio.sleep, 0.002))
    await soak.pool.close()
    await trio.lowlevel.checkpoint()
    left = trio.lowlevel.current_statistics().tasks_living - before
    assert left == 0, f"{left} tasks left"


def run_on_threads(soak: Soak) -> None:
    async def nap() -> None:
        time.sleep(0.002)  # noqa: ASYNC251  it is a thread that naps

    with ThreadPoolExecutor(TASKS) as threads:
        works = [soak.work(number, None) for number in range(TASKS)]
        for _ in threads.map(finish, works):
            pass
    finish(settle(soak.pool, nap))
    finish(soak.pool.close())


async def settle(pool: aio.Pool, nap: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Wait until the pool is whole; its numbers have to fit together then."""
    end = time.monotonic() + PATIENCE
    while True:
        stats = pool.stats()
        if stats.size == stats.idle == CONNECTIONS:
            break
        assert time.monotonic() < end, f"the pool is not whole: {stats}"
        await nap()
    assert stats.waiting == stats.in_use == 0, stats
    assert stats.created - sum(stats.closed.values()) == CONNECTIONS, stats


WORLDS = ("asyncio", "uvloop", "trio", "threads")


def run(world: str, soak: Soak) -> None:
    if world == "threads":
        run_on_threads(soak)
    elif world == "trio":
        trio.run(run_on_trio, soak)
    else:
        loop = uvloop.new_event_loop if world == "uvloop" else None
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(run_on_asyncio(soak))


# ---- a run, and what has to be true after it -----------------------------------------


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """Have no more descriptors and threads after the block than before."""
    uvloop.new_event_loop().close()  # the first one makes a pipe that stays
    gc.collect()
    before = resources()
    yield
    gc.collect()
    assert_resources(before)


def soak(server: TemporaryServer, world: str, seed: int, queries: int) -> str:
    """Do a run; returns what happened, and raises AssertionError if it was wrong."""
    user = server.users["native"]
    login = {"user": user.name, "password": user.password}
    admin = mariadb_nb.connect(unix_socket=server.socket, user="root")
    with admin:
        admin.execute("CREATE OR REPLACE TABLE test.left_over (t TEXT) ENGINE=InnoDB")
        with nothing_left(), FaultyProxy(server.socket, seed) as proxy:
            place = {"host": "127.0.0.1", "port": proxy.port}
            options: dict[str, Any] = {**SETTINGS, **place, **login}
            if world == "threads":
                pool: Any = Awaited(mariadb_nb.Pool(**options))
            else:
                pool = aio.Pool(**options)
            one = Soak(pool, seed, queries)
            began = time.monotonic()
            run(world, one)
            took = time.monotonic() - began
        nothing_left_on_the_server(admin, user.name)
    stats = pool.stats()
    assert stats.size == 0, stats
    assert stats.created == sum(stats.closed.values()), stats
    assert "" not in one.errors, "an error says nothing"
    failed = sum(one.errors.values())
    assert one.right >= queries - failed - one.cancelled
    return (
        f"{world}, seed {seed}: {queries} loans in {took:.0f} s, {one.right} right "
        f"answers, {one.cancelled} cancelled, errors {dict(one.errors)}, "
        f"faults {proxy.faults}, created {stats.created}, "
        f"failed connects {stats.failed_connects}, closed {dict(stats.closed)}, "
        f"longest wait {stats.longest_wait:.1f} s"
    )


def nothing_left_on_the_server(admin: mariadb_nb.Connection, user: str) -> None:
    """Wait until no connection of the user's is left, and no row of theirs is seen."""
    sql = (
        "SELECT (SELECT COUNT(*) FROM information_schema.processlist WHERE user = ?), "
        "(SELECT COUNT(*) FROM test.left_over)"
    )
    end = time.monotonic() + PATIENCE
    while (left := admin.execute(sql, (user,)).fetchone()) != (0, 0):
        admin.rollback()
        assert time.monotonic() < end, f"connections, rows on the server: {left}"
        time.sleep(0.01)  # nobody tells when the server has noticed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--queries", type=int, default=200_000)
    parser.add_argument("worlds", nargs="*", default=["asyncio", "threads"])
    arguments = parser.parse_args()
    with TemporaryServer() as server:
        for world in arguments.worlds:
            print(soak(server, world, arguments.seed, arguments.queries), flush=True)


if __name__ == "__main__":
    main()
