"""Pools whose server or network lets them down, in every world."""

from __future__ import annotations

import asyncio
import os
import random
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
from stalling import StallingProxy
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import Busy, InterfaceError, OperationalError, aio, tcp
from mariadb_nb.options import Options
from mariadb_nb.pool.decisions import Close, Note
from mariadb_nb.pool.watcher import Watcher
from mariadb_nb.server import TemporaryServer
from mariadb_nb.session import Session


async def ask(conn: aio.Connection, sql: str, *params: Any) -> Any:
    """The one value that a statement gives."""
    (row,) = await (await conn.execute(sql, params or None)).fetchall()
    return row[0]


@in_every_world
async def test_connections_are_killed_at_random(world: World) -> None:
    killer = await world.connect("root")
    chance = random.Random(7)
    async with world.pool(min_size=4, max_size=4) as pool:
        await pool.warm_up()
        working = 8

        async def work(secret: int) -> int:
            nonlocal working
            right = 0
            try:
                while right < 30 or not pool.stats().closed:
                    mine = f"{secret}/{right}"
                    try:
                        async with pool.acquire() as conn:
                            assert await ask(conn, "SELECT ?", mine) == mine
                            right += 1
                    except OperationalError:
                        pass
                return right
            finally:
                working -= 1

        async def kill() -> None:
            sql = "SELECT id FROM information_schema.processlist WHERE user = ?"
            name = world.server.users["native"].name
            while working:
                rows = await (await killer.execute(sql, (name,))).fetchall()
                if rows:
                    with suppress(OperationalError):  # it has gone meanwhile
                        await killer.kill(chance.choice(rows)[0])
                await world.pause()

        results = await world.together(*(work(n) for n in range(8)), kill())
        assert all(isinstance(right, int) and right >= 30 for right in results[:-1])
        assert results[-1] is None
        await pool.warm_up()
        stats = pool.stats()
        assert (stats.size, stats.idle) == (4, 4)
        assert stats.created == 4 + sum(stats.closed.values())
        assert {*stats.closed} <= {"lost", "broken", "reset"}


@in_every_world
async def test_silent_peer_is_found_by_keepalive(world: World) -> None:
    with StallingProxy("127.0.0.1", world.server.port) as proxy:
        async with world.pool(
            unix_socket=None,
            host="127.0.0.1",
            port=proxy.port,
            keepalive_interval=0.2,
            check_timeout=0.2,
        ) as pool:
            async with pool.acquire() as conn:
                assert await ask(conn, "SELECT 1") == 1
            proxy.stall()
            while pool.stats().closed != {"silent": 1}:
                await world.pause()
            proxy.resume()
            async with pool.acquire() as conn:
                assert await ask(conn, "SELECT 1") == 1


@in_every_world
async def test_end_of_an_idle_connection_with_tls_is_seen(world: World) -> None:
    killer = await world.connect("root")
    async with world.pool(
        unix_socket=None, host="127.0.0.1", port=world.server.port, tls="require"
    ) as pool:
        async with pool.acquire() as conn:
            number = conn.thread_id
        await killer.kill(number)
        while pool.stats().closed != {"lost": 1}:
            await world.pause()


@pytest.mark.parametrize("tls", ["disable", "require"])
@in_every_world
async def test_end_that_no_loop_has_seen_yet_is_seen_by_who_borrows(
    world: World, tls: str
) -> None:
    place: dict[str, Any] = {"host": "127.0.0.1", "port": world.server.port}
    login = world.options("root")
    async with world.pool(unix_socket=None, **place, tls=tls, max_size=1) as pool:
        async with pool.acquire() as conn:
            number = conn.thread_id
            same = os.dup(conn.session.fd)
        with mariadb_nb.connect(**login) as killer:
            killer.kill(number)
        select.select([same], [], [])  # and no loop has a turn
        os.close(same)
        async with pool.acquire() as conn:
            assert await ask(conn, "SELECT 1") == 1
            assert conn.thread_id != number
        assert pool.stats().closed == {"lost": 1}


