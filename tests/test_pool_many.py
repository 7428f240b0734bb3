"""A thousand idle connections in one pool: nothing is done for them, and their end."""

from __future__ import annotations

import asyncio
import resource
import selectors
import threading
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import pytest
import trio
from attempts import attempts
from test_pool_interrupted import check_connections

import mariadb_nb
from mariadb_nb import aio
from mariadb_nb.pool import watcher
from mariadb_nb.server import TemporaryServer

MANY = 1000
TASKS = 64


@pytest.fixture(scope="module")
def large_server() -> Iterator[TemporaryServer]:
    """A server that takes many connections, and a process that may have them."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * MANY
    if before[0] < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, max(needed, before[1])))
    options = {"max_connections": MANY + 100, "open_files_limit": 4 * MANY}
    try:
        with TemporaryServer(options=options) as server:
            yield server
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture(autouse=True)
def _nobody_left(large_server: TemporaryServer) -> None:
    """The server has seen that all connections of the test before have ended."""
    check_connections(large_server, 0)


def settings(server: TemporaryServer) -> dict[str, Any]:
    user = server.users["native"]
    return {
        "unix_socket": server.socket,
        "user": user.name,
        "password": user.password,
        "min_size": MANY,
        "max_size": MANY,
        "max_connecting": 16,
        "acquire_timeout": 60.0,
    }


def kill_all(server: TemporaryServer) -> set[int]:
    """Kill all connections of the pool's user's; returns their numbers."""
    with mariadb_nb.connect(unix_socket=server.socket, user="root") as admin:
        sql = "SELECT id FROM information_schema.processlist WHERE user = ?"
        rows = admin.execute(sql, (server.users["native"].name,)).fetchall()
        for (number,) in rows:
            admin.kill(number)
        return {number for (number,) in rows}


class CountingSelector(selectors.DefaultSelector):
    """Counts how often somebody has waited in it, that is: a loop's turns."""

    turns = 0

    def select(self, timeout: float | None = None) -> Any:
        self.turns += 1
        return super().select(timeout)


async def until_lost(pool: aio.Pool, nap: Callable[[], Awaitable[None]]) -> None:
    """Wait until the pool has noticed all ends."""
    while pool.stats().closed != {"lost": MANY}:
        await nap()


async def borrow_some(pool: aio.Pool, killed: set[int]) -> int:
    """Borrow as a task does; returns how often that went well."""
    right = 0
    for _ in range(3):
        async with pool.acquire() as conn:
            assert conn.thread_id not in killed
            rows = await (await conn.execute("SELECT 1")).fetchall()
            right += rows == [(1,)]
    return right


def test_asyncio(large_server: TemporaryServer) -> None:
    selector = CountingSelector()

    async def play() -> None:
        async with aio.Pool(**settings(large_server)) as pool:
            await pool.warm_up()
            for attempt in attempts(3):  # what ends the sleep, and no more
                before = selector.turns
                await asyncio.sleep(0.5)
                attempt.measured = selector.turns - before
            pool.resize(min_size=0, max_size=MANY)
            killed = await asyncio.to_thread(kill_all, large_server)
            assert len(killed) == MANY
            await until_lost(pool, partial(asyncio.sleep, 0.001))
            tasks = [borrow_some(pool, killed) for _ in range(TASKS)]
            assert await asyncio.gather(*tasks) == [3] * TASKS
            assert pool.stats().failed_connects == 0

    loop = asyncio.SelectorEventLoop(selector)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(play())


def test_trio(large_server: TemporaryServer) -> None:
    async def play() -> None:
        async with aio.Pool(**settings(large_server)) as pool:
            await pool.warm_up()
            pool.resize(min_size=0, max_size=MANY)
            killed = await trio.to_thread.run_sync(kill_all, large_server)
            await until_lost(pool, partial(trio.sleep, 0.001))
            assert await borrow_some(pool, killed) == 3

    trio.run(play)


def test_threads(
    large_server: TemporaryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mariadb_nb.Pool(**settings(large_server)) as pool:
        pool.warm_up()
        serving = watcher._watcher
        assert serving is not None
        turns = 0
        run_once = serving._runner.run_once

        def counted(*arguments: Any) -> Any:
            nonlocal turns
            turns += 1
            return run_once(*arguments)

        monkeypatch.setattr(serving._runner, "run_once", counted)
        for attempt in attempts(3):
            turns = 0
            threading.Event().wait(0.5)
            attempt.measured = turns
        pool.resize(min_size=0, max_size=MANY)
        killed = kill_all(large_server)
        while pool.stats().closed != {"lost": MANY}:
            threading.Event().wait(0.001)
        assert turns > 0  # it was counted

        def borrow() -> None:
            for _ in range(3):
                with pool.acquire() as conn:
                    assert conn.thread_id not in killed
                    assert conn.execute("SELECT 1").fetchall() == [(1,)]
                    right.append(conn.thread_id)

        right: list[int] = []
        threads = [threading.Thread(target=borrow) for _ in range(TASKS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(right) == 3 * TASKS
        assert pool.stats().failed_connects == 0
