"""Drive a ``_wire.Channel`` by hand on a real server: what the tests of it share."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from capi_support import connect, rows

from mariadb_nb._attached import Channel
from mariadb_nb._wire import Template
from mariadb_nb.capi import ffi, lib
from mariadb_nb.errors import Error
from mariadb_nb.rows import class_row, make_reading
from mariadb_nb.server import TemporaryServer

READING = make_reading()
MULTI_STATEMENTS = 1 << 16
#: A channel's ``standing`` when only ``close`` is of use.
BROKEN = 2
#: Seconds after which a wait has failed.
BOUND = 60


class Prepared(NamedTuple):
    """A statement: its text, and what the server has prepared of it."""

    template: Template
    statement: Any


class Wire:
    """A connection with a channel; made by ``opened``.

    Attributes:
        server: where it leads to.
        mysql: the handle of the C API.
        channel: steps it.
        thread_id: its number on the server.
        waits: how often anything waited or had the loop take its turn.
        answers: of a pipeline, for whoever begins one.
    """

    def __init__(self, server: TemporaryServer, transport: str) -> None:
        self.server = server
        self.mysql = connect(server, transport, flags=MULTI_STATEMENTS)
        self.address = int(ffi.cast("uintptr_t", self.mysql))
        self.thread_id = lib.mysql_thread_id(self.mysql)
        self.channel: Any = Channel(self.address)
        self.waits: list[int] = []
        self.answers: list[Any] = []

    def ready(self, events: int) -> int:
        """Wait on the socket; the bits of ``events`` that came true."""
        self.waits.append(events)
        if not events:
            return 0
        poller = select.poll()
        wanted = (select.POLLIN if events & 1 else 0) | (
            select.POLLOUT if events & 2 else 0
        )
        poller.register(self.channel.fd, wanted)
        ((_, got),) = poller.poll(BOUND * 1000)
        both = (1 if got & ~select.POLLOUT else 0) | (2 if got & ~select.POLLIN else 0)
        return both & events

    def finish(self, outcome: Any) -> Any:
        """Go on from what a call returned, to what comes of it."""
        while outcome.__class__ is int:
            outcome = self.channel.resume(self.ready(outcome))
        return outcome

    def go(self, outcome: Any, count: int) -> Any:
        """Go on over so many waits; what the last call returned, or None at the end."""
        for _ in range(count):
            if outcome.__class__ is not int:
                return None
            outcome = self.channel.resume(self.ready(outcome))
        return outcome if outcome.__class__ is int else None

    def query(self, sql: str, reading: Any = READING, stream: bool = False) -> Any:
        """All replies of a statement, or the head of its stream."""
        return self.finish(self.channel.query(sql.encode(), reading, stream))

    def rows(self, sql: str, reading: Any = READING) -> list[Any]:
        """The rows of the only reply, or the last one."""
        result: list[Any] = self.query(sql, reading)[-1].rows
        return result

    def prepare(self, sql: str) -> Prepared:
        """A statement, prepared by the server."""
        template = Template(sql, 0)
        outcome = self.channel.prepare(template.preparable)
        return Prepared(template, self.finish(outcome))

    def start(
        self,
        prepared: Prepared,
        *params: Any,
        reading: Any = READING,
        stream: bool = False,
    ) -> Any:
        """Begin to execute a prepared statement."""
        bound = prepared.template.bind(params)
        return self.channel.execute(prepared.statement, bound, reading, stream)

    def counted(self, what: str) -> int:
        """What the server has counted for this session, and for nobody else."""
        ((number,),) = self.rows(
            "SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS"
            f" WHERE VARIABLE_NAME = '{what}'"
        )
        return int(number)

    def execute(self, prepared: Prepared, *params: Any, **how: Any) -> Any:
        """All replies of a prepared statement, or the head of its stream."""
        return self.finish(self.start(prepared, *params, **how))

    def start_rows(self, prepared: Prepared, rows: Iterable[Any]) -> Any:
        """Begin to execute a prepared statement with an array of parameters."""
        bulk = prepared.template.bulks(rows, 1 << 30)
        while isinstance(made := bulk.build(), int):
            pass
        assert made is not None
        return self.channel.execute(prepared.statement, made[0], READING, False)

    def execute_rows(self, prepared: Prepared, rows: Iterable[Any]) -> Any:
        """All replies of a prepared statement with an array of parameters."""
        return self.finish(self.start_rows(prepared, rows))

    def lock(self, name: str) -> None:
        """Get a lock of the server's, which whoever had it before may still have."""
        assert self.rows(f"SELECT GET_LOCK('{name}', {BOUND})") == [(1,)]

    def fetch(self, count: int) -> Any:
        return self.finish(self.channel.fetch(count))

    def works(self) -> None:
        """A fresh secret comes back, and nothing else; else this fails."""
        secret = f"secret of {time.monotonic_ns()}"
        (reply,) = self.query(f"SELECT '{secret}'")
        assert reply.rows == [(secret,)]
        assert not self.channel.busy
        assert self.channel.standing == 0

    def gone(self) -> None:
        """It is broken or closed, says so, and can only be closed."""
        channel = self.channel
        assert channel.standing == BROKEN or channel.fd == -1
        for call in (
            lambda: channel.query(b"SELECT 1", READING, False),
            lambda: channel.pipeline([b"SELECT 1"], READING, []),
            lambda: channel.resume(1),
            lambda: channel.fetch(1),
            lambda: channel.next(),
        ):
            assert isinstance(outcome_of(call), Error)
        channel.close()
        assert channel.fd == -1


