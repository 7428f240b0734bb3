"""One test body, every world: blocking, gevent, asyncio, uvloop and trio.

A body is a coroutine function over the names of ``mariadb_nb.aio``. In a world without
await it gets the blocking classes under those names: what they return is wrapped so
that it can be awaited, and is there at once. So the body shows what the facades do and
has no word of who waits, and all that waiting is left to the world's runner.

    @in_every_world
    async def test_select(world: World) -> None:
        conn = await world.connect()
        ...
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Final, TypeVar, cast
from unittest import mock

import gevent
import pytest
import trio
import uvloop

import mariadb_nb
from mariadb_nb import aio, runners
from mariadb_nb.arrow import ArrowStream, AsyncArrowStream
from mariadb_nb.runners.gevent import Runner as GeventRunner
from mariadb_nb.server import TemporaryServer

T = TypeVar("T")

#: Seconds that a test may take in one world, however slow the machine is.
BOUND: Final = 120.0

#: Whether a test that does not say how it connects does so over TLS, which the tests of
#: wheels ask for; else it is a unix socket.
OVER_TLS: Final = bool(os.environ.get("MARIADB_NB_TEST_TLS"))


class World(ABC):
    """A way to wait, and the connections and tables of one test in it."""

    name: ClassVar[str]

    def __init__(self, server: TemporaryServer) -> None:
        self.server = server
        self._connections: list[aio.Connection] = []
        self._pools: list[aio.Pool] = []
        self._tables: list[str] = []

    # ---- what a world is ----

    @abstractmethod
    def run(self, body: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, within ``BOUND``."""

    @abstractmethod
    async def together(self, *bodies: Coroutine[Any, Any, T]) -> list[T | Exception]:
        """Run each as a task (or thread, or greenlet) of its own.

        Returns:
            What each returned or raised, in the order of the arguments.
        """

    @abstractmethod
    async def interrupt(
        self, body: Coroutine[Any, Any, object], when: Coroutine[Any, Any, object]
    ) -> None:
        """Run ``body``, and end it in this world's way as soon as ``when`` has ended.

        Returns when the body is over. It must not have ended by itself.
        """

    @abstractmethod
    async def rest(self) -> None:
        """Do nothing for longer than a test may take."""

    @abstractmethod
    async def pause(self) -> None:
        """Let the others go on for an instant."""

    async def _open(self, *url: str, **options: Any) -> aio.Connection:
        return await aio.connect(*url, **options)

    def _make_pool(self, **options: Any) -> aio.Pool:
        return aio.Pool(**options)

    # ---- what a test asks for ----

    def pool(self, login: str = "native", **options: Any) -> aio.Pool:
        """Make a pool; hooks are coroutine functions. Whatever is left is closed."""
        pool = self._make_pool(**self.options(login, **options))
        self._pools.append(pool)
        return pool

    def options(self, login: str = "native", **options: Any) -> dict[str, Any]:
        """How to connect to the tests' server, with changes; None takes one out.

        But for ``prepare_threshold``, where None is a choice.
        """
        user = self.server.users[login]
        usual: dict[str, Any] = {
            "user": user.name,
            "password": user.password,
            "database": "test",
        }
        if OVER_TLS and options.keys().isdisjoint({"unix_socket", "host", "tls"}):
            usual |= {
                "host": "localhost",
                "port": self.server.port,
                "tls": "verify-full",
                "tls_ca": self.server.ca_file,
            }
        else:
            usual["unix_socket"] = self.server.socket
        merged = {**usual, **options}
        chosen = merged.keys() & {"prepare_threshold"}
        return {k: v for k, v in merged.items() if v is not None or k in chosen}

    async def connect(self, login: str = "native", **options: Any) -> aio.Connection:
        """Connect; whatever the test leaves open is closed at its end."""
        return self._keep(await self._open(**self.options(login, **options)))

    async def connect_to(self, url: str) -> aio.Connection:
        """Connect to a URL, with no other options."""
        return self._keep(await self._open(url))

    def _keep(self, conn: aio.Connection) -> aio.Connection:
        self._connections.append(conn)
        return conn

    async def table(self, columns: str, rows: str = "") -> str:
        """Make a table that other connections see, filled with ``rows`` of SQL.

        Returns:
            Its name. The table is dropped when the test is over.
        """
        name = f"t_{self.name}_{len(self._tables)}"
        self._tables.append(name)
        maker = await self.connect(autocommit=True)
        await maker.execute(f"DROP TABLE IF EXISTS {name}")
        await maker.execute(f"CREATE TABLE {name} ({columns}) ENGINE = InnoDB")
        if rows:
            await maker.execute(f"INSERT INTO {name} VALUES {rows}")
        await maker.close()
        return name

    async def wait_until_seen(self, conn: aio.Connection, text: str) -> None:
        """Wait until another connection runs a statement that has ``text`` in it."""
        sql = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE ?"
        while True:
            cur = await conn.execute(sql + " AND id != CONNECTION_ID()", (f"%{text}%",))
            if await cur.fetchone() != (0,):
                return

    async def wait_until_gone(self, conn: aio.Connection, thread_id: int) -> None:
        """Wait until the server has ended another connection."""
        sql = "SELECT COUNT(*) FROM information_schema.processlist WHERE id = ?"
        while True:
            cur = await conn.execute(sql, (thread_id,))
            if await cur.fetchone() == (0,):
                return

    async def leave_nothing(self, body: Coroutine[Any, Any, T]) -> T:
        """Run a body, and end all that it has left."""
        try:
            return await body
        finally:
            for pool in self._pools:
                await pool.close(timeout=0)
            for conn in self._connections:
                await conn.close()
            if self._tables:
                cleaner = await self.connect()
                await cleaner.execute("SET lock_wait_timeout = 10")
                await cleaner.execute(f"DROP TABLE IF EXISTS {', '.join(self._tables)}")
                await cleaner.close()


