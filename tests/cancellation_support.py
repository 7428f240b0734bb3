"""Interrupt what a connection does at any one of its waits, in every way there is.

What is interrupted is in ``cancellation_scenarios``. A ``Plan`` counts the waits of all
operations and interrupts at one of them.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from cancellation_scenarios import PROCEDURE, TABLE, Connection
from capi_support import connect, query, rows

from mariadb_nb.capi import lib
from mariadb_nb.errors import InterfaceError
from mariadb_nb.server import TemporaryServer
from mariadb_nb.wait import READ, TIMEOUT, WRITE, Operation, Wait

T = TypeVar("T")

#: Seconds after which something that has to happen has not.
BOUND = 60.0


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
    cur = await conn.execute("SELECT ? AS a", (f"prepared {secret}",), prepare=True)
    assert await cur.fetchall() == [(f"prepared {secret}",)]
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