@contextmanager
def opened(server: TemporaryServer, transport: str) -> Iterator[Wire]:
    """A connection that is closed when the block is left."""
    wire = Wire(server, transport)
    try:
        yield wire
    finally:
        wire.channel.close()


@contextmanager
def paused(server: TemporaryServer) -> Iterator[None]:
    """The server does nothing in this block: what is begun in it has to wait."""
    server.pause()
    try:
        yield
    finally:
        server.resume()


def outcome_of(call: Callable[[], Any]) -> Any:
    """What a call returns or raises."""
    try:
        return call()
    except (Error, TypeError, ValueError, OverflowError) as error:
        return error


def slow_reading(seconds: float, made: list[Any] | None = None) -> Any:
    """Rows that take their time to be made: a pause comes after a few of them.

    Args:
        seconds: how long each of them takes, however fast the machine is.
        made: gets each row as well.
    """

    def make(**columns: Any) -> Any:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass
        row = tuple(columns.values())
        if made is not None:
            made.append(row)
        return row

    return make_reading(class_row(make))


def kill_connection(server: TemporaryServer, thread_id: int) -> None:
    """End a connection on the server, and wait until it is gone."""
    mysql = connect(server, login="root")
    try:
        sql = f"KILL {thread_id}".encode()
        assert lib.mysql_real_query(mysql, sql, len(sql)) == 0
        until_gone(mysql, thread_id)
    finally:
        lib.mysql_close(mysql)


def kill_query(server: TemporaryServer, thread_id: int, under_way: str) -> None:
    """End a statement on the server, and not what the connection did before it.

    Args:
        server: the server.
        thread_id: whose statement it is.
        under_way: a condition on the server's list of processes that holds as soon as
            it is the statement that a kill ends.
    """
    end = time.monotonic() + BOUND
    with opened(server, "unix") as side:
        sql = (
            "SELECT 1 FROM information_schema.processlist "
            f"WHERE id = {thread_id} AND {under_way}"
        )
        while not side.rows(sql):
            assert time.monotonic() < end, "it is not under way"
        side.query(f"KILL QUERY {thread_id}")


def until_gone(mysql: Any, thread_id: int) -> None:
    """Wait until the server has no such connection any more."""
    end = time.monotonic() + BOUND
    sql = f"SELECT 1 FROM information_schema.processlist WHERE id = {thread_id}"
    while rows(mysql, sql):
        assert time.monotonic() < end, f"connection {thread_id} is still there"