@pytest.mark.parametrize(
    ("tls", "sent", "verdict"),
    [
        ("disable", None, None),
        ("disable", b"", True),
        ("disable", b"unsolicited", True),
        ("prefer", None, None),
        ("prefer", b"", True),
        ("prefer", b"a record", False),
    ],
)
def test_verdict_on_what_can_be_read(
    tls: str, sent: bytes | None, verdict: bool | None
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        session: Any = SimpleNamespace(
            fd=ours.fileno(), options=SimpleNamespace(tls=tls)
        )
        if sent:
            theirs.send(sent)
        elif sent is not None:
            theirs.close()
        assert Session.has_ended(session) is verdict
        if sent:
            assert ours.recv(100) == sent


def test_verdict_on_what_is_closed() -> None:
    closed: Any = SimpleNamespace(fd=-1, options=SimpleNamespace(tls="prefer"))
    assert Session.has_ended(closed) is True


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # a duplicate
def test_interrupted_setting_of_a_sockets_options_leaves_it_open() -> None:
    def interrupt_everywhere() -> None:
        at = count = 0

        def trace(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal count
            if frame.f_code is not tcp.apply.__code__:
                return None
            frame.f_trace_opcodes = True
            if event == "opcode":
                count += 1
                if count == at:
                    raise KeyboardInterrupt  # as a signal's handler may
            return trace

        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname()) as ours,
        ):
            options = Options.of(tcp_keepalive=9)
            before = sys.gettrace()
            # CPython 3.12 looks for it once somebody traces, not when that begins.
            sys._getframe().f_trace_opcodes = True
            while at == count:
                at, count = at + 1, 0
                sys.settrace(trace)
                with suppress(KeyboardInterrupt):
                    tcp.apply(ours.fileno(), options)
                sys.settrace(before)
                os.fstat(ours.fileno())  # it is there
        assert at > 20

    # In a thread of its own: what is raised between any two bytecodes may leave an
    # exception behind as the one that is being handled.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(interrupt_everywhere).result()


@in_every_world
async def test_action_that_raises_keeps_none_of_the_others_back(world: World) -> None:
    pool: Any = world.pool(max_size=2)
    plain = getattr(pool, "_plain", pool)
    close = plain._acts[Close]
    raised: list[Close] = []

    def stumble(action: Close) -> None:
        close(action)
        if not raised:
            raised.append(action)
            raise KeyboardInterrupt

    async with pool:
        async with pool.acquire() as one, pool.acquire() as other:
            pass
        plain._acts[Close] = stumble
        with pytest.raises(KeyboardInterrupt):
            pool.drain()
        plain._acts[Close] = close
        async with pool.acquire() as conn:  # any event will do
            for drained in (one, other):
                await world.wait_until_gone(conn, drained.thread_id)
        assert pool.stats().size == 1
    assert pool.stats().closed["drained"] == 2


def test_pool_belongs_to_one_loop(mariadb_server: TemporaryServer) -> None:
    user = mariadb_server.users["native"]
    pool = aio.Pool(
        unix_socket=mariadb_server.socket, user=user.name, password=user.password
    )

    async def borrow() -> None:
        async with pool.acquire() as conn:
            assert await ask(conn, "SELECT 1") == 1

    with asyncio.Runner() as first:
        first.run(borrow())
        with pytest.raises(InterfaceError, match="another event loop"):
            asyncio.run(borrow())
        first.run(pool.close())


@pytest.mark.parametrize("keepalive", [None, 0.001], ids=["connect", "ping"])
def test_whoever_cancels_all_tasks_stops_no_pool(
    mariadb_server: TemporaryServer, keepalive: float | None
) -> None:
    user = mariadb_server.users["native"]

    async def cancel_what_is_not_mine() -> None:
        mine = asyncio.current_task()
        async with aio.Pool(
            unix_socket=mariadb_server.socket,
            user=user.name,
            password=user.password,
            max_size=1,
            keepalive_interval=keepalive,
        ) as pool:
            if keepalive:
                async with pool.acquire():
                    pass
            else:
                pool.resize(min_size=1, max_size=1)
            async with asyncio.timeout(20):
                while len(asyncio.all_tasks()) == 1:  # noqa: ASYNC110 - not told of
                    await asyncio.sleep(0)
            await asyncio.sleep(0)  # it has begun
            for task in asyncio.all_tasks():
                if task is not mine:
                    task.cancel()
            async with pool.acquire() as conn:
                assert await ask(conn, "SELECT 1") == 1

    asyncio.run(cancel_what_is_not_mine())


def test_ctrl_c_in_the_middle_of_an_event(mariadb_server: TemporaryServer) -> None:
    user = mariadb_server.users["native"]
    with mariadb_nb.Pool(
        unix_socket=mariadb_server.socket,
        user=user.name,
        password=user.password,
        min_size=3,
    ) as pool:
        pool.warm_up()
        conns = [slot.connection for slot in pool._core.slots]
        note = pool._acts[Note]

        def interrupted(action: Note) -> None:
            pool._acts[Note] = note
            raise KeyboardInterrupt

        pool._acts[Note] = interrupted
        with pytest.raises(KeyboardInterrupt):
            pool.drain()
        pool.warm_up()
        assert all(conn.closed for conn in conns)
        assert pool.stats().size == 3


