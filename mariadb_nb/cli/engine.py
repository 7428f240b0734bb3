"""N connections and a queue of statements on one selector loop: layer 1 at work.

Each connection is a generator that takes statements from the queue, and calls the
_start and _cont of whatever is next. It owns the connections, what became of each
statement, and the time that each took. It prints nothing: who wants to know how far it
is passes a callback.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar

from mariadb_nb.capi import ffi, lib, wait_for_mysql
from mariadb_nb.cli.errors import CliError
from mariadb_nb.cli.handle import connect_arguments, new_handle
from mariadb_nb.cli.loop import NEVER, Loop, Task, Wait, clock
from mariadb_nb.cli.target import Target

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

T = TypeVar("T")
Steps = Generator[Wait | None, int, T]

# A unix socket has a short queue of those who want to connect, and refuses more.
_CONNECTS_AT_ONCE: Final = 16
# Seconds between two calls of the callback.
_REPORT_EVERY: Final = 0.1
# The server says that it has ended the connection, which may still look open.
_ENDING_ERRORS: Final = (1053, 1927)
# Seconds that another connection may take to stop what runs when we are interrupted.
_KILL_TIMEOUT: Final = 2


@dataclass(frozen=True, slots=True)
class QueryError:
    """An error as MariaDB has it: `number` is 0 when the library gave none."""

    number: int
    sqlstate: str
    text: str

    def __str__(self) -> str:
        return f"{self.text} ({self.number}, {self.sqlstate})"


class ConnectError(CliError):
    """No connection could be made."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one statement.

    Attributes:
        index: its place in the queue, from 0.
        rows: how many it returned, or changed if it is no query.
        began: when it was sent, in seconds from the begin of the run.
        seconds: from then until its last row was here.
        error: why it failed; None when it did not.
    """

    index: int
    rows: int
    began: float
    seconds: float
    error: QueryError | None


@dataclass(frozen=True, slots=True)
class Loss:
    """A connection that was lost or could not be made.

    Attributes:
        connection: which one, from 1.
        error: why it was lost; None when it was never there.
        failure: why none could be made; None when another one took its place.
    """

    connection: int
    error: QueryError | None
    failure: QueryError | None

    def __str__(self) -> str:
        name = f"connection {self.connection}"
        if self.error is None:
            return f"{name} could not be made: {self.failure}"
        if self.failure is None:
            return f"{name} was lost and replaced: {self.error}"
        return f"{name} was lost: {self.error}; no other one: {self.failure}"


@dataclass(slots=True)
class Progress:
    """How far a run is, in statements but for the rows."""

    done: int = 0
    failed: int = 0
    running: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What a run came to. Times are in seconds."""

    outcomes: list[Outcome]
    losses: list[Loss]
    connections: int
    wall: float
    longest_gap: float

    @property
    def failed(self) -> int:
        return sum(outcome.error is not None for outcome in self.outcomes)

    @property
    def rows(self) -> int:
        return sum(outcome.rows for outcome in self.outcomes)

    @property
    def own(self) -> float:
        """The sum of the statements' own times."""
        return sum(outcome.seconds for outcome in self.outcomes)


@dataclass(eq=False, slots=True)
class _Connection:
    """One handle, and what of it is not the library's to know."""

    number: int
    mysql: CData = ffi.NULL
    result: CData = ffi.NULL
    thread: threading.Thread | None = None
    is_busy: bool = False
    # What the functions write their results to, made once.
    status: CData = field(default_factory=lambda: ffi.new("int *"))
    row: CData = field(default_factory=lambda: ffi.new("MYSQL_ROW *"))

    def close(self) -> None:
        """Close the handle whatever it is doing; nothing is waited for."""
        mysql, self.mysql = self.mysql, ffi.NULL
        result, self.result = self.result, ffi.NULL
        if self.thread is not None and self.thread.is_alive():
            lib.mariadb_cancel(mysql)
            self.thread.join(0.5)
            # While it looks up a name nothing ends it; it must keep its handle then.
            if self.thread.is_alive():
                return
        if mysql:
            lib.mysql_close(mysql)
        if result:
            # Not before: it would read what is left of the rows.
            lib.mysql_free_result(result)


