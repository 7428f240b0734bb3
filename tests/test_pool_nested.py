"""What comes in the middle of a pool's events, and in the thread that serves all pools.

Finalizers, handlers of signals and of logging, and functions of the user's that do what
they should not.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import opcodes
import pytest
import trio
from test_pool_interrupted import check, connections, options

import mariadb_nb
from mariadb_nb import aio
from mariadb_nb.errors import Busy
from mariadb_nb.pool import alarms, watcher
from mariadb_nb.pool.decisions import Note
from mariadb_nb.pool.slots import Slot
from mariadb_nb.server import TemporaryServer


class _ForEver:
    def __await__(self) -> Generator[None, None, None]:
        while True:
            yield


async def _keep(pool: aio.Pool) -> None:
    async with pool.acquire():
        await _ForEver()


def test_task_that_is_collected_in_the_middle_of_an_event(
    mariadb_server: TemporaryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it was lent is closed, but only when that event is over."""

    async def body() -> None:
        async with aio.Pool(**options(mariadb_server)) as pool:
            await pool.warm_up()
            keeping = _keep(pool)
            keeping.send(None)
            grant = pool._core._grant
            seen: list[int] = []

            def interrupted(slot: Slot) -> None:
                nonlocal keeping
                keeping.close()  # as the collector may at any moment
                pool.drain()  # and this a signal's handler
                seen.append(pool.stats().in_use)
                grant(slot)

            monkeypatch.setattr(pool._core, "_grant", interrupted)
            async with pool.acquire() as conn:
                monkeypatch.undo()
                assert seen == [1]
                numbers = pool.stats()
                assert (numbers.in_use, dict(numbers.closed)) == (1, {"broken": 1})
                found = await (await conn.execute("SELECT 42")).fetchall()
                assert found == [(42,)]
            check(pool)
            assert pool.stats().closed["drained"] == 1

    asyncio.run(body())


async def _until(holds: Callable[[], bool], pause: Callable[[float], Any]) -> None:
    while not holds():
        await pause(0)


@pytest.mark.parametrize(
    ("run", "to_thread", "sleep"),
    [
        (asyncio.run, asyncio.to_thread, asyncio.sleep),
        (lambda body: trio.run(lambda: body), trio.to_thread.run_sync, trio.sleep),
    ],
    ids=["asyncio", "trio"],
)
def test_loan_that_is_collected_in_another_thread(
    mariadb_server: TemporaryServer,
    monkeypatch: pytest.MonkeyPatch,
    run: Any,
    to_thread: Any,
    sleep: Any,
) -> None:
    """It is taken back in the loop's own thread."""
    threads: list[int] = []

    async def body() -> None:
        async with aio.Pool(**options(mariadb_server)) as pool:
            await pool.warm_up()
            release = pool._core.release

            def noted(*arguments: Any, **more: Any) -> None:
                threads.append(threading.get_ident())
                release(*arguments, **more)

            monkeypatch.setattr(pool._core, "release", noted)
            keeping = _keep(pool)
            keeping.send(None)
            await to_thread(keeping.close)
            await _until(lambda: pool.stats().in_use == 0, sleep)
            assert pool.stats().closed == {"broken": 1}
            async with pool.acquire() as conn:
                found = await (await conn.execute("SELECT 42")).fetchall()
                assert found == [(42,)]

    run(body())
    assert {*threads} == {threading.get_ident()}


def test_nobody_borrows_in_the_thread_that_serves_all_pools(
    mariadb_server: TemporaryServer,
) -> None:
    """on_event= and handlers of logging run there, and would wait for themselves."""
    refused: list[str] = []

    def borrow(note: Note) -> None:
        for wait in (pool.acquire().__enter__, pool.warm_up, pool.close):
            with pytest.raises(Busy) as raised:
                wait()
            refused.append(str(raised.value))

    with mariadb_nb.Pool(**options(mariadb_server)) as pool:
        pool.warm_up()
        pool._on_event = borrow
        killed = next(iter(pool._core.slots)).connection.thread_id
        with mariadb_nb.connect(
            unix_socket=mariadb_server.socket, user="root"
        ) as admin:
            admin.kill(killed)
        while len(refused) < 6:  # it ends, and another one is made
            pass
        pool._on_event = None
        with pool.acquire(timeout=20) as conn:
            assert conn.execute("SELECT 42").fetchall() == [(42,)]
    assert all("serves all pools" in text for text in refused)


