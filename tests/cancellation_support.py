"""Interrupt what a connection does at any one of its waits, in every way there is.

The scenarios are coroutine functions over the names of ``mariadb_nb.aio``; on blocking
connections they run as ``worlds`` has it. A ``Plan`` counts the waits of all operations
and interrupts at one of them.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from capi_support import connect, query, rows

from mariadb_nb import aio
from mariadb_nb.capi import lib
from mariadb_nb.errors import InterfaceError
from mariadb_nb.server import TemporaryServer
from mariadb_nb.wait import READ, TIMEOUT, WRITE, Operation, Wait

T = TypeVar("T")

#: Seconds after which something that has to happen has not.
BOUND = 20.0
TABLE = "cancelled"
PROCEDURE = "cancelled_call"


class Interrupted(BaseException):
    """What interrupts whoever waits; no Exception, as KeyboardInterrupt is none."""


class Closed(BaseException):
    """Its operation was closed."""


# ---- interrupting at one wait ------------------------------------------------


class Plan:
    """Counts waits, and does something at some of them.

    Args:
        points: at which waits, from 0.
        interrupt: what it does; a ``Runner`` has its own way.

    Attributes:
        waits: how many there were.
        interrupted: whether somebody heard of it.
    """

    def __init__(
        self, points: Iterable[int] = (), interrupt: Callable[[], object] = int
    ) -> None:
        self.points = frozenset(points)
        self.interrupt = interrupt
        self.waits = 0
        self.interrupted = False

    def reached(self, wait: Wait) -> bool:
        """Count a wait; whether it is one of those."""
        self.waits += 1
        return self.waits - 1 in self.points

    @property
    def fulfilled(self) -> bool:
        """Whether it came to all of them."""
        return self.waits > max(self.points, default=-1)

    def watched(self, operation: Operation[T]) -> Operation[T]:
        """The operation, with every wait counted."""
        try:
            wait = next(operation)
            while True:
                if self.reached(wait):
                    self.interrupt()
                try:
                    mask = yield wait
                except GeneratorExit:
                    operation.close()
                    raise
                except BaseException as error:
                    wait = operation.throw(error)
                else:
                    wait = operation.send(mask)
        except StopIteration as end:
            value: T = end.value
            return value


#: How whoever waits is interrupted.
WAYS = ("throw", "timeout", "close")


class Runner:
    """Runs blocking operations with ``poll``, and interrupts one as planned."""

    def __init__(self, plan: Plan, way: str) -> None:
        self.plan = plan
        self.way = way

    def begin(self, plan: Plan) -> Plan:
        """From here on follow another plan."""
        self.plan = plan
        return plan

    def keep(self, fd: int) -> None:
        """Do nothing: every wait is registered anew."""

    def forget(self) -> None:
        """Do nothing either."""

    def run(self, operation: Operation[T]) -> T:
        interrupted = False
        try:
            wait = next(operation)
            while True:
                if not self.plan.reached(wait):
                    wait = operation.send(ready(wait))
                elif self.way == "timeout":
                    wait = operation.send(TIMEOUT)
                elif self.way == "throw":
                    interrupted = True
                    wait = operation.throw(Interrupted())
                else:
                    operation.close()
                    raise Closed
        except StopIteration as end:
            assert not interrupted, "the interruption got lost"
            value: T = end.value
            return value


def ready(wait: Wait, patience: float = BOUND) -> int:
    """Wait for what is asked for; the mask, or 0 if nothing happens."""
    poller = select.poll()
    bound = patience if wait.events else 0.0
    if wait.deadline is not None:
        bound = min(bound, max(wait.deadline - time.monotonic(), 0))
    if wait.events:
        poller.register(
            wait.fd,
            (select.POLLIN if wait.events & READ else 0)
            | (select.POLLOUT if wait.events & WRITE else 0),
        )
    if poller.poll(bound * 1000):
        return wait.events
    late = wait.deadline is not None and time.monotonic() >= wait.deadline
    assert late or patience < BOUND or not wait.events, "nothing happens"
    return TIMEOUT if late else 0


# ---- what is interrupted -----------------------------------------------------

Connection = aio.Connection
ROWS = "SELECT seq, REPEAT('x', 40) FROM seq_1_to_20000"


async def nothing(conn: Connection) -> None:
    """No preparations."""


async def stream(conn: Connection) -> aio.Cursor:
    return await conn.cursor(stream=True).execute(ROWS)


async def stream_of_results(conn: Connection) -> aio.Cursor:
    cur = conn.cursor(stream=True)
    await cur.execute(f"SELECT 1; {ROWS}; DO 1")
    return cur


async def insert_one(conn: Connection) -> None:
    await conn.execute(f"INSERT INTO {TABLE} VALUES (1)")


async def small(conn: Connection, _: Any) -> Any:
    return await (await conn.execute("SELECT 'small'")).fetchall()


async def many_rows(conn: Connection, _: Any) -> Any:
    return len(await (await conn.execute(ROWS)).fetchall())


async def large_statement(conn: Connection, _: Any) -> Any:
    cur = await conn.execute(f"SELECT LENGTH('{'x' * 2_000_000}')")
    return await cur.fetchone()


async def several_results(conn: Connection, _: Any) -> Any:
    cur = await conn.execute("SELECT 1; SELECT seq FROM seq_1_to_9999; DO 1; SELECT 2")
    counts = [cur.rowcount]
    while await cur.nextset():
        counts.append(cur.rowcount)
    return counts


async def insert(conn: Connection, _: Any) -> Any:
    cur = await conn.execute(f"INSERT INTO {TABLE} SELECT seq FROM seq_1_to_2000")
    return cur.rowcount


async def start_stream(conn: Connection, _: Any) -> Any:
    async with conn.cursor(stream=True) as cur:
        await cur.execute(ROWS)
        return len(cur.description or ())


async def fetch_stream(conn: Connection, cur: Any) -> Any:
    counts = [len(await cur.fetchmany(10)), len(await cur.fetchall())]
    await cur.close()
    return counts


async def next_results(conn: Connection, cur: Any) -> Any:
    count = 0
    while await cur.nextset():
        count += 1
    await cur.close()
    return count


async def close_stream(conn: Connection, cur: Any) -> Any:
    await cur.fetchone()
    await cur.close()


async def columns(conn: Connection, _: Any) -> Any:
    sql = "SELECT seq, CONCAT('row ', seq) FROM seq_1_to_20000"
    stream = await conn.cursor().stream_arrow(sql, batch_rows=9_999)
    return [len(batch) async for batch in stream]


async def ping(conn: Connection, _: Any) -> Any:
    await conn.ping()


async def reset(conn: Connection, _: Any) -> Any:
    await conn.reset()


async def change_user(conn: Connection, _: Any) -> Any:
    await conn.change_user()


async def execute_many(conn: Connection, _: Any) -> Any:
    cur = conn.cursor()
    await cur.executemany(f"INSERT INTO {TABLE} VALUES (?)", [(i,) for i in range(99)])
    await cur.executemany("SELECT ?", [(i,) for i in range(3)])
    return cur.rowcount


async def insert_arrays(conn: Connection, _: Any) -> Any:
    sql = f"INSERT INTO {TABLE} VALUES (?) RETURNING x"
    cur = await conn.executemany(sql, ((i,) for i in range(20_000)))
    return len(await cur.fetchall())


async def delete_arrays(conn: Connection, _: Any) -> Any:
    sql = f"DELETE FROM {TABLE} WHERE x = ? OR SLEEP(?)"
    cur = await conn.executemany(sql, [(1, 0.001)] * 9)
    return cur.rowcount


async def load(conn: Connection, _: Any) -> Any:
    """More than a buffer of rows."""
    return await conn.load(TABLE, ((number,) for number in range(60_000)))


async def load_file(conn: Connection, _: Any) -> Any:
    sql = f"LOAD DATA LOCAL INFILE 'any' INTO TABLE {TABLE}"
    return await conn.load(sql, [b"1\n" * 200_000, b"2\n" * 10])


async def no_rows(conn: Connection) -> None:
    """There is nothing in the table, also for who would see what is not committed."""
    cur = await conn.execute(f"SELECT COUNT(*) FROM {TABLE}")
    assert await cur.fetchall() == [(0,)]


async def call(conn: Connection, _: Any) -> Any:
    return await conn.cursor().callproc(PROCEDURE, (3, None))


async def transactions(conn: Connection, _: Any) -> Any:
    async with conn.transaction():
        await insert_one(conn)
        async with conn.transaction():
            await insert_one(conn)
        cur = await conn.execute(f"DELETE FROM {TABLE}")
    return cur.rowcount


async def pipeline(conn: Connection, _: Any) -> Any:
    async with conn.pipeline() as pipe:
        sql = "SELECT REPEAT('x', ?), LENGTH(?)"
        results = [pipe.execute(sql, (99_999, "y" * 9_999)) for _ in range(20)]
    return {len(result.fetchone()[0]) for result in results}


async def commit(conn: Connection, _: Any) -> Any:
    await conn.execute(f"DELETE FROM {TABLE} WHERE x = 1")
    await conn.commit()


async def rollback(conn: Connection, _: Any) -> Any:
    await conn.rollback()


async def change_settings(conn: Connection, _: Any) -> Any:
    await conn.set_isolation_level("READ COMMITTED")
    await conn.set_autocommit(False)
    return await conn.show_warnings()


@dataclass(frozen=True)
class Scenario:
    """Something that waits.

    Attributes:
        act: what is interrupted, with what ``prepare`` returned.
        expected: what it returns when it is not interrupted.
        prepare: what comes before.
        undone: what must hold when it was interrupted and the connection is kept.
    """

    act: Callable[[Connection, Any], Coroutine[Any, Any, Any]]
    expected: Any = None
    prepare: Callable[[Connection], Coroutine[Any, Any, Any]] = nothing
    undone: Callable[[Connection], Coroutine[Any, Any, None]] = nothing


SCENARIOS: dict[str, Scenario] = {
    "small": Scenario(small, [("small",)]),
    "many rows": Scenario(many_rows, 20_000),
    "large statement": Scenario(large_statement, (2_000_000,)),
    "several results": Scenario(several_results, [1, 9999, 0, 1]),
    "insert": Scenario(insert, 2000),
    "start of a stream": Scenario(start_stream, 2),
    "fetch of a stream": Scenario(fetch_stream, [10, 19_990], stream),
    "next result": Scenario(next_results, 2, stream_of_results),
    "close of a stream": Scenario(close_stream, None, stream),
    "columns": Scenario(columns, [9999, 9999, 2]),
    "ping": Scenario(ping),
    "reset": Scenario(reset),
    "change_user": Scenario(change_user),
    "executemany": Scenario(execute_many, 3),
    "arrays of an INSERT": Scenario(insert_arrays, 20_000),
    "arrays of a DELETE": Scenario(delete_arrays, 1, insert_one),
    "load": Scenario(load, 60_000, undone=no_rows),
    "load of a file": Scenario(load_file, 200_010, undone=no_rows),
    "callproc": Scenario(call, (3, 6)),
    "transactions": Scenario(transactions, 2),
    "pipeline": Scenario(pipeline, {99_999}),
    "commit": Scenario(commit, None, insert_one),
    "rollback": Scenario(rollback, None, insert_one),
    "settings": Scenario(change_settings, []),
}


# ---- afterwards -------------------------------------------------------------


def points(waits: int, ends: int) -> list[int]:
    """The waits at which to interrupt: all, or so many at both ends."""
    if waits <= 2 * ends:
        return list(range(waits))
    return [*range(ends), *range(waits - ends, waits)]


async def works(conn: Connection) -> bool:
    """Whether the connection still does, with all its settings; else it says so."""
    if conn.closed:
        try:
            await conn.execute("SELECT 'anything'")
        except InterfaceError:
            return False
        raise AssertionError("it is closed, and executes")
    secret = f"secret of {time.monotonic_ns()}"
    cur = await conn.execute(f"SELECT '{secret}', @@autocommit, @@time_zone")
    assert await cur.fetchall() == [(secret, 0, "+03:00")]
    await conn.rollback()
    assert not conn.in_transaction
    return True


def descriptors() -> set[str]:
    """The descriptors of this process, and what they are of."""
    folder = Path("/proc/self/fd")
    found = set()
    for name in os.listdir(folder):
        # The one that lists them is gone by now.
        with contextlib.suppress(FileNotFoundError):
            found.add(f"{name} {os.readlink(folder / name)}")
    return found


def threads() -> set[str]:
    """The threads of this process, also those that Python does not know."""
    return set(os.listdir("/proc/self/task"))


@contextmanager
def nothing_left() -> Iterator[None]:
    """After the block there are no more descriptors and threads than before."""
    before = descriptors() | threads()
    yield
    end = time.monotonic() + BOUND
    # A thread may take a moment to end.
    while found := (descriptors() | threads()) - before:
        assert time.monotonic() < end, f"left: {found}"
        time.sleep(0.001)  # nobody tells when a thread has ended


class Witness:
    """Looks at the server from a connection of its own."""

    def __init__(self, server: TemporaryServer) -> None:
        self.mysql = connect(server, login="root")

    def prepare(self) -> None:
        """Make the table and the procedure of the scenarios, both empty."""
        for sql in (
            f"CREATE OR REPLACE TABLE {TABLE} (x INT) ENGINE = InnoDB",
            f"CREATE OR REPLACE PROCEDURE {PROCEDURE}(IN a INT, OUT b INT)"
            " BEGIN SELECT seq FROM seq_1_to_500; SET b = a * 2; END",
        ):
            assert query(self.mysql, sql) == 0

    def close(self) -> None:
        lib.mysql_close(self.mysql)

    def statements(self, thread_ids: set[int]) -> list[Any]:
        """What these connections are doing, unless they only wait for a statement."""
        if not thread_ids:
            return []
        sql = (
            "SELECT id, command, info FROM information_schema.processlist"
            f" WHERE id IN ({', '.join(map(str, thread_ids))})"
        )
        return rows(self.mysql, sql)

    def until_gone(self, thread_ids: set[int]) -> None:
        """Wait until the server has none of these connections any more."""
        end = time.monotonic() + BOUND
        while found := self.statements(thread_ids):
            assert time.monotonic() < end, f"still on the server: {found}"
            time.sleep(0.002)  # to leave the server some time for it

    @contextmanager
    def nobody_left(self) -> Iterator[None]:
        """After the block the server has no more connections than before."""
        sql = "SELECT id FROM information_schema.processlist"
        before = set(rows(self.mysql, sql))
        yield
        end = time.monotonic() + BOUND
        while found := set(rows(self.mysql, sql)) - before:
            assert time.monotonic() < end, f"still on the server: {found}"
            time.sleep(0.002)  # to leave the server some time for it

    def until_idle(self, thread_id: int) -> None:
        """Wait until a connection waits for its next statement."""
        end = time.monotonic() + BOUND
        while (found := self.statements({thread_id}))[0][1] != b"Sleep":
            assert time.monotonic() < end, f"still on the server: {found}"

    def until_running(self, text: str) -> None:
        """Wait until a statement with this text runs."""
        end = time.monotonic() + BOUND
        sql = (
            "SELECT 1 FROM information_schema.processlist"
            f" WHERE info LIKE '%{text}%' AND id != CONNECTION_ID()"
        )
        while not rows(self.mysql, sql):
            assert time.monotonic() < end, f"no {text} is running"

    def count(self) -> int:
        """How many rows the table has that somebody committed."""
        ((count,),) = rows(self.mysql, f"SELECT COUNT(*) FROM {TABLE}")
        return int(count or 0)


class Relay:
    """A relay before the server in a process of its own, so that there are waits."""

    def __init__(self, server: TemporaryServer, transport: str, folder: Path) -> None:
        script = Path(__file__).parent / "relay.py"
        unix = transport == "unix"
        path = f"{folder}/relay.sock"
        target = (server.socket, path) if unix else (server.host, str(server.port))
        self._process = subprocess.Popen(
            [sys.executable, script, "unix" if unix else "tcp", *target],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._place = self._process.stdout.readline().strip()
        user = server.users["native"]
        way: dict[str, Any] = {"host": server.host, "tls": "disable"}
        if unix:
            way = {"unix_socket": self._place}
        else:
            way["port"] = int(self._place)
        if transport == "tls":
            way.update(tls="verify-full", tls_ca=server.ca_file)
        #: How to connect, with settings that can be seen to be lost.
        self.options: dict[str, Any] = {
            **way,
            "user": user.name,
            "password": user.password,
            "database": "test",
            "multi_statements": True,
            "time_zone": "+03:00",
        }

    def close(self) -> None:
        self._process.communicate(timeout=BOUND)


@contextmanager
def relays_to(
    server: TemporaryServer, folder: Path, *transports: str
) -> Iterator[dict[str, Relay]]:
    """A relay for each transport, until the end of the block."""
    with ExitStack() as stack:
        made = {}
        for transport in transports:
            made[transport] = Relay(server, transport, folder)
            stack.callback(made[transport].close)
        yield made