# ---- worlds without await ----------------------------------------------------


def finish(body: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits, because all it awaits is there."""
    try:
        body.send(None)
    except StopIteration as end:
        return cast("T", end.value)
    body.close()
    raise AssertionError("in a world without await, something was awaited")


def outcome(body: Coroutine[Any, Any, T]) -> T | Exception:
    try:
        return finish(body)
    except Exception as error:
        return error


def call_plainly(hook: Callable[..., Coroutine[Any, Any, T]], conn: Any) -> T:
    """Call a hook that is a coroutine function where nobody awaits."""
    return finish(hook(Awaited(conn)))


#: What has an await under the same name in aio, by the blocking class.
TWINS: Final[dict[type, type]] = {
    mariadb_nb.Connection: aio.Connection,
    mariadb_nb.Cursor: aio.Cursor,
    mariadb_nb.Pipeline: aio.Pipeline,
    mariadb_nb.PreparedStatement: aio.PreparedStatement,
    mariadb_nb.Pool: aio.Pool,
    ArrowStream: AsyncArrowStream,
}


def twin_of(value: object) -> object:
    """What stands for a value of a blocking facade in a test's body."""
    return Awaited(value) if hasattr(value, "__enter__") else value


class Awaited:
    """An object of the blocking facade behind the face of its twin in aio."""

    def __init__(self, plain: Any) -> None:
        object.__setattr__(self, "_plain", plain)

    def __getattr__(self, name: str) -> Any:
        plain = self._plain
        value = getattr(plain, name)
        if not inspect.ismethod(value) and not inspect.isbuiltin(value):
            return twin_of(value)

        def call(*arguments: Any, **options: Any) -> Any:
            return twin_of(value(*arguments, **options))

        async def call_and_await(*arguments: Any, **options: Any) -> Any:
            return call(*arguments, **options)

        waits = inspect.iscoroutinefunction(getattr(TWINS[type(plain)], name))
        return call_and_await if waits else call

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._plain, name, value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Awaited) and self._plain is other._plain

    def __hash__(self) -> int:
        return hash(self._plain)

    def __repr__(self) -> str:
        return repr(self._plain)

    async def __aenter__(self) -> Any:
        return twin_of(self._plain.__enter__())

    async def __aexit__(self, *raised: Any) -> Any:
        return self._plain.__exit__(*raised)

    def __aiter__(self) -> Awaited:
        return self

    async def __anext__(self) -> Any:
        for row in self._plain:
            return row
        raise StopAsyncIteration


class BlockingWorld(World):
    """Threads; the poll runner, which is the default one."""

    name = "blocking"

    def run(self, body: Coroutine[Any, Any, T]) -> T:
        with alarm(BOUND):
            return finish(self.leave_nothing(body))

    async def together(self, *bodies: Coroutine[Any, Any, T]) -> list[T | Exception]:
        with ThreadPoolExecutor(len(bodies)) as threads:
            return list(threads.map(outcome, bodies))

    async def interrupt(
        self, body: Coroutine[Any, Any, object], when: Coroutine[Any, Any, object]
    ) -> None:
        """Ctrl-C: as that, only the main thread can be interrupted."""

        def press_ctrl_c() -> None:
            finish(when)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        with ThreadPoolExecutor(1) as thread:
            pressed = thread.submit(press_ctrl_c)
            with pytest.raises(KeyboardInterrupt):
                finish(body)
            pressed.result()

    async def rest(self) -> None:
        # Blocks no loop: this world has none. Ctrl-C that comes in the instant before a
        # sleep does not end it, so that none is long.
        end = time.monotonic() + BOUND
        while time.monotonic() < end:
            time.sleep(0.02)  # noqa: ASYNC251

    async def pause(self) -> None:
        time.sleep(0.002)  # noqa: ASYNC251

    async def _open(self, *url: str, **options: Any) -> aio.Connection:
        return cast("aio.Connection", Awaited(mariadb_nb.connect(*url, **options)))

    def _make_pool(self, **options: Any) -> aio.Pool:
        for name in {"configure", "reset", "check"} & options.keys():
            options[name] = functools.partial(call_plainly, options[name])
        return cast("aio.Pool", Awaited(mariadb_nb.Pool(**options)))


