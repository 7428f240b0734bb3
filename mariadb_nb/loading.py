"""Loading: many rows into a table, all of them or none.

Owns the order of what is done: a transaction or a savepoint, one statement for each
buffer, the next buffer written while the server works on the last, and the way back
when anything goes wrong. The connection's turn is kept meanwhile, so that the source
itself cannot come between. What is said to the server, and what counts as a loss, is in
``load_sql``; rows become bytes in ``csrc/wire/feeder.c``. Knows no loop.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from . import _wire, load_sql, state
from .errors import (
    DatabaseError,
    DataError,
    Error,
    OperationTimeout,
    is_of_library,
)
from .load_sql import Table
from .operations import TIME_OVER, drive
from .session import PLAIN
from .transactions import Transaction
from .wait import PAUSE, TIMEOUT, Operation, Wait

if TYPE_CHECKING:
    from ._connection import ConnectionBase
    from ._wire import Reply

#: Bytes of a buffer.
BUFFER: Final = 1 << 18
#: How many items of an asynchronous source are written at once.
ITEMS: Final = 256

#: A buffer, or the descriptor of a file and from where on it is read.
Data = bytes | tuple[int, int]


def _meanwhile(operation: Operation[Any], work: Callable[[], bool]) -> Operation[Any]:
    """Run an operation, and do some work as long as it waits and there is some."""
    try:
        wait = next(operation)
        while True:
            try:
                ready = 0
                while not ready and wait.events and work():
                    # A look whether it still waits, which gives the loop its turn.
                    ready = (yield Wait(wait.fd, wait.events, monotonic())) & ~TIMEOUT
                    if wait.deadline is not None and monotonic() >= wait.deadline:
                        ready = TIMEOUT
                if not ready:
                    ready = yield wait
            except GeneratorExit:
                operation.close()
                raise
            except BaseException as error:
                wait = operation.throw(error)
            else:
                wait = operation.send(ready)
    except StopIteration as end:
        return end.value


class Load(ABC):
    """One load. Whoever waits runs ``run``, or what it is made of.

    Those are ``begin``, ``feed`` for some items of the source at a time, ``finish`` and
    ``end``; where one of them or the source raises, ``fail``.

    Args:
        connection: on which it is done.
        on_duplicate: "error", "ignore" or "replace".
        deadline: when to give up, in seconds of ``time.monotonic()``.

    Attributes:
        loaded: how many rows are in the table, as far as the server has said.
    """

    #: What an item of the source is called in an error.
    _item: str

    def __init__(
        self, connection: ConnectionBase, on_duplicate: str, deadline: float | None
    ) -> None:
        load_sql.check_on_duplicate(on_duplicate)
        self._connection = connection
        self._session = connection._session
        self._on_duplicate = on_duplicate
        self._deadline = deadline
        self._block: Transaction | None = None
        #: Whether the source is not to be asked any more.
        self._over = False
        self.loaded = 0

    # What operations.drive() asks of a session

    def enter(self, event: str, owner: object) -> None:
        """Begin an operation; the turn is ours already."""
        self._session.enter(event, self)

    def leave(self) -> None:
        """End an operation, but keep the turn."""
        self._session.keep()

    def abort(self, owner: object) -> None:
        """End the operation at once; the connection is broken then."""
        self._session.abort(self)

    def recover(self, error: BaseException, owner: object) -> Operation[None]:
        """Put the connection in order after an operation raised."""
        self._over = True
        return self._session.recover(error, self)

    def notice_end(self) -> None:
        """As in the session."""
        self._session.notice_end()

    @property
    def fd(self) -> int:
        """The descriptor of the connection's socket."""
        return self._session.fd

    @property
    def waits(self) -> Mapping[int, Wait]:
        """As in the session."""
        return self._session.waits

    # What those who wait run

    def run(self, source: Any) -> Operation[int]:
        """Load all that a source has that nobody needs to await."""
        try:
            yield from self.begin()
            yield from self._take(source)
            yield from self.finish()
            return (yield from self.end())
        except GeneratorExit:
            self.close()
            raise
        except BaseException as error:
            yield from self.fail(error)
            raise

    def begin(self) -> Operation[None]:
        """Make sure that there is a way back, and keep all others out."""
        session = self._session
        yield from session.clear()
        if session.state != state.READY:
            raise state.refusal(session.state)
        yield from session.refresh_status(self._deadline)
        # Kept first: it is to be ended if Ctrl-C comes behind its beginning.
        block = self._block = Transaction(implicit=not session.autocommit)
        yield from self._connection._begin(block, self._deadline)
        session.hold(self)

    @abstractmethod
    def _take(self, source: Any) -> Operation[None]:
        """Feed all that a source has."""

    @abstractmethod
    def feed(self, items: Sequence[Any]) -> Operation[None]:
        """Go on with some items of the source, at least one."""

    @abstractmethod
    def finish(self) -> Operation[None]:
        """Send what is left."""

    def end(self) -> Operation[int]:
        """Keep what was loaded; returns how many rows there were."""
        assert self._block is not None
        self._session.let_go(self)
        timeout = self._time_left()
        yield from self._connection._end_block(self._block, False, timeout)
        self._block = None
        return self.loaded

    def fail(self, error: BaseException) -> Operation[None]:
        """Undo all of it because of an error, which the caller raises."""
        self._over = True
        self._session.let_go(self)
        block, self._block = self._block, None
        if isinstance(error, DatabaseError):
            load_sql.explain(error)
        if block is not None and self._session.state not in state.GONE:
            yield from self._connection._end_block(block, True, None)

    def close(self) -> None:
        """Give up without waiting: the connection is broken, and nothing was loaded."""
        self._over = True
        self._session.let_go(self)
        if self._block is not None:
            self._block = None
            self._session.give_up()

    # The server

    def _time_left(self) -> float | None:
        if self._deadline is None:
            return None
        return max(self._deadline - monotonic(), 0.0)

    def _check_time(self) -> None:
        if self._deadline is not None and monotonic() >= self._deadline:
            raise OperationTimeout(TIME_OVER)

    def _query(self, sql: bytes, data: Data | None = None) -> Operation[Any]:
        channel = self._session._usable_channel()
        return drive(
            self,
            state.START,
            channel.query,
            (sql, PLAIN, False, data),
            channel.resume,
            self._deadline,
        )

    def _command(self, sql: str) -> Operation[list[Any]]:
        """Execute a statement of the driver's own; returns the rows of its answer."""
        replies = yield from self._query(sql.encode())
        reply: Reply = replies[0]
        return reply.rows

    def _ahead(self) -> bool:
        """Do what can be done while the server works; whether there was something."""
        return False

    def _load(
        self, sql: bytes, data: Data, first: int = 0, rows: int | None = None
    ) -> Operation[None]:
        """Load a buffer or a file, and make sure that nothing was lost.

        Args:
            sql: the statement.
            data: what it loads.
            first: how many rows came before.
            rows: how many there are; None if that is not known.
        """
        try:
            replies = yield from _meanwhile(self._query(sql, data), self._ahead)
        except DatabaseError as error:
            if error.errno and not is_of_library(error.errno):
                row, _ = yield from self._diagnose(1)
                load_sql.place(error, row, first, self._item)
            raise
        found = load_sql.outcome(replies[0])
        if found.warnings:
            yield from self._check_warnings(found, first)
        elif rows is not None and found.records != rows:
            raise DataError(f"the server read {found.records} of {rows} rows")
        self.loaded += found.records - found.skipped

    def _check_warnings(self, found: load_sql.Outcome, first: int) -> Operation[None]:
        number: int | None = 1
        if self._on_duplicate == "ignore":
            warnings = yield from self._command("SHOW WARNINGS")
            number = load_sql.only_duplicates(warnings, found.warnings)
        if number is not None:
            row, error = yield from self._diagnose(number)
            load_sql.place(error, row, first, self._item)
            raise error

    def _diagnose(self, number: int) -> Operation[tuple[int | None, Error]]:
        """What a warning or error of the last statement is about: its row, and what."""
        *first, last = load_sql.diagnostics(number, self._session.server_version)
        for sql in first:
            yield from self._command(sql)
        ((errno, sqlstate, text, row),) = yield from self._command(last)
        return row, load_sql.loss(errno, sqlstate, text)


