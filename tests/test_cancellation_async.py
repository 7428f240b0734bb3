"""Cancelled tasks, scopes and timeouts of asyncio, uvloop and trio, at every wait.

The same scenarios as in test_cancellation.py, and the same things hold afterwards.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from unittest import mock

import pytest
import trio
from cancellation_scenarios import SCENARIOS, Scenario
from cancellation_support import (
    Plan,
    Relay,
    Witness,
    nothing_left,
    points,
    relays_to,
    works,
)
from worlds import AsyncioWorld, TrioWorld, UvloopWorld, World

from mariadb_nb import aio, runners
from mariadb_nb.errors import Busy, InterfaceError, QueryInterrupted
from mariadb_nb.runners.asyncio import Runner as AsyncioRunner
from mariadb_nb.runners.trio import Runner as TrioRunner
from mariadb_nb.server import TemporaryServer
from mariadb_nb.wait import Operation, Wait

#: Of the waits of long operations, so many at the beginning and at the end.
ENDS = 3
TRIES = 2
#: How often to try to have anybody wait at all.
MANY_TRIES = 20
#: How often to cancel at a random moment.
MOMENTS = 300


class Watched:
    """A runner whose waits are counted."""

    def __init__(self, runner: Any, plan: Plan) -> None:
        self.plan = plan
        self.keep, self.forget = runner.keep, runner.forget
        self._runner = runner

    async def run(self, operation: Operation[Any]) -> Any:
        return await self._runner.run(self.plan.watched(operation))

    async def run_shielded(self, operation: Operation[Any]) -> Any:
        return await self._runner.run_shielded(self.plan.watched(operation))


class WatchedBetween(Watched):
    """One whose operations are counted: what is planned happens before they begin."""

    async def run(self, operation: Operation[Any]) -> Any:
        if self.plan.reached(Wait(-1, 0)):
            self.plan.interrupt()
        return await self._runner.run(operation)


Act = Callable[[], Awaitable[Any]]
#: With ``eager_start``, which the types of CPython 3.11 do not know.
Task: Any = asyncio.Task


async def awaiting(act: Act) -> Any:
    """As a task wants it: a coroutine."""
    return await act()


class Cancelling:
    """Ways to be cancelled. Each runs something and has it interrupted as planned.

    They return whether it was, and else check what came of it.
    """

    @staticmethod
    async def task(act: Act, plan: Plan, expected: Any) -> bool:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(act())
        plan.interrupt = lambda: loop.call_soon(task.cancel)
        await asyncio.wait([task])
        if task.cancelled():
            return True
        assert task.result() == expected
        return False

    @staticmethod
    async def eager_task(act: Act, plan: Plan, expected: Any) -> bool:
        """The first wait may be over before there is a name for the task."""
        loop = asyncio.get_running_loop()
        plan.interrupt = lambda: loop.call_soon(lambda: task.cancel())
        task = Task(awaiting(act), loop=loop, eager_start=True)
        await asyncio.wait([task])
        if task.cancelled():
            return True
        assert task.result() == expected
        return False

    @staticmethod
    async def timeout(act: Act, plan: Plan, expected: Any) -> bool:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as limit:
                plan.interrupt = lambda: limit.reschedule(loop.time())
                assert await act() == expected
        except TimeoutError:
            return True
        return False

    @staticmethod
    async def scope(act: Act, plan: Plan, expected: Any) -> bool:
        with trio.CancelScope() as scope:
            plan.interrupt = scope.cancel
            assert await act() == expected
        return scope.cancelled_caught

    @staticmethod
    async def deadline(act: Act, plan: Plan, expected: Any) -> bool:
        with trio.CancelScope() as scope:

            def pass_now() -> None:
                scope.deadline = trio.current_time()

            plan.interrupt = pass_now
            assert await act() == expected
        return scope.cancelled_caught


WAYS: dict[str, tuple[type[World], Any, Any]] = {
    "asyncio task": (AsyncioWorld, AsyncioRunner, Cancelling.task),
    "asyncio timeout": (AsyncioWorld, AsyncioRunner, Cancelling.timeout),
    "uvloop task": (UvloopWorld, AsyncioRunner, Cancelling.task),
    "trio scope": (TrioWorld, TrioRunner, Cancelling.scope),
    "trio deadline": (TrioWorld, TrioRunner, Cancelling.deadline),
}
if sys.version_info >= (3, 12):
    WAYS["asyncio eager task"] = (AsyncioWorld, AsyncioRunner, Cancelling.eager_task)


@pytest.fixture(scope="module")
def witness(mariadb_server: TemporaryServer) -> Iterator[Witness]:
    """A second pair of eyes; what the scenarios need is there."""
    made = Witness(mariadb_server)
    made.prepare()
    yield made
    made.close()


@pytest.fixture(scope="module", autouse=True)
def _loops_have_run() -> None:
    """What a loop opens once for the process is there before it is counted."""
    for world in (AsyncioWorld, UvloopWorld, TrioWorld):
        run(world, nothing())


async def nothing() -> None:
    """Do nothing."""


@pytest.fixture(scope="module")
def lost(witness: Witness) -> Iterator[set[int]]:
    """Connections that were given up: the server has none of them at the end."""
    thread_ids: set[int] = set()
    yield thread_ids
    witness.until_gone(thread_ids)


@pytest.fixture(scope="module")
def relays(
    mariadb_server: TemporaryServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Relay]]:
    """A relay for each transport."""
    folder = tmp_path_factory.mktemp("relays")
    with relays_to(mariadb_server, folder, "unix", "tls") as made:
        yield made


class Awaited:
    """Connections of one world that are interrupted in one way."""

    def __init__(
        self, relay: Relay, way: str, lost: set[int], watched: type[Watched] = Watched
    ) -> None:
        self._watched = watched
        self.world, self._runner_class, self._cancelling = WAYS[way]
        self.options = relay.options
        self.lost = lost
        self.conn: aio.Connection | None = None
        self.runner: Watched | None = None

    async def connect(self, plan: Plan) -> aio.Connection:
        def make() -> Watched:
            self.runner = self._watched(self._runner_class(), plan)
            return self.runner

        with mock.patch.object(runners, "current_async", return_value=make):
            return await aio.connect(**self.options)

    async def act(self, scenario: Scenario, *points: int) -> Plan:
        if self.conn is None or self.conn.closed:
            self.conn = await self.connect(Plan())
        conn, runner = self.conn, self.runner
        assert runner is not None
        runner.plan = Plan()
        prepared = await scenario.prepare(conn)
        plan = runner.plan = Plan(points)
        plan.interrupted = await self._cancelling(
            lambda: scenario.act(conn, prepared), plan, scenario.expected
        )
        runner.plan = Plan()
        if plan.interrupted and not conn.closed:
            await scenario.undone(conn)
        if not await works(conn):
            self.lost.add(conn.thread_id)
            await conn.close()
        return plan

    async def interrupted_connect(self, plan: Plan) -> bool:
        async def connect() -> None:
            await (await self.connect(plan)).close()

        interrupted: bool = await self._cancelling(connect, plan, None)
        return interrupted

    async def close(self) -> None:
        if self.conn is not None:
            await self.conn.close()


async def at_every_wait(awaited: Awaited, name: str) -> None:
    scenario = SCENARIOS[name]
    try:
        counts = [(await awaited.act(scenario)).waits for _ in range(TRIES)]
        for point in points(max(counts), ENDS):
            for _ in range(TRIES if point else MANY_TRIES):
                plan = await awaited.act(scenario, point)
                if plan.interrupted:
                    break
            # There a cursor's close goes on until it is through.
            shielded = awaited.world is TrioWorld and name == "close of a stream"
            assert plan.interrupted or shielded or point
    finally:
        await awaited.close()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_cancelled_at_every_wait(
    relays: dict[str, Relay], lost: set[int], way: str, name: str
) -> None:
    transport = "tls" if way == "asyncio timeout" else "unix"
    awaited = Awaited(relays[transport], way, lost)
    with nothing_left():
        run(awaited.world, at_every_wait(awaited, name))


@pytest.mark.parametrize("name", SCENARIOS)
def test_cancelled_between_operations(
    relays: dict[str, Relay], lost: set[int], name: str
) -> None:
    """As when trio's deadline passes while the last wait of an operation ends."""
    awaited = Awaited(relays["unix"], "trio scope", lost, WatchedBetween)
    with nothing_left():
        run(awaited.world, at_every_wait(awaited, name))