class GeventWorld(BlockingWorld):
    """Greenlets; without gevent's patches the runner has to be chosen for it."""

    name = "gevent"

    def run(self, body: Coroutine[Any, Any, T]) -> T:
        with mock.patch.object(runners, "default", return_value=GeventRunner):
            task = gevent.spawn(finish, self.leave_nothing(body))
            return cast("T", task.get(timeout=BOUND))

    async def together(self, *bodies: Coroutine[Any, Any, T]) -> list[T | Exception]:
        tasks = [gevent.spawn(outcome, body) for body in bodies]
        return [task.get(timeout=BOUND) for task in tasks]

    async def interrupt(
        self, body: Coroutine[Any, Any, object], when: Coroutine[Any, Any, object]
    ) -> None:
        task = gevent.spawn(finish, body)
        await when
        task.kill(timeout=BOUND)
        assert isinstance(task.value, gevent.GreenletExit)

    async def rest(self) -> None:
        gevent.sleep(BOUND)

    async def pause(self) -> None:
        gevent.sleep(0.002)


@contextlib.contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the main thread when the time is over."""

    def ring(*_: object) -> None:
        raise TimeoutError(f"the test did not end within {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# ---- worlds with await -------------------------------------------------------


class AsyncioWorld(World):
    name = "asyncio"
    new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop

    def run(self, body: Coroutine[Any, Any, T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(BOUND):
                return await self.leave_nothing(body)

        with asyncio.Runner(loop_factory=type(self).new_loop) as runner:
            return runner.run(bounded())

    async def together(self, *bodies: Coroutine[Any, Any, T]) -> list[T | Exception]:
        results = await asyncio.gather(*bodies, return_exceptions=True)
        return cast("list[T | Exception]", results)

    async def interrupt(
        self, body: Coroutine[Any, Any, object], when: Coroutine[Any, Any, object]
    ) -> None:
        task = asyncio.create_task(body)
        await when
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    async def rest(self) -> None:
        await asyncio.sleep(BOUND)

    async def pause(self) -> None:
        await asyncio.sleep(0.002)


class UvloopWorld(AsyncioWorld):
    name = "uvloop"
    new_loop = uvloop.new_event_loop


class TrioWorld(World):
    name = "trio"

    def run(self, body: Coroutine[Any, Any, T]) -> T:
        async def bounded() -> T:
            with trio.fail_after(BOUND):
                return await self.leave_nothing(body)

        return trio.run(bounded)

    async def together(self, *bodies: Coroutine[Any, Any, T]) -> list[T | Exception]:
        results: dict[int, T | Exception] = {}

        async def run_one(number: int, body: Coroutine[Any, Any, T]) -> None:
            try:
                results[number] = await body
            except Exception as error:
                results[number] = error

        async with trio.open_nursery() as nursery:
            for number, body in enumerate(bodies):
                nursery.start_soon(run_one, number, body)
        return [results[number] for number in range(len(bodies))]

    async def interrupt(
        self, body: Coroutine[Any, Any, object], when: Coroutine[Any, Any, object]
    ) -> None:
        scope = trio.CancelScope()

        async def run() -> None:
            with scope:
                await body

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await when
            scope.cancel()
        assert scope.cancelled_caught

    async def rest(self) -> None:
        await trio.sleep(BOUND)

    async def pause(self) -> None:
        await trio.sleep(0.002)


WORLDS: Final = [BlockingWorld, GeventWorld, AsyncioWorld, UvloopWorld, TrioWorld]


def in_every_world(body: Callable[..., Coroutine[Any, Any, None]]) -> Any:
    """Make a test of a coroutine function: its argument ``world`` is each in turn."""

    @functools.wraps(body)
    def test(
        world: type[World], mariadb_server: TemporaryServer, **fixtures: Any
    ) -> None:
        place = world(mariadb_server)
        place.run(body(world=place, **fixtures))

    # pytest reads from the signature which fixtures to pass.
    wanted = dict(inspect.signature(body).parameters)
    wanted["mariadb_server"] = inspect.Parameter(
        "mariadb_server", inspect.Parameter.KEYWORD_ONLY
    )
    test.__signature__ = inspect.Signature(list(wanted.values()))  # type: ignore[attr-defined]
    every = pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
    return every(test)