class RowLoad(Load):
    """Rows into a table.

    Args:
        connection: as for ``Load``, as are the last two.
        table: which one.
        columns: the names of those that a row fills; None for the keys of the first
            row, or for all of the table's if that row is a sequence.
    """

    _item = "rows"

    def __init__(
        self,
        connection: ConnectionBase,
        table: Table,
        columns: Sequence[str] | None,
        on_duplicate: str,
        deadline: float | None,
    ) -> None:
        super().__init__(connection, on_duplicate, deadline)
        if isinstance(columns, str):
            raise TypeError("columns is a sequence of names, not one str")
        self._table = table
        self._names = None if columns is None else tuple(columns)
        self._feeder: _wire.Feeder | None = None
        self._sql = b""
        #: How the last turn of the feeder ended, or by which error.
        self._turn = _wire.DRAINED
        self._error: Exception | None = None
        self._sent = 0

    def _take(self, source: Any) -> Operation[None]:
        rows: Iterator[Any]
        if hasattr(source, "__arrow_c_stream__"):
            rows = columns = _wire.ArrowRows(source)
            if self._names is None:
                self._names = columns.column_names
        else:
            rows = iter(source)
        for first in rows:
            yield from self._describe(first)
            yield from self._feed(chain((first,), rows))
            break

    def feed(self, items: Sequence[Any]) -> Operation[None]:
        if self._feeder is None:
            yield from self._describe(items[0])
        yield from self._feed(items)

    def finish(self) -> Operation[None]:
        if self._feeder is not None:
            yield from self._send(self._feeder)

    def _describe(self, first: Any) -> Operation[None]:
        """Find out about the columns that are filled by rows like the first one."""
        rows = yield from self._command(self._table.question)
        names, exact = self._names, False
        if names is None and isinstance(first, Mapping):
            names, exact = tuple(first), True
        columns = self._table.columns(rows, names)
        self._sql = self._table.statement(columns, self._on_duplicate).encode()
        self._feeder = _wire.Feeder(
            tuple(column.name for column in columns) if names is None else names,
            bytes(column.target for column in columns),
            BUFFER,
            load_sql.MOST_WARNINGS,
            exact=exact,
            encoders=self._connection._encoders,
        )

    def _feed(self, rows: Iterable[Any]) -> Operation[None]:
        """Write rows, and send each buffer that is full."""
        feeder = self._feeder
        assert feeder is not None
        feeder.feed(rows)
        self._turn = _wire.UNDER_WAY
        while True:
            if self._error is not None:
                raise self._error
            if self._turn == _wire.DRAINED:
                return
            if self._turn == _wire.FULL:
                yield from self._send(feeder)
                continue
            self._check_time()
            self._turn = feeder.fill()
            if self._turn == _wire.UNDER_WAY:
                yield PAUSE

    def _send(self, feeder: _wire.Feeder) -> Operation[None]:
        data, rows = feeder.take()
        if self._turn == _wire.FULL:
            self._turn = _wire.UNDER_WAY
        if rows:
            first, self._sent = self._sent, self._sent + rows
            yield from self._load(self._sql, data, first, rows)

    def _ahead(self) -> bool:
        if self._over or self._error is not None or self._turn != _wire.UNDER_WAY:
            return False
        assert self._feeder is not None
        try:
            self._turn = self._feeder.fill()
        except Exception as error:  # it is raised when the server has answered
            self._error = error
        return True