def run(world: type[World], body: Any) -> None:
    """Run a coroutine in a world, in bounded time."""
    place: Any = None
    world(place).run(body)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("transport", ["unix", "tls"])
def test_connect_cancelled_at_every_wait(
    relays: dict[str, Relay], witness: Witness, way: str, transport: str
) -> None:
    awaited = Awaited(relays[transport], way, set())

    async def body() -> None:
        # The login, and then the settings.
        for point in (0, 1):
            for _ in range(MANY_TRIES):
                plan = Plan([point])
                if await awaited.interrupted_connect(plan):
                    break
            assert plan.fulfilled

    with nothing_left(), witness.nobody_left():
        run(awaited.world, body())


# ---- at any moment -----------------------------------------------------------------


#: What is cancelled; each takes a few milliseconds.
STATEMENTS = (
    "SELECT SLEEP(0.002)",
    "SELECT SUM(seq * seq) FROM seq_1_to_30000",
    "SELECT seq, REPEAT('x', 100) FROM seq_1_to_3000",
    "SELECT 1; SELECT SUM(seq * seq) FROM seq_1_to_9000; SELECT seq FROM seq_1_to_500",
    "INSERT INTO cancelled SELECT seq FROM seq_1_to_300",
)


async def cancelled_at_random(
    connect: Callable[[], Awaitable[aio.Connection]], count: int
) -> Counter[str]:
    """Cancel statements at random moments; each time a secret must come back alone."""
    chance = random.Random(count)
    seen: Counter[str] = Counter()
    conn = await connect()
    for turn in range(count):
        task = asyncio.ensure_future(conn.execute(chance.choice(STATEMENTS)))
        await asyncio.sleep(chance.random() * 0.004)
        task.cancel()
        await asyncio.wait([task])
        seen["cancelled" if task.cancelled() else "finished"] += 1
        if not await works(conn):
            # Killed between two statements of a text, the server may say nothing more.
            seen["broken"] += 1
            await conn.close()
            conn = await connect()
        for _ in range(2):
            try:
                cur = await conn.execute(f"SELECT 'secret {turn}'")
            except QueryInterrupted:
                seen["hit the next"] += 1
            else:
                assert await cur.fetchall() == [(f"secret {turn}",)]
    await conn.close()
    return seen