def test_loan_that_ends_in_the_thread_that_serves_all_pools(
    mariadb_server: TemporaryServer,
) -> None:
    """A generator may be collected there: its connection is closed, not reset."""
    lease: Any = None

    def end(note: Note) -> None:
        nonlocal lease
        if lease is not None:
            lease.__exit__(None, None, None)
            lease = None

    with mariadb_nb.Pool(**options(mariadb_server), on_event=end) as pool:
        mine = pool.acquire(timeout=20)
        mine.__enter__()
        lease = mine
        with pool.acquire(timeout=20):
            while lease is not None:
                pass
        while pool.stats().in_use:
            pass
        assert pool.stats().closed["broken"] == 1


def test_function_that_ends_its_thread_does_not_end_the_watch(
    mariadb_server: TemporaryServer,
) -> None:
    def leave(note: Note) -> None:
        raise SystemExit

    given = options(mariadb_server)
    with (
        mariadb_nb.Pool(**given) as pool,
        mariadb_nb.Pool(**given, on_event=leave) as other,
    ):
        for one in (other, pool):
            with one.acquire(timeout=20) as conn:
                assert conn.execute("SELECT 42").fetchall() == [(42,)]
        other._on_event = None  # here it would end the test


def test_watch_that_has_died_is_joined_by_nobody(
    mariadb_server: TemporaryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = watcher.Watcher()
    monkeypatch.setattr(dead, "_run", lambda: None)
    monkeypatch.setattr(watcher, "_watcher", dead)
    with mariadb_nb.Pool(**options(mariadb_server)) as pool:
        assert pool._watcher is not dead
        with pool.acquire(timeout=20) as conn:
            assert conn.execute("SELECT 42").fetchall() == [(42,)]


# The collector may come to its connections first, and they say so too.
@pytest.mark.filterwarnings("ignore:<Session .* was not closed:ResourceWarning")
def test_forgotten_pool_of_threads_ends(mariadb_server: TemporaryServer) -> None:
    before = {*threading.enumerate()}
    pools = [mariadb_nb.Pool(**options(mariadb_server), keepalive_interval=100)]
    pools[0].warm_up()

    def forget() -> None:
        pools.clear()
        gc.collect()

    with pytest.warns(ResourceWarning, match="Pool .* was not closed"):
        forget()
    while connections(mariadb_server):
        pass
    for thread in {*threading.enumerate()} - before:
        thread.join(20)
        assert not thread.is_alive()


def test_reminder_that_comes_while_another_is_noted() -> None:
    """A finalizer may have one in the middle of anything that the thread does."""
    serving = watcher.Watcher()
    due: list[str] = []

    class Pool:
        def __init__(self, name: str) -> None:
            self.name = name

        def time_up(self) -> None:
            due.append(self.name)

        def look_at(self, slot: Slot) -> None: ...

    one, other = Pool("one"), Pool("other")
    now = time.monotonic()

    def try_at(at: int) -> bool:
        due.clear()
        serving.remind(one, now)
        noting = serving._serve()
        files = {alarms.__file__, watcher.__file__}
        done = opcodes.run_with(
            files, lambda: serving.remind(other, now), at, lambda: next(noting)
        )
        if done and "other" not in due:  # it would have been woken for this
            next(noting)
        noting.close()
        assert sorted(due) == (["one", "other"] if done else ["one"])
        return done

    try:
        opcodes.everywhere(try_at)
    finally:
        serving.start()
        serving.end()