def test_watcher_ends_at_once_after_the_last_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serving, read = Watcher(), os.read
    done: list[str] = []

    def read_late(fd: int, count: int) -> bytes:
        if fd == serving._inbox and not serving._ending:
            serving._posted.append(lambda: done.append("the last"))
            serving._ending = True
            serving._ring()  # and this is heard together with what rang before
        return read(fd, count)

    monkeypatch.setattr(os, "read", read_late)
    serving.start()
    serving._ring()
    serving._thread.join(20)
    assert not serving._thread.is_alive()
    assert done == ["the last"]


IN_A_CHILD = """
import os, sys
import mariadb_nb
with mariadb_nb.Pool(sys.argv[1]) as pool:
    with pool.acquire() as conn:
        child = os.fork()
        if not child:
            try:
                with pool.acquire():
                    os._exit(1)
            except mariadb_nb.InterfaceError as error:
                assert "fork" in str(error), error
            with mariadb_nb.Pool(sys.argv[1]) as own, own.acquire() as mine:
                mine.execute("SELECT 1").fetchall()
            pool.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert conn.execute("SELECT 42").fetchall() == [(42,)]
"""

PATCHED = """
import gevent.monkey
gevent.monkey.patch_all()
import sys
import threading
import gevent
import mariadb_nb

def work(secret):
    for _ in range(10):
        with pool.acquire() as conn:
            assert conn.execute("SELECT ?", (secret,)).fetchall() == [(secret,)]

with mariadb_nb.Pool(sys.argv[1], max_size=4) as pool:
    tasks = [gevent.spawn(work, secret) for secret in range(16)]
    gevent.joinall(tasks, timeout=20, raise_error=True)
    assert all(task.ready() for task in tasks)
    with pool.acquire() as conn:
        pass
    with mariadb_nb.connect(sys.argv[1]) as other:
        other.kill(conn.thread_id)
    with gevent.Timeout(10):
        while not pool.stats().closed:
            gevent.sleep(0.01)
"""


@pytest.mark.parametrize("script", [IN_A_CHILD, PATCHED], ids=["fork", "gevent"])
def test_in_a_process_of_its_own(mariadb_server: TemporaryServer, script: str) -> None:
    user = mariadb_server.users["native"]
    url = f"mariadb://{user.name}:{user.password}@localhost/?unix_socket="
    subprocess.run(
        [sys.executable, "-c", script, url + mariadb_server.socket],
        check=True,
        timeout=60,
    )


def _lend(pool: mariadb_nb.Pool) -> Iterator[None]:
    with pool.acquire():
        yield


def test_finalizer_in_the_middle_of_an_event(
    mariadb_server: TemporaryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = mariadb_server.users["native"]
    with mariadb_nb.Pool(
        unix_socket=mariadb_server.socket, user=user.name, password=user.password
    ) as pool:
        borrowing = [_lend(pool), _lend(pool)]
        assert [next(one) for one in borrowing] == [None, None]
        acquire, refused = pool._core.acquire, []

        def interrupted(*arguments: Any) -> Any:
            while borrowing:
                del borrowing[0]  # the collector may do so at any moment
            try:
                pool.drain()
            except Busy as error:
                refused.append(str(error))
            assert pool.stats().in_use == 2
            return acquire(*arguments)

        monkeypatch.setattr(pool._core, "acquire", interrupted)
        with pool.acquire() as conn:
            assert conn.execute("SELECT 42").fetchall() == [(42,)]
            assert pool.stats().in_use == 1
        assert pool.stats().closed == {"broken": 2}
        assert "in this thread" in refused[0]


def test_numbers_in_a_forked_child_while_an_event_goes_on() -> None:
    pool = mariadb_nb.Pool(max_size=3)
    holding, over = threading.Event(), threading.Event()

    def hold() -> None:
        with pool._lock:
            holding.set()
            over.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait(60)
    child = os.fork()
    if not child:
        signal.alarm(20)
        os._exit(pool.stats().max_size)
    over.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3


def test_ctrl_c_between_the_loan_and_its_use(
    mariadb_server: TemporaryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = mariadb_server.users["native"]
    with mariadb_nb.Pool(
        unix_socket=mariadb_server.socket,
        user=user.name,
        password=user.password,
        max_size=1,
    ) as pool:
        with pool.acquire():
            pass
        tell = pool._tell

        def interrupted(event: Any, *arguments: Any, **more: Any) -> None:
            tell(event, *arguments, **more)
            if event == pool._core.acquire:
                monkeypatch.undo()
                raise KeyboardInterrupt

        monkeypatch.setattr(pool, "_tell", interrupted)
        with pytest.raises(KeyboardInterrupt), pool.acquire():
            pass
        assert pool.stats().in_use == 0
        with pool.acquire(timeout=20) as conn:
            assert conn.execute("SELECT 42").fetchall() == [(42,)]