@pytest.mark.parametrize("world", [AsyncioWorld, UvloopWorld])
def test_late_kill_never_hits_the_next_statement(
    mariadb_server: TemporaryServer, witness: Witness, world: type[World]
) -> None:
    place = world(mariadb_server)
    seen: Counter[str] = Counter()

    def connect() -> Awaitable[aio.Connection]:
        return place.connect(multi_statements=True, time_zone="+03:00")

    async def body() -> None:
        seen.update(await cancelled_at_random(connect, MOMENTS // 2))

    with nothing_left():
        place.run(body())
    assert seen["hit the next"] == 0
    assert min(seen["cancelled"], seen["finished"]) > 0


# ---- several tasks ----------------------------------------------------------------


@pytest.mark.parametrize("world", [AsyncioWorld, UvloopWorld, TrioWorld])
def test_one_of_four_tasks_proceeds(
    mariadb_server: TemporaryServer, world: type[World]
) -> None:
    place = world(mariadb_server)

    async def execute(conn: aio.Connection, number: int) -> Any:
        cur = await conn.execute("SELECT GET_LOCK('four', 60), ?", (number,))
        return await cur.fetchall()

    async def body() -> None:
        conn, holder = await place.connect(), await place.connect()
        await holder.execute("DO GET_LOCK('four', 60)")

        async def refused(number: int) -> Any:
            """Execute, and let the one go on who was not refused."""
            try:
                return await execute(conn, number)
            finally:
                left.discard(number)
                if len(left) == 1:
                    await holder.execute("DO RELEASE_LOCK('four')")

        left = {*range(4)}
        results = await place.together(*(refused(i) for i in left))
        kinds = [type(result) for result in results]
        assert kinds.count(Busy) == 3
        number = kinds.index(list)
        assert results[number] == [(1, number)]
        cur = await conn.execute("SELECT 'right'")
        assert await cur.fetchall() == [("right",)]

    place.run(body())


@pytest.mark.parametrize("world", [AsyncioWorld, UvloopWorld, TrioWorld])
def test_closed_by_another_task(
    mariadb_server: TemporaryServer, witness: Witness, world: type[World]
) -> None:
    """Whoever waits hears of it, at once."""
    place = world(mariadb_server)

    async def wait(conn: aio.Connection) -> Any:
        await conn.execute("SELECT SLEEP(600)")

    async def close(conn: aio.Connection) -> None:
        while not conn.busy:
            await place.pause()
        witness.until_running("SLEEP(600)")
        await conn.close()

    async def body() -> None:
        conn = await place.connect()
        waited, _ = await place.together(wait(conn), close(conn))
        assert isinstance(waited, Exception)
        assert conn.closed
        with pytest.raises(InterfaceError):
            await conn.execute("SELECT 1")

    with nothing_left():
        place.run(body())