class Engine:
    """N connections to one server, which work off statements together.

    A context manager: connected when the block begins, closed when it ends.

    Args:
        target: the server, and who logs in.
        connections: how many; each takes the next statement as soon as it is free.

    Raises:
        ConnectError: at the begin of the block, when not one could be made.
    """

    def __init__(self, target: Target, connections: int) -> None:
        self._target = target
        self._loop = Loop()
        self._connections = [_Connection(i + 1) for i in range(connections)]
        self._losses: list[Loss] = []
        self._outcomes: list[Outcome] = []
        self._progress = Progress()
        self._began = 0.0

    def __enter__(self) -> Self:
        try:
            self._loop.run(
                map(self._join, self._connections), at_once=_CONNECTS_AT_ONCE
            )
        except BaseException:
            self.close()
            raise
        if not any(connection.mysql for connection in self._connections):
            self.close()
            failure = self._losses[0].failure
            raise ConnectError(f"cannot connect to {self._target}: {failure}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def run(
        self,
        statements: Iterable[str],
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> Report:
        """Execute statements, in no particular order, and tell what became of them.

        Args:
            statements: taken one by one, as connections become free.
            on_progress: called ten times a second, and at the end.
        """
        queue = enumerate(statements)
        self._progress = progress = Progress()
        self._outcomes = []
        living = [each for each in self._connections if each.mysql]
        began = self._began = clock()
        try:
            self._loop.run(
                (self._work(each, queue) for each in living),
                report=lambda: on_progress(progress),
                every=_REPORT_EVERY,
            )
        except (KeyboardInterrupt, SystemExit):
            self._kill_queries()
            raise
        wall = clock() - began
        lost = QueryError(0, "08003", "not sent: no connection is left")
        for index, _ in queue:
            self._finish(Outcome(index, 0, wall, 0.0, lost))
        on_progress(progress)
        losses, self._losses = self._losses, []
        return Report(
            outcomes=sorted(self._outcomes, key=lambda outcome: outcome.index),
            losses=losses,
            connections=len(living),
            wall=wall,
            longest_gap=self._loop.longest_gap,
        )

    def close(self) -> None:
        """Close all connections; what still runs on them is given up."""
        for connection in self._connections:
            connection.close()
        self._loop.close()

    # What a connection does: generators for the loop

    def _join(self, connection: _Connection) -> Task:
        """Connect for the first time."""
        error = yield from self._connect(connection)
        if error is not None:
            self._losses.append(Loss(connection.number, None, error))

    def _work(self, connection: _Connection, queue: Iterator[tuple[int, str]]) -> Task:
        """Take statements from the queue until it is empty or the connection lost."""
        for index, sql in queue:
            self._progress.running += 1
            connection.is_busy = True
            began = clock()
            rows, error = yield from self._execute(connection, sql.encode())
            connection.is_busy = False
            self._progress.running -= 1
            seconds = clock() - began
            self._finish(Outcome(index, rows, began - self._began, seconds, error))
            if error is not None and _is_over(connection.mysql, error):
                connection.close()
                failure = yield from self._connect(connection)
                self._losses.append(Loss(connection.number, error, failure))
                if failure is not None:
                    return

    def _finish(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self._progress.done += 1
        self._progress.failed += outcome.error is not None
        self._progress.rows += outcome.rows

    def _connect(self, connection: _Connection) -> Steps[QueryError | None]:
        """Make a connection; if that fails, there is no handle afterwards."""
        mysql = connection.mysql = new_handle(self._target)
        if self._target.blocks:
            joined = yield from self._connect_in_thread(connection)
        else:
            deadline = clock() + self._target.connect_timeout
            box, arguments = connect_arguments(self._target)
            status = lib.mysql_real_connect_start(box, mysql, *arguments)
            cont = lib.mysql_real_connect_cont
            yield from _drive(mysql, status, cont, box, mysql, deadline)
            joined = bool(box[0])
        error = None if joined else _error(mysql)
        must_encrypt = self._target.tls in ("require", "verify-full")
        if joined and must_encrypt and not lib.mysql_get_ssl_cipher(mysql):
            error = QueryError(2026, "HY000", "the server does not offer TLS")
        if error is not None:
            connection.close()
        return error

    def _connect_in_thread(self, connection: _Connection) -> Steps[bool]:
        """Connect where it may block: looking up names does, and the TLS handshake."""
        box, arguments = connect_arguments(self._target)
        reader, writer = socket.socketpair()

        def connect(mysql: CData = connection.mysql) -> None:
            with writer:
                status = lib.mysql_real_connect_start(box, mysql, *arguments)
                while status:
                    status = wait_for_mysql(mysql, status)
                    status = lib.mysql_real_connect_cont(box, mysql, status)

        with reader:
            connection.thread = threading.Thread(target=connect, daemon=True)
            connection.thread.start()
            # The thread's end closes the other socket, which wakes the loop.
            yield Wait(reader.fileno(), lib.MYSQL_WAIT_READ)
        connection.thread.join()
        return bool(box[0])

    def _execute(
        self, connection: _Connection, sql: bytes
    ) -> Steps[tuple[int, QueryError | None]]:
        """Run one statement and read its results; return their rows and the error."""
        mysql, box = connection.mysql, connection.status
        rows = 0
        is_query = False
        status = lib.mysql_real_query_start(box, mysql, sql, len(sql))
        yield from _drive(mysql, status, lib.mysql_real_query_cont, box, mysql)
        while not box[0]:
            connection.result = lib.mysql_use_result(mysql)
            if connection.result:
                is_query = True
                rows += yield from self._read_rows(connection)
            elif not lib.mysql_field_count(mysql) and not is_query:
                rows += lib.mysql_affected_rows(mysql)
            if lib.mysql_errno(mysql):
                break
            if not lib.mysql_more_results(mysql):
                return rows, None
            # A procedure has more results, and at last the number of changed rows.
            status = lib.mysql_next_result_start(box, mysql)
            yield from _drive(mysql, status, lib.mysql_next_result_cont, box, mysql)
        return rows, _error(mysql)

    def _read_rows(self, connection: _Connection) -> Steps[int]:
        """Read the rows of a result as they come, free it and return their number."""
        mysql, result, row = connection.mysql, connection.result, connection.row
        start, cont = lib.mysql_fetch_row_start, lib.mysql_fetch_row_cont
        rows = 0
        while True:
            status = start(row, result)
            if status:
                yield from _drive(mysql, status, cont, row, result)
            if not row[0]:
                # Nothing is left to read, so this does not wait.
                lib.mysql_free_result(result)
                connection.result = ffi.NULL
                return rows
            rows += 1
            if clock() >= self._loop.turn_ends:
                yield None

    def _kill_queries(self) -> None:
        """Have the server end what still runs, over one connection more."""
        busy = [lib.mysql_thread_id(c.mysql) for c in self._connections if c.is_busy]
        target = replace(self._target, connect_timeout=_KILL_TIMEOUT)
        with suppress(ConnectError), Engine(target, 1) as other:
            queue = enumerate(f"KILL {number}" for number in busy)
            other._loop.run(other._work(each, queue) for each in other._connections)


def _drive(
    mysql: CData,
    status: int,
    cont: Callable[..., int],
    box: CData,
    handle: CData,
    deadline: float = NEVER,
) -> Steps[None]:
    """Go on with what a _start began, with its _cont, until it is done."""
    while status:
        happened = yield Wait(lib.mysql_get_socket(mysql), status, deadline)
        status = cont(box, handle, happened)


def _error(mysql: CData) -> QueryError:
    """Return the error that a connection has."""
    text = ffi.string(lib.mysql_error(mysql)).decode(errors="replace")
    sqlstate = ffi.string(lib.mysql_sqlstate(mysql)).decode(errors="replace")
    # There are failures that the library gives no reason for (CONC-703).
    number = lib.mysql_errno(mysql) or lib.CR_SERVER_LOST
    return QueryError(number, sqlstate, text or "the connection was lost")


def _is_over(mysql: CData, error: QueryError) -> bool:
    """Tell whether a connection is of no more use after an error."""
    is_closed = lib.mysql_get_socket(mysql) == lib.MARIADB_INVALID_SOCKET
    return is_closed or error.number in _ENDING_ERRORS
